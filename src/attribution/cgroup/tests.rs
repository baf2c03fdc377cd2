//! Texts of /proc/PID/cgroup from many kinds of hosts.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// `I` in the text stands for a container's id.
fn told(text: &str) -> String {
    let place = Place::parse(text.replace("{I}", ID).as_bytes());
    let user = place.user.map(|uid| format!(" of {uid}")).unwrap_or_default();
    match place.origin {
        Origin::Unknown => {
            place.name.map_or(format!("unknown{user}"), |name| format!("unknown by name {name}"))
        }
        Origin::Container { engine, id, name: None, host_uid } => {
            assert_eq!(host_uid, place.user, "{text}");
            format!("{engine} {}{user}", if id == ID { "I" } else { &id })
        }
        Origin::Container { name: Some(name), .. } => unreachable!("cgroups tell no names: {name}"),
        Origin::Job { id } => format!("job {id}{user}"),
        Origin::Service { unit } => format!("service {unit}{user}"),
        Origin::Session { uid, id } => {
            assert_eq!(Some(uid), place.user, "{text}");
            format!("session {id}{user}")
        }
    }
}

#[test]
fn every_text_tells_its_origin() {
    let texts = [
        // Docker: systemd driver, cgroupfs driver, from inside another cgroup namespace, rootless.
        ("0::/system.slice/docker-{I}.scope\n", "docker I"),
        ("0::/docker/{I}\n", "docker I"),
        ("0::/../../docker/{I}\n", "docker I"),
        ("0::/docker/{I}/init.scope\n", "docker I"),
        ("0::/system.slice/docker-{I}.scope (deleted)\n", "docker I"),
        (
            "0::/user.slice/user-1001.slice/user@1001.service/user.slice/docker-{I}.scope\n",
            "docker I of 1001",
        ),
        // Version 1: the line that tells may be any.
        ("12:cpuset:/docker/{I}\n11:memory:/docker/{I}\n1:name=systemd:/docker/{I}\n0::/\n", "docker I"),
        ("3:memory:/docker/{I}\n1:name=systemd:/system.slice/containerd.service\n", "docker I"),
        // Docker within Docker: this host knows the outer one.
        (
            "0::/docker/{I}/docker/aaaa456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
            "docker I",
        ),
        // Podman: root's, rootless, cgroupfs, split; conmon is not the container.
        ("0::/machine.slice/libpod-{I}.scope/container\n", "podman I"),
        (
            "0::/user.slice/user-23001.slice/user@23001.service/user.slice/libpod-{I}.scope/container\n",
            "podman I of 23001",
        ),
        ("0::/libpod_parent/libpod-{I}\n", "podman I"),
        ("0::/system.slice/train.service/libpod-payload-{I}\n", "podman I"),
        ("0::/machine.slice/libpod-conmon-{I}.scope\n", "service libpod-conmon-{I}.scope"),
        // Kubernetes.
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f.slice/cri-containerd-{I}.scope\n",
            "kubernetes I",
        ),
        ("0::/kubepods.slice/kubepods-pod1f.slice/crio-{I}.scope/container\n", "kubernetes I"),
        ("0::/kubepods/besteffort/pod1f-2e/{I}\n", "kubernetes I"),
        (
            "11:memory:/system.slice/containerd.service/kubepods-pod1f.slice:cri-containerd:{I}\n",
            "kubernetes I",
        ),
        ("0::/kubepods.slice/kubepods-pod1f.slice/docker-{I}.scope\n", "docker I"),
        // Others.
        ("0::/default/{I}\n", "container I"),
        ("0::/lxc.payload.trainer/system.slice/ssh.service\n", "lxc trainer"),
        ("4:devices:/lxc/trainer\n", "lxc trainer"),
        ("0::/system.slice/nerdctl-{I}.scope\n", "containerd I"),
        // ctr: anybody's names, and only the parent of the processes tells whose.
        ("0::/default/train\n", "unknown by name train"),
        ("9:name=systemd:/\n4:memory:/default/train\n0::/\n", "unknown by name train"),
        ("0::/../../default/train\n", "unknown by name train"),
        ("0::/train\n", "unknown"),
        // Docker with a parent of the administrator's choosing, which does not say that it is Docker's.
        ("0::/students/{I}\n", "container I"),
        // Kubernetes within Docker (kind, k3d), as this host's engine knows it; CRI-O with cgroupfs; its conmon.
        (
            "0::/system.slice/docker-{I}.scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-aa.scope\n",
            "docker I",
        ),
        ("0::/kubepods/burstable/pod1f-2e/crio-{I}\n", "kubernetes I"),
        ("0::/kubepods.slice/kubepods-pod1f.slice/crio-conmon-{I}.scope\n", "service crio-conmon-{I}.scope"),
        // LXC as LXD, Incus and Proxmox name it, and of a user; what is inside says nothing about this host's people.
        (
            "0::/lxc.payload.students_trainer/user.slice/user-1000.slice/session-1.scope\n",
            "lxc students_trainer",
        ),
        ("0::/lxc/101/ns/user.slice/user-1000.slice/session-1.scope\n", "lxc 101"),
        (
            "0::/user.slice/user-1001.slice/user@1001.service/app.slice/lxc-7.scope/lxc.payload.box/init.scope\n",
            "lxc box of 1001",
        ),
        // systemd-nspawn: by its service, by machinectl or from a terminal. No virtual machine.
        ("0::/machine.slice/systemd-nspawn@box.service/payload/system.slice/ssh.service\n", "nspawn box"),
        (
            "0::/machine.slice/machine-box.scope/payload/user.slice/user-1000.slice/session-2.scope\n",
            "nspawn box",
        ),
        (
            "0::/machine.slice/machine-qemu\\x2d1\\x2dbox.scope/libvirt/emulator\n",
            "service machine-qemu\\x2d1\\x2dbox.scope",
        ),
        // Slurm: version 2, more than one slurmd on a machine, version 1; a container in a job; a part of the form.
        ("0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n", "job 7"),
        ("0::/system.slice/node1_slurmstepd.scope/job_42/step_batch/user/task_special\n", "job 42"),
        ("0::/system.slice/slurmstepd.scope/system\n", "service slurmstepd.scope"),
        (
            "11:memory:/slurm/uid_1001/job_42/step_0/task_0\n1:name=systemd:/system.slice/slurmd.service\n",
            "job 42 of 1001",
        ),
        ("4:devices:/slurm_node1/uid_1001/job_42/step_extern/task_0\n", "job 42 of 1001"),
        ("0::/system.slice/slurmstepd.scope/job_7/step_0/user/libpod-{I}\n", "podman I"),
        ("0::/system.slice/cron.service/job_7\n", "service cron.service"),
        ("0::/job_7\n", "unknown"),
        ("0::/uid_1001/job_7\n", "unknown by name job_7"),
        // People.
        ("0::/user.slice/user-1001.slice/session-3.scope\n", "session 3 of 1001"),
        ("0::/user.slice/user-1001.slice/session-c2.scope\n", "session c2 of 1001"),
        (
            "9:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/user-1001.slice/session-3.scope\n",
            "session 3 of 1001",
        ),
        (
            "0::/user.slice/user-1001.slice/user@1001.service/app.slice/jupyter.service\n",
            "service jupyter.service of 1001",
        ),
        (
            "0::/user.slice/user-1001.slice/user@1001.service/app.slice/vte-spawn-1f.scope\n",
            "session vte-spawn-1f of 1001",
        ),
        ("0::/user.slice/user-1001.slice/user@1001.service/init.scope\n", "session init of 1001"),
        ("0::/user.slice/user-1001.slice/user@1001.service\n", "session user of 1001"),
        ("0::/user.slice/user-1001.slice\n", "session user of 1001"),
        // Services.
        ("0::/system.slice/ollama.service\n", "service ollama.service"),
        ("0::/system.slice/ollama.service/worker\n", "service ollama.service"),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "service getty@tty1.service"),
        ("9:memory:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n", "service b.service"),
        // Nothing.
        ("0::/\n", "unknown"),
        ("0::/init.scope\n", "unknown"),
        ("", "unknown"),
        ("no cgroup text at all", "unknown"),
        ("0::/user.slice/user-.slice/x\n", "unknown"),
        ("0::/docker/0123\n", "unknown by name 0123"),
    ];
    for (text, expected) in texts {
        assert_eq!(told(text), expected.replace("{I}", ID), "{text}");
    }
}

#[test]
fn text_that_is_not_utf8_is_read_as_far_as_it_goes() {
    let place = Place::parse(b"0::/\xff\xfe/user.slice/user-7.slice/session-1.scope\n");
    assert_eq!(place.user, Some(Uid(7)));
}
