//! Both ways out, on real pipes, terminals and full disks.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};

use super::super::status::scene::NOW;
use super::super::wait::WaitDisplay;
use super::*;
use crate::model::verb::Standing;

fn device(path: &str) -> OwnedFd {
    File::options().write(true).open(path).unwrap().into()
}

fn pipe() -> (PipeReader, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader, writer.into())
}

fn out(stdout: OwnedFd, stderr: OwnedFd, talk: Talk) -> Out {
    Out::over(Stream::on(stdout), Stream::on(stderr), talk)
}

fn rest(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Everything that was written to a terminal; reading it after the last writer is gone ends in EIO.
fn shown(master: OwnedFd) -> String {
    let mut bytes = Vec::new();
    let _ = File::from(master).read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    (pty.master, pty.slave)
}

#[test]
fn answers_go_to_stdout_and_messages_to_stderr() {
    let ((answers, stdout), (messages, stderr)) = (pipe(), pipe());
    let out = out(stdout, stderr, Talk::Normal);
    assert_eq!(out.print(&["one".into(), "two".into()]).unwrap(), Delivery::Done);
    assert_eq!(out.print_json(&[1]).unwrap(), Delivery::Done);
    out.say("reserved GPU 1".into());
    out.warn("the store is slow", None);
    out.error("GPU 3 is in use", Some("run 'chg status'"));
    drop(out);
    assert_eq!(rest(answers), "one\ntwo\n[\n  1\n]\n");
    assert_eq!(
        rest(messages),
        "chg: reserved GPU 1\nchg: warning: the store is slow\nerror: GPU 3 is in use\nhint: run 'chg status'\n"
    );
}

#[test]
fn quiet_keeps_warnings_and_errors() {
    let (messages, stderr) = pipe();
    let out = out(device("/dev/null"), stderr, Talk::Quiet);
    out.say("reserved GPU 1".into());
    out.warn("w", None);
    out.error("e", None);
    drop(out);
    assert_eq!(rest(messages), "chg: warning: w\nerror: e\n");
}

#[test]
fn messages_cannot_command_the_terminal() {
    let (messages, stderr) = pipe();
    let out = out(device("/dev/null"), stderr, Talk::Normal);
    out.error("no account \x1b[31m\nerror: forged", Some("\u{202e}"));
    drop(out);
    assert_eq!(rest(messages), "error: no account \\u{1b}[31m\\nerror: forged\nhint: \\u{202e}\n");
}

#[test]
fn a_reader_that_left_ends_it_quietly() {
    let (reader, stdout) = pipe();
    drop(reader);
    assert_eq!(
        out(stdout, device("/dev/null"), Talk::Normal).print(&["x".into()]).unwrap(),
        Delivery::Closed
    );
}

#[test]
fn a_full_disk_fails_the_answer_but_not_a_message() {
    let out = out(device("/dev/full"), device("/dev/full"), Talk::Normal);
    let failure = out.print(&["x".into()]).unwrap_err();
    assert_eq!(failure.to_string(), "cannot write to standard output: No space left on device");
    out.error("nobody hears this", None);
}

#[test]
fn a_terminal_that_hung_up_ends_it_quietly() {
    let (master, slave) = terminal(80);
    let out = out(slave.try_clone().unwrap(), slave, Talk::Normal);
    drop(master);
    assert_eq!(out.print(&["x".into()]).unwrap(), Delivery::Closed);
    out.say("nobody hears this".into());
    out.show_live("nor this".into());
    out.erase_live();
}

#[test]
fn a_pipe_that_somebody_made_non_blocking_gets_everything() {
    let (reader, stdout) = pipe();
    fcntl(stdout.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let text = "x".repeat(1 << 20);
    let out = out(stdout, device("/dev/null"), Talk::Normal);
    let reading = std::thread::spawn(move || rest(reader));
    assert_eq!(out.print_text(&text).unwrap(), Delivery::Done);
    drop(out);
    assert_eq!(reading.join().unwrap().len(), text.len());
}

#[test]
fn the_live_line_fits_the_terminal_and_makes_room_for_messages() {
    let (master, slave) = terminal(20);
    let out = out(device("/dev/null"), slave, Talk::Normal);
    out.show_live("waiting 1s, position 12 in line".into());
    out.warn("w", None);
    out.erase_live();
    drop(out);
    assert_eq!(shown(master), "\rwaiting 1s, positi…\x1b[K\r\x1b[Kchg: warning: w\r\n");
}

/// Speaks on the real stderr, in a process of its own.
#[test]
#[ignore = "the stage for the tests below"]
fn stage() {
    let out = Out::new(
        if std::env::var_os("WISH_NEVER").is_some() { Wish::Never } else { Wish::Auto },
        Talk::Normal,
    );
    out.error("e", None);
    let standing = Standing {
        position: 1,
        enqueued: NOW,
        give_up: None,
        available: vec![],
        blocked_by: vec![],
        share: None,
        behind: None,
    };
    let mut display = WaitDisplay::new(&out);
    display.show(&standing, NOW);
    display.show(&standing, NOW);
}

fn on_stage(stderr: OwnedFd, environment: &[(&str, &str)]) {
    let clean = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "CI"];
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "output::out::tests::stage", "--nocapture", "--test-threads=1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(stderr)).env("TERM", "xterm");
    clean.iter().for_each(|name| {
        command.env_remove(name);
    });
    assert!(command.envs(environment.iter().copied()).status().unwrap().success());
}

fn on_terminal_stage(environment: &[(&str, &str)]) -> String {
    let (master, slave) = terminal(80);
    on_stage(slave, environment);
    shown(master)
}

#[test]
fn a_terminal_gets_colours_and_a_live_line_that_goes_away() {
    let text = on_terminal_stage(&[]);
    let live = "\x1b[2mchg:\x1b[0m waiting \x1b[1m0s\x1b[0m, first in line, none free";
    assert_eq!(text, format!("\x1b[1m\x1b[31merror\x1b[0m: e\r\n\r{live}\x1b[K\r{live}\x1b[K\r\x1b[K"));
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    for environment in [&[("NO_COLOR", "1")][..], &[("CLICOLOR", "0")], &[("WISH_NEVER", "1")]] {
        let text = on_terminal_stage(environment);
        assert!(text.starts_with("error: e\r\n\rchg: waiting 0s"), "{environment:?}: {text:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let text = on_terminal_stage(&[("TERM", "dumb")]);
    assert_eq!(text, "error: e\r\nchg: waiting: first in line, none free\r\n");
}

#[test]
fn a_pipe_gets_no_colours_unless_they_are_forced() {
    let said = |environment: &[(&str, &str)]| {
        let (reader, stderr) = pipe();
        on_stage(stderr, environment);
        rest(reader)
    };
    assert_eq!(said(&[]), "error: e\nchg: waiting: first in line, none free\n");
    assert!(said(&[("CLICOLOR_FORCE", "1")]).starts_with("\x1b[1m\x1b[31merror\x1b[0m: e\n"));
}
