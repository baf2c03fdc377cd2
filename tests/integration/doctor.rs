//! `chg doctor`: what is well, what is not, and how to mend it, on hosts with one thing wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use fakenvml::Code;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::executable;
use crate::support::host::{Host, Store, can_be_others, me};
use crate::support::job::{Ended, Job};
use crate::support::wait::wait_for;

mod machine;
mod mending;

/// What was found, by area.
struct Examined {
    code: Option<i32>,
    json: Value,
}

fn examined(command: &mut Command) -> Examined {
    judged(Job::start(command.arg("--json")).finish())
}

fn judged(ended: Ended) -> Examined {
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
    assert_eq!(ended.stderr, "", "findings are the answer, not errors");
    Examined { code: ended.code, json }
}

fn doctor(host: &Host) -> Examined {
    examined(&mut host.me().chg(&["doctor"]))
}

impl Examined {
    /// Level and message of each finding of an area.
    fn of(&self, area: &str) -> Vec<(String, String)> {
        let findings = self.json["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let here = findings.filter(|finding| finding["area"] == area);
        here.map(|finding| (text(finding, "level"), text(finding, "message"))).collect()
    }

    /// The finding of an area whose message contains `text`: its level, and its mending.
    fn with(&self, area: &str, text: &str) -> (String, String) {
        let found =
            self.json["findings"].as_array().unwrap().iter().find(|finding| {
                finding["area"] == area && finding["message"].as_str().unwrap().contains(text)
            });
        let found = found.unwrap_or_else(|| panic!("no {area} with {text:?} in {:#}", self.json));
        (found["level"].as_str().unwrap().to_owned(), found["mend"].as_str().unwrap_or_default().to_owned())
    }

    fn setting(&self, key: &str) -> (String, String) {
        let settings = self.json["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["key"] == key);
        let found = found.unwrap_or_else(|| panic!("no {key} in {:#}", self.json));
        (found["value"].as_str().unwrap().to_owned(), found["origin"].as_str().unwrap().to_owned())
    }

    fn has_a_problem(&self) {
        assert_eq!((self.code, &self.json["status"]), (Some(1), &"problem".into()), "{:#}", self.json);
    }

    fn has_no_problem(&self) {
        assert_eq!(self.code, Some(0), "{:#}", self.json);
        assert_ne!(self.json["status"], "problem");
    }
}

fn set_mode(host: &Host, name: &str, mode: u32) {
    fs::set_permissions(host.path(name), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_host_that_is_well_says_so_and_nothing_is_made() {
    let host = Host::with_gpus(2);
    let found = doctor(&host);
    found.has_no_problem();
    assert!(found.of("driver")[0].1.starts_with("version 580.82.07 with 2 GPUs"), "{:#}", found.json);
    assert_eq!(found.with("driver", "persistence mode is on").0, "ok");
    assert_eq!(found.with("store", "not there yet").0, "ok");
    assert!(!host.path("store").join("pool.db").exists(), "an examination makes no store");
    assert_eq!(found.setting("store"), (host.store.clone(), "CANHAZGPU_STORE".to_owned()));
    assert_eq!(found.setting("run.gpus"), ("1".to_owned(), "default".to_owned()));
}

#[test]
fn a_pool_in_use_is_counted_with_its_users() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    let _job = host.me().holds(&[]);
    let found = doctor(&host);
    found.has_no_problem();
    let (_, message) = &found.of("store")[1];
    assert!(message.contains("with a pool of 2 GPUs; 1 account used it in the last 30 days"), "{message}");
    assert!(message.contains("mode 0777"), "{message}");
    assert_eq!(found.of("records")[0].1, "1 reservation, no waiter, nothing stale");
}

#[test]
fn people_read_it_line_by_line() {
    let host = Host::with_gpus(1);
    host.gpus.change_gpu(0, |gpu| gpu.persistence = Some(false));
    let Ended { stdout, .. } = host.me().does(&["doctor"]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("ok       driver         version 580.82.07 with 1 GPU"), "{stdout}");
    assert!(lines[1].starts_with("warning  driver         persistence mode is off on GPU 0"), "{stdout}");
    assert!(lines[2].starts_with("                        mend: sudo nvidia-smi -pm 1  # or"), "{stdout}");
    assert!(lines.iter().any(|line| line.starts_with("SETTING ")), "{stdout}");
    assert!(lines.last().unwrap().contains("warning"), "{stdout}");
}

#[test]
fn a_missing_library_and_a_missing_driver_are_different_problems() {
    let host = Host::with_gpus(1);
    let mut command = host.me().chg(&["doctor"]);
    let found = examined(command.env("CANHAZGPU_NVML_LIB", host.path("no-such-library.so")));
    found.has_a_problem();
    assert!(found.with("driver", "cannot load").1.contains("CANHAZGPU_NVML_LIB"));
    host.gpus.unload_driver();
    let found = doctor(&host);
    found.has_a_problem();
    assert!(found.with("driver", "is not loaded").1.contains("modprobe"));
}

#[test]
fn a_lost_gpu_is_a_problem_and_the_others_still_answer() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    host.gpus.fail("*", Some(1), Code::GPU_IS_LOST);
    let found = doctor(&host);
    found.has_a_problem();
    assert_eq!(found.with("driver", "GPU 1: GPU is lost").0, "problem");
}

#[test]
fn no_driver_is_needed_for_simulated_gpus() {
    let host = Host::with_gpus(0);
    host.gpus.unload_driver();
    host.me().does(&["admin", "--gpus", "4", "--provider", "fake"]);
    let found = doctor(&host);
    found.has_no_problem();
    assert_eq!(found.with("driver", "not needed").0, "ok");
    assert_eq!(found.with("store", "4 simulated GPUs").0, "ok");
    assert_eq!(found.of("devices"), []);
}

#[test]
fn a_redis_that_does_not_answer_is_one_problem_among_the_answers() {
    let mut host = Host::on(Store::Redis, 2);
    host.me().does(&["--", "true"]);
    doctor(&host).has_no_problem();
    host.redis.as_mut().unwrap().dies();
    let found = doctor(&host);
    found.has_a_problem();
    assert!(found.with("store", "cannot reach the store").1.contains("start it"));
    assert_eq!(found.of("driver")[0].0, "ok", "the rest was looked at");
    assert_eq!(found.of("records"), []);
}

#[test]
fn a_store_that_nobody_can_name_is_a_problem() {
    let host = Host::with_gpus(1);
    let found = examined(&mut host.me().chg(&["doctor", "--store", "mysql://root:hunter2@db"]));
    found.has_a_problem();
    assert_eq!(found.with("store", "does not name a store").0, "problem");
    assert!(!found.json.to_string().contains("hunter2"));
}

#[test]
fn every_mistake_in_the_configuration_is_told_and_the_rest_is_in_force() {
    let host = Host::with_gpus(1);
    fs::write(host.path("config.toml"), "[run]\ngpus = 2\ntimout = '1h'\n").unwrap();
    let mut command = host.me().chg(&["doctor", "--config", "config.toml"]);
    let command = command.env("CANHAZGPU_RESERVE_DURATION", "-5h").env("CANHAZGPU_STOER", "x");
    let found = examined(command);
    found.has_a_problem();
    assert_eq!(found.with("configuration", "config.toml, line 3: unknown key 'run.timout'").0, "problem");
    assert_eq!(found.with("configuration", "CANHAZGPU_RESERVE_DURATION").0, "problem");
    assert_eq!(found.with("configuration", "CANHAZGPU_STOER").0, "warning");
    assert_eq!(found.setting("store").1, "CANHAZGPU_STORE");
    assert_eq!(found.of("store")[0].0, "ok");
}

#[test]
fn a_damaged_record_is_named_with_the_command_that_resets_it() {
    let host = Host::on(Store::Redis, 2);
    host.me().does(&["--", "true"]);
    host.redis.as_ref().unwrap().ask(&["SET", "canhazgpu:gpu:1", "{half"]);
    let found = doctor(&host);
    found.has_a_problem();
    let (level, mend) = found.with("records", "the record of GPU 1 cannot be read");
    assert_eq!(level, "problem");
    assert!(mend.contains("chg admin --reset gpu:1"), "{mend}");
}

#[test]
fn what_a_killed_run_left_is_stale_until_somebody_looks() {
    let host = Host::with_gpus(1);
    let mut job = host.me().holds(&[]);
    job.gets(Signal::SIGKILL);
    job.wait();
    let (level, mend) = wait_for("the command to be dead too", || {
        let found = doctor(&host);
        let is_stale = found.of("records").iter().any(|(_, message)| message.contains("not cleared away"));
        is_stale.then(|| {
            found.with("records", &format!("of {} (GPU 0) is over and was not cleared away yet", me()))
        })
    });
    assert_eq!(level, "warning");
    assert!(mend.contains("chg status"), "{mend}");
    host.me().does(&["status"]);
    assert_eq!(doctor(&host).of("records")[0].1, "no reservation, no waiter, nothing stale");
}

#[test]
fn records_of_the_go_program_are_foreign() {
    let host = Host::on(Store::Redis, 2);
    host.me().does(&["--", "true"]);
    let record = r#"{"user":"root","start_time":1700000000,"last_heartbeat":1700000000,"type":"manual","expiry_time":99999999999}"#;
    host.redis.as_ref().unwrap().ask(&["SET", "canhazgpu:gpu:1", record]);
    let found = doctor(&host);
    found.has_no_problem();
    assert_eq!(found.with("records", "1 reserved and 0 in line by the Go canhazgpu").0, "warning");
}

#[test]
fn a_store_that_others_cannot_write_is_warned_of_and_theirs_to_see() {
    let host = Host::with_gpus(1);
    host.me().does(&["--", "true"]);
    set_mode(&host, "store", 0o755);
    let found = doctor(&host);
    found.has_no_problem();
    let (level, mend) = found.with("store", "has mode 0755");
    assert_eq!(level, "warning");
    assert_eq!(mend, format!("chmod 0777 {}", host.path("store").display()));
    for mode in [0o755, 0o700] {
        set_mode(&host, "store", mode);
        if can_be_others() {
            let found = examined(&mut host.user(1).chg(&["doctor"]));
            found.has_a_problem();
            assert_eq!(found.with("store", "refuses access").0, "problem", "{mode:o}");
        }
    }
}

#[test]
fn a_run_of_another_store_gives_itself_away_by_its_seat() {
    let host = Host::with_gpus(2);
    let other = host.other_store();
    let job = host.me().with_store(&other).holds(&["--gpu-ids", "1"]);
    let found = doctor(&host);
    found.has_a_problem();
    let text = format!("(PID {}) runs on GPU 1 by another store than this one", job.pid());
    assert_eq!(found.with("pools", &text).0, "problem");
    let found = examined(&mut host.me().with_store(&other).chg(&["doctor"]));
    found.has_no_problem();
}

#[test]
fn shims_are_told_by_whether_typing_their_name_runs_them() {
    let host = Host::with_gpus(1);
    let (shims, real) = (host.path("shims"), host.path("real"));
    for (directory, text) in [(&shims, "#!/bin/sh\nexec chg shim vllm -- \"$@\"\n"), (&real, "#!/bin/sh\n")] {
        fs::create_dir(directory).unwrap();
        executable(&directory.join("vllm"), text);
    }
    let with_path = |first: &std::path::Path, second: &std::path::Path| {
        let path = format!("{}:{}:/usr/bin:/bin", first.display(), second.display());
        examined(host.me().chg(&["doctor"]).env("PATH", path))
    };
    let shim_first = with_path(&shims, &real);
    let expected = format!("vllm runs {}", real.join("vllm").display());
    assert_eq!(shim_first.with("shims", &expected).0, "ok");
    let real_first = with_path(&real, &shims);
    assert_eq!(real_first.with("shims", "which stands before its shim").0, "warning");
}
