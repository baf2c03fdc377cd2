//! What people see of the GPUs on real terminals of every width, and what happens to the terminal.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::glass::Glass;
use crate::support::host::{Host, me};
use crate::support::job::Job;
use crate::support::pty::{CTRL_C, CTRL_Z, Pty};

const WIDTHS: [u16; 4] = [60, 80, 120, 200];

/// Labels of wide characters, of several code points that make one, and of letters with marks.
const LABELS: [&str; 4] = ["山田太郎", "👩‍💻 ops", "Zoe\u{308} A\u{30a}", "bo"];

/// A host whose GPUs are held under these labels, one in line, and a process that did not ask.
struct Crowd {
    host: Host,
    _jobs: Vec<Job>,
}

fn crowd() -> Crowd {
    let host = Host::with_gpus(5);
    let mut jobs: Vec<Job> = LABELS
        .iter()
        .map(|label| host.me().holds(&["-u", label, "-n", "a note of 山田, long enough to be cut somewhere"]))
        .collect();
    jobs.push(host.me().takes_without_asking(&[4], "python3"));
    jobs.push(host.me().waits(&["-g", "3", "-u", LABELS[0], "--", "true"]));
    Crowd { host, _jobs: jobs }
}

fn chg(host: &Host, words: &[&str]) -> Command {
    let mut command = host.me().chg(words);
    command.env("LC_ALL", "C.UTF-8");
    command
}

#[test]
fn no_form_is_wider_than_its_terminal_and_columns_line_up() {
    let crowd = crowd();
    for columns in WIDTHS {
        let table = Glass::prints(&chg(&crowd.host, &["status", "-o", "table"]), columns);
        table.has_whole_rows();
        lines_up(&table);
        let queue = Glass::prints(&chg(&crowd.host, &["queue"]), columns);
        queue.has_whole_rows();
        assert_eq!(
            queue.column_of("POSITION", "WAITED"),
            queue.column_of("3 GPUs", "3 GPUs") + "3 GPUs (run)  ".len()
        );
        let summary = Glass::prints(&chg(&crowd.host, &["status", "--summary"]), columns);
        assert!(
            summary.shows()[0].starts_with("5 x NVIDIA H100 80GB HBM3: 0 available, 4 in use"),
            "{:?}",
            summary.shows()
        );
        let mut watch = Glass::start(&chg(&crowd.host, &["status", "--watch"]), columns, 40);
        watch.waits_for("the processes", |rows| rows.iter().any(|row| row.contains("COMMAND")));
        watch.has_whole_rows();
        lines_up(&watch);
        watch.pty.types("q");
        watch.pty.ends_with(0);
        watch.is_given_back();
    }
}

/// Behind names of every width the next column begins where its heading does.
fn lines_up(glass: &Glass) {
    let user = glass.column_of("STATUS", "USER");
    let since = glass.column_of("STATUS", "FOR");
    let terminal = glass.terminal();
    let screen = terminal.screen();
    let of_gpus = (0..screen.size().0.get())
        .filter(|row| screen.contents_between(*row, 0, *row, 20).contains("IN USE"));
    let mut seen = 0;
    for row in of_gpus {
        let at = |column: usize| {
            screen.cell(row, u16::try_from(column).unwrap()).map_or("", vt100::Cell::contents).to_owned()
        };
        assert!(
            at(since).chars().all(|c| c.is_ascii_digit()) && !at(since).is_empty(),
            "{row}: {:#?}",
            glass.shows()
        );
        assert_eq!(at(user), me()[..1], "{row}: {:#?}", glass.shows());
        assert_eq!(at(since - 1).trim(), "", "{row}: {:#?}", glass.shows());
        seen += 1;
    }
    assert_eq!(seen, LABELS.len());
}

#[test]
fn the_watched_screen_follows_the_size_and_what_happens() {
    let host = Host::with_gpus(3);
    let job = host.me().holds(&["-G", "1", "-n", "ablation"]);
    let mut glass = Glass::start(&chg(&host, &["status", "--watch", "1"]), 120, 30);
    let rows = glass.waits_for("the run", |rows| rows.iter().any(|row| row.contains("ablation")));
    assert!(rows[2].starts_with("GPU  STATUS"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("━") || row.contains("─")), "{rows:#?}");
    glass.resize(60, 20);
    let is_narrow = |rows: &[String]| {
        rows.len() > 3 && rows.iter().all(|row| row.chars().count() <= 60) && rows[2].ends_with("LOAD")
    };
    glass.waits_for("the narrow layout", is_narrow);
    glass.has_whole_rows();
    let _worker = host.me().takes_without_asking(&[2], "python3");
    glass.waits_for("the process", |rows| rows.iter().any(|row| row.contains("unreserved · ")));
    job.stops();
    glass.waits_for("the end of the run", |rows| {
        rows.iter().filter(|row| row.contains("AVAILABLE")).count() == 2
    });
    glass.pty.types(CTRL_C);
    assert_eq!(glass.pty.ends().signal(), Some(2));
    glass.is_given_back();
}

#[test]
fn a_locale_without_unicode_gets_bars_of_ascii() {
    let host = Host::with_gpus(1);
    let mut command = chg(&host, &["status", "--watch"]);
    let mut glass = Glass::start(command.env("LC_ALL", "C"), 80, 24);
    glass.waits_for("a bar", |rows| rows.iter().any(|row| row.contains("[ ") || row.contains("[|")));
    glass.pty.types("q");
    glass.pty.ends_with(0);
}

#[test]
fn sigterm_and_the_end_of_the_connection_end_the_watch() {
    let host = Host::with_gpus(1);
    let watching = || {
        let glass = Glass::start(&chg(&host, &["status", "--watch"]), 80, 24);
        glass.waits_for("the GPUs", |rows| rows.iter().any(|row| row.contains("AVAILABLE")));
        glass
    };
    let mut glass = watching();
    kill(Pid::from_raw(glass.pty.leader()), Signal::SIGTERM).unwrap();
    assert_eq!(glass.pty.ends().signal(), Some(15));
    glass.is_given_back();
    let mut glass = watching();
    glass.pty.hang_up();
    assert_ne!(glass.pty.ends().code(), Some(0));
}

#[test]
fn ctrl_z_gives_the_shell_its_terminal_and_fg_takes_it_back() {
    let host = Host::with_gpus(1);
    let mut bash = Pty::bash();
    let modes = bash.stty(&["-g"]);
    let library = host.gpus.library();
    bash.enters(&format!("export CANHAZGPU_STORE={} CANHAZGPU_NVML_LIB={}", host.store, library.display()));
    bash.sees("prompt> ");
    bash.enters("\"$CHG\" status --watch");
    bash.sees("AVAILABLE");
    bash.types(CTRL_Z);
    bash.sees("\u{1b}[?1049l");
    bash.sees("Stopped");
    bash.sees("prompt> ");
    assert_eq!(bash.stty(&["-g"]), modes, "as the shell had it");
    bash.enters("fg");
    bash.sees("\u{1b}[?1049h");
    bash.sees("AVAILABLE");
    bash.types("q");
    bash.sees("\u{1b}[?1049l");
    bash.sees("prompt> ");
    assert_eq!(bash.stty(&["-g"]), modes);
    bash.enters("exit 0");
    bash.ends_with(0);
}

#[test]
fn a_terminal_without_control_sequences_gets_the_table_again_and_again() {
    let host = Host::with_gpus(1);
    let mut command = chg(&host, &["status", "--watch", "1"]);
    // Not even where a build server asks for colour.
    let mut glass = Glass::start(command.env("TERM", "dumb").env("CI", "true"), 80, 60);
    glass.waits_for("two tables", |rows| rows.iter().filter(|row| row.contains("AVAILABLE")).count() >= 2);
    assert!(!glass.pty.screen().contains('\u{1b}'), "{:?}", glass.pty.screen());
    glass.pty.types(CTRL_C);
    assert_eq!(glass.pty.ends().signal(), Some(2));
}

#[test]
fn colours_are_shown_where_they_are_wanted_and_nowhere_else() {
    let host = Host::with_gpus(1);
    let colours = |words: &[&str], name: &str, value: &str| {
        let mut command = chg(&host, words);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR").env(name, value);
        Glass::prints(&command, 80).pty.screen().contains("\u{1b}[")
    };
    for words in [&["status"][..], &["status", "-o", "table"], &["status", "--summary"]] {
        assert!(colours(words, "X", "x"), "{words:?}");
        for (name, value) in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            assert!(!colours(words, name, value), "{words:?} with {name}");
        }
        assert!(colours(words, "CI", "true"), "{words:?}");
        assert!(!colours(&[words, &["--no-color"]].concat(), "X", "x"), "{words:?}");
    }
    assert!(!colours(&["status", "--json"], "X", "x"));
    // The screen itself takes control sequences; no colour is among them.
    let mut command = chg(&host, &["status", "--watch"]);
    let mut glass = Glass::start(command.env("NO_COLOR", "1"), 80, 24);
    glass.waits_for("the GPU", |rows| rows.iter().any(|row| row.contains("AVAILABLE")));
    glass.pty.types("q");
    glass.pty.ends_with(0);
    let screen = glass.pty.screen();
    let styles = screen.split("\u{1b}[").skip(1).filter(|rest| {
        rest.find(|c: char| !c.is_ascii_digit() && c != ';').is_some_and(|end| rest[end..].starts_with('m'))
    });
    assert_eq!(styles.count(), 0, "{screen:?}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly_and_a_full_disk_does_not() {
    let host = Host::with_gpus(3);
    for words in [
        "status",
        "status -o table",
        "status -s",
        "status -j",
        "queue",
        "report",
        "doctor",
        "status --watch 1",
    ] {
        let piped = |reader: &str| {
            let text = format!("\"$CHG\" {words} | {reader}; echo \"${{PIPESTATUS[0]}}\"");
            let mut bash = host.me().command("bash");
            Job::start(bash.args(["-c", &text]).stdin(Stdio::null())).finish()
        };
        for reader in ["head -n 1 >/dev/null", "true"] {
            let ended = piped(reader);
            assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("0\n", ""), "{words} | {reader}");
        }
        let full = Job::start(&mut host.me().shell(&format!("exec \"$CHG\" {words} >/dev/full"))).finish();
        assert_eq!(full.code, Some(1), "{words}: {full}");
        assert!(
            full.stderr.contains("cannot write to standard output: No space left on device"),
            "{words}: {full}"
        );
    }
}
