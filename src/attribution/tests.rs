//! Real processes under real users, looked at from several places.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::model::identity::{Here, Identity, Life};
use crate::model::ids::{Pid, Uid};
use crate::model::process::Process;
use crate::sys::testing::{
    ALICE, BOB, Running, as_user, can_be_others, in_role, possible, role, speak_and_wait, wait_until,
};

use super::*;

mod hiding;
mod life;
mod people;

fn sleep() -> Command {
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    sleep
}

/// Starts a command that becomes `sleep 1000` in the end, and waits until it has.
fn sleeping(command: &mut Command) -> Running {
    let running = Running::start(command);
    // Not the words of the programs before it, which end in the same two.
    wait_until("it sleeps", || {
        let command = closely(running.pid()).command;
        command.len() == 2 && command[1] == "1000"
    });
    running
}

fn one(pid: Pid) -> Process {
    owners([pid], &Accounts::default()).remove(&pid).expect("it is there")
}

/// With what command lines tell.
fn closely(pid: Pid) -> Process {
    let mut found = owners([pid], &Accounts::default());
    tell_commands(&mut found);
    found.remove(&pid).expect("it is there")
}

fn words_of(command: &Command) -> Vec<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_str().expect("UTF-8").to_owned()).collect()
}

/// What this test says in another process: in `role`, behind the words of `wrapper`.
fn said(role: &str, test: &str, wrapper: &[String]) -> String {
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    Running::until_it_speaks(&mut in_role(role, test, &wrapper)).1
}

/// A process as the role of a looker is told of it.
fn written(identity: &Identity) -> String {
    serde_json::to_string(identity).expect("an identity can be written")
}

fn read(identity: &str) -> Identity {
    serde_json::from_str(identity).expect("an identity was written")
}
