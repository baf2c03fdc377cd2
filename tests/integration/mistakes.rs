//! What goes wrong is told in one clear line with the way out in another, with the right status, and nothing waits.

use std::fs;

use fakenvml::Code;

use crate::support::host::{Host, Store, can_be_others, is_in_charge, me};
use crate::support::job::{Ended, Job};
use crate::support::redis::Server;

/// One error, at most one hint, nothing else; and nothing on stdout.
fn is_clear(ended: &Ended, status: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(status), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines[0].starts_with("error: "), "{ended}");
    assert!(lines.len() <= 2 && lines[1..].iter().all(|line| line.starts_with("hint: ")), "{ended}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} in {ended}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_by_name() {
    let host = Host::with_gpus(2);
    let table: &[(&[&str], &[&str])] = &[
        (&["-g", "0", "--", "true"], &["--gpus: '0' is not a whole number from 1 up"]),
        (&["-g", "-1", "--", "true"], &["--gpus: '-1' is not a whole number from 1 up"]),
        (&["-g", "two", "--", "true"], &["'two'"]),
        (&["-G", "0,0", "--", "true"], &["--gpu-ids: ", "0"]),
        (&["-G", "-1", "--", "true"], &["--gpu-ids: ", "-1"]),
        (&["-G", "", "--", "true"], &["--gpu-ids: "]),
        (&["-G", "3-1", "--", "true"], &["--gpu-ids: "]),
        (&["-G", "9", "--", "true"], &["GPU 9 is not in the pool", "the pool has GPU 0, 1"]),
        (&["reserve", "-G", "9"], &["GPU 9 is not in the pool", "the pool has GPU 0, 1"]),
        (&["-g", "2", "-G", "0", "--", "true"], &["--gpus 2 and --gpu-ids", "disagree"]),
        (&["reserve", "-d", "10"], &["'10' is not a duration", "30m, 2h, 1d"]),
        (&["reserve", "-d", "-5h"], &["'-5h' is not a duration", "sign"]),
        (&["reserve", "-d", "1M"], &["'1M' is not a duration", "months"]),
        (&["reserve", "-d", "0s"], &["'0s' is not a duration", "zero"]),
        (&["reserve", "-d", "999999999999999999999d"], &["is not a duration"]),
        (&["reserve", "-d", "2000d"], &["'2000d' is not a duration", "more than a year"]),
        (&["-t", "-5h", "--", "true"], &["'-5h' is not a duration"]),
        (&["--wait", "5", "--", "true"], &["'5' is not a duration"]),
        (&["--nonblock", "--wait", "5s", "--", "true"], &["--nonblock", "--wait"]),
        (&["-E", "256", "--", "true"], &["'256' is not an exit status"]),
        (&["--"], &["no command after the --", "chg -g 2 -- python3 train.py"]),
        (&["-g", "1"], &["no command: write one after --"]),
        (&["python3", "train.py"], &["write -- before the command 'python3'", "chg -- python3 train.py"]),
        (
            &["-g", "1", "python3", "-c", "x y"],
            &["write -- before the command", "chg -g 1 -- python3 -c 'x y'"],
        ),
        (&["-g", "--", "true"], &["-g needs a value before the --"]),
        (&["stauts"], &["there is no verb 'stauts'", "did you mean 'chg status'"]),
        (&["--no-such-option", "--", "true"], &["--no-such-option"]),
        (&[], &["nothing to do", "chg --help"]),
        (&["extend"], &["say how long", "chg extend -d 4h"]),
        (&["web"], &["not here yet"]),
        (&["status", "--all"], &["not here yet"]),
        (&["status", "--remote", "other"], &["not here yet"]),
    ];
    for (words, parts) in table {
        is_clear(&host.me().runs(words), 2, parts);
    }
    assert!(host.status().iter().all(|line| line.contains("AVAILABLE (never used)")), "{:?}", host.status());
}

#[test]
fn more_gpus_than_the_pool_has_are_refused_at_once() {
    let host = Host::with_gpus(2);
    is_clear(&host.me().runs(&["-g", "99", "--", "true"]), 125, &["requested 99 GPUs of a pool of 2"]);
    is_clear(&host.me().runs(&["reserve", "-g", "99"]), 1, &["requested 99 GPUs of a pool of 2"]);
}

#[test]
fn gpus_that_are_not_free_are_another_status_than_whatever_is_broken() {
    let host = Host::with_gpus(2);
    let _holder = host.me().holds(&["-g", "2"]);
    for (words, parts) in [
        (
            &["-g", "2", "--nonblock", "--", "true"][..],
            &[format!("requested 2, available 0: 2 reserved by {} (run", me()).as_str()][..],
        ),
        (
            &["reserve", "--nonblock"],
            &[format!("requested 1, available 0: 2 reserved by {} (run", me()).as_str()],
        ),
        (&["-G", "1", "--nonblock", "--", "true"], &[format!("GPU 1 is reserved by {} (run", me()).as_str()]),
    ] {
        is_clear(&host.me().runs(words), 75, parts);
    }
}

#[test]
fn a_machine_without_a_driver_says_so_and_how_to_try_the_program_all_the_same() {
    let host = Host::with_gpus(1);
    let run = |words: &[&str]| {
        Job::start(host.me().chg(words).env("CANHAZGPU_NVML_LIB", "/nonexistent.so")).finish()
    };
    let parts = ["cannot load /nonexistent.so", "--provider fake"];
    is_clear(&run(&["--", "true"]), 125, &parts);
    is_clear(&run(&["reserve"]), 1, &parts);
    is_clear(&run(&["status"]), 1, &parts);
    // What it names works.
    let store = host.other_store();
    let fake = |words: &[&str]| {
        Job::start(host.me().with_store(&store).chg(words).env("CANHAZGPU_NVML_LIB", "/nonexistent.so"))
            .finish()
    };
    assert_eq!(fake(&["admin", "--gpus", "2", "--provider", "fake"]).code, Some(0));
    assert_eq!(fake(&["-g", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]).stdout, "0,1\n");
}

#[test]
fn a_driver_that_went_away_leaves_nothing_free_and_nothing_hidden() {
    let host = Host::with_gpus(2);
    let _holder = host.me().holds(&[]);
    host.gpus.unload_driver();
    let shown = host.me().runs(&["status"]);
    assert_eq!(shown.code, Some(1), "{shown}");
    assert!(shown.stderr.starts_with("error: the NVIDIA driver is not loaded\n"), "{shown}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{shown}");
    assert!(
        lines[0].starts_with("GPU 0: UNKNOWN (") && lines[0].contains(&format!("reserved by {}", me())),
        "{shown}"
    );
    assert!(lines[1].starts_with("GPU 1: UNKNOWN ("), "{shown}");
    is_clear(&host.me().runs(&["--", "true"]), 125, &["the NVIDIA driver is not loaded"]);
}

#[test]
fn a_machine_without_gpus_has_no_pool() {
    let host = Host::with_gpus(0);
    is_clear(&host.me().runs(&["--", "true"]), 125, &["no GPU"]);
    is_clear(&host.me().runs(&["reserve"]), 1, &["no GPU"]);
    is_clear(&host.me().runs(&["admin", "--gpus", "0"]), 2, &["--gpus: '0' is not a whole number from 1 up"]);
}

#[test]
fn a_gpu_that_is_lost_is_named_and_the_others_go_on() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    host.gpus.fail("*", Some(0), Code::GPU_IS_LOST);
    let line = host.line(0);
    assert!(line.starts_with("GPU 0: UNKNOWN (GPU is lost)"), "{line}");
    assert_eq!(host.json(&["status"])[0]["status"], "ERROR");
    assert_eq!(host.me().does(&["--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]).stdout, "1\n");
    is_clear(
        &host.me().runs(&["-G", "0", "--nonblock", "--", "true"]),
        75,
        &["GPU 0 is not known to be free: GPU is lost"],
    );
}

#[test]
fn a_store_that_is_not_there_is_named_without_its_password() {
    let mut host = Host::on(Store::Redis, 1);
    host.redis.as_mut().unwrap().dies();
    let url = host.store.replace("redis+unix://", "");
    let socket = url.split('?').next().unwrap();
    is_clear(&host.me().runs(&["--", "true"]), 125, &["cannot reach the store", socket, "--store"]);
    for verb in ["reserve", "release", "status", "queue", "report"] {
        is_clear(&host.me().runs(&[verb]), 1, &["cannot reach the store", socket]);
    }
    let secret = host.me().runs(&["--store", "redis://ann:s3cret@127.0.0.1:1/0", "status"]);
    is_clear(&secret, 1, &["cannot reach the store redis://ann@127.0.0.1:1/0"]);
    assert!(!secret.stderr.contains("s3cret"), "{secret}");
    is_clear(&host.me().runs(&["--store", "mysql://x", "status"]), 1, &["'mysql://x' does not name a store"]);
}

#[test]
fn a_wrong_password_is_told_apart_from_a_server_that_is_not_there() {
    let host = Host::with_gpus(1);
    let server = Server::start(host.directory(), &["--requirepass", "right"]);
    let socket = server.socket().display().to_string();
    let with = |password: &str| format!("redis+unix://{socket}?db=0{password}");
    for wrong in ["&pass=wr0ng", ""] {
        let refused = host.me().runs(&["--store", &with(wrong), "--", "true"]);
        is_clear(&refused, 125, &["refuses access", "check user and password"]);
        assert!(!refused.stderr.contains("wr0ng"), "{refused}");
    }
    assert_eq!(host.me().runs(&["--store", &with("&pass=right"), "--", "true"]).code, Some(0));

    let file = host.path("password");
    fs::write(&file, "right\n").unwrap();
    let mut chg = host.me().chg(&["--store", &with(""), "--", "true"]);
    let ended = Job::start(chg.env("CANHAZGPU_REDIS_PASSWORD_FILE", &file)).finish();
    assert_eq!(ended.code, Some(0), "{ended}");
}

#[test]
fn a_damaged_record_costs_one_gpu_until_it_is_reset() {
    if !is_in_charge() {
        return;
    }
    let host = Host::on(Store::Redis, 2);
    host.me().does(&["--", "true"]);
    let server = host.redis.as_ref().unwrap();
    server.ask(&["SET", "canhazgpu:gpu:0", "{\"user\":"]);
    assert!(host.line(0).starts_with("GPU 0: UNKNOWN (record is damaged: "), "{}", host.line(0));
    assert!(host.line(1).contains("AVAILABLE"), "{}", host.line(1));
    is_clear(
        &host.me().runs(&["-G", "0", "--nonblock", "--", "true"]),
        75,
        &["the record of GPU 0 is damaged"],
    );
    host.me().does(&["-G", "1", "--", "true"]);
    assert_eq!(
        server.ask(&["GET", "canhazgpu:gpu:0"]),
        "{\"user\":",
        "it is kept for whoever wants to see it"
    );
    if can_be_others() {
        is_clear(&host.user(1).runs(&["admin", "--reset", "gpu:0"]), 1, &["this is for root"]);
    }
    host.me().does(&["admin", "--reset", "gpu:0"]);
    host.me().does(&["-G", "0", "--nonblock", "--", "true"]);
}

#[test]
fn a_configuration_mistake_names_file_line_and_key() {
    let host = Host::with_gpus(1);
    fs::create_dir_all(host.path(".config/canhazgpu")).unwrap();
    let file = host.path(".config/canhazgpu/config.toml");
    fs::write(&file, "[run]\ngpus = 2\ntimeuot = \"12h\"\n").unwrap();
    let place = file.display().to_string();
    is_clear(&host.me().runs(&["--", "true"]), 125, &[&place, "3", "timeuot", "timeout"]);
    fs::write(&file, "[run]\ntimeout = \"12\"\n").unwrap();
    is_clear(&host.me().runs(&["--", "true"]), 125, &[&place, "2", "timeout", "'12' is not a duration"]);
}

#[test]
fn the_environment_sets_what_options_set() {
    let host = Host::with_gpus(2);
    let mut chg = host.me().chg(&["--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    let ended = Job::start(chg.env("CANHAZGPU_RUN_GPUS", "2").env("CANHAZGPU_RUN_QUIET", "true")).finish();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("0,1\n", ""), "{ended}");
    let mut chg = host.me().chg(&["--", "sleep", "1000"]);
    let ended = Job::start(chg.env("CANHAZGPU_RUN_TIMEOUT", "100ms")).finish();
    assert_eq!(ended.code, Some(124), "{ended}");
}

#[test]
fn too_few_descriptors_are_told_and_not_taken_for_busy_gpus() {
    let host = Host::with_gpus(8);
    host.me().does(&["--", "true"]);
    let with = |most: u32| {
        let text = format!("ulimit -n {most}; exec \"$CHG\" --wait 1s -g 8 -- true");
        Job::start(&mut host.me().shell(&text)).finish()
    };
    // From plenty down to where not even the driver can be asked.
    let ends = (0..60).rev().map(with).skip_while(|ended| ended.code == Some(0));
    let told: Vec<Ended> = ends.take_while(|ended| ended.stderr.starts_with("error: cannot ")).collect();
    assert!(told.iter().all(|ended| ended.code == Some(125)), "{}", told[0]);
    let seats = told.iter().filter(|ended| ended.stderr.starts_with("error: cannot take the seat of GPU "));
    assert!(seats.count() >= 3, "{:?}", told.iter().map(|ended| &ended.stderr).collect::<Vec<_>>());
    assert!(host.queue().is_empty());
    host.me().does(&["--nonblock", "-g", "8", "--", "true"]);
}
