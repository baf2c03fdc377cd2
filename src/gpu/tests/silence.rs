//! Drivers that do not answer: what is waited for, how long, and what is left behind.

use std::fs;
use std::time::{Duration, Instant};

use fakenvml::{Hang, Scenario};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};

use super::{PATIENT, has_ended, measured, scanner, unknown, wait_until};
use crate::gpu::GpuError;
use crate::gpu::conversation::{Conversation, Heard};
use crate::gpu::inventory::Nameless;
use crate::gpu::wire::Said;
use crate::model::ids::{GpuIndex, Megabytes, Pid};
use crate::model::seen::Unknown;

const HANDLE: &str = "nvmlDeviceGetHandleByIndex_v2";
const MEMORY: &str = "nvmlDeviceGetMemoryInfo_v2";
/// The deadline of tests in which a GPU is silent: time for all the others, also on a machine under load.
const SHORT: Duration = Duration::from_secs(2);
const NO_ANSWER: Unknown = Unknown::NoAnswer { seconds: 2 };

fn kill_it(pid: Pid) {
    kill(nix::unistd::Pid::from_raw(pid.0), Signal::SIGKILL).expect("it is there");
}

#[test]
fn one_slow_gpu_hides_no_other() {
    let host = Scenario::with_gpus(8);
    let mut scanner = scanner(host.library(), SHORT);
    scanner.scan().expect("a scan");
    host.delay(MEMORY, Some(5), 30_000);

    let begun = Instant::now();
    let seen = scanner.scan().expect("a scan");
    let took = begun.elapsed();
    assert!(took >= SHORT && took < SHORT * 2, "{took:?}");
    assert_eq!(*unknown(&seen, 5), NO_ANSWER);
    assert_eq!(seen.gpus[5].device.uuid.0, host.uuid(5), "it is known by name");
    for gpu in [0, 1, 2, 3, 4, 6, 7] {
        assert_eq!(measured(&seen, gpu).used, Megabytes(4));
    }

    let (begun, helper) = (Instant::now(), scanner.helper_pid());
    let seen = scanner.scan().expect("a scan");
    assert!(begun.elapsed() < SHORT, "the same GPU was waited for again");
    assert_eq!(*unknown(&seen, 5), NO_ANSWER);
    assert_eq!(measured(&seen, 6).used, Megabytes(4));
    assert_eq!(scanner.helper_pid(), helper);
}

#[test]
fn a_gpu_that_comes_back_is_seen_again() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), SHORT);
    host.hang(HANDLE, Some(0), Hang::Killable);
    let seen = scanner.scan().expect("a scan");
    assert_eq!(seen.nameless, [Nameless { index: GpuIndex(0), why: NO_ANSWER }]);
    assert_eq!(seen.gpus[0].device.index, GpuIndex(1), "the silent one keeps its place");

    host.clear_faults();
    wait_until("both GPUs", || scanner.scan().is_ok_and(|seen| seen.gpus.len() == 2));
    wait_until("both measured", || {
        let seen = scanner.scan().expect("a scan");
        seen.gpus.iter().all(|gpu| matches!(gpu.reading, crate::model::seen::Reading::Measured(_)))
    });
}

#[test]
fn the_deadline_is_counted_from_the_last_answer() {
    let host = Scenario::with_gpus(4);
    for gpu in 0..4 {
        host.delay(MEMORY, Some(gpu), u64::from(gpu) * 600);
    }
    // Naming and reading wait 600 ms each for one more GPU: 3.6 s in all, and never 2 s without an answer.
    let begun = Instant::now();
    let seen = scanner(host.library(), SHORT).scan().expect("a scan");
    assert!(begun.elapsed() > SHORT);
    for gpu in 0..4 {
        assert_eq!(measured(&seen, gpu).used, Megabytes(4));
    }
}

#[test]
fn a_driver_that_never_answers_is_given_up_and_its_helper_killed() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), Duration::from_millis(300));
    host.hang("nvmlInit_v2", None, Hang::Killable);
    let helper = scanner.helper_pid().expect("a helper");
    assert_eq!(scanner.scan().expect_err("silence"), GpuError::NoAnswer { seconds: 1 });
    wait_until("the helper's end", || has_ended(helper));
    assert_eq!(scanner.scan().expect_err("silence"), GpuError::NoAnswer { seconds: 1 });
    assert_ne!(scanner.helper_pid(), Some(helper), "a new one was tried");
}

#[test]
fn where_all_gpus_hang_each_is_unknown_by_name() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), SHORT);
    scanner.scan().expect("a scan");
    let helper = scanner.helper_pid().expect("a helper");
    host.hang(MEMORY, None, Hang::Killable);
    let seen = scanner.scan().expect("both are known");
    assert_eq!([unknown(&seen, 0), unknown(&seen, 1)], [&NO_ANSWER, &NO_ANSWER]);
    wait_until("the helper's end", || has_ended(helper));
}

#[test]
fn a_helper_that_cannot_be_killed_is_left_behind_and_no_second_one_joins_it() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), SHORT);
    scanner.scan().expect("a scan");
    let helper = scanner.helper_pid().expect("a helper");
    host.hang(MEMORY, None, Hang::Unkillable);

    let begun = Instant::now();
    let seen = scanner.scan().expect("both are known");
    assert!(begun.elapsed() < SHORT * 2, "{:?}", begun.elapsed());
    assert_eq!(*unknown(&seen, 0), NO_ANSWER);
    // The scanner has killed it. So do we, and it is still there: no zombie, not to be reaped.
    kill_it(helper);
    assert!(!has_ended(helper), "the test double made no unkillable process: is ptrace forbidden here?");

    let begun = Instant::now();
    assert_eq!(scanner.scan().expect_err("silence"), GpuError::NoAnswer { seconds: 2 });
    assert!(begun.elapsed() < SHORT, "waited for a driver that is known to be stuck");
    assert_eq!(scanner.helper_pid(), Some(helper), "one stuck process is enough");
    assert!(!has_ended(helper));

    host.clear_faults();
    wait_until("the helper's end", || has_ended(helper));
    assert_eq!(measured(&scanner.scan().expect("a scan"), 0).used, Megabytes(4));
}

#[test]
fn letting_go_of_an_unkillable_helper_takes_no_time() {
    let host = Scenario::with_gpus(1);
    let mut scanner = scanner(host.library(), Duration::from_millis(500));
    host.hang("nvmlInit_v2", None, Hang::Unkillable);
    let helper = scanner.helper_pid().expect("a helper");
    scanner.scan().expect_err("silence");
    assert!(!has_ended(helper));
    let begun = Instant::now();
    drop(scanner);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    host.clear_faults();
    wait_until("the helper's end", || has_ended(helper));
}

#[test]
fn a_library_that_cannot_be_shut_down_is_let_go_without_a_crash() {
    let host = Scenario::with_gpus(1);
    host.set_driver_version("470.256.02");
    for library in [host.old_library(), host.library()] {
        let mut talk = Conversation::begin(Some(library)).expect("a helper");
        talk.request(1);
        let answered =
            |heard: &Heard| matches!(heard, Heard::Line(line) if matches!(line.said, Said::Answer { .. }));
        while !answered(&talk.listen(Instant::now() + PATIENT).expect("an answer")) {}
        let helper = nix::unistd::Pid::from_raw(talk.end().pid().0);
        assert_eq!(waitpid(helper, None), Ok(WaitStatus::Exited(helper, 0)));
    }
}

#[test]
fn a_helper_holds_nothing_of_the_launcher() {
    let host = Scenario::with_gpus(1);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    let helper = scanner.helper_pid().expect("a helper");
    let held: Vec<String> = fs::read_dir(format!("/proc/{helper}/fd"))
        .expect("its descriptors")
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .filter(|target| target != "/dev/null" && !target.starts_with("socket:"))
        .collect();
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn nvml_is_never_loaded_into_the_launcher() {
    let host = Scenario::with_gpus(1);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    let helper = scanner.helper_pid().expect("a helper");
    let maps = |pid: &str| fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    assert!(maps(&helper.to_string()).contains("libnvidia-ml"));
    assert!(!maps("self").contains("libnvidia-ml"));
}

#[test]
fn a_helper_ends_with_its_scanner_even_in_the_middle_of_a_call() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), Duration::from_secs(1));
    host.hang(HANDLE, Some(1), Hang::Killable);
    scanner.scan().expect("GPU 0 answers");
    let helper = scanner.helper_pid().expect("a helper");
    drop(scanner);
    wait_until("the helper's end", || has_ended(helper));
}
