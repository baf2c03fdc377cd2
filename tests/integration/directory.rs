//! A directory of accounts that never answers: whoever is not in /etc/passwd is called by a number, and nobody waits for a
//! name longer than moments.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::elsewhere::can_be_elsewhere;
use crate::support::host::{Host, Store, ageless, can_be_others};
use crate::support::job::{Ended, Job};
use crate::support::skip;

/// A module of the C library's for account databases.
const HANGS: &str = "#include <unistd.h>
int _nss_hangs_getpwuid_r(void) { for (;;) pause(); }
int _nss_hangs_getpwnam_r(void) { for (;;) pause(); }
";

/// The words that run a program where everybody who is not in the file is asked of that module.
fn with_a_directory_that_hangs(host: &Host, uid: Option<u32>) -> Option<Command> {
    if !can_be_others() || !can_be_elsewhere() {
        return None;
    }
    let (source, module, switch) =
        (host.path("hangs.c"), host.path("libnss_hangs.so.2"), host.path("nsswitch.conf"));
    fs::write(&source, HANGS).unwrap();
    fs::write(&switch, "passwd: files hangs\n").unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&module).arg(&source).output();
    if !compiled.is_ok_and(|compiled| compiled.status.success()) {
        skip("this scene needs a C compiler that makes shared objects");
        return None;
    }
    let identity =
        uid.map_or(String::new(), |uid| format!("setpriv --reuid={uid} --regid={uid} --clear-groups"));
    let text = format!(
        "mount --bind '{}' /etc/nsswitch.conf && exec {identity} env LD_LIBRARY_PATH='{}' \"$@\"",
        switch.display(),
        host.directory().display()
    );
    let mut there = host.me().command("unshare");
    there.args(["--mount", "sh", "-c", &text, "sh"]).stdin(Stdio::null());
    Some(there)
}

#[test]
fn a_directory_that_hangs_costs_names_and_nothing_else() {
    let host = Host::on(Store::Redis, 3);
    let Some(mut asks) = with_a_directory_that_hangs(&host, None) else { return };
    // It does hang.
    let tried = Job::start(asks.args(["timeout", "0.2", "getent", "passwd", "23001"])).finish();
    assert_eq!(tried.code, Some(124), "{tried}");
    let there = |uid: Option<u32>, words: &[&str]| {
        let mut chg = with_a_directory_that_hangs(&host, uid).unwrap();
        Job::start(chg.arg(host.program()).args(words)).finish()
    };
    let squatter = host.user(2).takes_without_asking(&[0], "python3");
    // A record of the Go program says the name alone.
    let ghost = r#"{"user":"ghost","type":"manual","start_time":1795445462,"expiry_time":4102444800}"#;
    for (key, value) in [("gpu_count", "3"), ("provider", "nvidia"), ("gpu:2", ghost)] {
        host.redis.as_ref().unwrap().ask(&["SET", &format!("canhazgpu:{key}"), value]);
    }

    let granted = there(Some(23_001), &["-G", "1", "--nonblock", "--", "echo", "granted"]);
    assert_eq!((granted.code, granted.stdout.as_str()), (Some(0), "granted\n"), "{granted}");
    let warned =
        |ended: &Ended| ended.stderr.matches("warning: the directory of accounts does not answer\n").count();
    assert_eq!(warned(&granted), 1, "{granted}");
    let shown = there(None, &["status"]);
    assert_eq!(warned(&shown), 1, "{shown}");
    let lines: Vec<String> = shown.stdout.lines().map(ageless).collect();
    let used = format!(
        "GPU 0: IN USE WITHOUT RESERVATION by user uid 23002 - 1028MB used by PID {} (python3)",
        squatter.pid()
    );
    assert_eq!(lines[0], used, "{shown}");
    assert!(lines[2].starts_with("GPU 2: IN USE by ghost for T (manual"), "{shown}");
    // Whoever is in the file is found there.
    let held = there(None, &["reserve", "-G", "1"]);
    assert_eq!((held.code, warned(&held)), (Some(0), 0), "{held}");
    assert!(host.line(1).contains("IN USE by root for "), "{}", host.line(1));
}
