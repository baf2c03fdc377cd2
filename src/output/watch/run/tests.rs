//! The watch on a real terminal: a process of its own, keys and signals from outside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::kill;
use nix::sys::termios::tcgetattr;
use nix::unistd::Pid;

use super::super::super::out::Talk;
use super::super::super::queue::QueueView;
use super::super::super::status::scene::{NOW, Scene, busy_host, idle};
use super::super::super::stream::{Stream, Wish};
use super::*;
use crate::sys::alone::alone;

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// Stands at the end of what was collected when nobody is left who could write.
const NOBODY: &str = "<nobody>";

fn watched(scene: &Scene) -> WatchView {
    WatchView { host: "atlas".into(), status: scene.view(), queue: QueueView { now: NOW, waiting: vec![] } }
}

/// Looks that are over as soon as they are begun.
struct AtOnce<F>(F);

impl<F: FnMut() -> Result<WatchView, OutputError>> Watched for AtOnce<F> {
    type Failure = OutputError;

    fn look(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn awaited(&self) -> Option<(BorrowedFd<'_>, Duration)> {
        None
    }

    fn seen(&mut self) -> Result<Option<WatchView>, OutputError> {
        self.0().map(Some)
    }

    fn so_far(&mut self) -> WatchView {
        unreachable!("every look is over at once")
    }
}

/// As in a program that is built to abort: the hook runs, and nothing is dropped.
extern "C" fn panic_without_unwinding() {
    panic!("the look broke");
}

/// Watches, as the tests below want it; looks fail while there is a file of the name FAILING, and panic if that says so.
#[test]
#[ignore = "the stage for the tests below"]
fn stage() {
    let failing = std::env::var_os("FAILING").unwrap_or_default();
    let look = || {
        let failed = std::fs::read_to_string(&failing);
        if failed.as_ref().is_ok_and(|text| text == "panic") {
            panic_without_unwinding();
        }
        if failed.is_ok() { Err(OutputError::Write(Errno::ECONNREFUSED)) } else { Ok(watched(&busy_host())) }
    };
    let every = Duration::from_millis(100);
    let body = || match watch(&Out::new(Wish::Never, Talk::Normal), every, &mut AtOnce(&look)) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    let reports = Stream::stderr(Wish::Never);
    let before = tcgetattr(std::io::stdin()).unwrap();
    alone(body, |pid, status| {
        let line = status.map_or(format!("PID {pid};"), |status| {
            // Here and now: the terminal is hung up as soon as this process has gone.
            let terminal =
                if tcgetattr(std::io::stdin()).unwrap() == before { "as before" } else { "changed" };
            format!("{status:?} terminal {terminal};")
        });
        let _ = reports.write(line.as_bytes());
    });
}

/// Who leads the session on the terminal.
#[derive(PartialEq)]
enum Leader {
    Watch,
    /// A shell with job control, so that stopping means something.
    Shell,
}

struct Theatre {
    keyboard: File,
    terminal: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
    told: Arc<Mutex<Vec<u8>>>,
    session: Child,
}

fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&all);
    std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut some) {
            sink.lock().unwrap().extend(&some[..n]);
        }
        sink.lock().unwrap().extend(NOBODY.as_bytes());
    });
    all
}

fn text(collected: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&collected.lock().unwrap()).into_owned()
}

impl Theatre {
    fn open(leader: Leader, failing: &str) -> Self {
        let size = Winsize { ws_row: 20, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let (reports, stderr) = std::io::pipe().unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty");
        if leader == Leader::Shell {
            // Its terminal is what it has as stderr.
            let script = "exec 3>&2 2>&0; set -m; \"$@\" 2>&3 3>&-; true";
            command.args(["bash", "-c", script, "bash"]);
        }
        command.arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "output::watch::run::tests::stage", "--nocapture"]);
        command.env("TERM", "xterm").env("FAILING", failing).env_remove("INSTA_UPDATE");
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let session = command.stdin(end()).stdout(end()).stderr(stderr).spawn().unwrap();
        let master = File::from(pty.master);
        Self {
            terminal: pty.slave,
            seen: collect(master.try_clone().unwrap()),
            keyboard: master,
            told: collect(reports),
            session,
        }
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: impl Fn(&str, &str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition(&text(&self.seen), &text(&self.told)) {
            let (seen, told) = (text(&self.seen), text(&self.told));
            assert!(Instant::now() < deadline, "no {what}: {told}\n{seen:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn is_drawn(&self) {
        self.wait_until("frame", |seen, told| seen.contains("COMMAND") && told.contains("PID "));
    }

    fn type_key(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).unwrap();
    }

    fn watcher(&self) -> Pid {
        let told = text(&self.told);
        let number = told.trim_start_matches("PID ").split(';').next().unwrap();
        Pid::from_raw(number.parse().unwrap())
    }

    fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        let _ = self.session.kill();
        let _ = self.session.wait();
    }
}

/// Whether the last report has arrived to its end, and nothing behind it.
fn is_whole(told: &str) -> bool {
    told.trim_end_matches(NOBODY).ends_with(';')
}

#[test]
fn q_leaves_the_terminal_as_it_was() {
    let mut theatre = Theatre::open(Leader::Watch, "");
    theatre.is_drawn();
    assert!(text(&theatre.seen).contains(ENTER));
    theatre.type_key(b'x');
    theatre.type_key(b'q');
    theatre.wait_until("end", |_, told| told.contains("Exited(") && is_whole(told));
    theatre.wait_until("leaving", |seen, _| seen.contains(LEAVE));
    assert!(text(&theatre.told).contains(", 0) terminal as before;"), "{}", text(&theatre.told));
}

#[test]
fn a_signal_ends_it_by_that_signal_and_leaves_the_terminal_as_it_was() {
    let theatre = Theatre::open(Leader::Watch, "");
    theatre.is_drawn();
    kill(theatre.watcher(), Signal::SIGTERM).unwrap();
    theatre.wait_until("end", |_, told| told.contains("Signaled(") && is_whole(told));
    theatre.wait_until("leaving", |seen, _| seen.contains(LEAVE));
    assert!(text(&theatre.told).contains("SIGTERM, false) terminal as before;"), "{}", text(&theatre.told));
}

#[test]
fn it_stops_and_goes_on_with_the_terminal_in_order_meanwhile() {
    let mut theatre = Theatre::open(Leader::Shell, "");
    theatre.is_drawn();
    theatre.forget();
    kill(theatre.watcher(), Signal::SIGTSTP).unwrap();
    theatre.wait_until("stop", |_, told| told.contains("Stopped(") && is_whole(told));
    theatre.wait_until("leaving", |seen, _| seen.contains(LEAVE));
    assert!(!text(&theatre.seen).contains(ENTER));
    assert!(text(&theatre.told).contains("SIGTSTP) terminal as before;"), "{}", text(&theatre.told));
    kill(theatre.watcher(), Signal::SIGCONT).unwrap();
    theatre.wait_until("return", |seen, _| {
        seen.split(ENTER).nth(1).is_some_and(|after| after.contains("COMMAND"))
    });
    theatre.type_key(b'q');
    theatre.wait_until("end", |_, told| told.contains("Exited(") && is_whole(told));
}

#[test]
fn a_new_size_is_drawn_at_once() {
    let theatre = Theatre::open(Leader::Watch, "");
    theatre.is_drawn();
    theatre.forget();
    let stdin = Stdio::from(theatre.terminal.try_clone().unwrap());
    assert!(Command::new("stty").args(["cols", "120"]).stdin(stdin).status().unwrap().success());
    theatre.wait_until("wider frame", |seen, _| seen.contains("/79.6G"));
}

#[test]
fn a_look_that_fails_is_told_above_the_last_view_until_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let failing = directory.path().join("failing");
    let theatre = Theatre::open(Leader::Watch, failing.to_str().unwrap());
    theatre.is_drawn();
    File::create(&failing).unwrap();
    theatre.wait_until("message", |seen, _| seen.contains("error: cannot write"));
    std::fs::remove_file(&failing).unwrap();
    theatre.forget();
    theatre.wait_until("recovery", |seen, _| seen.contains("1 available, 3 in use"));
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_before_it_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let (failing, draft) = (directory.path().join("failing"), directory.path().join("draft"));
    let theatre = Theatre::open(Leader::Watch, failing.to_str().unwrap());
    theatre.is_drawn();
    std::fs::write(&draft, "panic").unwrap();
    std::fs::rename(&draft, &failing).unwrap();
    theatre.wait_until("end", |_, told| told.contains("Signaled(") && is_whole(told));
    theatre.wait_until("leaving", |seen, _| seen.contains(LEAVE));
    let told = text(&theatre.told);
    assert!(told.contains("the look broke"), "{told}");
    assert!(told.contains("terminal as before;"), "{told}");
}

#[test]
fn changes_of_the_terminal_while_it_was_stopped_are_kept() {
    let theatre = Theatre::open(Leader::Shell, "");
    let stty = |words: &[&str]| {
        let stdin = Stdio::from(theatre.terminal.try_clone().unwrap());
        let output = Command::new("stty").args(words).stdin(stdin).output().unwrap();
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    theatre.is_drawn();
    kill(theatre.watcher(), Signal::SIGTSTP).unwrap();
    theatre.wait_until("stop", |_, told| told.contains("Stopped(") && is_whole(told));
    stty(&["erase", "^H"]);
    theatre.forget();
    kill(theatre.watcher(), Signal::SIGCONT).unwrap();
    theatre.wait_until("return", |seen, _| seen.contains("COMMAND"));
    (&theatre.keyboard).write_all(b"q").unwrap();
    theatre.wait_until("end", |_, told| told.contains("Exited(") && is_whole(told));
    let settings = stty(&["-a"]);
    assert!(settings.contains("erase = ^H"), "{settings}");
    assert!(settings.contains(" icanon") && settings.contains(" echo "), "{settings}");
}

#[test]
fn a_terminal_that_hangs_up_ends_it() {
    let mut theatre = Theatre::open(Leader::Shell, "");
    theatre.is_drawn();
    // The kernel hangs up a terminal whose session has lost its leader.
    theatre.session.kill().unwrap();
    theatre.wait_until("end of everybody", |_, told| told.ends_with(NOBODY));
}

#[test]
fn a_pipe_gets_a_table_at_every_tick_until_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = File::options().write(true).open("/dev/null").unwrap();
    let out = Out::over(Stream::on(writer.into()), Stream::on(null.into()), Talk::Normal);
    let watching = std::thread::spawn(move || {
        let look = || Ok(watched(&Scene::default().nobodys(None, idle(1), vec![])));
        watch(&out, Duration::from_millis(100), &mut AtOnce(look))
    });
    let table = "GPU  STATUS        MEMORY  LOAD  DETAILS\n  0  AVAILABLE  0.0/79.6G    0%  never used\n\n";
    let mut two = vec![0; table.len() * 2];
    reader.read_exact(&mut two).unwrap();
    assert_eq!(String::from_utf8(two).unwrap(), table.repeat(2));
    drop(reader);
    watching.join().unwrap().unwrap();
}

#[test]
fn a_look_that_fails_into_a_pipe_is_told_once_and_ends_it_only_when_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (mut told, stderr) = std::io::pipe().unwrap();
    let out = Out::over(Stream::on(writer.into()), Stream::on(stderr.into()), Talk::Normal);
    let watching = std::thread::spawn(move || {
        let mut looks = 0;
        let look = || {
            looks += 1;
            match looks {
                2 | 3 => Err(OutputError::Write(Errno::EIO)),
                1 | 4 => Ok(watched(&Scene::default().nobodys(None, idle(1), vec![]))),
                _ => Err(OutputError::Write(Errno::ENXIO)),
            }
        };
        watch(&out, Duration::from_millis(100), &mut AtOnce(look))
    });
    for _ in 0..2 {
        let (mut table, mut byte) = (String::new(), [0]);
        while !table.ends_with("\n\n") {
            reader.read_exact(&mut byte).unwrap();
            table.push(char::from(byte[0]));
        }
        assert!(table.contains("AVAILABLE"), "{table}");
    }
    drop(reader);
    watching.join().unwrap().unwrap();
    let mut said = String::new();
    told.read_to_string(&mut said).unwrap();
    let failures = [Errno::EIO, Errno::ENXIO].map(|errno| format!("error: {}\n", OutputError::Write(errno)));
    assert!(failures.concat().starts_with(&said), "{said}");
    assert!(said.starts_with(&failures[0]), "{said}");
}

#[test]
fn a_first_look_that_fails_is_the_failure() {
    let out = Out::new(Wish::Never, Talk::Normal);
    let look = || Err(OutputError::Write(Errno::ECONNREFUSED));
    assert!(watch(&out, Duration::from_secs(1), &mut AtOnce(look)).is_err());
}
