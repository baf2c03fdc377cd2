//! What a process is born with reaches X unchanged, and X's ends of pipes are X's alone.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::support::oracle::{BOTH, Way, same_either_way, see};
use crate::support::probe::script;
use crate::support::process::{Actor, Stray, lives};
use crate::support::wait::wait_until;
use crate::support::{beside, chg};

/// Runs `cat /proc/self/status` behind a parent that has prepared it, and gives the lines about signals.
fn signal_lines(way: Way, prepare: &str) -> Vec<String> {
    let exec = match way {
        Way::Bare => "argv = ['cat', '/proc/self/status']",
        Way::Supervised => "argv = [os.environ['CHG'], '--', 'cat', '/proc/self/status']",
    };
    let words = script(&format!("{prepare}\n{exec}\nos.execvp(argv[0], argv)"));
    let seen = see(beside(&words[0]).args(&words[1..]));
    assert_eq!(seen.code, Some(0));
    let about = ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"];
    let lines: Vec<String> = seen
        .stdout
        .lines()
        .filter(|line| about.iter().any(|word| line.starts_with(word)))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), about.len());
    lines
}

#[test]
fn mask_and_ignored_signals_are_those_we_were_started_with() {
    let everything = "
for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())";
    let some = "
signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT, signal.SIGCHLD, signal.SIGTTOU, signal.SIGRTMAX})
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTSTP, signal.SIG_IGN)
signal.signal(signal.SIGRTMIN, signal.SIG_IGN)";
    let nothing = "
for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_DFL)";
    for prepare in [everything, some, nothing] {
        let [bare, supervised] = BOTH.map(|way| signal_lines(way, prepare));
        assert_eq!(supervised, bare, "{prepare}");
    }
}

#[test]
fn a_signal_that_waited_for_us_waits_for_the_command() {
    let [bare, supervised] = BOTH.map(|way| {
        let run = if way == Way::Bare { "[]" } else { "[os.environ['CHG'], '--']" };
        let words = script(&format!(
            "signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR1}})
os.kill(os.getpid(), signal.SIGUSR1)
wait = ['-ISc', 'import signal; print(signal.sigwait([signal.SIGUSR1]))']
argv = {run} + [sys.executable] + wait
os.execv(argv[0], argv)"
        ));
        see(beside(&words[0]).args(&words[1..]))
    });
    assert_eq!((supervised, bare.code), (bare.clone(), Some(0)));
}

#[test]
fn an_ignored_pipe_signal_stays_ignored_and_a_default_one_default() {
    for trap in ["trap '' PIPE; ", ""] {
        same_either_way("sh", &format!("{trap}exec $RUN grep SigIgn /proc/self/status"));
        same_either_way("sh", &format!("{trap}$RUN yes 2>/dev/null | head -n 1; echo end"));
    }
}

#[test]
fn a_parent_that_ignores_its_children_does_not_cost_the_status() {
    let seen = same_either_way("sh", "trap '' CHLD; exec $RUN sh -c 'grep SigIgn /proc/self/status; exit 7'");
    assert_eq!(seen.code, Some(7));
}

#[test]
fn a_child_that_was_there_before_is_not_the_commands() {
    let mut actor = Actor::start(
        beside("sh")
            .args(["-c", "sleep 1000 >/dev/null & echo $!; exec \"$CHG\" --orphans kill -- sh -c 'exit 3'"]),
    );
    let sleep = Stray(actor.number());
    actor.ends_with(3);
    assert!(lives(sleep.0), "nobody asked to end it");
}

#[test]
fn a_child_that_was_there_before_and_ends_is_not_taken_for_the_command() {
    let directory = crate::support::directory();
    let script = "mkfifo p; cat p >/dev/null & exec \"$CHG\" -- sh -c 'echo >p; echo $PPID; read x; exit 4'";
    let mut actor = Actor::start(beside("sh").args(["-c", script]).current_dir(&directory));
    let launcher = actor.number();
    wait_until("the burial of the early child", || {
        let children = std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap();
        children.split_whitespace().count() == 1
    });
    actor.say("go");
    actor.ends_with(4);
}

#[test]
fn descriptors_reach_the_command_and_none_of_ours_do() {
    let list = "$RUN sh -c 'ls /proc/self/fd; cat <&9; cat \"$0\"'";
    let seen = same_either_way("bash", &format!("exec 9<<<nine; {list} <(echo substituted)"));
    assert!(seen.stdout.contains("nine\nsubstituted\n"), "{seen:?}");
    for closed in ["0<&-", "1>&- 1>/dev/null", "0<&- 2>&-", "2>&-"] {
        same_either_way("bash", &format!("$RUN ls /proc/self/fd {closed}"));
    }
}

#[test]
fn a_closed_standard_output_is_closed_for_the_command() {
    for way in BOTH {
        let directory = crate::support::directory();
        let mut script =
            way.script("bash", "$RUN bash -c '[ -e /proc/self/fd/1 ] || echo closed >seen' >&- 2>&-");
        script.current_dir(&directory).status().unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join("seen")).unwrap(), "closed\n", "{way:?}");
    }
}

#[test]
fn when_the_command_closes_its_output_the_reader_sees_the_end() {
    let mut child = chg()
        .args(["--", "sh", "-c", "echo last; exec >&-; read x; exit 8"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "last\n");
    assert!(child.try_wait().unwrap().is_none(), "the command is still there");
    writeln!(child.stdin.take().unwrap(), "go").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(8));
}

#[test]
fn when_the_command_closes_its_input_the_writer_sees_it() {
    let mut child = chg()
        .args(["--", "sh", "-c", "exec 0<&-; echo closed; exec sleep 1000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 7]).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    wait_until("a broken pipe", || stdin.write_all(b"anybody?").is_err());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_lock_that_the_command_lets_go_is_free() {
    let directory = crate::support::directory();
    let script = "exec 9>lock; flock 9; exec \"$CHG\" -- sh -c 'exec 9>&-; echo free; read x'";
    let mut actor = Actor::start(beside("sh").args(["-c", script]).current_dir(&directory));
    assert_eq!(actor.line(), "free");
    wait_until("the lock", || {
        let mut flock = Command::new("flock");
        flock.args(["--nonblock", "lock", "true"]).current_dir(&directory);
        flock.status().unwrap().success()
    });
    actor.hang_up();
    actor.ends();
}
