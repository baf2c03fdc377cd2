//! Drivers that cannot be asked: each cause has its own answer.

use std::path::PathBuf;

use fakenvml::{Code, Fault, Scenario};

use super::{PATIENT, measured, refusal, scanner, wait_until};
use crate::gpu::GpuError;
use crate::model::ids::Megabytes;

#[test]
fn a_missing_library_is_named() {
    let error = scanner(PathBuf::from("/nowhere/libnvidia-ml.so.1"), PATIENT).scan().expect_err("a refusal");
    assert!(matches!(&error, GpuError::NoLibrary { library, .. } if library == "/nowhere/libnvidia-ml.so.1"));
    assert_eq!(
        error.to_string(),
        "cannot load /nowhere/libnvidia-ml.so.1: cannot open shared object file: No such file or directory"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("CANHAZGPU_NVML_LIB")));
}

#[test]
fn a_library_that_is_not_nvml_is_refused() {
    let error = scanner(PathBuf::from("libc.so.6"), PATIENT).scan().expect_err("a refusal");
    assert_eq!(error.to_string(), "cannot load libc.so.6: it is not NVML");
}

#[test]
fn each_cause_is_an_answer_of_its_own_with_a_way_out() {
    for (code, error) in [
        (Code::DRIVER_NOT_LOADED, GpuError::NoDriver),
        (Code::NO_PERMISSION, GpuError::NoPermission),
        (Code::OPERATING_SYSTEM, GpuError::Forbidden),
        (Code::GPU_NOT_FOUND, GpuError::NoGpus),
        (Code::LIB_RM_VERSION_MISMATCH, GpuError::DriverMismatch),
    ] {
        let host = Scenario::with_gpus(1);
        host.fail("nvmlInit_v2", None, code);
        assert_eq!(refusal(&host), error);
        assert!(error.hint().is_some(), "{error}");
    }
}

#[test]
fn any_other_answer_is_passed_on() {
    let host = Scenario::with_gpus(1);
    for (code, words) in
        [(Code::UNKNOWN, "an internal driver error occurred"), (Code(29), "error 29 of NVML")]
    {
        host.fail("nvmlInit_v2", None, code);
        assert_eq!(refusal(&host).to_string(), format!("the NVIDIA driver answers: {words}"));
        host.clear_faults();
    }
}

#[test]
fn a_driver_without_gpus_is_no_empty_list() {
    assert_eq!(refusal(&Scenario::with_gpus(0)), GpuError::NoGpus);
}

#[test]
fn where_no_gpu_may_be_opened_there_is_no_permission() {
    let host = Scenario::with_gpus(2);
    for code in [Code::NO_PERMISSION, Code::OPERATING_SYSTEM] {
        host.fail("nvmlDeviceGetHandleByIndex_v2", None, code);
        assert_eq!(refusal(&host), GpuError::NoPermission);
        host.clear_faults();
    }
}

#[test]
fn a_driver_that_is_reloaded_is_asked_by_a_new_helper() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    let helper = scanner.helper_pid();
    host.reload_driver();
    host.set_used(1, 77);
    let seen = scanner.scan().expect("a scan");
    assert_eq!(measured(&seen, 1).used, Megabytes(77));
    assert_ne!(scanner.helper_pid(), helper);
}

#[test]
fn a_reload_noticed_by_one_gpu_only_is_noticed() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    host.fail_once("nvmlDeviceGetMemoryInfo_v2", Some(1), Code::UNINITIALIZED);
    assert_eq!(measured(&scanner.scan().expect("a scan"), 1).used, Megabytes(4));
}

#[test]
fn a_driver_that_goes_away_and_comes_back_is_told_so() {
    let host = Scenario::with_gpus(1);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    let unloaded = host.fail("*", None, Code::DRIVER_NOT_LOADED);
    assert_eq!(scanner.scan().expect_err("a refusal"), GpuError::NoDriver);
    std::fs::remove_file(unloaded).unwrap();
    assert!(scanner.scan().is_ok());
}

#[test]
fn a_helper_that_crashes_is_an_error_and_the_next_scan_has_a_new_one() {
    let host = Scenario::with_gpus(1);
    let mut scanner = scanner(host.library(), PATIENT);
    let crash = host.fault("nvmlInit_v2", None, &Fault { crash: true, ..Fault::default() });
    let error = scanner.scan().expect_err("a crash");
    assert!(matches!(error, GpuError::Helper(_)), "{error}");
    std::fs::remove_file(crash).unwrap();
    wait_until("a scan", || scanner.scan().is_ok());
}

#[test]
fn a_crash_over_one_gpu_leaves_none_measured_as_empty() {
    let host = Scenario::with_gpus(2);
    let mut scanner = scanner(host.library(), PATIENT);
    scanner.scan().expect("a scan");
    host.fault("nvmlDeviceGetMemoryInfo_v2", None, &Fault { crash: true, ..Fault::default() });
    let seen = scanner.scan().expect("a scan: both GPUs are known by name");
    for gpu in 0..2 {
        super::unknown(&seen, gpu);
    }
}
