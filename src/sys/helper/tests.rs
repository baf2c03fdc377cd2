//! Real helpers that answer, fall silent and die.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};

use super::*;

fn pid(of: Pid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(of.0)
}

#[test]
fn a_helper_answers_through_its_socket_and_has_nothing_else_open() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (child, socket) = fork_helper(|socket| {
        let mut socket = UnixStream::from(socket);
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let null = std::fs::read_link("/proc/self/fd/0").unwrap_or_default();
        // The directory that is being read is one of those counted.
        let _ = write!(socket, "{open} {}", null.display());
        leave(7)
    })
    .unwrap();
    drop(writer);
    let mut text = String::new();
    UnixStream::from(socket).read_to_string(&mut text).unwrap();
    assert_eq!(text, "5 /dev/null");
    assert_eq!(waitpid(pid(child), None).unwrap(), WaitStatus::Exited(pid(child), 7));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the helper holds no pipe of ours");
}

#[test]
fn a_panic_in_a_helper_never_returns_into_the_parent() {
    let (child, socket) = fork_helper(|_| std::panic::resume_unwind(Box::new("quietly"))).unwrap();
    let mut rest = Vec::new();
    UnixStream::from(socket).read_to_end(&mut rest).unwrap();
    assert_eq!(waitpid(pid(child), None).unwrap(), WaitStatus::Exited(pid(child), BROKEN));
}

#[test]
fn what_was_sent_to_the_launcher_before_its_child_left_the_group_does_not_reach_the_child() {
    let all = nix::sys::signal::SigSet::all();
    let (child, socket) = fork_helper(move |_socket| {
        let _ = all.thread_block();
        for signal in [Signal::SIGTSTP, Signal::SIGINT, Signal::SIGTERM] {
            let _ = nix::sys::signal::raise(signal);
        }
        forget_pending();
        let _ = all.thread_unblock();
        leave(7)
    })
    .unwrap();
    let ended = waitpid(pid(child), Some(nix::sys::wait::WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(ended, WaitStatus::Exited(pid(child), 7));
    drop(socket);
}

#[test]
fn a_helper_starts_in_its_own_group_with_no_signal_blocked() {
    let (child, socket) = fork_helper(|socket| {
        let mut socket = UnixStream::from(socket);
        let _ = socket.read(&mut [0]);
        leave(0)
    })
    .unwrap();
    let group = || nix::unistd::getpgid(Some(pid(child))).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while group() != pid(child) {
        assert!(std::time::Instant::now() < deadline, "it never left our group");
        std::thread::yield_now();
    }
    nix::sys::signal::kill(pid(child), Signal::SIGTERM).unwrap();
    let ended = waitpid(pid(child), None).unwrap();
    assert_eq!(ended, WaitStatus::Signaled(pid(child), Signal::SIGTERM, false));
    drop(socket);
}
