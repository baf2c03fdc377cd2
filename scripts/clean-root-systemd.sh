# shellcheck shell=sh disable=SC2154 # a part of clean-root.sh
# A machine that systemd runs, for real: where it puts who computes, and what it does to services that chg starts. The
# driver alone is the test double.

[ -f "$PACKAGE" ] || fail "there is no package '$PACKAGE'"
[ -f "$LIBRARY" ] || fail "there is no library '$LIBRARY'"

say 'root: dpkg -i, GPUs, and accounts that may log in'
cp "$PACKAGE" "$root/opt/canhazgpu.deb"
as root dpkg -i /opt/canhazgpu.deb
gpus=$root/srv/gpus
mkdir -p "$gpus/gpus" "$gpus/faults" "$gpus/control" "$gpus/bin"
chmod 777 "$gpus/control"
cp "$LIBRARY" "$gpus/libnvidia-ml.so.1"
install -m 755 "$here/fakenvml/src/worker.sh" "$gpus/bin/train"
echo '{"version":"580.82.07","generation":0}' >"$gpus/driver.json"
for gpu in 0 1 2 3 4 5 6 7; do
    mkdir -p "$gpus/gpus/$gpu/procs"
    chmod 777 "$gpus/gpus/$gpu/procs"
    uuid=GPU-$(cat /proc/sys/kernel/random/uuid)
    echo "$gpu $uuid $gpu" >>"$gpus/cuda-order"
    echo "{\"uuid\":\"$uuid\",\"name\":\"NVIDIA H100 80GB HBM3\",\"pci_bus_id\":\"00000000:1$gpu:00.0\",\"total_mb\":81559,
        \"reserved_mb\":551,\"used_mb\":4,\"utilization\":0,\"persistence\":true,\"mig\":\"off\"}" >"$gpus/gpus/$gpu/gpu.json"
done
mkdir -p "$root/etc/canhazgpu"
printf '%s\n' 'store = "sqlite:/var/lib/canhazgpu"' 'nvml_lib = "/srv/gpus/libnvidia-ml.so.1"' >"$root/etc/canhazgpu/config.toml"
echo 'ann ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/ann"
as root usermod -p '*' ann
as root ssh-keygen -q -t ed25519 -N '' -f /root/key
mkdir -p "$root/home/ann/.ssh"
cp "$root/root/key.pub" "$root/home/ann/.ssh/authorized_keys"
as root chown -R ann: /home/ann

# What systemd finds as process 1: mounts as a container has them, and version 2 of the control groups alone.
cat >"$CLEAN_ROOT/boot" <<'END'
set -e
hostname atlas
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$CLEAN_ROOT/dev"
for node in null zero full random urandom tty; do
    touch "$CLEAN_ROOT/dev/$node"
    mount --bind "/dev/$node" "$CLEAN_ROOT/dev/$node"
done
mkdir "$CLEAN_ROOT/dev/pts" "$CLEAN_ROOT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$CLEAN_ROOT/dev/pts"
ln -s pts/ptmx "$CLEAN_ROOT/dev/ptmx"
ln -s /proc/self/fd "$CLEAN_ROOT/dev/fd"
mount --rbind "$CLEAN_ROOT/dev" "$root/dev"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs"
mkdir "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir -p "$root/mnt/old"
cd "$root"
pivot_root . mnt/old
umount -l mnt/old
exec env -i container=chroot PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system </dev/null >/run/booted 2>&1
END
mkdir "$CLEAN_ROOT/dev"
for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ ! -e "$hierarchy/cgroup.procs" ] || break
done
group=$hierarchy/chg-root-$$
mkdir "$group" "$group/machine"

shut_down() {
    # unshare ignores what asks it to end.
    [ -z "${machine:-}" ] || kill -KILL "$machine" 2>/dev/null || :
    [ -z "${machine:-}" ] || wait "$machine" 2>/dev/null || :
    tries=0
    until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ "$tries" -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}
trap shut_down EXIT

say 'it boots'
export root
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup \
    --propagation private sh "$2"' sh "$group/machine" "$CLEAN_ROOT/boot" &
machine=$!

# What is true within some time.
comes() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -le 600 ] || fail "this is never so: $*"
        sleep 0.1
    done
}
first_process() {
    first=$(cat "/proc/$machine/task/$machine/children") && first=${first%% *} && [ -n "$first" ] &&
        [ "$(cat "/proc/$first/comm")" = systemd ]
}
comes first_process
inside() {
    nsenter --target "$first" --mount --pid --uts --ipc --net env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
}
is_up() { inside systemctl is-system-running | grep -Eq 'running|degraded' && inside systemctl is-active -q ssh systemd-logind; }
comes is_up

say 'everybody computes, each from somewhere else'
ssh_to_ann() {
    inside ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -q ann@127.0.0.1 "$@" \
        </dev/null >/dev/null 2>&1
}
train=/srv/gpus/bin/train
inside loginctl enable-linger ann
inside systemd-run -q --unit=train --uid=ann -E CUDA_VISIBLE_DEVICES=0 "$train"
inside systemd-run -q --user -M ann@ --unit=jupyter -E CUDA_VISIBLE_DEVICES=1 "$train"
inside setsid su -l ann -c "CUDA_VISIBLE_DEVICES=2 exec $train" </dev/null >/dev/null 2>&1 &
ssh_to_ann "CUDA_VISIBLE_DEVICES=3 exec $train" &
ssh_to_ann "tmux new-session -d 'CUDA_VISIBLE_DEVICES=4 exec $train'"
ssh_to_ann "sudo env CUDA_VISIBLE_DEVICES=5 $train" &
inside systemd-run -q --scope --unit=evening --uid=ben env CUDA_VISIBLE_DEVICES=6 "$train" </dev/null >/dev/null 2>&1 &
ssh_to_ann "systemd-run --user --scope -q --unit=night env CUDA_VISIBLE_DEVICES=7 $train" &
all_there() { [ "$(find "$gpus"/gpus/*/procs -type f | wc -l)" -eq 8 ]; }
comes all_there
inside chg status
inside chg status --json >"$CLEAN_ROOT/status"
python3 - "$CLEAN_ROOT/status" >"$CLEAN_ROOT/told" <<'END'
import json, sys
for gpu in json.load(open(sys.argv[1])):
    for process in gpu["processes"]:
        origin = process["origin"]
        name = origin.get("unit") or ("some" if origin["id"].lstrip("c").isdigit() else origin["id"])
        print(gpu["gpu_id"], process["user"], "by", process.get("through"), origin["type"], name)
END
cat >"$CLEAN_ROOT/expected" <<END
0 ann by None service train.service
1 ann by None service jupyter.service
2 ann by None session some
3 ann by ssh session some
4 ann by tmux session some
5 ann (root) by ssh session some
6 ben by None service evening.scope
7 ann by ssh session night
END
diff "$CLEAN_ROOT/expected" "$CLEAN_ROOT/told" || fail 'somebody is taken for what he is not'
for entry in "$gpus"/gpus/*/procs/*; do
    inside kill "${entry##*/}" || :
done
all_gone() { ! inside chg status | grep -qv AVAILABLE; }
comes all_gone

say 'a service ends with chg as it does without'
cat >"$root/srv/job" <<'END'
#!/usr/bin/python3
import signal, sys
log = open("/srv/log", "a", buffering=1)
def heard(number, frame):
    print(signal.Signals(number).name, file=log)
    if sys.argv[1] != "stubborn":
        sys.exit(3 if sys.argv[1] == "fails" else 0)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, heard)
print("up", file=log)
while True:
    signal.pause()
END
cat >"$root/srv/watched" <<'END'
#!/usr/bin/python3
import os, socket, time
address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
systemd.sendto(b"READY=1", address)
for beat in range(30):
    time.sleep(0.1)
    if os.environ["WATCHDOG_PID"] == str(os.getpid()):
        systemd.sendto(b"WATCHDOG=1", address)
END
chmod 755 "$root/srv/job" "$root/srv/watched"
up() { grep -q up "$root/srv/log"; }
# What the service heard, and what systemd says of its end.
stopped() {
    mode=$1
    shift
    : >"$root/srv/log"
    chmod 666 "$root/srv/log"
    inside systemctl reset-failed it 2>/dev/null || :
    inside systemd-run -q --unit=it --uid=ann -p KillMode="$mode" -p TimeoutStopSec=2 -p CollectMode=inactive "$@"
    comes up
    inside systemctl stop it
    # With chg killed beside it, a command may hear SIGTERM once more before it is killed itself.
    uniq "$root/srv/log" | tr '\n' ' '
    inside systemctl show it -p Result,ExecMainStatus | sort | tr '\n' ' '
}
for manner in politely fails stubborn; do
    bare=$(stopped mixed /srv/job "$manner")
    reserved=$(stopped mixed chg -q -- /srv/job "$manner")
    echo "$manner: $reserved"
    [ "$bare" = "$reserved" ] || fail "without chg it is: $bare"
done
comes all_gone
inside systemd-run -q --wait --unit=watched --uid=ann -p Type=notify -p NotifyAccess=all -p WatchdogSec=1 chg -q -- /srv/watched ||
    fail 'the watchdog did not hear of the command'
