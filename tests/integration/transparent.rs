//! `chg -- X` is X to whoever looks at its status, streams and signals; and X finds its GPUs in the environment.

use std::io::Write;
use std::process::Stdio;

use crate::support::host::{Host, me};
use crate::support::job::Job;

#[test]
fn a_gigabyte_goes_through_a_pipe_unharmed() {
    let host = Host::with_gpus(1);
    let text = "head -c 1073741824 /dev/zero | \"$CHG\" -q -- cat | cmp -n 1073741824 - /dev/zero";
    let ended = Job::start(&mut host.me().shell(text)).finish();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""), "{ended}");
}

#[test]
fn every_byte_goes_both_ways_as_it_is() {
    let host = Host::with_gpus(1);
    // Every pair of bytes: none of them is anybody's end of text, escape or newline.
    let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).flat_map(move |b| [a, b])).collect();
    let mut chg = host.me().chg(&["-q", "--", "sh", "-c", "tee /dev/stderr"]);
    let mut child = chg.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == bytes, "stdout differs");
    assert!(output.stderr == bytes, "stderr differs");
}

#[test]
fn the_launcher_says_one_line_on_stderr_and_nothing_on_stdout() {
    let host = Host::with_gpus(2);
    let ended = host.me().does(&["-g", "2", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(ended.stdout, "out\n");
    assert_eq!(ended.stderr, "chg: reserved GPU 0, 1\nerr\n");
    let quiet = host.me().does(&["-q", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn the_end_of_the_command_is_ours() {
    let host = Host::with_gpus(1);
    for (script, code, signal) in [
        ("exit 0", Some(0), None),
        ("exit 75", Some(75), None),
        ("exit 255", Some(255), None),
        ("kill -KILL $$", None, Some(9)),
        ("kill -TERM $$", None, Some(15)),
        ("kill -INT $$", None, Some(2)),
    ] {
        let ended = host.me().runs(&["-q", "--", "sh", "-c", script]);
        assert_eq!((ended.code, ended.signal), (code, signal), "{script}: {ended}");
        assert!(host.line(0).contains("AVAILABLE (last released"), "after {script}");
    }
}

#[test]
fn a_program_that_is_not_there_takes_no_gpu() {
    let host = Host::with_gpus(1);
    std::fs::write(host.path("data"), "no program").unwrap();
    for (program, status) in
        [("nosuchcmd", 127), ("./nosuchcmd", 127), ("./data", 126), ("/", 126), ("", 127)]
    {
        let ended = host.me().runs(&["--", program]);
        assert_eq!(ended.code, Some(status), "{program:?}: {ended}");
        assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{ended}");
        assert!(!ended.stderr.contains("reserved"), "{ended}");
    }
    assert!(host.line(0).contains("AVAILABLE (never used)"), "{}", host.line(0));
    assert_eq!(host.json(&["report"])["total_reservations"], 0);

    // Nor a place in line.
    let _holder = host.me().holds(&[]);
    assert_eq!(host.me().runs(&["--", "nosuchcmd"]).code, Some(127));
}

#[test]
fn the_command_finds_its_gpus_in_the_environment_whatever_was_there() {
    let host = Host::with_gpus(4);
    let mut chg = host.me().chg(&["-G", "3,1", "--", "env"]);
    chg.env("CUDA_VISIBLE_DEVICES", "GPU-of-yesterday").env("NVIDIA_VISIBLE_DEVICES", "void");
    chg.env("CUDA_DEVICE_ORDER", "FASTEST_FIRST");
    let ended = Job::start(&mut chg).finish();
    let value = |name: &str| {
        let values: Vec<&str> =
            ended.stdout.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
        assert_eq!(values.len(), 1, "{name}: {ended}");
        values[0].to_owned()
    };
    assert_eq!(value("CUDA_VISIBLE_DEVICES"), "1,3");
    assert_eq!(value("CUDA_DEVICE_ORDER"), "PCI_BUS_ID");
    assert_eq!(value("NVIDIA_VISIBLE_DEVICES"), "1,3");
    assert_eq!(value("CANHAZGPU_DEVICES"), "1,3");
    assert!(!value("CANHAZGPU_RESERVATION").is_empty());
}

#[test]
fn what_systemd_says_to_its_process_is_said_to_the_command() {
    let host = Host::with_gpus(1);
    let said = |own: &str| {
        let text = format!(
            "export LISTEN_PID={own} WATCHDOG_PID={own} SYSTEMD_EXEC_PID={own} LISTEN_PIDFDID=5 LISTEN_FDS=1; \
             exec \"$CHG\" -q -- sh -c 'echo $LISTEN_PID $WATCHDOG_PID $SYSTEMD_EXEC_PID ${{LISTEN_PIDFDID-none}} \
             $LISTEN_FDS; echo $$'"
        );
        let ended = Job::start(&mut host.me().shell(&text)).finish();
        let lines: Vec<&str> = ended.stdout.lines().collect();
        lines[0].replace(lines[1], "itself")
    };
    assert_eq!(said("$$"), "itself itself itself none 1");
    assert_eq!(said("1"), "1 1 1 5 1", "another process is meant");
}

#[test]
fn a_command_that_wants_uuids_gets_them() {
    let host = Host::with_gpus(2);
    let mut chg = host.me().chg(&["-G", "1", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    let ended = Job::start(chg.env("CANHAZGPU_CUDA_IDS", "uuid")).finish();
    assert_eq!(ended.stdout.trim(), host.gpus.uuid(1), "{ended}");
}

#[test]
fn a_job_runs_on_the_gpu_that_is_shown_where_the_driver_counts_otherwise_than_cuda() {
    let host = Host::with_gpus(2);
    // The driver's first GPU sits on the later bus.
    host.gpus.change_gpu(0, |gpu| gpu.pci_bus_id = "00000000:F0:00.0".to_owned());
    host.gpus.worker("python3");
    let _job = host.me().starts(&["-G", "0", "--", "python3", "train.py"]);
    host.processes_on(1, 1);
    let status = host.status();
    assert!(
        status[0].contains("IN USE by") && status[0].contains("[validated: 1028MB, 1 processes]"),
        "{status:?}"
    );
    assert!(status[1].contains("AVAILABLE"), "{status:?}");
}

#[test]
fn the_store_that_was_named_is_the_one_that_is_kept_to_until_the_release() {
    let host = Host::with_gpus(1);
    let other = host.other_store();
    let holder = host.me().with_store("redis://nowhere.invalid:1").holds(&["--store", &other]);
    let seen = |store: &str| host.me().does(&["--store", store, "status"]).stdout;
    assert!(seen(&other).contains(&format!("GPU 0: IN USE by {} for ", me())), "{}", seen(&other));
    holder.stops();
    assert!(seen(&other).contains("GPU 0: AVAILABLE (last released "), "{}", seen(&other));
    assert!(seen(&host.store).contains("GPU 0: AVAILABLE (never used)"), "{}", seen(&host.store));
}
