//! The stand-in worker, as real processes.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fakenvml::Scenario;

fn start(scenario: &Scenario, visible: Option<&str>, args: &[&str]) -> Child {
    let mut command = Command::new(scenario.worker("python3"));
    command.args(args).env_remove("CUDA_VISIBLE_DEVICES").stderr(Stdio::null());
    if let Some(visible) = visible {
        command.env("CUDA_VISIBLE_DEVICES", visible);
    }
    command.spawn().expect("worker")
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn pid(child: &Child) -> i32 {
    child.id() as i32
}

#[test]
fn it_takes_memory_on_the_gpus_that_it_may_see_by_index_or_uuid() {
    let scenario = Scenario::with_gpus(4);
    let uuid = scenario.uuid(3);
    let mut worker = start(&scenario, Some(&format!("1,{uuid}")), &["--memory", "300"]);
    wait_until("on GPU 1 and 3", || {
        scenario.pids_on(1) == [pid(&worker)] && scenario.pids_on(3) == [pid(&worker)]
    });
    assert!(scenario.pids_on(0).is_empty() && scenario.pids_on(2).is_empty());

    worker.kill().expect("kill");
    wait_until("gone with its process, still a zombie", || scenario.pids_on(1).is_empty());
    worker.wait().expect("wait");
}

#[test]
fn it_counts_as_cuda_does_by_pci_bus_id() {
    let scenario = Scenario::with_gpus(2);
    scenario.change_gpu(0, |gpu| gpu.pci_bus_id = "00000000:F0:00.0".to_owned());
    let mut worker = start(&scenario, Some("0"), &[]);
    wait_until("on the driver's GPU 1", || scenario.pids_on(1) == [pid(&worker)]);
    assert!(scenario.pids_on(0).is_empty());
    worker.kill().expect("kill");
    worker.wait().expect("wait");
}

#[test]
fn without_the_variable_it_takes_all_and_an_empty_one_hides_all() {
    let scenario = Scenario::with_gpus(2);
    let mut all = start(&scenario, None, &[]);
    wait_until("on both", || (0..2).all(|gpu| scenario.pids_on(gpu) == [pid(&all)]));
    let none = start(&scenario, Some(""), &["--exit", "0"]).wait().expect("wait");
    assert!(none.success());
    assert_eq!(scenario.pids_on(0), [pid(&all)]);
    all.kill().expect("kill");
    all.wait().expect("wait");
}

#[test]
fn an_unknown_gpu_is_refused_as_cuda_does() {
    let scenario = Scenario::with_gpus(1);
    let status = start(&scenario, Some("7"), &[]).wait().expect("wait");
    assert_eq!(status.code(), Some(100));
}

#[test]
fn it_does_what_it_is_told() {
    let scenario = Scenario::with_gpus(2);
    let mut worker = start(&scenario, Some("0"), &[]);
    wait_until("on GPU 0 and listening", || scenario.tell(pid(&worker), "claim 1 512").is_ok());
    wait_until("on GPU 1", || scenario.pids_on(1) == [pid(&worker)]);
    scenario.tell(pid(&worker), "drop 0").expect("tell");
    wait_until("off GPU 0", || scenario.pids_on(0).is_empty());
    scenario.tell(pid(&worker), "exit 3").expect("tell");
    assert_eq!(worker.wait().expect("wait").code(), Some(3));
}

#[test]
fn children_and_daemons_outlive_it_and_end_with_the_scenario() {
    let scenario = Scenario::with_gpus(1);
    let mut worker = start(&scenario, None, &["--children", "1", "--daemons", "1"]);
    wait_until("three of them", || scenario.pids_on(0).len() == 3);
    worker.kill().expect("kill");
    worker.wait().expect("wait");
    let left = scenario.pids_on(0);
    assert_eq!(left.len(), 2, "{left:?}");
    let session = |pid: i32| {
        // SAFETY: getsid only asks.
        unsafe { libc::getsid(pid) }
    };
    assert_eq!(left.iter().filter(|&&pid| session(pid) != session(0)).count(), 1, "one has its own session");
    drop(scenario);
    for pid in left {
        // SAFETY: signal 0 is a question.
        wait_until("ended with the scenario", || unsafe { libc::kill(pid, 0) } != 0);
    }
}

#[test]
fn it_ignores_the_signals_that_it_is_told_to_ignore() {
    let scenario = Scenario::with_gpus(1);
    let mut worker = start(&scenario, None, &["--ignore", "TERM"]);
    wait_until("there", || scenario.tell(pid(&worker), "claim 0 1").is_ok());
    // SAFETY: a signal to our own child.
    unsafe { libc::kill(pid(&worker), libc::SIGTERM) };
    scenario.tell(pid(&worker), "exit 5").expect("tell");
    assert_eq!(worker.wait().expect("wait").code(), Some(5));

    let mut worker = start(&scenario, None, &[]);
    wait_until("there", || scenario.tell(pid(&worker), "claim 0 1").is_ok());
    // SAFETY: as above.
    unsafe { libc::kill(pid(&worker), libc::SIGTERM) };
    assert_eq!(worker.wait().expect("wait").signal(), Some(libc::SIGTERM));
}

#[test]
fn it_works_for_any_account() {
    // SAFETY: geteuid only asks.
    if unsafe { libc::geteuid() } != 0 {
        // Other accounts are root's to give.
        let mut out = std::io::stderr();
        std::io::Write::write_all(&mut out, b"SKIP: not root, no other account to run as\n").expect("stderr");
        return;
    }
    let scenario = Scenario::with_gpus(1);
    let mut worker = Command::new("setpriv")
        .args(["--reuid=23001", "--regid=23001", "--clear-groups"])
        .arg(scenario.worker("train"))
        .env("CUDA_VISIBLE_DEVICES", "0")
        .spawn()
        .expect("setpriv");
    wait_until("there", || scenario.pids_on(0) == [pid(&worker)]);
    worker.kill().expect("kill");
    worker.wait().expect("wait");
}
