#!/bin/sh
# Checks the program against this machine's real driver: a process that computes under another account is named, its GPU
# is granted to nobody, its owner adopts it, and what a run starts is the run's own. Prints what it sees. Uses a store of
# its own in a temporary directory and leaves nothing behind.
#   scripts/test-gpu.sh PROGRAM
# Status 77 and SKIP where there is nothing to check: no GPU, or none that is free. As root the process gets an account of
# its own; anybody else checks as much as one account can. TEST_GPU_WORKER names a program in place of the CUDA process,
# for machines whose driver is a test double (CANHAZGPU_NVML_LIB).
set -eu

place=$(mktemp -d "${TMPDIR:-/tmp}/chg-test-gpu.XXXXXX")
chmod 755 "$place"
worker=
clean_up() {
    [ -z "$worker" ] || kill "$worker" 2>/dev/null || :
    [ -z "$worker" ] || wait "$worker" 2>/dev/null || :
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n-- %s\n' "$*"; }
fail() {
    echo "FAIL: $1" >&2
    exit 1
}
skip() {
    echo "SKIP: $1"
    exit 77
}

# Nobody's settings and reservations; a program that every account can start.
unset CANHAZGPU_RESERVATION CUDA_VISIBLE_DEVICES
cp "$1" "$place/chg"
: >"$place/none.toml"
mkdir -m 777 "$place/store"
export CANHAZGPU_CONFIG="$place/none.toml" CANHAZGPU_CUDA_IDS=index CANHAZGPU_STORE="sqlite:$place/store"
chg=$place/chg

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=23001 --regid=23001 --clear-groups true 2>/dev/null; then
    owner='uid 23001'
    as_owner='setpriv --reuid=23001 --regid=23001 --clear-groups'
else
    owner=$(id -un)
    as_owner=
fi

say 'what the driver says'
"$chg" doctor >"$place/doctor" || :
grep -E '^[a-z]+ +(driver|devices|processes) ' "$place/doctor" || :
"$chg" status >"$place/status" 2>"$place/trouble" || :
cat "$place/status"
if ! grep -q '^GPU ' "$place/status"; then
    cat "$place/trouble"
    [ ! -e /dev/nvidia0 ] || [ -n "${CANHAZGPU_NVML_LIB:-}" ] || fail 'there is a GPU here, and the driver does not tell of it'
    skip 'no GPU here'
fi
gpu=$(sed -n 's/^GPU \([0-9]*\): AVAILABLE .*/\1/p' "$place/status" | head -n 1)
[ -n "$gpu" ] || skip 'no GPU here is free'
echo "GPU $gpu is free, and is used from here on."

# What computes: with torch, or without it through the driver's own library. 2 GiB, and stays until it is ended.
cat >"$place/compute.py" <<'END'
import ctypes, signal, sys

def with_torch():
    import torch
    return torch.ones(2 << 30, dtype=torch.uint8, device="cuda")

def with_libcuda():
    cuda = ctypes.CDLL("libcuda.so.1")
    def call(name, *arguments):
        status = getattr(cuda, name)(*arguments)
        if status != 0:
            sys.exit(f"{name} failed with {status}")
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(2 << 30))
    return memory

try:
    held = with_torch()
except ImportError:
    held = with_libcuda()
signal.pause()
END
if [ -n "${TEST_GPU_WORKER:-}" ]; then
    set -- "$TEST_GPU_WORKER" --memory 2048
else
    command -v python3 >/dev/null || skip 'the CUDA process takes python3'
    set -- python3 "$place/compute.py"
fi

# Waits until the line of the GPU matches, and prints it. The first use of CUDA may take long.
sees() {
    tries=0
    until "$chg" status >"$place/status" && grep -Eq "^GPU $gpu: $1" "$place/status"; do
        [ -z "$worker" ] || kill -0 "$worker" 2>/dev/null || fail "the process ended: $(cat "$place/printed")"
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "GPU $gpu is never '$1', but: $(grep "^GPU $gpu:" "$place/status")"
        sleep 0.1
    done
    grep "^GPU $gpu:" "$place/status"
}

# Of the first process on the GPU, a field of the JSON, where it has such a line.
field() {
    "$chg" status --json >"$place/json"
    sed -n "/\"gpu_id\": $gpu,/,/\"gpu_id\": $((gpu + 1)),/p" "$place/json" |
        sed -n '/"processes": \[/,$p' | sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" | head -n 1
}

ends() {
    kill "$worker"
    wait "$worker" 2>/dev/null || :
    worker=
}

say "$owner computes on GPU $gpu without asking"
# shellcheck disable=SC2086 # words; and no function, so that $! is the process itself
CUDA_VISIBLE_DEVICES=$gpu CUDA_DEVICE_ORDER=PCI_BUS_ID $as_owner "$@" >"$place/printed" 2>&1 &
worker=$!
sees 'IN USE WITHOUT RESERVATION '
listed=yes
grep -q "^GPU $gpu: .* used by PID " "$place/status" || listed=no
if [ "$listed" = yes ]; then
    grep -q "^GPU $gpu: IN USE WITHOUT RESERVATION by user $owner - [0-9]*MB used by PID [0-9]* (" "$place/status" ||
        fail "it is not attributed to $owner"
    [ "$(field role)" = unreserved ] || fail "its role is not unreserved, but '$(field role)'"
    echo "Named: PID $(field pid), $owner, $(field memory_mb) MB."
else
    echo 'The driver does not list processes here, as in a container with process numbers of its own: memory alone tells.'
fi

say 'nobody is granted it'
status=0
"$chg" --nonblock -G "$gpu" -- true || status=$?
[ "$status" -eq 75 ] || fail "a run on GPU $gpu ended with $status, not 75"
status=0
"$chg" --nonblock -g "$(grep -c '^GPU ' "$place/status")" -- true || status=$?
[ "$status" -eq 75 ] || fail "a run on all GPUs ended with $status, not 75"

if [ "$listed" = yes ]; then
    say "$owner adopts it, until it ends"
    # shellcheck disable=SC2086 # words
    $as_owner "$chg" reserve --force -G "$gpu" --until-exit
    sees "IN USE by $owner for .*, 1 processes\]"
    [ "$(field role)" = holder ] || fail "its role is not holder, but '$(field role)'"
fi
ends
sees 'AVAILABLE '

say 'what a run starts is its own'
"$chg" -G "$gpu" --nonblock -- "$@" >"$place/printed" 2>&1 &
worker=$!
sees "IN USE by $(id -un) for .*\(run, .*\[validated: [0-9]*MB"
if [ "$listed" = yes ]; then
    sees "IN USE by $(id -un) for .*, 1 processes\]" >/dev/null
    [ "$(field role)" = holder ] || fail "its role is not holder, but '$(field role)'"
    ! grep -q "^GPU $gpu: .*WITHOUT RESERVATION" "$place/status" || fail 'the run is an intruder on its own GPU'
    echo "The holder's: PID $(field pid), $(field memory_mb) MB."
fi
ends
sees 'AVAILABLE '

printf '\nIt works: GPU %s was seen, refused, adopted, used and given back.\n' "$gpu"
