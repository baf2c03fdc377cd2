//! Programs that know nothing of reservations, behind shims: stand-ins say how they were called and what they see.

use std::fs;
use std::path::PathBuf;

use super::support::host::Host;
use super::support::job::{Ended, Job};
use crate::support::executable;

mod found;

/// What every stand-in says before it ends with `$STATUS`.
const STAND_IN: &str = r#"#!/bin/sh
printf '%s' "${0##*/}"
printf ' [%s]' "$@"
echo " on ${CUDA_VISIBLE_DEVICES-nothing}"
exit ${STATUS:-0}
"#;

const STAND_INS: [&str; 7] = ["vllm", "torchrun", "accelerate", "deepspeed", "sglang", "docker", "python3"];

/// A host with stand-ins in `bin`, shims in `shims` and `chg`, as a link, in `tools`.
struct Shimmed {
    host: Host,
}

impl Shimmed {
    fn new(gpus: u32) -> Self {
        let shimmed = Self { host: Host::with_gpus(gpus) };
        for name in STAND_INS {
            shimmed.file(&format!("bin/{name}"), STAND_IN);
        }
        shimmed.shell("mkdir tools && ln -s \"$CHG\" tools/chg");
        shimmed.shell("tools/chg shim install --dir shims");
        shimmed
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.host.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        executable(&path, text);
        path
    }

    fn start(&self, text: &str) -> Job {
        let text = format!("PATH=\"$HERE/shims:$HERE/bin:$HERE/tools:$PATH\"; {text}");
        Job::start(&mut self.host.me().shell(&text))
    }

    /// Runs a line of shell with the shims in front of PATH.
    fn run(&self, text: &str) -> Ended {
        self.start(text).finish()
    }

    /// As [`Self::run`], and it must succeed; what it prints.
    fn shell(&self, text: &str) -> String {
        let ended = self.run(text);
        assert_eq!(ended.code, Some(0), "{text}: {ended}");
        ended.stdout
    }

    /// Every GPU is free again.
    fn is_all_free(&self) {
        for line in self.host.status() {
            assert!(line.contains(": AVAILABLE"), "{line}");
        }
    }
}

#[test]
fn each_program_gets_as_many_gpus_as_its_command_line_needs() {
    let here = Shimmed::new(4);
    let lines = [
        ("vllm serve m -tp 2", "vllm [serve] [m] [-tp] [2] on 0,1"),
        ("torchrun --nproc-per-node=gpu t.py", "torchrun [--nproc-per-node=gpu] [t.py] on 0,1,2,3"),
        ("accelerate launch --gpu_ids 1,3 t.py", "accelerate [launch] [t.py] on 1,3"),
        ("deepspeed --num_nodes 1 --num_gpus 3 t.py", "deepspeed [t.py] on "),
        ("deepspeed --exclude localhost:0 t.py", "deepspeed [t.py] on 1,2,3"),
        ("sglang serve --tp 4", "sglang [serve] [--tp] [4] on 0,1,2,3"),
        ("vllm serve m --device-ids 1,3 -tp 2", "vllm [serve] [m] [-tp] [2] on 1,3"),
        ("sglang serve m --base-gpu-id 2 --tp 2", "sglang [serve] [m] [--tp] [2] on 2,3"),
        ("python-gpu 'a file' 'with\n\"all\"' ''", "python3 [a file] [with\n\"all\"] [] on "),
    ];
    for (line, says) in lines {
        let ended = here.run(line);
        assert_eq!(ended.code, Some(0), "{line}: {ended}");
        assert!(ended.stdout.starts_with(says), "{line}: {ended}");
        assert!(ended.stderr.starts_with("chg: reserved GPU "), "{line}: {ended}");
    }
    here.is_all_free();
}

#[test]
fn a_pipe_is_left_for_the_program_to_read() {
    let here = Shimmed::new(2);
    here.file("bin/deepspeed", "#!/bin/sh\ncat \"$2\"\n");
    assert_eq!(here.shell("mkfifo hosts; echo here >hosts & deepspeed -H hosts t.py"), "here\n");
}

#[test]
fn a_container_is_given_what_was_reserved_and_a_label_that_says_so() {
    let here = Shimmed::new(4);
    here.file("bin/docker", "#!/bin/sh\necho \"$CANHAZGPU_RESERVATION\"\nprintf '%s\\n' \"$@\"\n");
    let said = here.shell("docker run --rm --gpus all,capabilities=utility image --gpus");
    let (id, words) = said.split_once('\n').unwrap();
    let label = format!("canhazgpu.reservation={id}");
    let gpus = "\"device=0,1,2,3\",\"capabilities=utility\"";
    let given = ["run", "--label", &label, "--env", "NVIDIA_VISIBLE_DEVICES=0,1,2,3", "--rm", "--gpus", gpus];
    assert_eq!(words.lines().collect::<Vec<_>>(), [&given[..], &["image", "--gpus"]].concat());
}

#[test]
fn what_needs_no_gpu_runs_even_where_nothing_works() {
    let here = Shimmed::new(1);
    fs::create_dir_all(here.host.path(".config/canhazgpu")).unwrap();
    fs::write(here.host.path(".config/canhazgpu/config.toml"), "nonsense = 1\n").unwrap();
    for line in ["vllm --help", "vllm collect-env", "docker ps", "python-gpu --version"] {
        let ended =
            here.run(&format!("CANHAZGPU_STORE=sqlite:/nowhere/at/all; CANHAZGPU_NVML_LIB=/none; {line}"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line}: {ended}");
        assert!(ended.stdout.ends_with(" on nothing\n"), "{line}: {ended}");
    }
}

#[test]
fn inside_a_reservation_nothing_more_is_reserved() {
    let here = Shimmed::new(4);
    let inside = |line: &str| here.shell(&format!("chg -q -G 1,3 -- sh -c '{line}'"));
    assert_eq!(inside("vllm serve m -tp 4"), "vllm [serve] [m] [-tp] [4] on 1,3\n");
    assert_eq!(
        inside("torchrun --nproc-per-node what t.py"),
        "torchrun [--nproc-per-node] [what] [t.py] on 1,3\n"
    );
    assert_eq!(inside("vllm serve m --device-ids 1"), "vllm [serve] [m] on 3\n", "it counts what it sees");
    // What picks GPUs past the variable picks among those of the reservation.
    assert_eq!(inside("deepspeed --num_gpus 1 t.py"), "deepspeed [t.py] on 1\n");
    assert_eq!(inside("deepspeed --include localhost:3 t.py"), "deepspeed [t.py] on 3\n");
    assert_eq!(inside("deepspeed --exclude localhost:1 t.py"), "deepspeed [t.py] on 3\n");
    assert!(inside("docker run --gpus all i").contains("[--gpus] [\"device=1,3\"] [i] on 1,3"));
    for line in
        ["deepspeed --num_gpus 3 t.py", "deepspeed --include localhost:0 t.py", "docker run -d --gpus 1 i"]
    {
        let ended = here.run(&format!("chg -q -G 1,3 -- {line}"));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(125), ""), "{line}: {ended}");
    }
    here.is_all_free();
}

#[test]
fn a_shell_with_a_manual_reservation_is_inside_it() {
    let here = Shimmed::new(4);
    let said = here.shell("eval \"$(chg reserve -G 2,3 -d 1h --export)\"; vllm serve m; vllm serve m -tp 4");
    assert_eq!(said, "vllm [serve] [m] on 2,3\nvllm [serve] [m] [-tp] [4] on 2,3\n");
}

#[test]
fn what_cannot_be_judged_is_refused_with_the_way_out() {
    let here = Shimmed::new(4);
    let line = "torchrun --nproc-per-node what t.py";
    let ended = here.run(line);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(125), ""), "{ended}");
    assert!(ended.stderr.contains("CANHAZGPU_SHIM_GPUS=2 torchrun …"), "{ended}");
    let says = "torchrun [--nproc-per-node] [what] [t.py] on ";
    assert_eq!(here.shell(&format!("CANHAZGPU_SHIM_GPUS=2 {line}")), format!("{says}0,1\n"));
    assert_eq!(here.shell(&format!("CANHAZGPU_SHIM_GPUS=0 {line}")), format!("{says}nothing\n"));
    let ended = here.run("chg shim frobnicate -- x");
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(ended.stderr.contains("there is no shim 'frobnicate'"), "{ended}");
}

#[test]
fn without_its_shim_a_program_that_picks_gpus_itself_is_warned_of() {
    let here = Shimmed::new(2);
    let bare = "PATH=\"$HERE/bin:$HERE/tools:$PATH\"; chg -g 2 --";
    let warning = "warning: deepspeed picks GPUs by itself with these options";
    for line in
        ["deepspeed --num_gpus 2 t.py", "deepspeed --inc localhost:1 t.py", "$HERE/bin/deepspeed -e x:1 t.py"]
    {
        let ended = here.run(&format!("{bare} {line}"));
        assert_eq!((ended.code, ended.stderr.contains(warning)), (Some(0), true), "{line}: {ended}");
    }
    let ended = here.run(&format!("{bare} accelerate launch --gpu_ids 1 t.py"));
    assert!(ended.stderr.contains("warning: accelerate picks GPUs by itself"), "{ended}");
    for line in [
        "deepspeed t.py --num_gpus 2",
        "vllm serve m --device-ids 1",
        "docker run --gpus all i",
        "accelerate launch --num_processes 3 --num_machines 2 t.py",
        "python3 -m x",
    ] {
        let ended = here.run(&format!("{bare} {line}"));
        assert!(!ended.stderr.contains("warning"), "{line}: {ended}");
    }
}

#[test]
fn a_shim_ends_as_its_program_does() {
    let here = Shimmed::new(1);
    for line in ["vllm serve m", "vllm --help", "chg -q -- vllm serve m"] {
        assert_eq!(here.run(&format!("STATUS=7 {line}")).code, Some(7), "{line}");
    }
    here.file("bin/vllm", "#!/bin/sh\nkill -TERM $$\n");
    assert_eq!(here.run("exec vllm serve m").signal, Some(15));
    fs::remove_file(here.host.path("bin/vllm")).unwrap();
    let ended = here.run("vllm serve m");
    assert_eq!(ended.code, Some(127), "{ended}");
    assert!(ended.stderr.contains("'vllm' is not in PATH"), "{ended}");
    here.is_all_free();
}

#[test]
fn a_shim_waits_as_the_configuration_says() {
    let here = Shimmed::new(2);
    let held = here.start("exec chg -- sh -c 'echo up; exec sleep 1000'");
    held.prints("up");
    let ended = here.run("CANHAZGPU_RUN_NONBLOCK=true CANHAZGPU_RUN_CONFLICT_EXIT_CODE=9 vllm serve m -tp 2");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(9), ""), "{ended}");
    let ended = here.run("vllm serve m -tp 3");
    assert_eq!(ended.code, Some(125), "more than the pool has: {ended}");
    let waiting = here.start("vllm serve m -tp 2");
    waiting.says("waiting: ");
    held.stops();
    assert_eq!(waiting.finish().stdout, "vllm [serve] [m] [-tp] [2] on 0,1\n");
}

#[test]
fn a_script_may_name_chg_as_its_interpreter() {
    let here = Shimmed::new(2);
    here.file("script", "#!/usr/bin/env -S chg -g 2 -- python3\nwhatever\n");
    let said = here.shell("$HERE/script a 'b c'");
    assert_eq!(said, format!("python3 [{}/script] [a] [b c] on 0,1\n", here.host.directory().display()));
}

#[test]
fn shims_are_installed_listed_and_removed() {
    let here = Shimmed::new(1);
    let foreign = here.file(".local/share/canhazgpu/shims/docker", "#!/bin/sh\n# mine\n");
    let ended = here.run("chg shim install vllm docker");
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("docker is there already and is no shim"), "{ended}");
    fs::remove_file(foreign).unwrap();
    assert_eq!(here.run("chg shim install nonsense").code, Some(2));

    let ended = here.run("chg shim install vllm docker");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr.contains("eval \"$(chg shim env)\""), "{ended}");
    let twice = "eval \"$(chg shim env)\"; eval \"$(chg shim env)\"; printf '%s' \"$PATH\"";
    let directory = here.host.path(".local/share/canhazgpu/shims");
    let path = here.shell(twice);
    assert_eq!(path.matches(directory.to_str().unwrap()).count(), 1, "{path}");
    assert!(path.starts_with(directory.to_str().unwrap()), "{path}");

    let row = |path: &str, name: &str| {
        let list = here.shell(&format!("PATH={path}:$HERE/bin:$HERE/tools:/usr/bin:/bin; chg shim list"));
        let row = list.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let bin = here.host.path("bin").display().to_string();
    assert_eq!(row("/nowhere", "vllm"), format!("yes {bin}/vllm"));
    assert_eq!(row("/nowhere", "python-gpu"), format!("no {bin}/python3"));
    assert_eq!(row("$HERE/shims", "python-gpu"), format!("yes {bin}/python3"), "wherever PATH finds one");
    let bare = here.shell("PATH=$HERE/tools chg shim list");
    assert!(bare.lines().any(|line| line.starts_with("podman ") && line.ends_with(" not in PATH")), "{bare}");

    assert_eq!(here.shell("chg shim remove vllm").lines().count(), 1);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    here.shell("chg shim remove");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}
