//! Container engines: which GPUs are asked for, and the call that is made in the end.

use super::super::*;
use super::{Texts, judged_in, table};

fn filled(line: &str) -> String {
    let Arguments::Container(call) = judged_in(line, &[], &[]).arguments else {
        panic!("{line} is no container")
    };
    let words = call.with(Grant { reservation: &LeaseId::from("r1"), gpus: &[GpuIndex(1), GpuIndex(3)] });
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

use crate::model::ids::LeaseId;

#[test]
fn gpus_are_counted_before_the_image_only() {
    table(
        &[],
        &[],
        &[
            ("docker ps", "-"),
            ("docker run ubuntu", "-"),
            ("docker run --rm -it ubuntu nvidia-smi --gpus all", "-"),
            ("docker compose up", "-"),
            ("docker run --gpus all ubuntu", "all"),
            ("docker run --gpus=2 ubuntu", "2"),
            ("docker run --rm -it --gpus 1 ubuntu bash", "1"),
            ("docker container run --gpus 1 ubuntu", "1"),
            ("docker --log-level debug run --gpus 1 ubuntu", "1"),
            ("docker run -itv /a:/b --gpus 1 ubuntu", "1"),
            ("docker run -p80:80 -e A=1 --name x --gpus 1 ubuntu", "1"),
            ("docker run -h host --gpus 1 ubuntu", "1"),
            ("docker run --gpus device=1 ubuntu", "ids 1"),
            ("docker run --gpus '\"device=0,2\"' ubuntu", "ids 0,2"),
            ("docker run --gpus device=0,2 ubuntu", "ids 0,2"),
            ("docker run --gpus '\"device=0,2\",\"capabilities=compute,utility\"' ubuntu", "ids 0,2"),
            ("docker run --gpus all,capabilities=utility ubuntu", "all"),
            ("docker run --gpus count=2 ubuntu", "2"),
            ("docker run --gpus 0 ubuntu", "-"),
            ("docker run --gpus device=GPU-8f3c ubuntu", "?"),
            ("docker run --gpus 1 --gpus 2 ubuntu", "?"),
            ("docker run --gpus many ubuntu", "?"),
            ("docker run -d --gpus 1 ubuntu", "?"),
            ("docker run -dit --gpus 1 ubuntu", "?"),
            ("docker run --detach --gpus 1 ubuntu", "?"),
            ("docker run --detach=false --gpus 1 ubuntu", "1"),
            ("docker run --detach=0 --gpus 1 ubuntu", "1"),
            ("docker run --detach=1 --gpus 1 ubuntu", "?"),
            ("podman run --gpus all ubuntu", "all"),
            ("podman run --rm --gpus 2 ubuntu", "2"),
            ("podman --cgroup-manager cgroupfs --runtime crun --noout run --gpus 2 ubuntu", "2"),
        ],
    );
}

#[test]
fn gpus_of_another_machine_are_not_ours_to_reserve() {
    let run = "docker run --gpus 1 ubuntu";
    let cases: [(&str, Texts, &str); 13] = [
        (run, &[("DOCKER_HOST", "ssh://big")], "-"),
        (run, &[("DOCKER_HOST", "unix:///run/user/1/docker.sock")], "1"),
        (run, &[("DOCKER_CONTEXT", "big")], "?"),
        (run, &[("DOCKER_CONTEXT", "default")], "1"),
        ("docker -H tcp://big:2375 run --gpus 1 ubuntu", &[], "-"),
        ("docker --host=unix:///x run --gpus 1 ubuntu", &[("DOCKER_HOST", "ssh://big")], "1"),
        ("docker --context big run --gpus 1 ubuntu", &[], "?"),
        ("podman --connection big run --gpus 1 ubuntu", &[], "?"),
        ("podman --remote run --gpus 1 ubuntu", &[], "?"),
        ("podman -r --url unix:///run/podman.sock run --gpus 1 ubuntu", &[], "1"),
        ("podman run --gpus 1 ubuntu", &[("CONTAINER_HOST", "ssh://core@big/run/podman.sock")], "-"),
        ("podman run --gpus 1 ubuntu", &[("CONTAINER_CONNECTION", "big")], "?"),
        ("podman run --gpus 1 ubuntu", &[("DOCKER_HOST", "ssh://big")], "1"),
    ];
    for (line, variables, needs) in cases {
        table(variables, &[], &[(line, needs)]);
    }
}

#[test]
fn the_call_names_what_was_granted() {
    let given = "--label canhazgpu.reservation=r1 --env NVIDIA_VISIBLE_DEVICES=1,3";
    assert_eq!(
        filled("docker run --rm --gpus 2 ubuntu nvidia-smi --gpus"),
        format!("run {given} --rm --gpus \"device=1,3\" ubuntu nvidia-smi --gpus")
    );
    assert_eq!(
        filled("docker container run --gpus=all,capabilities=utility ubuntu"),
        format!("container run {given} --gpus \"device=1,3\",\"capabilities=utility\" ubuntu")
    );
    assert_eq!(
        filled("docker run --cidfile /mine --gpus 2 ubuntu"),
        format!("run {given} --cidfile /mine --gpus \"device=1,3\" ubuntu")
    );
    assert_eq!(
        filled("podman run --gpus 2 ubuntu"),
        format!("run {given} --device nvidia.com/gpu=1 --device nvidia.com/gpu=3 ubuntu")
    );
}
