//! Terminals that go away, and readers that do not read: neither keeps a command, a status or a GPU.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::host::Host;
use crate::support::oracle::BOTH;
use crate::support::probe::{quoted, script};
use crate::support::process::{await_end_of, lives, number_in, send};
use crate::support::pty::{CTRL_S, Pty};
use crate::support::wait::wait_until;
use crate::support::{beside, chg};

/// Makes a pipe with a name.
fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Writes `ready PID`, then each signal of these that it gets, and `done` at USR2, into a file.
fn diary(file: &Path) -> Vec<String> {
    let text = format!("os.dup2(os.open('{}', os.O_CREAT | os.O_WRONLY), 1)\ntell(['HUP'])", file.display());
    script(&text)
}

#[test]
fn the_leader_of_a_session_hears_of_the_hangup_once() {
    for way in BOTH {
        let directory = crate::support::directory();
        let file = directory.path().join("diary");
        let mut pty = Pty::start(&way.command(&diary(&file)));
        let read = || fs::read_to_string(&file).unwrap_or_default();
        wait_until("the command", || read().starts_with("ready ") && read().ends_with('\n'));
        let command: i32 = read().trim().rsplit(' ').next().unwrap().parse().unwrap();
        pty.hang_up();
        wait_until("the hangup", || read().ends_with("HUP\n"));
        send(command, "USR2");
        wait_until("the end", || read().ends_with("done\n"));
        assert_eq!(read(), format!("ready {command}\nHUP\ndone\n"), "{way:?}");
    }
}

#[test]
fn under_nohup_a_command_outlives_its_terminal() {
    for way in BOTH {
        let directory = crate::support::directory();
        let at = |name: &str| directory.path().join(name);
        fifo(&at("go"));
        let here = directory.path().display().to_string();
        let mut pty = Pty::bash();
        pty.enters(&format!("cd {here}; echo $$ >shell"));
        let run = way.prefix();
        pty.enters(&format!("nohup {run} sh -c 'echo $$ >pid; read x <go; echo $x >over' >out 2>&1"));
        let (shell, command) = (number_in(&at("shell")), number_in(&at("pid")));
        pty.hang_up();
        await_end_of(shell);
        assert!(lives(command), "{way:?}");
        fs::write(at("go"), "on\n").unwrap();
        wait_until("what it does afterwards", || {
            fs::read_to_string(at("over")).is_ok_and(|text| text == "on\n")
        });
    }
}

#[test]
fn a_terminal_that_was_stopped_keeps_no_gpu() {
    let host = Host::with_gpus(1);
    fifo(&host.path("go"));
    let mut bash = host.me().command("bash");
    bash.args(["--norc", "--noprofile", "--noediting", "-i"]);
    let mut pty = Pty::start(&bash);
    pty.sees("prompt> ");
    pty.enters(
        "\"$CHG\" --orphans kill -- sh -c 'sleep 1000 & echo $! >$HERE/left; read x <$HERE/go; exit 3'",
    );
    let left = number_in(&host.path("left"));
    pty.types(CTRL_S);
    wait_until("the terminal to be stopped", || !pty.takes_output());
    fs::write(host.path("go"), "\n").unwrap();
    await_end_of(left);
    host.shows(0, "AVAILABLE (last released");
}

#[test]
fn a_reader_that_does_not_read_keeps_neither_the_end_nor_the_leftovers() {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let fill = "os.set_blocking(2, False)
try:
    while True: os.write(2, b'x' * 4096)
except BlockingIOError: pass
os.set_blocking(2, True)";
    let text = format!("sleep 1000 >/dev/null & echo $!; {}; exit 3", quoted(&script(fill)));
    let output = chg()
        .args(["--orphans", "kill", "-q", "--", "sh", "-c", &text])
        .stdin(Stdio::null())
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let left: i32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(!lives(left));
    drop(reader);
}

#[test]
fn after_a_hangup_whoever_was_asked_for_it_gets_it_all_the_same() {
    // A script around: the launcher is no leader, and hears of the hangup by its shell's end only.
    for way in BOTH {
        let directory = crate::support::directory();
        let file = directory.path().join("diary");
        let text = format!("{} {}; :", way.prefix(), quoted(&diary(&file)));
        let mut command = beside("sh");
        command.args(["-c", &text]);
        let mut pty = Pty::start(&command);
        let read = || fs::read_to_string(&file).unwrap_or_default();
        wait_until("the command", || read().starts_with("ready ") && read().ends_with('\n'));
        let pid: i32 = read().trim().rsplit(' ').next().unwrap().parse().unwrap();
        pty.hang_up();
        wait_until("the hangup", || read().ends_with("HUP\n"));
        send(pid, "USR2");
        wait_until("the end", || read().ends_with("done\n"));
        assert_eq!(read(), format!("ready {pid}\nHUP\ndone\n"), "{way:?}");
    }
}
