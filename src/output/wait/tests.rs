//! What somebody in line is told.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use super::super::blockers::tests::{blocked, run_of, used_by};
use super::super::status::scene::{NOW, ago};
use super::super::stream::Stream;
use super::*;
use crate::model::ids::GpuIndex;

fn standing(position: usize, free: &[u32]) -> Standing {
    Standing {
        position,
        enqueued: ago(250),
        give_up: None,
        available: free.iter().copied().map(GpuIndex).collect(),
        blocked_by: vec![
            blocked(0, run_of("alice", 10_920)),
            blocked(1, run_of("alice", 10_920)),
            blocked(3, used_by(Some("bob"))),
        ],
        share: None,
        behind: None,
    }
}

const fn later(seconds: i64) -> Timestamp {
    ago(-seconds)
}

#[test]
fn the_live_line_tells_the_wait_first() {
    assert_eq!(
        live(&standing(2, &[2]), NOW).plain(),
        "chg: waiting 4m 10s, position 2 in line, free: GPU 2; \
         GPU 0, 1 reserved by alice (run, 3h 2m); GPU 3 in use without reservation by bob"
    );
    let ending = Standing { give_up: Some(later(90)), ..standing(1, &[]) };
    assert!(live(&ending, NOW).plain().ends_with(" by bob, gives up in 1m 30s"));
    assert!(live(&ending, NOW).plain().contains(" first in line, none free; "));
}

/// What an Out over a pipe lets through while `act` is at work.
fn said_to_a_pipe(talk: Talk, act: impl FnOnce(&Out)) -> String {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
    let out = Out::over(Stream::on(null()), Stream::on(OwnedFd::from(writer)), talk);
    act(&out);
    drop(out);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn elsewhere_than_on_a_terminal_only_changes_are_told() {
    let text = said_to_a_pipe(Talk::Normal, |out| {
        let mut display = WaitDisplay::new(out);
        display.show(&Standing { enqueued: NOW, ..standing(2, &[]) }, NOW);
        display.show(&standing(2, &[]), later(1));
        display.show(&standing(2, &[]), later(60));
        display.show(&standing(1, &[2]), later(61));
    });
    let blocked = "GPU 0, 1 reserved by alice (run, 3h 2m); GPU 3 in use without reservation by bob";
    let later = "GPU 0, 1 reserved by alice (run, 3h 3m); GPU 3 in use without reservation by bob";
    assert_eq!(
        text,
        format!(
            "chg: waiting: position 2 in line, none free; {blocked}\n\
             chg: waiting: first in line, free: GPU 2; {later} (waited 5m 11s)\n"
        )
    );
}

#[test]
fn quiet_is_quiet() {
    let text = said_to_a_pipe(Talk::Quiet, |out| WaitDisplay::new(out).show(&standing(2, &[]), NOW));
    assert_eq!(text, "");
}
