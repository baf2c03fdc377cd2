#!/bin/bash
# Takes the pictures of the README: several people on a host with eight GPUs, in a real terminal. The driver is the test
# double; accounts, processes, container, line and program are real.
#   scripts/screens.sh PROGRAM LIBRARY [DIRECTORY]
# PROGRAM is chg, LIBRARY is libfakenvml.so, and the pictures go to DIRECTORY (docs). AGE=SECONDS lets the people be at
# work for that long before, so that the ages are those of a working day. KEEP=1 opens a shell on that host instead.
set -euo pipefail

if [ "${SCREENS_STAGE:-}" != inside ]; then
    program=$(realpath "$1")
    library=$(realpath "$2")
    scripts=$(cd "$(dirname "$0")" && pwd)
    mkdir -p "${3:-docs}"
    pictures=$(realpath "${3:-docs}")
    [ "$(id -u)" -eq 0 ] || { echo 'screens: the accounts of the scene take root' >&2; exit 1; }
    "$scripts/needs.sh" tmux setpriv
    /usr/bin/python3 -c 'import PIL' 2>/dev/null || apt-get install -y -q python3-pil >/dev/null
    [ -d /usr/share/fonts/truetype/jetbrains-mono ] || apt-get install -y -q fonts-jetbrains-mono >/dev/null
    place=$(mktemp -d /tmp/screens.XXXXXX)
    hierarchy=$(find /sys/fs/cgroup/unified /sys/fs/cgroup -maxdepth 0 -type d 2>/dev/null | head -n 1)
    container=$hierarchy/docker-$(tr -d - </proc/sys/kernel/random/uuid)$(tr -d - </proc/sys/kernel/random/uuid).scope
    mkdir "$container"
    trap 'rm -rf "$place"; rmdir "$container"' EXIT
    chmod 755 "$place"
    export SCREENS_STAGE=inside place program library scripts pictures container
    # A host name, accounts, processes and a /proc of its own: all of it ends with the first process in there.
    unshare --mount --uts --pid --fork --kill-child --mount-proc "$0"
    exit
fi

# Inside.
people='anna ben chandra emre fatima yuki'
uid=3000
cp /etc/passwd "$place/passwd"
for name in $people; do
    uid=$((uid + 1))
    mkdir "$place/$name"
    chown "$uid:$uid" "$place/$name"
    echo "$name:x:$uid:$uid::$place/$name:/bin/bash" >>"$place/passwd"
done
mount --bind "$place/passwd" /etc/passwd
hostname atlas
# As on a machine that has been up for a while.
echo 41200 >/proc/sys/kernel/ns_last_pid

mkdir -p "$place/store" "$place/bin" "$place"/gpu/{gpus,faults,control}
chmod 777 "$place/store"
cp "$library" "$place/gpu/libnvidia-ml.so.1"
cp "$program" "$place/bin/chg"
echo '{"version":"580.82.07","generation":0}' >"$place/gpu/driver.json"
load=(97 96 0 88 71 0 0 54)
for gpu in 0 1 2 3 4 5 6 7; do
    mkdir -p "$place/gpu/gpus/$gpu/procs"
    chmod 777 "$place/gpu/gpus/$gpu/procs"
    cat >"$place/gpu/gpus/$gpu/gpu.json" <<END
{"uuid":"GPU-$(cat /proc/sys/kernel/random/uuid)","name":"NVIDIA H100 80GB HBM3","pci_bus_id":"00000000:1$gpu:00.0",
 "total_mb":81559,"reserved_mb":551,"used_mb":4,"utilization":${load[gpu]},"persistence":true,"mig":"off"}
END
done

# What computes: takes MEMORY on each GPU that it was given, and stays.
cat >"$place/train.py" <<'END'
import json, os, pathlib, signal
stat = pathlib.Path("/proc/self/stat").read_text()
start = int(stat[stat.rindex(")") + 2:].split()[19])
for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(","):
    entry = pathlib.Path(os.environ["place"], "gpu/gpus", gpu, "procs", str(os.getpid()))
    entry.write_text(json.dumps({"start": start, "memory_mb": int(os.environ["MEMORY"]), "kind": "compute"}))
signal.pause()
END
for name in vllm torchrun; do
    { echo '#!/usr/bin/python3'; cat "$place/train.py"; } >"$place/bin/$name"
    chmod 755 "$place/bin/$name"
done

export PATH="$place/bin:/usr/bin:/bin" LANG=C.UTF-8 CANHAZGPU_STORE="sqlite:$place/store"
export CANHAZGPU_NVML_LIB="$place/gpu/libnvidia-ml.so.1"
as() {
    local who=$1
    shift
    cp "$place/train.py" "$place/$who/"
    (cd "$place/$who" && HOME="$place/$who" exec setpriv --reuid="$who" --regid="$(id -u "$who")" --clear-groups "$@") \
        </dev/null >/dev/null 2>&1
}
until_there() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || { echo "screens: waited in vain for $*" >&2; exit 1; }
        sleep 0.1
    done
}
later() { sleep "$((${AGE:-0} * $1 / 100))"; }
on() { [ "$(find "$place/gpu/gpus/$1/procs" -type f | wc -l)" -ge "$2" ]; }

MEMORY=71234 as anna chg -G 0,1 -n 'llama ablation' -- python3 train.py --model meta-llama/Llama-3.1-8B --lr 3e-4 &
until_there on 1 1
later 40
as ben chg reserve -G 2 -d 4h -n debugging
MEMORY=38400 as chandra chg -G 3 -- torchrun --nproc-per-node 1 pretrain.py --config vit-l.yaml &
until_there on 3 1
later 25
(echo 0 >"$container/cgroup.procs"
 CUDA_VISIBLE_DEVICES=4 MEMORY=63800 exec vllm serve Qwen/Qwen3-32B) </dev/null >/dev/null 2>&1 &
until_there on 4 1
MEMORY=52200 as yuki chg -G 7 -- vllm serve mistralai/Mistral-Small-24B &
until_there on 7 1
later 15
CUDA_VISIBLE_DEVICES=3 MEMORY=9100 as emre python3 train.py --debug &
until_there on 3 2
as chandra chg -G 5 -- true
# NVML_ERROR_GPU_IS_LOST: one fell off the bus.
echo '{"code":15}' >"$place/gpu/faults/*@6.1"
as fatima chg -g 2 -n 'eval sweep' -- python3 train.py &
waiting() { chg queue | grep -q fatima; }
until_there waiting
later 20

if [ -n "${KEEP:-}" ]; then
    exec bash -i
fi

# A terminal, and somebody who types.
terminal() { tmux -f /dev/null -S "$place/tmux" "$@"; }
shot() {
    local name=$1 columns=$2 rows=$3 words=$4 sign=$5
    # shellcheck disable=SC2016 # for the shell in there
    HOME="$place/ben" PS1='$ ' terminal new-session -d -s "$name" -x "$columns" -y "$rows" \
        setpriv --reuid=ben --regid=3002 --clear-groups bash --norc --noprofile
    terminal set-option -g status off
    prompted() { terminal capture-pane -p -t "$name" | grep -q '^\$'; }
    until_there prompted
    terminal send-keys -t "$name" "$words" Enter
    signed() { terminal capture-pane -p -t "$name" | grep -q "$sign"; }
    until_there signed
    terminal capture-pane -e -p -t "$name" >"$place/$name.ansi"
    terminal kill-session -t "$name"
    /usr/bin/python3 "$scripts/screens.py" "$place/$name.ansi" "$columns" "$pictures/$name.png"
}
shot status 128 20 'chg status' '^GPU 7'
shot table 116 13 'chg status -o table' '^ *7 '
shot watch 132 30 'chg status --watch' 'COMMAND'
