//! Standing in line on a terminal: one live line, and the keys that leave or suspend it.

use std::os::unix::process::ExitStatusExt;

use crate::support::host::{Host, me};
use crate::support::pty::{CTRL_C, CTRL_Z, Pty};
use crate::support::wait::wait_until;

#[test]
fn ctrl_c_leaves_the_line_and_the_live_line_goes_away() {
    let host = Host::with_gpus(1);
    let _holder = host.me().holds(&[]);
    let mut terminal = Pty::start(&host.me().chg(&["--", "true"]));
    terminal.sees("waiting");
    terminal.sees(&format!("GPU 0 reserved by {}", me()));
    terminal.types(CTRL_C);
    assert_eq!(terminal.ends().signal(), Some(2), "{:?}", terminal.screen());
    assert_eq!(host.queue().len(), 0);
    let screen = terminal.screen();
    assert!(!screen.contains("reserved GPU"), "{screen:?}");
}

#[test]
fn a_waiter_that_was_suspended_is_served_when_it_is_brought_back() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let mut bash = Pty::bash();
    let library = host.gpus.library();
    bash.enters(&format!("export CANHAZGPU_STORE={} CANHAZGPU_NVML_LIB={}", host.store, library.display()));
    bash.sees("prompt> ");
    bash.enters("\"$CHG\" -- echo served");
    bash.sees("waiting");
    host.has_waiters(1);
    bash.types(CTRL_Z);
    bash.sees("Stopped");
    bash.sees("prompt> ");
    holder.stops();
    host.shows(0, "AVAILABLE");
    assert_eq!(host.queue().len(), 1, "it keeps its place");
    bash.enters("fg");
    bash.sees("reserved");
    bash.sees("GPU 0");
    bash.sees("\nserved\r");
    bash.sees("prompt> ");
    wait_until("it left the line", || host.queue().is_empty());
    bash.enters("exit");
    bash.ends_with(0);
}

#[test]
fn the_wait_is_told_in_one_line_that_is_overwritten() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let mut terminal = Pty::start(&host.me().chg(&["--", "echo", "served"]));
    terminal.sees("waiting");
    holder.stops();
    terminal.sees("served");
    terminal.ends_with(0);
    let screen = terminal.screen();
    let waiting = screen.lines().filter(|line| line.contains("waiting") && !line.contains('\r')).count();
    assert_eq!(waiting, 0, "every line of the wait is taken back: {screen:?}");
}
