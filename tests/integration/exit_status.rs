//! `chg -- X` ends as X ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};

use crate::support::oracle::{BOTH, Way, same_either_way, see};
use crate::support::probe::script;
use crate::support::{beside, chg, executable};

#[test]
fn every_exit_status_is_the_commands() {
    let all: Vec<i32> = (0..=255).collect();
    for some in all.chunks(16) {
        let start =
            |code: &i32| chg().args(["-q", "--", "sh", "-c", &format!("exit {code}")]).spawn().unwrap();
        let started: Vec<Child> = some.iter().map(start).collect();
        let ended = started.into_iter().map(|mut child| child.wait().unwrap().code());
        assert_eq!(ended.collect::<Vec<_>>(), some.iter().copied().map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn every_signal_that_ends_the_command_ends_us() {
    // All but those that stop, continue or are ignored by default.
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28];
    for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
        // No shell can name the two that the C library keeps to itself.
        let words = match signal {
            32 | 33 => script(&format!("os.kill(os.getpid(), {signal})")),
            _ => ["sh", "-c", &format!("kill -{signal} $$")].map(str::to_owned).to_vec(),
        };
        let [bare, supervised] = BOTH.map(|way| see(&mut way.command(&words)));
        assert_eq!(supervised, bare);
        // Those two may be ignored here: posix_spawn of the C library leaves them so.
        assert!(bare.signal == Some(signal) || matches!(signal, 32 | 33), "{signal}: {bare:?}");
    }
}

#[test]
fn a_signal_that_is_harmless_by_default_ends_nobody() {
    for signal in [17, 18, 23, 28] {
        let seen = same_either_way("sh", &format!("exec $RUN sh -c 'kill -{signal} $$; exit 9'"));
        assert_eq!(seen.code, Some(9));
    }
}

#[test]
fn a_command_that_dumps_core_leaves_one_core_and_not_two() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let counted = !pattern.starts_with(['/', '|']);
    let [bare, supervised] = BOTH.map(|way| {
        let directory = crate::support::directory();
        let mut command = way.script("sh", "ulimit -c unlimited; exec $RUN sh -c 'kill -SEGV $$'");
        let status = command.current_dir(&directory).status().unwrap();
        assert_eq!(status.signal(), Some(11));
        (fs::read_dir(&directory).unwrap().count(), status.core_dumped())
    });
    assert!(!supervised.1, "the launcher dumps none of its own");
    if counted {
        assert_eq!(supervised.0, bare.0);
    }
}

fn file(directory: &Path, name: &str, mode: u32, text: &str) -> String {
    let path = directory.join(name);
    executable(&path, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_cannot_be_run_ends_with_126_or_127() {
    let directory = crate::support::directory();
    let at = directory.path();
    let status = |word: &str| chg().args(["--", word]).output().unwrap().status.code();
    assert_eq!(status("no-such-command-here"), Some(127));
    assert_eq!(status("/no/such/file"), Some(127));
    assert_eq!(status(at.to_str().unwrap()), Some(126), "a directory");
    assert_eq!(status(&file(at, "plain", 0o644, "text")), Some(126));
    let orphaned = file(at, "orphaned", 0o755, "#!/no/such/interpreter\n");
    assert_eq!(status(&orphaned), Some(127));
    let garbage = file(at, "garbage", 0o755, "\x7fELF but not really");
    let bare = Command::new("sh").args(["-c", &format!("exec env {garbage}")]).output().unwrap();
    assert_eq!(status(&garbage), bare.status.code(), "as env runs it");
}

#[test]
fn a_script_without_an_interpreter_is_read_by_sh() {
    let directory = crate::support::directory();
    let text = file(directory.path(), "script", 0o755, "echo \"$0 has $# words: $*\"; exit 5\n");
    let [bare, supervised] = [
        see(beside("env").arg(&text).args(["a b", "c"])),
        see(&mut Way::Supervised.command(&[&text, "a b", "c"])),
    ];
    assert_eq!(supervised, bare);
    assert_eq!(bare.code, Some(5));
}

#[test]
fn a_program_is_looked_for_where_execvp_looks() {
    let directory = crate::support::directory();
    file(directory.path(), "prog", 0o755, "#!/bin/sh\necho here\n");
    file(directory.path(), "plain", 0o644, "text");
    for path in ["-u PATH", "PATH=", "PATH=:", "PATH=/no/such:", "PATH=bin:/bin", "PATH=.:/bin"] {
        for word in ["prog", "true", "plain", "nosuch"] {
            let [bare, supervised] = BOTH.map(|way| {
                let text = format!("cd \"$0\"; exec /usr/bin/env {path} $RUN {word} 2>/dev/null");
                see(way.script("sh", &text).arg(directory.path()))
            });
            assert_eq!(supervised, bare, "{word} with {path}");
        }
    }
}

#[test]
fn words_and_environment_arrive_as_they_were() {
    let seen = same_either_way(
        "bash",
        r#"export ODD=$'a=b\nc' EMPTY=; exec $RUN bash -c 'printf "<%s>" "$0" "$@" "$ODD" "${EMPTY-unset}"' '' 'x  y' $'\xff' -- --help"#,
    );
    assert_eq!(seen.code, Some(0));
}

#[test]
fn as_process_1_of_a_namespace_the_status_is_passed_on_as_a_number() {
    let inside = |script: &str| {
        let mut unshare = beside("unshare");
        unshare.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c", script]);
        see(&mut unshare)
    };
    if inside("exit 3").code != Some(3) {
        crate::support::skip("no pid namespace can be made here");
        return;
    }
    assert_eq!(inside("exec \"$CHG\" -- sh -c 'exit 7'").code, Some(7));
    assert_eq!(inside("exec \"$CHG\" -- sh -c 'kill -TERM $$'").code, Some(143));
    let reaped = inside("exec \"$CHG\" -- sh -c '(setsid sh -c \"exit 1\" &); exit 6'");
    assert_eq!(reaped.code, Some(6), "orphans come to us as process 1 too");
}
