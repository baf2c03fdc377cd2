//! What a host's file sets for everybody, with the real /etc/canhazgpu/config.toml in a mount namespace of its own: no
//! file and no variable of a user loosens it, and every mistake names its place.

use std::fs;
use std::process::Stdio;

use crate::support::host::{Host, can_be_others};
use crate::support::job::{Ended, Job};
use crate::support::skip;

/// A host with a file in /etc, and one user with a file of their own.
struct Ruled {
    host: Host,
}

impl Ruled {
    /// `None`, with a word why, where nobody can mount anything.
    fn by(policy: &str) -> Option<Self> {
        if !can_be_others() {
            return None;
        }
        let host = Host::with_gpus(4);
        let prepared = host.me().shell(
            "cp -a /etc \"$HERE/etc\" && rm -rf \"$HERE/etc/canhazgpu\" && mkdir \"$HERE/etc/canhazgpu\" &&
             unshare --mount mount --bind \"$HERE/etc\" /etc",
        );
        let prepared = Job::start(&mut { prepared }).finish();
        if prepared.code != Some(0) {
            skip(&format!("this scene mounts an /etc of its own: {}", prepared.stderr.trim()));
            return None;
        }
        fs::write(host.path("etc/canhazgpu/config.toml"), policy).unwrap();
        Some(Self { host })
    }

    /// The user's own file.
    fn user_says(&self, text: &str) {
        fs::create_dir_all(self.host.path(".config/canhazgpu")).unwrap();
        fs::write(self.host.path(".config/canhazgpu/config.toml"), text).unwrap();
    }

    /// Runs `chg` as the first user below this /etc; `variables` as a shell has them in front of a command.
    fn chg(&self, variables: &str, words: &[&str]) -> Ended {
        let text = format!(
            "mount --bind \"$HERE/etc\" /etc && exec env {variables} setpriv --reuid=23001 --regid=23001 \
             --clear-groups \"$CHG\" \"$@\""
        );
        let mut command = self.host.me().command("unshare");
        command.args(["--mount", "sh", "-c", &text, "sh"]).args(words).stdin(Stdio::null());
        Job::start(&mut command).finish()
    }

    fn refuses(&self, variables: &str, words: &[&str], status: i32, with: &str) {
        let ended = self.chg(variables, words);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(status), ""), "{words:?}: {ended}");
        assert!(ended.stderr.contains(with), "{with:?} in {ended}");
    }

    /// The line of `chg doctor` about a setting.
    fn in_force(&self, variables: &str, key: &str) -> String {
        let ended = self.chg(variables, &["doctor"]);
        let line = ended.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{key} ")));
        let words = line.unwrap_or_else(|| panic!("{key} in {ended}")).split_whitespace();
        words.skip(1).collect::<Vec<_>>().join(" ")
    }
}

const HOST_FILE: &str = "/etc/canhazgpu/config.toml";

#[test]
fn store_threshold_and_provider_are_the_hosts() {
    let Some(ruled) = Ruled::by("") else { return };
    let shared = ruled.host.other_store();
    let text = format!("store = '{shared}'\nmemory_threshold = 77\nprovider = 'nvidia'\n");
    fs::write(ruled.host.path("etc/canhazgpu/config.toml"), text).unwrap();
    ruled.user_says("store = 'sqlite:/tmp/mine'\nmemory_threshold = 999999\nprovider = 'fake'\n");
    let mine = "CANHAZGPU_STORE=sqlite:/tmp/mine CANHAZGPU_MEMORY_THRESHOLD=999999 CANHAZGPU_PROVIDER=fake";
    assert_eq!(ruled.in_force(mine, "store"), format!("{shared} {HOST_FILE}, line 1"));
    assert_eq!(ruled.in_force(mine, "memory_threshold"), format!("77 {HOST_FILE}, line 2"));
    assert_eq!(ruled.in_force(mine, "provider"), format!("nvidia {HOST_FILE}, line 3"));

    let reserved = ruled.chg(mine, &["reserve", "-G", "1"]);
    assert_eq!(reserved.code, Some(0), "{reserved}");
    let shown = ruled.host.me().with_store(&shared).does(&["status"]).stdout;
    assert!(shown.lines().nth(1).unwrap().starts_with("GPU 1: IN USE by uid 23001"), "{shown}");
    // A flag is typed for this once, and seen.
    let elsewhere = ruled.chg(mine, &["--memory-threshold", "5", "doctor"]);
    assert!(
        elsewhere
            .stdout
            .lines()
            .any(|line| line.contains("memory_threshold") && line.contains("command line"))
    );
}

#[test]
fn nothing_of_a_users_goes_before_the_policy() {
    let policy = "[policy]\nmax_duration = '2h'\nmax_gpus_per_user = 2\ndefault_timeout = '1h'\n";
    let Some(ruled) = Ruled::by(policy) else { return };
    let loose = ["", "CANHAZGPU_RUN_TIMEOUT=90m CANHAZGPU_RESERVE_DURATION=100d"];
    ruled.user_says("[run]\ntimeout = '2h'\n[reserve]\nduration = '30d'\n");
    for variables in loose {
        let long = "3h is more than this host allows: 2h (/etc/canhazgpu/config.toml, line 2)";
        ruled.refuses(variables, &["-t", "3h", "--", "true"], 2, long);
        ruled.refuses(variables, &["reserve", "-d", "3h"], 2, long);
        ruled.refuses(variables, &["extend", "-d", "3h"], 2, long);
        let many = "3 GPUs is more than this host allows: 2 (/etc/canhazgpu/config.toml, line 3)";
        ruled.refuses(variables, &["-g", "3", "--", "true"], 2, many);
        ruled.refuses(variables, &["reserve", "-G", "0-2"], 2, many);
    }
    // What nobody typed is cut.
    let reserved = ruled.chg(loose[1], &["reserve"]);
    assert_eq!(reserved.stdout, "Reserved 1 GPU(s): [0] for 2h 0m 0s\n", "{reserved}");
    // The sum of what one person holds counts.
    ruled.refuses(
        "",
        &["--nonblock", "-g", "2", "--", "true"],
        75,
        "you hold 1 of the 2 GPUs that one user may hold at once",
    );
    // A longer timeout of one's own is none, whichever of the two goes first.
    ruled.chg("", &["release"]);
    for variables in ["", "CANHAZGPU_RUN_TIMEOUT=5h"] {
        let told = ruled.chg(variables, &["--", "true"]);
        let limit = "chg: it may run for 1h (/etc/canhazgpu/config.toml, line 4; -t sets another)\n";
        assert!(told.code == Some(0) && told.stderr.contains(limit), "{told}");
    }
}

#[test]
fn rights_and_limits_in_a_users_hands_are_refused_with_their_place() {
    let Some(ruled) = Ruled::by("[policy]\nmax_duration = '2h'\n") else { return };
    for (text, line, key) in [
        ("[policy]\nmax_duration = '99d'\n", 2, "policy.max_duration"),
        ("\n[policy]\nmax_gpus_per_user = 99\n", 3, "policy.max_gpus_per_user"),
        ("policy.default_timeout = '99d'\n", 1, "policy.default_timeout"),
        ("admins = [23001]\n", 1, "admins"),
    ] {
        ruled.user_says(text);
        let file = ruled.host.path(".config/canhazgpu/config.toml").display().to_string();
        let place = format!("error: {file}, line {line}: {key} is for the host to set, in {HOST_FILE}\n");
        ruled.refuses("", &["status"], 1, &place);
        ruled.refuses("", &["--", "true"], 125, &place);
    }
    ruled.user_says("");
    let variable = "error: CANHAZGPU_POLICY_MAX_DURATION: policy.max_duration is for the host to set";
    ruled.refuses("CANHAZGPU_POLICY_MAX_DURATION=99d", &["--", "true"], 125, variable);
    // Another file in place of one's own is one's own.
    fs::write(ruled.host.path("other.toml"), "admins = ['me']\n").unwrap();
    ruled.refuses(
        "CANHAZGPU_CONFIG=$HERE/other.toml",
        &["status"],
        1,
        "other.toml, line 1: admins is for the host",
    );
    ruled.refuses("", &["--config", "other.toml", "status"], 1, "other.toml, line 1: admins is for the host");
}

#[test]
fn a_timeout_that_the_host_sets_is_told_and_ends_the_command() {
    let Some(ruled) = Ruled::by("[policy]\ndefault_timeout = '1s'\nmax_duration = '2h'\n") else { return };
    let ended = ruled.chg("", &["--", "sleep", "1000"]);
    assert_eq!(ended.code, Some(124), "{ended}");
    assert!(
        ended
            .stderr
            .contains("chg: it may run for 1s (/etc/canhazgpu/config.toml, line 2; -t sets another)\n")
    );
    let own = ruled.chg("", &["-t", "1h", "--", "true"]);
    assert_eq!((own.code, own.stderr.contains("may run for")), (Some(0), false), "{own}");
}

#[test]
fn mistakes_in_the_hosts_file_name_it_for_everybody() {
    let Some(ruled) = Ruled::by("store = 'sqlite:/x'\n\n[policy]\nmax_gpus_per_usr = 2\n") else { return };
    let ended = ruled.chg("", &["status"]);
    assert_eq!(ended.code, Some(1), "{ended}");
    let expected = "error: /etc/canhazgpu/config.toml, line 4: unknown key 'policy.max_gpus_per_usr'; allowed in [policy]: \
                    max_duration, max_gpus_per_user, default_timeout\nhint: did you mean 'max_gpus_per_user'?\n";
    assert_eq!(ended.stderr, expected);
    fs::write(ruled.host.path("etc/canhazgpu/config.toml"), "memory_threshold = 'much'\n").unwrap();
    let value = "line 1: memory_threshold: 'much' is not a whole number of megabytes\n";
    ruled.refuses("", &["status"], 1, value);
    let examined = ruled.chg("", &["doctor"]);
    assert!(examined.stdout.contains("'much' is not a whole number of megabytes"), "{examined}");
}
