//! `release` and what outlived its launcher, where numbers of processes are used again.

use crate::support::host::{Host, can_be_others};
use crate::support::probe::script;
use crate::support::process::{Actor, Stray, await_end_of, descendants_of, lives, name, send};
use crate::support::pty::Pty;
use crate::support::skip;

/// Root's: starts a run of the first account's, kills its launcher when told, and gives the number that it is told to another process.
const FIRST: &str = "
import ctypes, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(36, 1)
account = ['setpriv', '--reuid=23001', '--regid=23001', '--clear-groups', '--']
run = subprocess.Popen(account + [os.environ['CHG'], '-q', '--', 'python3', '--daemons', '1'])
say('started')
sys.stdin.readline()
run.kill()
run.wait()
say('killed')
pid = int(sys.stdin.readline())
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
wanted = ctypes.c_int(pid)
words = struct.pack('11Q', 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
got = libc.syscall(435, words, len(words))
if got == 0: os.execvp(account[0], account + ['sleep', '1000'])
say('again' if got == pid else 'refused')
sys.stdin.read()";

#[test]
fn who_got_the_number_of_a_survivor_while_the_user_was_asked_is_left_alone() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    host.gpus.worker("python3");
    let words = script(FIRST);
    let mut command = host.me().command(&words[0]);
    let mut first = Actor::start(command.args(&words[1..]).env("CHG", host.program()));
    assert_eq!(first.line(), "started");
    let both = host.processes_on(0, 2);
    first.say("kill it");
    assert_eq!(first.line(), "killed");
    let survivor = host.processes_on(0, 1)[0];
    both.into_iter().filter(|pid| *pid != survivor).for_each(await_end_of);

    let mut asks = host.me().command("setpriv");
    asks.args(["--reuid=23001", "--regid=23001", "--clear-groups", "--"]).arg(host.program());
    let mut pty = Pty::start(asks.args(["release", "-G", "0"]));
    pty.sees(&format!("End PID {survivor} (python3), left over"));
    first.say(&survivor.to_string());
    if first.line() == "refused" {
        skip("no process can be given a number here");
        return;
    }
    let other = Stray(survivor);
    pty.enters("y");
    pty.ends_with(0);
    assert!(lives(other.0));
}

#[test]
fn a_run_around_the_one_that_is_over_is_left_alone_though_it_has_adopted_what_is_left() {
    let host = Host::with_gpus(2);
    host.gpus.worker("python3");
    let text = "\"$CHG\" --new -q -G 1 -- python3 --daemons 1; echo over; exec sleep 1000";
    let mut outer = host.me().starts(&["-q", "-G", "0", "--", "sh", "-c", text]);
    host.processes_on(1, 2);
    let inner = descendants_of(outer.pid()).into_iter().find(|pid| name(*pid) == "chg").unwrap();
    send(inner, "KILL");
    outer.prints("over\n");
    let left = host.processes_on(1, 1)[0];
    host.me().does(&["release", "-G", "1", "--force"]);
    assert!(!lives(left));
    assert!(!outer.has_ended());
    host.shows(0, "IN USE");
}
