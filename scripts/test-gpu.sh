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

# Nobody's settings and reservations. A store that the host's configuration names goes before one of the environment, so
# each call names ours.
for name in $(env | sed -n 's/^\(CANHAZGPU_[A-Z_]*\)=.*/\1/p'); do
    [ "$name" = CANHAZGPU_NVML_LIB ] || unset "$name"
done
unset CUDA_VISIBLE_DEVICES
: >"$place/none.toml"
mkdir -m 777 "$place/store"
export CANHAZGPU_CONFIG="$place/none.toml" CANHAZGPU_CUDA_IDS=index
# A program that every account can start.
cp "$1" "$place/program"
cat >"$place/chg" <<END
#!/bin/sh
exec '$place/program' --store 'sqlite:$place/store' "\$@"
END
chmod 755 "$place/chg"
chg=$place/chg
"$chg" --version >/dev/null || fail "no program can be started in $place: set TMPDIR"

# Behind sudo a person is shown with who logged in.
person() { printf '(.* \\()?%s\\)?( \\(.*\\))?' "$1"; }
me=$(person "$(id -un 2>/dev/null || echo "uid $(id -u)")")
as_owner='setpriv --reuid=23001 --regid=23001 --clear-groups'
if [ "$(id -u)" -eq 0 ] && $as_owner "$chg" --version >/dev/null 2>&1; then
    owner=$(person "$(id -un 23001 2>/dev/null || echo 'uid 23001')")
    who='another account'
else
    owner=$me
    who='this account'
    as_owner=
fi

say 'what the driver says'
"$chg" doctor >"$place/doctor" || :
grep -E '^[a-z]+ +(driver|devices|processes) ' "$place/doctor" || :
"$chg" status >"$place/status" 2>"$place/trouble" || :
cat "$place/status"
if ! grep -q '^GPU ' "$place/status"; then
    cat "$place/trouble"
    for device in /dev/nvidia[0-9]*; do
        [ ! -e "$device" ] || [ -n "${CANHAZGPU_NVML_LIB:-}" ] || fail "$device is here, and the driver does not tell of it"
    done
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
except Exception as trouble:
    # Not installed, or built without CUDA.
    print(f"without torch: {trouble}", flush=True)
    held = with_libcuda()
signal.pause()
END
if [ -n "${TEST_GPU_WORKER:-}" ]; then
    set -- "$TEST_GPU_WORKER" --memory 2048
else
    # One in somebody's home is of no use to others.
    python=
    for found in python3 /usr/bin/python3; do
        [ -n "$python" ] || ! $as_owner "$found" -c 'import ctypes' 2>/dev/null || python=$found
    done
    [ -n "$python" ] || skip "the CUDA process takes a python3 that $who can start"
    set -- env HOME="$place" "$python" "$place/compute.py"
fi

# Waits until the line of the GPU matches, and prints it. The first use of CUDA may take long, and so may a look at GPUs
# that nothing keeps initialised.
sees() {
    until=$(($(date +%s) + 180))
    until "$chg" status >"$place/status" && grep -Eq "^GPU $gpu: $1" "$place/status"; do
        [ -z "$worker" ] || kill -0 "$worker" 2>/dev/null || fail "the process ended: $(cat "$place/printed")"
        [ "$(date +%s)" -lt "$until" ] || fail "GPU $gpu is never '$1', but: $(grep "^GPU $gpu:" "$place/status")"
        sleep 0.1
    done
    grep "^GPU $gpu:" "$place/status"
}

# Of the first process on the GPU that is not the system's (a display, MPS), a field of the JSON.
field() {
    "$chg" status --json >"$place/json"
    awk -v gpu="$gpu" -v wanted="$1" '
        $1 == "\"gpu_id\":" { here = ($2 + 0 == gpu); listed = 0 }
        here && $1 == "\"processes\":" { listed = 1 }
        here && listed && match($0, /^ *"[a-z_]+": "?[^",]*"?,?$/) {
            gsub(/[",:]/, "")
            known[$1] = $2
            if ($1 == "role" && $2 != "system") { print known[wanted]; exit }
        }' "$place/json"
}

ends() {
    kill "$worker"
    wait "$worker" 2>/dev/null || :
    worker=
}

say "$who computes on GPU $gpu without asking"
# shellcheck disable=SC2086 # words; and no function, so that $! is the process itself
CUDA_VISIBLE_DEVICES=$gpu CUDA_DEVICE_ORDER=PCI_BUS_ID $as_owner "$@" >"$place/printed" 2>&1 &
worker=$!
sees 'IN USE WITHOUT RESERVATION '
listed=yes
grep -q "^GPU $gpu: .* used by PID " "$place/status" || listed=no
if [ "$listed" = yes ]; then
    grep -Eq "^GPU $gpu: IN USE WITHOUT RESERVATION by user $owner - .*used by PID [0-9]+ \(" "$place/status" ||
        fail "it is not attributed to $who"
    [ "$(field role)" = unreserved ] || fail "its role is not unreserved, but '$(field role)'"
    echo "Named: PID $(field pid), uid $(field uid), $(field memory_mb) MB."
else
    echo 'The driver does not list processes here, as in a container with process numbers of its own: memory alone tells.'
fi

say 'nobody is granted it'
status=0
"$chg" --nonblock -G "$gpu" -- true || status=$?
[ "$status" -eq 75 ] || fail "a run on GPU $gpu ended with $status, not 75"
status=0
"$chg" --nonblock -g "$(grep -c '^GPU ' "$place/status")" -- true 2>"$place/trouble" || status=$?
cat "$place/trouble"
# Asked for more than the host's policy gives to anybody, it is refused before it looks.
[ "$status" -eq 75 ] || grep -Eq 'this host allows|one user may hold' "$place/trouble" ||
    fail "a run on all GPUs ended with $status, not 75"

if [ "$listed" = yes ]; then
    say "$who adopts it, until it ends"
    # shellcheck disable=SC2086 # words
    $as_owner "$chg" reserve --force -G "$gpu" --until-exit
    sees "IN USE by $owner for .*, [0-9]+ processes\]"
    [ "$(field role)" = holder ] || fail "its role is not holder, but '$(field role)'"
fi
ends
sees 'AVAILABLE '

say 'what a run starts is its own'
"$chg" -G "$gpu" --nonblock -- "$@" >"$place/printed" 2>&1 &
worker=$!
sees "IN USE by $me for .*\(run, .*\[validated: [0-9]*MB"
if [ "$listed" = yes ]; then
    sees "IN USE by $me for .*, [0-9]+ processes\]" >/dev/null
    [ "$(field role)" = holder ] || fail "its role is not holder, but '$(field role)'"
    ! grep -q "^GPU $gpu: .*WITHOUT RESERVATION" "$place/status" || fail 'the run is an intruder on its own GPU'
    echo "The holder's: PID $(field pid), $(field memory_mb) MB."
fi
ends
sees 'AVAILABLE '

printf '\nIt works: GPU %s was seen, refused, adopted, used and given back.\n' "$gpu"
