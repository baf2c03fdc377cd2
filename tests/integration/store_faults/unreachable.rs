//! A server that cannot be found: nobody stands behind the C library's resolver.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::elsewhere::can_be_elsewhere;
use crate::support::host::Host;
use crate::support::job::Job;
use crate::support::probe;
use crate::support::wait::wait_until;

/// Alone on a network with a name server that hears and does not answer, becomes what its arguments say.
const NO_ANSWER: &str = r#"
import fcntl, socket, struct
lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(lo, 0x8914, struct.pack("16sH14x", b"lo", 0x41)) # SIOCSIFFLAGS: up, running
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
names.set_inheritable(True)
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Whether a question lies at the name server of this process's network.
fn has_asked(pid: i32) -> bool {
    let Ok(table) = fs::read_to_string(format!("/proc/{pid}/net/udp")) else { return false };
    let at_server = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut at_server = at_server.filter(|fields| fields.get(1) == Some(&"0100007F:0035"));
    at_server.any(|fields| fields[4].split_once(':').is_some_and(|(_, unread)| unread != "00000000"))
}

/// `chg` with these words, where its store's name is asked for in vain.
fn in_vain(host: &Host, resolver: &str, words: &[&str]) -> Job {
    fs::write(host.path("resolv.conf"), format!("nameserver 127.0.0.1\n{resolver}\n")).unwrap();
    let prepare = "set -e; mount --bind \"$HERE/resolv.conf\" /etc/resolv.conf; exec \"$@\"";
    let mut chg = host.me().with_store("redis://db.invalid:6379/0").command("unshare");
    chg.args(["--net", "--mount", "sh", "-c", prepare, "sh"]).args(probe::script(NO_ANSWER));
    Job::start(chg.arg(host.program()).args(words).stdin(Stdio::null()))
}

#[test]
fn a_name_that_nobody_answers_for_keeps_nobody_from_leaving() {
    if !can_be_elsewhere() {
        return;
    }
    let host = Host::with_gpus(1);
    let chg = in_vain(&host, "", &["--", "true"]);
    wait_until("it asks for the address", || has_asked(chg.pid()));
    let asked = Instant::now();
    chg.gets(Signal::SIGINT);
    let ended = chg.finish();
    assert_eq!(ended.signal, Some(2), "{ended}");
    // The resolver itself would take ten seconds.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

#[test]
fn a_name_that_nobody_answers_for_is_told_in_time() {
    if !can_be_elsewhere() {
        return;
    }
    let host = Host::with_gpus(1);
    let ended = in_vain(&host, "options timeout:30 attempts:2", &["status"]).finish();
    assert_eq!(ended.code, Some(1), "{ended}");
    let told =
        "cannot reach the store redis://db.invalid:6379/0: no answer in time about the address of db.invalid";
    assert!(ended.stderr.contains(told), "{ended}");
}
