//! The driver in bad weather, seen from outside: GPUs in slices, without permission, lost, in a race, and a driver that
//! hangs for good, goes away or is reloaded while the program looks.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use fakenvml::{Code, Hang, Kind, Mig, MigInstance, Scenario};
use serde_json::{Value, json};

use crate::support::host::{Host, Store, can_be_others};
use crate::support::job::Job;
use crate::support::pty::Pty;
use crate::support::wait::wait_until;

const COMPUTE: &str = "nvmlDeviceGetComputeRunningProcesses_v3";

fn cut_into_slices(gpus: &Scenario, gpu: u32) {
    let slice = |slot, size: &str| MigInstance {
        slot,
        uuid: format!("MIG-{size}"),
        name: format!("NVIDIA H100 80GB HBM3 MIG {size}"),
        total_mb: 9856,
    };
    gpus.change_gpu(gpu, |gpu| gpu.mig = Mig::On(vec![slice(0, "3g.40gb"), slice(4, "1g.10gb")]));
}

#[test]
fn who_uses_the_slices_of_a_gpu_is_told_to_everybody_and_none_is_granted() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    cut_into_slices(&host.gpus, 0);
    let worker = host.user(1).takes_without_asking(&[0], "python3");
    host.gpus.change_process(0, worker.pid(), |process| process.slice = Some(4));
    let expected = format!(
        "GPU 0: UNKNOWN (MIG mode: slices are not supported yet) [MIG 3g.40gb: 4MB used] [MIG 1g.10gb: by user uid 23001 \
         - 1028MB used by PID {} (python3)]",
        worker.pid()
    );
    // The driver tells root of the whole GPU, and others of its slices only.
    for anybody in [host.me(), host.user(2)] {
        let shown = anybody.does(&["status"]).stdout;
        assert_eq!(shown.lines().next(), Some(expected.as_str()), "as {} sees it", anybody.name());
        let shown: Value = serde_json::from_str(&anybody.does(&["status", "--json"]).stdout).unwrap();
        assert_eq!(shown[0]["mig_slices"], json!(["MIG 3g.40gb (MIG-3g.40gb)", "MIG 1g.10gb (MIG-1g.10gb)"]));
        let process = &shown[0]["processes"][0];
        assert_eq!((&process["slice"], &process["role"]), (&json!("MIG-1g.10gb"), &json!("unreserved")));
        let table = anybody.does(&["status", "-o", "table"]).stdout;
        assert!(table.lines().nth(1).unwrap().contains("MIG 1g.10gb: by user uid 23001"), "{table}");
        assert_eq!(anybody.runs(&["-G", "0", "--nonblock", "--", "true"]).code, Some(75));
    }
    let granted = host.user(2).does(&["--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    assert_eq!(granted.stdout, "1\n");
}

#[test]
fn each_trouble_of_one_gpu_has_its_words_and_spoils_no_other() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    let table = [
        (COMPUTE, Code::NO_PERMISSION, "no permission to ask the driver"),
        ("nvmlDeviceGetMemoryInfo_v2", Code::RESET_REQUIRED, "memory: "),
        ("nvmlDeviceGetHandleByIndex_v2", Code::GPU_IS_LOST, "GPU is lost"),
        ("nvmlDeviceGetHandleByIndex_v2", Code::NO_PERMISSION, "no permission to ask the driver"),
        ("nvmlDeviceGetUUID", Code::UNKNOWN, "UUID: "),
    ];
    for (function, code, words) in table {
        host.gpus.fail(function, Some(1), code);
        let lines = host.status();
        assert!(lines[0].starts_with("GPU 0: AVAILABLE"), "{lines:?}");
        assert!(lines[1].starts_with(&format!("GPU 1: UNKNOWN ({words}")), "{lines:?}");
        let shown = &host.json(&["status"])[1];
        assert_eq!((&shown["status"], shown.get("memory_used_mb")), (&json!("ERROR"), None));
        assert_eq!(host.me().runs(&["-G", "1", "--nonblock", "--", "true"]).code, Some(75), "{words}");
        host.gpus.clear_faults();
    }
    // A list that grew while it was read is read again, but not for ever.
    let _job = host.me().takes_without_asking(&[1], "python3");
    host.gpus.fail_once(COMPUTE, Some(1), Code::INSUFFICIENT_SIZE);
    assert!(host.line(1).starts_with("GPU 1: IN USE WITHOUT RESERVATION"), "{}", host.line(1));
    host.gpus.fail(COMPUTE, Some(1), Code::INSUFFICIENT_SIZE);
    assert!(host.line(1).starts_with("GPU 1: UNKNOWN (processes: "), "{}", host.line(1));
}

#[test]
fn old_drivers_show_what_newer_ones_do() {
    let host = Host::with_gpus(1);
    let job = host.me().takes_without_asking(&[0], "python3");
    for version in ["535.54.03", "535.98", "470.256.02"] {
        host.gpus.set_driver_version(version);
        let library = if version == "535.54.03" { host.gpus.library() } else { host.gpus.old_library() };
        let ended = Job::start(host.me().chg(&["status"]).env("CANHAZGPU_NVML_LIB", library)).finish();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{version}: {ended}");
        let user = format!("used by PID {} (python3)\n", job.pid());
        assert!(ended.stdout.ends_with(&user), "{version}: {ended}");
    }
}

#[test]
fn a_driver_that_hangs_for_good_takes_nobody_with_it() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    host.gpus.hang("nvmlDeviceGetMemoryInfo_v2", Some(0), Hang::Unkillable);
    let soon = |words: &[&str]| {
        let begun = Instant::now();
        let ended = Job::start(host.me().chg(words).env("CANHAZGPU_SCAN_DEADLINE", "1s")).finish();
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}: {ended}", begun.elapsed());
        ended
    };
    let shown = soon(&["status"]);
    assert!(
        shown.stdout.starts_with("GPU 0: UNKNOWN (no answer from the driver in 1s)\nGPU 1: AVAILABLE"),
        "{shown}"
    );
    // The helper that is stuck is left behind; it holds nothing of the run, whose output ends with it.
    let ran = soon(&["--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; exit 7"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "1\n"), "{ran}");
    let refused = soon(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");

    host.gpus.clear_faults();
    host.gpus.hang("nvmlInitWithFlags", None, Hang::Unkillable);
    host.gpus.hang("nvmlInit_v2", None, Hang::Unkillable);
    let shown = soon(&["status"]);
    assert_eq!(shown.code, Some(1), "{shown}");
    assert!(shown.stderr.starts_with("error: no answer from the NVIDIA driver in 1s\n"), "{shown}");
    assert_eq!(shown.stdout.lines().filter(|line| line.contains("UNKNOWN")).count(), 2, "{shown}");
    host.gpus.clear_faults();
    host.shows(0, "AVAILABLE");
}

#[test]
fn a_waiter_outlasts_a_reload_and_an_absence_of_the_driver() {
    for store in [Store::Sqlite, Store::Redis] {
        let host = Host::on(store, 1);
        let job = host.me().takes_without_asking(&[0], "python3");
        let waiter = host.me().waits(&["--", "echo", "served"]);
        host.gpus.reload_driver();
        // It looks by itself, with a helper of its own for the driver that is there now.
        let driver = host.gpus.dir().join("driver.json");
        let away = host.gpus.dir().join("driver.away");
        fs::rename(&driver, &away).unwrap();
        waiter.says("the place in line is kept");
        fs::rename(&away, &driver).unwrap();
        host.has_waiters(1);
        drop(job);
        let ended = waiter.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "served\n"), "{store:?}: {ended}");
    }
}

#[test]
fn a_watched_screen_outlasts_a_reload_and_an_absence_of_the_driver() {
    let host = Host::with_gpus(1);
    let driver = host.gpus.dir().join("driver.json");
    let away = host.gpus.dir().join("driver.away");
    let mut screen = Pty::start(&host.me().shell("stty rows 40 cols 120; exec \"$CHG\" status --watch 1"));
    screen.sees("AVAILABLE");
    host.gpus.reload_driver();
    let job = host.me().takes_without_asking(&[0], "python3");
    screen.sees("UNRESERVED");
    fs::rename(&driver, &away).unwrap();
    screen.sees("the NVIDIA driver is not loaded");
    fs::rename(&away, &driver).unwrap();
    drop(job);
    screen.sees("AVAILABLE");
    screen.types("q");
    screen.ends_with(0);
}

#[test]
fn a_watch_into_a_pipe_outlasts_them_too() {
    let host = Host::with_gpus(1);
    let driver = host.gpus.dir().join("driver.json");
    let away = host.gpus.dir().join("driver.away");
    let mut watch = host.me().starts(&["status", "--watch", "1"]);
    watch.prints("AVAILABLE");
    host.gpus.reload_driver();
    let other = Job::start(Command::new("sleep").arg("1000"));
    host.gpus.add_process(0, other.pid(), Some(2048), Kind::Compute);
    watch.prints("UNRESERVED");
    fs::rename(&driver, &away).unwrap();
    watch.says("the NVIDIA driver is not loaded");
    fs::rename(&away, &driver).unwrap();
    let shown = watch.stdout().len();
    wait_until("the table again", || watch.stdout()[shown..].contains("UNRESERVED"));
    assert!(!watch.has_ended());
}
