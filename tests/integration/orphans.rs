//! Processes that outlive their command: ended, waited for or left, before the launcher ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::host::{Host, can_be_others};
use crate::support::probe::script;
use crate::support::process::{Actor, Stray, await_end_of, lives, send};
use crate::support::wait::wait_until;
use crate::support::{beside, chg, executable};

/// A command that leaves a process behind, which has become what it shall be, and says its number; then ends with this
/// status.
fn leaving(leftover: &str, code: i32) -> [String; 3] {
    let become_it = "while grep -qx sh /proc/$!/comm; do :; done";
    ["sh".into(), "-c".into(), format!("{leftover} >/dev/null 2>&1 & {become_it}; echo $!; exit {code}")]
}

fn supervised(options: &[&str], words: &[String]) -> Actor {
    Actor::start(chg().args(options).arg("--").args(words))
}

#[test]
fn after_a_failure_what_is_left_of_the_session_is_ended_and_named() {
    let output = chg().arg("--").args(leaving("exec sleep 1000", 3)).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let leftover = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let named =
        stderr.lines().filter(|line| line.contains("sleep") && line.contains(leftover.trim())).count();
    assert_eq!(named, 1, "{stderr}");
    assert!(!lives(leftover.trim().parse().unwrap()));
}

#[test]
fn a_whole_tree_that_is_left_is_ended() {
    // It leaves when all of them have said that they are there.
    let tree = "
here, there = os.pipe()
if os.fork():
    for _ in range(4): os.read(here, 1)
    sys.exit(1)
for _ in range(3):
    if os.fork() == 0: break
say('ready', os.getpid())
os.write(there, b'.')
for _ in range(600): select.select([], [], [], 0.1)";
    let mut actor = supervised(&[], &script(tree));
    let tree: Vec<i32> = (0..4).map(|_| actor.number()).collect();
    actor.ends_with(1);
    for pid in tree {
        assert!(!lives(pid), "{pid} is left");
    }
}

#[test]
fn what_ignores_the_request_is_killed_after_the_grace() {
    let deaf = "
if os.fork(): os.wait3(os.WNOHANG); signal.sigwait({signal.SIGALRM}); sys.exit(2)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say('ready', os.getpid())
os.kill(os.getppid(), signal.SIGALRM)
while True: select.select([], [], [], 60)";
    let deaf = format!("signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGALRM}})\n{deaf}");
    let mut actor = supervised(&["--grace", "200ms"], &script(&deaf));
    let leftover = actor.number();
    actor.ends_with(2);
    assert!(!lives(leftover));
}

#[test]
fn after_success_what_uses_no_gpu_is_left_alone() {
    for options in [&[][..], &["--orphans", "auto"], &["--orphans", "leave"]] {
        let mut actor = supervised(options, &leaving("exec sleep 1000", 0));
        let leftover = Stray(actor.number());
        actor.ends_with(0);
        assert!(lives(leftover.0));
    }
}

#[test]
fn told_to_leave_we_leave_them_after_a_failure_too() {
    let mut actor = supervised(&["--orphans", "leave"], &leaving("exec sleep 1000", 4));
    let leftover = Stray(actor.number());
    actor.ends_with(4);
    assert!(lives(leftover.0));
}

#[test]
fn told_to_kill_we_end_daemons_too() {
    for daemon in ["exec sleep 1000", "exec setsid sleep 1000", "exec setsid bash -c 'sleep 1000; true'"] {
        let mut actor = supervised(&["--orphans", "kill"], &leaving(daemon, 0));
        let leftover = actor.number();
        actor.ends_with(0);
        await_end_of(leftover);
    }
}

#[test]
fn told_to_wait_we_wait_for_the_last_of_them() {
    let text = "for i in 1 2; do setsid sleep 1000 >/dev/null 2>&1 & echo $!; done; exit 0";
    let mut actor = supervised(&["--orphans", "wait"], &["sh".into(), "-c".into(), text.into()]);
    let left = [Stray(actor.number()), Stray(actor.number())];
    send(left[0].0, "KILL");
    wait_until("the first one's end", || only_child(actor.pid()) == Some(left[1].0));
    assert!(!actor.has_ended());
    send(left[1].0, "KILL");
    actor.ends_with(0);
}

#[test]
fn who_waits_can_be_told_that_it_is_enough() {
    for signal in ["TERM", "INT"] {
        let mut actor = supervised(&["--orphans", "wait"], &leaving("exec sleep 1000", 0));
        let leftover = actor.number();
        wait_until("the command's end", || only_child(actor.pid()) == Some(leftover));
        actor.signal(signal);
        actor.ends_with(0);
        assert!(!lives(leftover));
    }
}

/// The one living child of a process.
fn only_child(of: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    let alive: Vec<i32> =
        children.split_whitespace().map(|pid| pid.parse().unwrap()).filter(|pid| lives(*pid)).collect();
    match alive[..] {
        [one] => Some(one),
        _ => None,
    }
}

#[test]
fn an_agent_with_a_session_of_its_own_is_left_alone() {
    let agent = "
read, write = os.pipe()
if os.fork():
    os.read(read, 1)
    sys.exit(5)
os.setsid()
say('ready', os.getpid())
os.dup2(os.open('/dev/null', os.O_RDWR), 1)
os.write(write, b'.')
while True: select.select([], [], [], 60)";
    let mut actor = supervised(&[], &script(agent));
    let agent = Stray(actor.number());
    actor.ends_with(5);
    assert!(lives(agent.0));
}

#[test]
fn a_multiplexer_keeps_its_server() {
    if Command::new("tmux").arg("-V").output().is_err() {
        crate::support::skip("no tmux here");
        return;
    }
    let directory = crate::support::directory();
    let socket = directory.path().join("socket");
    let tmux = |words: &[&str]| {
        let mut tmux = beside("tmux");
        tmux.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(words).stdin(Stdio::null());
        tmux.output().unwrap()
    };
    let status = chg()
        .args(["--", "tmux", "-f", "/dev/null", "-S"])
        .arg(&socket)
        .args(["new-session", "-d", "sleep 1000"])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(tmux(&["list-sessions"]).status.success(), "the server is gone");
    tmux(&["kill-server"]);
}

#[test]
fn a_name_that_looks_like_a_stat_line_deceives_nobody() {
    let directory = crate::support::directory();
    let path = directory.path().join("a) R 1");
    executable(&path, fs::read("/bin/sleep").unwrap());
    let mut actor = supervised(&[], &leaving(&format!("exec '{}' 1000", path.display()), 6));
    let leftover = actor.number();
    actor.ends_with(6);
    assert!(!lives(leftover));
}

#[test]
fn orphans_that_end_while_the_command_runs_are_buried() {
    let text =
        "for i in 1 2 3 4 5 6 7 8 9 10; do (true & true & true &); done; echo ready $PPID; read x; exit 7";
    let mut actor = supervised(&[], &["sh".into(), "-c".into(), text.into()]);
    let launcher = actor.number();
    wait_until("the burial of all orphans", || {
        let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap();
        children.split_whitespace().count() == 1
    });
    actor.say("go");
    actor.ends_with(7);
}

#[test]
fn where_nobody_buries_orphans_none_of_our_helpers_stays_a_zombie() {
    // As in a container whose first process is somebody's script.
    let host = Host::with_gpus(2);
    let first = "import ctypes, subprocess
ctypes.CDLL(None).prctl(36, 1)
for words in sys.stdin.read().splitlines():
    for _ in range(5):
        subprocess.run(f'exec \"$CHG\" {words}', shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        left = open(f'/proc/self/task/{os.getpid()}/children').read().split()
        for pid in left:
            name = open(f'/proc/{pid}/comm').read().strip()
            if name.startswith('chg'): say(words, 'leaves', name)
            os.waitpid(int(pid), 0)";
    let words = [
        "status",
        "doctor",
        "-q -- true",
        "-q -- sh -c 'sleep 1000 & exit 3'",
        "-q -- sh -c 'sleep 0.01 & exit 0'",
        "--nonblock -g 3 -- true",
        "reserve -q",
        "release",
    ];
    let words_of_first = script(first);
    let mut command = host.me().command(&words_of_first[0]);
    command.args(&words_of_first[1..]).env("CHG", host.program()).stderr(Stdio::null());
    // On a machine under load a helper is slow, and not silent.
    command.env("CANHAZGPU_SCAN_DEADLINE", "60s");
    let mut actor = Actor::start(&mut command);
    words.iter().for_each(|line| actor.say(line));
    actor.hang_up();
    assert_eq!(actor.rest(), Vec::<String>::new());
    actor.ends_with(0);
}

#[test]
fn whom_no_signal_ends_is_named_and_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let stderr = directory.path().join("stderr");
    let text = "sleep 1000 >/dev/null 2>&1 & echo $!; read x; exit 3";
    let mut command = chg();
    command.args(["--grace", "100ms", "--", "sh", "-c", text]).stderr(fs::File::create(&stderr).unwrap());
    let mut actor = Actor::start(&mut command);
    let leftover = Stray(actor.number());
    // A process whose tracer wants to see its end stays in the kernel until he has, as one does in a driver that hangs.
    let tracer = "import ctypes
held = ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0x40) == 0
say('held' if held else 'refused')
sys.stdin.read()";
    let words = script(tracer);
    let mut tracer = Actor::start(beside(&words[0]).args(&words[1..]).arg(leftover.0.to_string()));
    if tracer.line() == "refused" {
        crate::support::skip("nothing can be traced here");
        return;
    }
    actor.say("go");
    let told = format!("waiting for PID {} (sleep), killed but not gone", leftover.0);
    wait_until("word of who hangs", || fs::read_to_string(&stderr).unwrap().contains(&told));
    assert!(!actor.has_ended());
    tracer.hang_up();
    actor.ends_with(3);
    assert!(!lives(leftover.0));
}

#[test]
fn a_command_that_is_not_ours_to_kill_when_its_time_is_up_is_named() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    // As sudo does, it becomes root in every respect.
    let program = host.path("rooted");
    fs::copy("/usr/bin/setpriv", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let text = ["./rooted", "--reuid=0", "--", "sh", "-c", "echo $$; exec sleep 1000"];
    let job = host.user(1).starts(&[&["-t", "300ms", "--grace", "200ms", "--"], &text[..]].concat());
    job.prints("\n");
    let mut command = Stray(job.stdout().trim().parse().unwrap());
    job.says(&format!("cannot end PID {} (sleep): it belongs to another user", command.0));
    assert!(lives(command.0));
    send(command.0, "KILL");
    command.0 = 0;
    assert_eq!(job.finish().code, Some(124));
}
