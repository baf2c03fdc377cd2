//! `status --watch` while a GPU is silent: whoever sits before it is answered at once, and so are the questions about the
//! others.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::glass::Glass;
use crate::support::host::Host;
use crate::support::pty::{CTRL_C, CTRL_Z, Pty};
use crate::support::wait::{wait_for, wait_until};

/// What an eye takes for at once. A machine under load gets several tries.
const AT_ONCE: Duration = Duration::from_millis(50);
const TRIES: usize = 10;
/// The answers of the others come long before the silent one is given up, after 5 s.
const SOON: Duration = Duration::from_secs(3);

/// A host whose third GPU is silent.
fn host() -> Host {
    let host = Host::with_gpus(3);
    host.me().does(&["-G", "0", "--", "true"]);
    host.gpus.delay("*", Some(2), 60_000);
    host
}

fn watch(host: &Host) -> Command {
    let mut command = host.me().chg(&["status", "--watch", "1"]);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The watch, with what the others have answered on it.
fn watched(host: &Host) -> Glass {
    let begun = Instant::now();
    let glass = Glass::start(&watch(host), 120, 30);
    let is_shown = |rows: &[String]| {
        rows.iter().any(|row| row.starts_with("  0  AVAILABLE"))
            && rows.iter().any(|row| row.starts_with("  2  UNKNOWN") && row.ends_with("no answer yet"))
    };
    glass.waits_for("the GPUs that answer, and the one that does not", is_shown);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    glass
}

/// How long it took until this was so; there is no sleep in between that would count.
fn took(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    let late = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < late, "not before the silent GPU was given up: {what}");
        std::thread::yield_now();
    }
    begun.elapsed()
}

/// Tried until it is quick enough once.
fn at_once(what: &str, mut attempt: impl FnMut() -> Duration) {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        all.push(attempt());
        if all.last().is_some_and(|took| *took < AT_ONCE) {
            return;
        }
    }
    panic!("{what} took {all:?}");
}

#[test]
fn the_gpus_that_answer_are_shown_at_once_and_the_silent_one_when_it_is_given_up() {
    let host = host();
    let mut glass = watched(&host);
    let told = |rows: &[String]| rows.iter().any(|row| row.ends_with("no answer from the driver in 5s"));
    glass.waits_for("that it is given up", told);
    // From now on nobody waits for it.
    let worker = host.me().takes_without_asking(&[1], "python3");
    let pid = worker.pid().to_string();
    glass.waits_for("what happens on the others", |rows| {
        told(rows) && rows.iter().any(|row| row.contains(&pid))
    });
    glass.pty.types("q");
    glass.pty.ends_with(0);
    glass.is_given_back();
}

#[test]
fn q_and_ctrl_c_end_it_at_once_while_a_gpu_is_silent() {
    let host = host();
    for (key, code, signal) in [("q", Some(0), None), (CTRL_C, None, Some(2))] {
        at_once(key, || {
            let mut glass = watched(&host);
            glass.pty.types(key);
            let mut ended = None;
            let took = took(key, || {
                ended = glass.pty.has_ended();
                ended.is_some()
            });
            let ended = ended.unwrap();
            assert_eq!((ended.code(), ended.signal()), (code, signal));
            glass.is_given_back();
            took
        });
    }
}

#[test]
fn a_new_size_is_drawn_at_once_while_a_gpu_is_silent() {
    let host = host();
    at_once("a new size", || {
        let mut glass = watched(&host);
        let drawn = |glass: &Glass| glass.pty.screen().matches("STATUS").count();
        let before = drawn(&glass);
        glass.resize(70, 20);
        let took = took("a new size", || drawn(&glass) > before);
        glass.waits_for("the narrow layout", |rows| rows.iter().all(|row| row.chars().count() <= 70));
        glass.pty.types("q");
        glass.pty.ends_with(0);
        took
    });
}

#[test]
fn ctrl_z_stops_it_at_once_while_a_gpu_is_silent_and_fg_shows_it_anew() {
    let host = host();
    let library = host.gpus.library();
    at_once("Ctrl-Z", || {
        let mut bash = Pty::bash();
        bash.enters(&format!(
            "export CANHAZGPU_STORE={} CANHAZGPU_NVML_LIB={}",
            host.store,
            library.display()
        ));
        bash.sees("prompt> ");
        bash.enters("\"$CHG\" status --watch 1");
        bash.sees("no answer yet");
        bash.types(CTRL_Z);
        let took = took("the shell's word", || bash.screen().contains("Stopped"));
        bash.sees("prompt> ");
        bash.enters("fg");
        bash.sees("AVAILABLE");
        bash.types("q");
        bash.sees("prompt> ");
        bash.enters("exit 0");
        bash.ends_with(0);
        took
    });
}

#[test]
fn a_gpu_that_falls_silent_is_shown_as_it_was_until_it_is_given_up() {
    let host = Host::with_gpus(2);
    let worker = host.me().takes_without_asking(&[1], "python3");
    let pid = worker.pid().to_string();
    let mut glass = Glass::start(&watch(&host), 120, 30);
    glass.waits_for("the worker", |rows| rows.iter().any(|row| row.contains(&pid)));
    host.gpus.log_calls();
    host.gpus.delay("*", Some(1), 60_000);
    wait_until("the GPU to be asked in vain", || {
        let asked = host.gpus.calls().iter().filter(|call| call.gpu == Some(0)).count();
        host.gpus.calls().iter().any(|call| call.gpu == Some(1)) && asked > 1
    });
    // What is new on the other is told meanwhile.
    let other = host.me().takes_without_asking(&[0], "jupyter");
    let other = other.pid().to_string();
    glass.waits_for("the other, beside what was on the silent one or that it is given up", |rows| {
        let has = |words: &str| rows.iter().any(|row| row.contains(words));
        has(&other) && (has(&pid) || has("no answer from the driver"))
    });
    glass.waits_for("that it is given up", |rows| {
        rows.iter().any(|row| row.starts_with("  1  UNKNOWN")) && !rows.iter().any(|row| row.contains(&pid))
    });
    glass.pty.types("q");
    glass.pty.ends_with(0);
}

#[test]
fn a_driver_that_is_silent_as_a_whole_keeps_nobody_before_the_screen() {
    let host = Host::with_gpus(2);
    host.me().does(&["-G", "0", "--", "true"]);
    for function in ["nvmlInitWithFlags", "nvmlInit_v2"] {
        host.gpus.hang(function, None, fakenvml::Hang::Killable);
    }
    let mut glass = Glass::start(&watch(&host), 120, 30);
    let silent = |rows: &[String]| rows.iter().filter(|row| row.ends_with("no answer yet")).count() == 2;
    glass.waits_for("both GPUs", silent);
    glass.pty.types("q");
    let mut ended = None;
    took("the end", || {
        ended = glass.pty.has_ended();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
    let mut glass = Glass::start(&watch(&host), 120, 30);
    glass.waits_for("why", |rows| {
        rows.iter().any(|row| row.contains("error: no answer from the NVIDIA driver in 5s"))
    });
    host.gpus.clear_faults();
    wait_for("it comes back", || {
        glass.shows().iter().any(|row| row.starts_with("  1  AVAILABLE")).then_some(())
    });
    glass.pty.types("q");
    glass.pty.ends_with(0);
}
