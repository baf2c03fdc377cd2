//! What GPUs that answer say.

use fakenvml::{Code, Kind, Mig, MigInstance, Scenario};

use super::{PATIENT, Sleeper, measured, scan, scanner, unknown};
use crate::gpu::inventory::{Nameless, Scan};
use crate::gpu::{Persistence, Scanner, Source};
use crate::model::device::Device;
use crate::model::ids::{GpuIndex, GpuUuid, Megabytes, Pid};
use crate::model::seen::{Context, GpuProcess, Reading, Slice, Unknown};

const COMPUTE_V3: &str = "nvmlDeviceGetComputeRunningProcesses_v3";
const COMPUTE_V2: &str = "nvmlDeviceGetComputeRunningProcesses_v2";
const COMPUTE_V1: &str = "nvmlDeviceGetComputeRunningProcesses";

fn entry(of: &Sleeper, memory: Option<u64>, context: Context) -> GpuProcess {
    GpuProcess { pid: Pid(of.pid()), memory: memory.map(Megabytes), context }
}

fn has_called(scenario: &Scenario, function: &str) -> bool {
    scenario.calls().iter().any(|call| call.function == function)
}

/// A process that computes, one that draws, one that does both.
fn busy_host() -> (Scenario, [Sleeper; 3], Vec<GpuProcess>) {
    let host = Scenario::with_gpus(1);
    host.log_calls();
    let mut jobs = [Sleeper::start(), Sleeper::start(), Sleeper::start()];
    jobs.sort_by_key(Sleeper::pid);
    host.add_process(0, jobs[0].pid(), Some(5000), Kind::Compute);
    host.add_process(0, jobs[1].pid(), Some(70), Kind::Graphics);
    host.add_process(0, jobs[2].pid(), None, Kind::Both);
    let expected = vec![
        entry(&jobs[0], Some(5000), Context::Compute),
        entry(&jobs[1], Some(70), Context::Graphics),
        entry(&jobs[2], None, Context::Compute),
    ];
    (host, jobs, expected)
}

#[test]
fn driver_and_gpus_tell_how_they_are_kept() {
    let host = Scenario::with_gpus(3);
    host.set_driver_version("570.133.20");
    host.change_gpu(1, |gpu| gpu.persistence = Some(false));
    host.change_gpu(2, |gpu| gpu.persistence = None);
    let kept = scan(&host).upkeep;
    assert_eq!(kept.driver.as_deref(), Some("570.133.20"));
    let told = [(GpuIndex(0), Persistence::On), (GpuIndex(1), Persistence::Off)];
    assert_eq!(kept.persistence, told.into());
}

#[test]
fn every_gpu_tells_who_it_is_and_how_full() {
    let host = Scenario::with_gpus(3);
    host.set_used(2, 40_000);
    host.change_gpu(2, |gpu| gpu.utilization = Some(97));
    let seen = scan(&host);
    for (index, gpu) in (0_u32..).zip(&seen.gpus) {
        let device = Device {
            uuid: GpuUuid(host.uuid(index)),
            index: GpuIndex(index),
            name: Some("NVIDIA H100 80GB HBM3".to_owned()),
            memory: Some(Megabytes(81_559)),
        };
        assert_eq!(gpu.device, device);
    }
    assert_eq!(measured(&seen, 0).used, Megabytes(4));
    assert_eq!(measured(&seen, 2).used, Megabytes(40_000));
    assert_eq!(measured(&seen, 2).total, Megabytes(81_559));
    assert_eq!(measured(&seen, 2).utilization, Some(97));
    assert!(seen.gpus.len() == 3 && seen.nameless.is_empty());
}

#[test]
fn both_process_lists_become_one() {
    let (host, _jobs, expected) = busy_host();
    let seen = scan(&host);
    assert_eq!(measured(&seen, 0).processes, expected);
    assert_eq!(measured(&seen, 0).used, Megabytes(5074));
    assert!(has_called(&host, COMPUTE_V3));
}

#[test]
fn drivers_whose_third_list_is_wrong_are_asked_for_the_second() {
    let (host, _jobs, expected) = busy_host();
    host.set_driver_version("535.54.03");
    assert_eq!(measured(&scan(&host), 0).processes, expected);
    assert!(!has_called(&host, COMPUTE_V3));
    assert!(has_called(&host, COMPUTE_V2));
}

#[test]
fn old_drivers_are_asked_for_what_they_have() {
    let (host, _jobs, expected) = busy_host();
    host.set_driver_version("470.256.02");
    let seen = scanner(host.old_library(), PATIENT).scan().expect("a scan");
    assert_eq!(measured(&seen, 0).processes, expected);
    // The first memory struct counts what the driver reserves.
    assert_eq!(measured(&seen, 0).used, Megabytes(5074 + 551));
    assert!(has_called(&host, COMPUTE_V2) && !has_called(&host, COMPUTE_V1));
}

#[test]
fn the_driver_that_dropped_the_third_list_is_asked_for_the_second() {
    let (host, _jobs, expected) = busy_host();
    host.set_driver_version("535.98");
    // As a symbol that is not there, and as one that says it is not.
    let seen = scanner(host.old_library(), PATIENT).scan().expect("a scan");
    assert_eq!(measured(&seen, 0).processes, expected);
    for function in [COMPUTE_V3, "nvmlDeviceGetGraphicsRunningProcesses_v3"] {
        host.fail(function, None, Code::FUNCTION_NOT_FOUND);
    }
    assert_eq!(measured(&scan(&host), 0).processes, expected);
    assert!(has_called(&host, COMPUTE_V2) && !has_called(&host, COMPUTE_V1));
}

#[test]
fn the_oldest_drivers_are_asked_for_the_first_list() {
    let (host, _jobs, expected) = busy_host();
    for function in [COMPUTE_V2, "nvmlDeviceGetGraphicsRunningProcesses_v2"] {
        host.fail(function, None, Code::FUNCTION_NOT_FOUND);
    }
    let seen = scanner(host.old_library(), PATIENT).scan().expect("a scan");
    assert_eq!(measured(&seen, 0).processes, expected);
    assert!(has_called(&host, COMPUTE_V1));
}

#[test]
fn a_driver_that_does_not_know_the_second_memory_struct_is_asked_for_the_first() {
    let host = Scenario::with_gpus(1);
    host.fail("nvmlDeviceGetMemoryInfo_v2", None, Code::ARGUMENT_VERSION_MISMATCH);
    assert_eq!(measured(&scan(&host), 0).used, Megabytes(4 + 551));
}

#[test]
fn a_gpu_that_tells_no_utilization_is_measured_all_the_same() {
    let host = Scenario::with_gpus(1);
    host.change_gpu(0, |gpu| gpu.utilization = None);
    assert_eq!(measured(&scan(&host), 0).utilization, None);
}

#[test]
fn a_list_that_grows_while_it_is_read_is_read_again() {
    let (host, _jobs, expected) = busy_host();
    host.fail_once(COMPUTE_V3, None, Code::INSUFFICIENT_SIZE);
    assert_eq!(measured(&scan(&host), 0).processes, expected);
}

#[test]
fn a_list_that_cannot_be_read_is_no_empty_list() {
    let host = Scenario::with_gpus(3);
    host.fail(COMPUTE_V3, Some(0), Code::UNKNOWN);
    host.fail(COMPUTE_V3, Some(1), Code::NO_PERMISSION);
    let seen = scan(&host);
    assert!(matches!(unknown(&seen, 0), Unknown::Error { message } if message.starts_with("processes: ")));
    assert_eq!(*unknown(&seen, 1), Unknown::NoPermission);
    assert!(measured(&seen, 2).processes.is_empty());
}

#[test]
fn memory_that_cannot_be_read_is_not_zero() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    host.fail("nvmlDeviceGetMemoryInfo_v2", Some(1), Code::RESET_REQUIRED);
    let seen = scanner.scan().expect("a scan");
    assert!(matches!(unknown(&seen, 1), Unknown::Error { message } if message.contains("requires a reset")));
    assert_eq!(seen.gpus[1].device.uuid.0, host.uuid(1));
}

#[test]
fn a_process_of_another_pid_namespace_shows_as_memory_only() {
    let host = Scenario::with_gpus(1);
    let job = Sleeper::start();
    host.add_process(0, job.pid(), Some(9000), Kind::Compute);
    host.change_process(0, job.pid(), |process| process.listed = false);
    let seen = scan(&host);
    assert!(measured(&seen, 0).processes.is_empty());
    assert_eq!(measured(&seen, 0).used, Megabytes(9004));
}

#[test]
fn a_helper_is_kept_and_sees_the_world_change() {
    let host = Scenario::with_gpus(1);
    host.log_calls();
    let mut scanner = scanner(host.library(), PATIENT);
    assert_eq!(measured(&scanner.scan().unwrap(), 0).used, Megabytes(4));
    let (helper, mut job) = (scanner.helper_pid(), Sleeper::start());

    host.add_process(0, job.pid(), Some(100), Kind::Compute);
    let seen = scanner.scan().unwrap();
    assert_eq!(measured(&seen, 0).processes, [entry(&job, Some(100), Context::Compute)]);

    job.0.kill().unwrap();
    job.0.wait().unwrap();
    assert!(measured(&scanner.scan().unwrap(), 0).processes.is_empty());
    assert_eq!(scanner.helper_pid(), helper);
    let opened = host.calls().iter().filter(|call| call.function == "nvmlDeviceGetHandleByIndex_v2").count();
    assert_eq!(opened, 1, "opening a GPU takes seconds on a real one");
}

#[test]
fn gpus_are_counted_by_pci_bus_id() {
    let host = Scenario::with_gpus(3);
    for (gpu, bus) in [(0, "00010000:01:00.0"), (1, "00000000:9A:00.0"), (2, "00000000:1B:00.0")] {
        host.change_gpu(gpu, |gpu| gpu.pci_bus_id = bus.to_owned());
    }
    let uuids = scan(&host).gpus.into_iter().map(|gpu| gpu.device.uuid.0).collect::<Vec<_>>();
    assert_eq!(uuids, [host.uuid(2), host.uuid(1), host.uuid(0)]);
}

#[test]
fn a_lost_gpu_changes_no_other_index_and_gets_its_name_from_the_pool() {
    let host = Scenario::with_gpus(3);
    let pool: Vec<Device> = scan(&host).gpus.into_iter().map(|gpu| gpu.device).collect();
    host.fail("nvmlDeviceGetHandleByIndex_v2", Some(1), Code::GPU_IS_LOST);
    let mut seen: Scan = scan(&host);
    let indices: Vec<_> =
        seen.gpus.iter().map(|gpu| (gpu.device.index.0, gpu.device.uuid.0.clone())).collect();
    assert_eq!(indices, [(0, host.uuid(0)), (2, host.uuid(2))]);
    assert_eq!(seen.nameless, [Nameless { index: GpuIndex(1), why: Unknown::Lost }]);

    seen.name_from(&pool);
    assert!(seen.nameless.is_empty());
    assert_eq!(seen.gpus.iter().map(|gpu| gpu.device.clone()).collect::<Vec<_>>(), pool);
    assert_eq!(*unknown(&seen, 1), Unknown::Lost);
}

#[test]
fn a_name_is_not_taken_from_a_pool_whose_gpus_moved() {
    let host = Scenario::with_gpus(2);
    let mut pool: Vec<Device> = scan(&host).gpus.into_iter().map(|gpu| gpu.device).collect();
    pool[1].uuid = pool[0].uuid.clone();
    host.fail("*", Some(1), Code::GPU_IS_LOST);
    let mut seen = scan(&host);
    seen.name_from(&pool);
    assert_eq!(seen.nameless.len(), 1);
}

#[test]
fn a_gpu_that_is_lost_later_keeps_its_name_and_comes_back() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    host.fail("*", Some(1), Code::GPU_IS_LOST);
    let seen = scanner.scan().expect("a scan");
    assert_eq!(*unknown(&seen, 1), Unknown::Lost);
    assert_eq!(seen.gpus[1].device.uuid.0, host.uuid(1));
    host.clear_faults();
    assert_eq!(measured(&scanner.scan().unwrap(), 1).used, Megabytes(4));
}

fn instance(slot: u32, size: &str) -> MigInstance {
    MigInstance {
        slot,
        uuid: format!("MIG-{slot}"),
        name: format!("NVIDIA H100 80GB HBM3 MIG {size}"),
        total_mb: 9856,
    }
}

fn slices(seen: &Scan, gpu: usize) -> &[Slice] {
    match &seen.gpus[gpu].reading {
        Reading::Sliced(slices) => slices,
        other => panic!("GPU {gpu} is not in slices: {other:?}"),
    }
}

#[test]
fn a_gpu_in_mig_mode_tells_the_use_of_its_slices_though_slots_are_free_between_them() {
    let host = Scenario::with_gpus(2);
    host.change_gpu(0, |gpu| gpu.mig = Mig::On(vec![instance(1, "3g.40gb"), instance(5, "1g.10gb")]));
    host.change_gpu(1, |gpu| gpu.mig = Mig::Unsupported);
    let jobs = [Sleeper::start(), Sleeper::start()];
    for (job, memory, slot) in [(&jobs[0], 2000, 5), (&jobs[1], 100, 1)] {
        host.add_process(0, job.pid(), Some(memory), Kind::Compute);
        host.change_process(0, job.pid(), |process| process.slice = Some(slot));
    }
    let seen = scan(&host);
    let slice = |profile: &str, uuid: &str, used, on_it: GpuProcess| Slice {
        profile: profile.into(),
        uuid: uuid.into(),
        used: Some(Megabytes(used)),
        processes: Some(vec![on_it]),
    };
    let expected = [
        slice("MIG 3g.40gb", "MIG-1", 104, entry(&jobs[1], Some(100), Context::Compute)),
        slice("MIG 1g.10gb", "MIG-5", 2004, entry(&jobs[0], Some(2000), Context::Compute)),
    ];
    assert_eq!(slices(&seen, 0), expected);
    assert_eq!(measured(&seen, 1).used, Megabytes(4));
}

#[test]
fn a_gpu_in_mig_mode_is_not_asked_for_what_only_the_privileged_are_told() {
    let host = Scenario::with_gpus(1);
    host.change_gpu(0, |gpu| gpu.mig = Mig::On(vec![instance(0, "3g.40gb")]));
    // As its memory is where no privilege is at hand, a container's for one. An instance is asked after it.
    host.fail_once("nvmlDeviceGetMemoryInfo_v2", Some(0), Code::NO_PERMISSION);
    let seen = scan(&host);
    assert_eq!((slices(&seen, 0)[0].used, seen.gpus[0].device.memory), (Some(Megabytes(4)), None));

    host.fail(COMPUTE_V3, Some(0), Code::NO_PERMISSION);
    let seen = scan(&host);
    assert_eq!(slices(&seen, 0)[0].processes, None, "untold, not empty");
}

#[test]
fn a_gpu_whose_memory_cannot_be_read_has_a_name_all_the_same() {
    let host = Scenario::with_gpus(1);
    host.fail("nvmlDeviceGetMemoryInfo_v2", Some(0), Code::RESET_REQUIRED);
    host.fail("nvmlDeviceGetName", Some(0), Code::UNKNOWN);
    let seen = scan(&host);
    assert_eq!(seen.gpus[0].device.uuid.0, host.uuid(0));
    assert_eq!((&seen.gpus[0].device.name, seen.gpus[0].device.memory), (&None, None));
    assert!(matches!(unknown(&seen, 0), Unknown::Error { message } if message.contains("requires a reset")));
}

#[test]
fn simulated_gpus_are_idle_and_need_no_helper() {
    let device = Device {
        uuid: GpuUuid::from("GPU-fake-1"),
        index: GpuIndex(0),
        name: Some("Fake".to_owned()),
        memory: Some(Megabytes(1000)),
    };
    let mut scanner = Scanner::start(Source::Fake { devices: vec![device.clone()] }, PATIENT).unwrap();
    let seen = scanner.scan().unwrap();
    assert_eq!(seen.gpus[0].device, device);
    assert!(matches!(&seen.gpus[0].reading, Reading::Measured(gpu) if gpu.used == Megabytes(0)));
    assert_eq!(scanner.helper_pid(), None);
}
