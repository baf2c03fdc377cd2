//! Signals to the launcher, without a terminal: who gets them, how often, and what ends whom.

use std::process::Command;

use crate::support::oracle::{BOTH, Way};
use crate::support::probe::{script, teller};
use crate::support::process::{Actor, Stray, await_end_of, await_state, lives, send, state};
use crate::support::wait::wait_until;
use crate::support::{beside, chg};

/// `chg [OPTIONS] -- WORDS`.
fn supervised(options: &[&str], words: &[String]) -> Actor {
    Actor::start(chg().args(options).arg("--").args(words))
}

fn sh(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).to_vec()
}

#[test]
fn every_signal_to_us_reaches_the_command_exactly_once() {
    let signals =
        ["HUP", "INT", "QUIT", "ABRT", "USR1", "ALRM", "TERM", "XCPU", "WINCH", "PWR", "RTMIN", "RTMAX"];
    for way in BOTH {
        let mut actor = Actor::start(&mut way.command(&teller(&signals)));
        actor.number();
        for signal in signals {
            actor.signal(signal);
            assert_eq!(actor.line(), signal, "{way:?}");
        }
        actor.signal("USR2");
        assert_eq!(actor.rest(), ["done"], "{way:?}");
        actor.ends_with(0);
    }
}

#[test]
fn real_time_signals_are_counted_not_merged() {
    let mut actor = supervised(&[], &teller(&["40"]));
    actor.number();
    for _ in 0..20 {
        actor.signal("40");
    }
    for _ in 0..20 {
        assert_eq!(actor.line(), "40");
    }
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
}

#[test]
fn a_command_that_changed_its_group_gets_an_interrupt_exactly_once() {
    let moved = "
import time
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    time.sleep(60)
while os.getpgid(child) != child: pass
os.setpgid(0, child)
tell(['INT'], on=lambda number: None)
os.kill(child, signal.SIGKILL)";
    let mut actor = supervised(&[], &script(moved));
    actor.number();
    actor.signal("INT");
    assert_eq!(actor.line(), "INT");
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
}

/// A leader with a worker in its group, both telling; the worker's lines begin with `worker`.
const PAIR: &str = "
say_plain = say
if os.fork() == 0:
    def say(*words): say_plain('worker', *words)
    tell(['INT', 'QUIT', 'TERM', 'HUP', 'USR1'])
else:
    tell(['INT', 'QUIT', 'TERM', 'HUP', 'USR1'])";

#[test]
fn a_request_goes_to_the_leader_alone_and_a_key_to_its_group() {
    let mut actor = supervised(&[], &script(PAIR));
    let mut ready = [actor.line(), actor.line()];
    ready.sort();
    assert!(ready[0].starts_with("ready ") && ready[1].starts_with("worker ready "), "{ready:?}");
    let worker = ready[1].rsplit(' ').next().unwrap().parse().unwrap();
    for (signal, hears) in [("TERM", false), ("INT", true), ("USR1", false), ("QUIT", true), ("HUP", false)] {
        actor.signal(signal);
        let mut lines = vec![actor.line()];
        if hears {
            lines.push(actor.line());
            lines.sort();
            assert_eq!(lines, [signal.to_owned(), format!("worker {signal}")]);
        } else {
            assert_eq!(lines, [signal]);
        }
    }
    send(worker, "USR2");
    assert_eq!(actor.line(), "worker done");
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
    actor.ends_with(0);
}

#[test]
fn what_the_command_sends_to_its_parent_stays_there() {
    let sender = "
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGCONT})
for s in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGCONT): os.kill(os.getppid(), s)
tell(['TERM', 'USR1', 'INT', 'CONT'])";
    let mut actor = supervised(&[], &script(sender));
    actor.number();
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
    actor.ends_with(0);
}

#[test]
fn a_false_report_of_a_childs_end_is_seen_through() {
    let mut actor = supervised(&[], &sh("echo ready; read x; exit 5"));
    assert_eq!(actor.line(), "ready");
    for _ in 0..10 {
        actor.signal("CHLD");
    }
    assert!(!actor.has_ended());
    actor.say("go");
    actor.ends_with(5);
}

#[test]
fn a_command_may_take_its_time_after_requests() {
    let mut actor = supervised(&[], &script("tell(['TERM'])\nsys.exit(9)"));
    actor.number();
    for _ in 0..3 {
        actor.signal("TERM");
        assert_eq!(actor.line(), "TERM");
    }
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
    actor.ends_with(9);
}

#[test]
fn a_stopped_batch_command_does_not_stop_us_and_dies_when_it_is_continued() {
    let mut launcher = beside("setsid");
    launcher.args([crate::support::CHG, "--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let mut actor = Actor::start(&mut launcher);
    let command = actor.number();
    send(command, "STOP");
    await_state(command, 'T');
    actor.signal("TERM");
    // It has taken the signal and waits again: neither stopped nor busy.
    wait_until("the launcher at rest", || state(actor.pid()) == Some('S') && pending(actor.pid()) == 0);
    assert_eq!(state(command), Some('T'));
    send(command, "CONT");
    actor.dies_of(15);
}

/// Signals that a process has blocked and not read.
fn pending(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[test]
fn a_timeout_interrupts_and_says_124() {
    let mut actor =
        supervised(&["--timeout", "300ms"], &script("tell(['INT', 'TERM'], on=lambda n: sys.exit(3))"));
    actor.number();
    assert_eq!(actor.rest(), ["INT"]);
    actor.ends_with(124);
}

#[test]
fn a_timeout_wakes_what_is_stopped() {
    let mut actor = supervised(&["--timeout", "300ms"], &sh("kill -STOP $$; exec sleep 1000"));
    actor.ends_with(124);
}

#[test]
fn a_timeout_goes_on_to_terminate_and_kill() {
    let deaf = script("tell(['INT', 'TERM', 'HUP'])");
    let mut actor = supervised(&["--timeout", "300ms", "--grace", "300ms"], &deaf);
    let command = actor.number();
    assert_eq!(actor.rest(), ["INT", "TERM"]);
    actor.ends_with(124);
    assert!(!lives(command));
}

#[test]
fn what_ends_in_time_has_no_timeout() {
    let status = chg().args(["--timeout", "1h", "--", "sh", "-c", "exit 6"]).status().unwrap();
    assert_eq!(status.code(), Some(6));
}

#[test]
fn with_a_grace_a_tree_that_ignores_requests_is_killed_whole() {
    let tree = "
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
for own in (lambda: None, lambda: os.setpgid(0, 0), os.setsid):
    if os.fork() == 0:
        own()
        if os.fork() == 0: sit()
        sit()
sit()";
    let mut actor = supervised(&["--grace", "200ms"], &script(tree));
    let tree: Vec<i32> = (0..7).map(|_| actor.number()).collect();
    actor.signal("TERM");
    actor.dies_of(9);
    for pid in tree {
        assert!(!lives(pid), "{pid} is left");
    }
}

#[test]
fn a_second_request_while_the_grace_runs_means_now() {
    let mut actor = supervised(&["--grace", "1h"], &teller(&["TERM"]));
    actor.number();
    actor.signal("TERM");
    assert_eq!(actor.line(), "TERM");
    actor.signal("TERM");
    actor.dies_of(9);
}

#[test]
fn a_killed_launcher_takes_the_command_along_and_asks_it_once() {
    for _ in 0..10 {
        let mut actor = supervised(&[], &teller(&["TERM"]));
        let command = Stray(actor.number());
        // With a second one, which a renewal has for a moment, the kernel asks at the end of either.
        wait_until("one thread", || threads(actor.pid()) == 1);
        actor.signal("KILL");
        assert_eq!(actor.line(), "TERM");
        actor.dies_of(9);
        send(command.0, "USR2");
        assert_eq!(actor.rest(), ["done"]);
    }
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

#[test]
fn however_early_the_launcher_is_killed_the_command_does_not_stay() {
    let directory = crate::support::directory();
    for try_number in 0..60_u64 {
        let file = directory.path().join(try_number.to_string());
        let text = format!("echo $$ >{}; exec sleep 1000", file.display());
        let mut launcher = chg().args(["--", "sh", "-c", &text]).spawn().unwrap();
        // Every moment of the start is met by one try or another: the span grows with the number.
        let moment = std::time::Instant::now() + std::time::Duration::from_micros(100 * try_number);
        while std::time::Instant::now() < moment {
            std::hint::spin_loop();
        }
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        wait_until("the end of everything that names the file", || !anybody_runs(&text));
        if let Some(pid) = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
            await_end_of(pid);
        }
    }
}

/// Whether a process has this word in its command line.
fn anybody_runs(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default())
        .any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

#[test]
fn a_hangup_that_was_to_be_ignored_ends_nobody() {
    let mut nohup = beside("nohup");
    nohup.args([crate::support::CHG, "--", "sh", "-c", "echo ready; read x; exit 4"]);
    let mut actor = Actor::start(&mut nohup);
    assert_eq!(actor.line(), "ready");
    actor.signal("HUP");
    actor.say("go");
    actor.ends_with(4);
}

#[test]
fn a_command_that_listens_to_what_was_to_be_ignored_hears_it() {
    for way in BOTH {
        let listener = script("signal.signal(signal.SIGHUP, lambda *_: None); tell(['HUP'])");
        let mut nohup = beside("nohup");
        if way == Way::Supervised {
            nohup.args([crate::support::CHG, "--"]);
        }
        let mut actor = Actor::start(nohup.args(listener));
        actor.number();
        actor.signal("HUP");
        assert_eq!(actor.line(), "HUP", "{way:?}");
        actor.signal("USR2");
        assert_eq!(actor.rest(), ["done"], "{way:?}");
    }
}

#[test]
fn a_scripts_background_job_ignores_the_interrupt() {
    for way in BOTH {
        let job = "exec 3<&0; $RUN sh -c 'echo ready $$; read x; exit 4' <&3 & echo job $!; wait $!";
        let mut actor = Actor::start(&mut way.script("sh", job));
        let mut lines = [actor.line(), actor.line()];
        lines.sort();
        let job = lines[0].strip_prefix("job ").unwrap().parse().unwrap();
        send(job, "INT");
        actor.say("go");
        actor.ends_with(4);
    }
}

#[test]
fn a_request_to_our_whole_group_reaches_the_command_once() {
    let mut launcher = beside("setsid");
    launcher.args([crate::support::CHG, "--"]).args(teller(&["TERM", "INT"]));
    let mut actor = Actor::start(&mut launcher);
    actor.number();
    for signal in ["TERM", "INT"] {
        send(-actor.pid(), signal);
        assert_eq!(actor.line(), signal);
    }
    actor.signal("USR2");
    assert_eq!(actor.rest(), ["done"]);
}

#[test]
fn a_service_manager_that_asks_everybody_is_heard_twice_and_one_that_asks_the_launcher_once() {
    // KillMode=control-group and KillMode=mixed of systemd.kill(5).
    for everybody in [true, false] {
        let mut actor = supervised(&[], &teller(&["TERM"]));
        let command = actor.number();
        if everybody {
            send(command, "TERM");
            // Standard signals merge while they wait: the first must be read before the second comes.
            assert_eq!(actor.line(), "TERM");
        }
        actor.signal("TERM");
        assert_eq!(actor.line(), "TERM");
        actor.signal("USR2");
        assert_eq!(actor.rest(), ["done"]);
        actor.ends_with(0);
    }
}

#[test]
fn a_storm_of_signals_around_the_end_changes_nothing_about_it() {
    for _ in 0..20 {
        let mut actor = supervised(&[], &sh("trap '' USR1 HUP WINCH; echo ready; read x; exit 7"));
        assert_eq!(actor.line(), "ready");
        let storm =
            "while kill -USR1 $0 && kill -HUP $0 && kill -CHLD $0 && kill -WINCH $0; do :; done 2>/dev/null";
        let mut storm = Command::new("sh").args(["-c", storm, &actor.pid().to_string()]).spawn().unwrap();
        actor.say("go");
        wait_until("the end amid the storm", || actor.has_ended());
        storm.kill().unwrap();
        storm.wait().unwrap();
        actor.ends_with(7);
    }
}
