//! canhazgpu: find free GPUs, reserve them, run a command on them, give them back. This file lists the rooms and
//! holds `main`: parse, dispatch, exit.

mod attribution;
mod bell;
mod cli;
mod commands;
mod config;
mod error;
mod exit;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod gpu;
mod heartbeat;
mod model;
mod output;
mod seat;
mod shim;
mod store;
mod supervise;
mod sys;

/// Runs the program as the command line says.
pub fn main() -> std::process::ExitCode {
    commands::main()
}
