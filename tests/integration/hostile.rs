//! A process whose name and words are made to command the terminal, to forge lines and to turn text around: nothing on the
//! screen changes but its own escaped name, and JSON stays valid.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use fakenvml::Kind;
use serde_json::Value;

use crate::support::host::{FIRST, Host, can_be_others};
use crate::support::job::Job;
use crate::support::probe::script;
use crate::support::pty::Pty;

/// What the kernel keeps of a name, 15 bytes: an escape sequence, a bell, a line's end, no UTF-8, a right-to-left override.
const NAME: &[u8] = b"\x1b[2J\x07\n\xff\xe2\x80\xae)x";
const SHOWN: &str = "\\u{1b}\\u{5b}2J\\u{7}\\n\u{fffd}\\u{202e}\\u{29}x";
const WORD: &[u8] = b"\x1b]0;owned\x07\r\nGPU 9: AVAILABLE (never used)\xff\xe2\x80\xaelive";
const MODEL: &[u8] = b"a/\x1b[31m\xe2\x80\xaeledom\n";
const SHOWN_MODEL: &str = "a/\\u{1b}\\u{5b}31m\\u{202e}ledom\\n";

/// A process of the first account's on GPU 0 with this name, which was started as `word` with this model.
fn names_itself(host: &Host, name: &[u8], word: &[u8], model: &[u8]) -> Job {
    let octal: String = name.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let text = format!(
        "import ctypes\nctypes.CDLL(None).prctl(15, b'{octal}', 0, 0, 0)\nsay('up')\nsys.stdin.read()"
    );
    let words = script(&text);
    let mut command = Command::new(&words[0]);
    command.uid(FIRST).gid(FIRST).arg0(OsStr::from_bytes(word)).args(&words[1..]).arg("--model");
    command.arg(OsStr::from_bytes(model)).stdin(Stdio::piped());
    let job = Job::start(&mut command);
    job.prints("up");
    host.gpus.add_process(0, job.pid(), Some(2048), Kind::Compute);
    job
}

/// Everything that shows it: its pid as `PID`, its name as `NAME`, its model as `MODEL`.
fn seen_everywhere(host: &Host, of: &Job, name: &str, model: &str) -> Vec<String> {
    let pid = of.pid().to_string();
    let plain = |text: String| text.replace(&pid, "PID").replace(name, "NAME").replace(model, "MODEL");
    let waiter = host.user(2).waits(&["-G", "0", "--", "true"]);
    let mut seen: Vec<String> =
        [&["status"][..], &["queue"]].map(|words| plain(host.me().does(words).stdout)).to_vec();
    seen.push(plain(host.user(2).runs(&["-G", "0", "--nonblock", "--", "true"]).stderr));
    seen.push(plain(waiter.stderr()));
    // Ages are for nobody to foresee.
    seen.iter().map(|text| text.split(" 0s").next().unwrap().to_owned()).collect()
}

/// Whether a terminal would obey it, or an eye be deceived; our own sequences begin otherwise.
fn is_hostile(text: &str) -> bool {
    text.contains(['\u{7}', '\u{202e}']) || text.contains("\u{1b}]") || text.contains("\u{1b}[2J")
}

#[test]
fn its_own_escaped_name_is_all_that_changes() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let honest = names_itself(&host, b"honest", b"honest", b"model");
    let expected = seen_everywhere(&host, &honest, "honest", "model");
    assert_eq!(expected[0].lines().count(), 2, "{expected:?}");
    assert!(expected[0].contains(" used by PID PID (NAME) [MODEL: MODEL]\n"), "{expected:?}");
    drop(honest);
    let hostile = names_itself(&host, NAME, WORD, MODEL);
    assert_eq!(seen_everywhere(&host, &hostile, SHOWN, SHOWN_MODEL)[1..], expected[1..]);
    let line = host.line(0);
    assert!(
        line.ends_with(&format!(" used by PID {} ({SHOWN}) [model: {SHOWN_MODEL}]", hostile.pid())),
        "{line}"
    );

    for words in [
        &["status"][..],
        &["status", "-o", "table"],
        &["status", "--summary"],
        &["queue"],
        &["report"],
        &["doctor"],
    ] {
        let shown = host.me().runs(words).stdout;
        assert!(!is_hostile(&shown) && !shown.contains(['\u{1b}', '\r']), "{words:?}: {shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("GPU 9")), "{words:?}: {shown}");
    }
    let table = host.me().does(&["status", "-o", "table"]).stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn json_stays_valid_and_tells_it_letter_for_letter() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let hostile = names_itself(&host, NAME, WORD, MODEL);
    let shown = host.me().does(&["status", "--json"]).stdout;
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let process = &shown[0]["processes"][0];
    assert_eq!(process["pid"], hostile.pid());
    assert_eq!(process["name"], String::from_utf8_lossy(NAME).as_ref());
    assert_eq!(process["command"][0], String::from_utf8_lossy(WORD).as_ref());
    assert_eq!(shown[0]["model"]["model"], String::from_utf8_lossy(MODEL).as_ref());
    let _waiter = host.user(2).waits(&["-G", "0", "--", "true"]);
    assert_eq!(host.queue().len(), 1);
}

#[test]
fn a_watched_screen_and_a_live_line_stay_as_they_are() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let hostile = names_itself(&host, NAME, WORD, MODEL);
    for (size, text) in [
        ("rows 60 cols 200", "status --watch 1"),
        ("rows 24 cols 60", "status --watch 1"),
        ("rows 24 cols 200", "-G 0 -- true"),
    ] {
        let shell = host.user(2).shell(&format!("stty {size}; exec \"$CHG\" {text}"));
        let mut screen = Pty::start(&shell);
        screen.sees(if text.starts_with("status") { "UNRESERVED" } else { "waiting" });
        if text.starts_with("status") {
            // Twice drawn: at once and at a tick.
            screen.sees(&hostile.pid().to_string());
            screen.sees("UNRESERVED");
            screen.types("q");
        } else {
            screen.sees("in use without reservation by uid 23001");
            screen.types("\u{3}");
        }
        screen.ends();
        let shown = screen.screen().replace('\r', "");
        assert!(!is_hostile(&shown), "{size} {text}: {shown:?}");
        assert!(!shown.contains("\nGPU 9"), "{size} {text}: {shown:?}");
    }
}
