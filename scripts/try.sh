#!/bin/sh
# Shows the program's main job on a store of its own in a temporary directory, and fails if any step does.
#   scripts/try.sh PROGRAM [nvidia|fake]
# Without a second word: the machine's GPUs if it has any and one is free, else simulated ones.
set -eu

chg=$1
provider=${2:-}
place=$(mktemp -d "${TMPDIR:-/tmp}/chg-try.XXXXXX")
run=

clean_up() {
    if [ -n "$run" ]; then
        kill "$run" 2>/dev/null || :
        wait "$run" 2>/dev/null || :
    fi
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "try: $1" >&2
    exit 1
}

show() {
    printf '\n$ %s\n' "$*"
}

# Nobody's settings, and no reservation that this shell may run in.
unset CANHAZGPU_RESERVATION CUDA_VISIBLE_DEVICES
: >"$place/none.toml"
export CANHAZGPU_CONFIG="$place/none.toml" CANHAZGPU_CUDA_IDS=index

store() {
    mkdir "$place/$1"
    CANHAZGPU_STORE="sqlite:$place/$1"
    export CANHAZGPU_STORE
}

ask() {
    "$chg" --store "$CANHAZGPU_STORE" "$@"
}

real_gpu_is_free() {
    [ -d /proc/driver/nvidia/gpus ] || return 1
    store real
    ask --nonblock --quiet -- true
}

simulate() {
    store simulated
    show 'chg admin --gpus 4 --provider fake'
    ask admin --gpus 4 --provider fake
}

case $provider in
nvidia)
    [ -d /proc/driver/nvidia/gpus ] || fail 'this machine has no NVIDIA driver'
    real_gpu_is_free || fail 'no GPU of this machine is free'
    ;;
fake) simulate ;;
'')
    if real_gpu_is_free; then
        echo "On this machine's GPUs, with a store of its own:"
    else
        echo 'On simulated GPUs:'
        simulate
    fi
    ;;
*) fail "'$provider' is neither nvidia nor fake" ;;
esac

show 'chg status'
ask status || fail 'status failed'

# The command prints what it got and stays until the gate opens, so that nothing here depends on time.
mkfifo "$place/gate"
show "chg -- sh -c 'echo CUDA_VISIBLE_DEVICES=\$CUDA_VISIBLE_DEVICES; …' &"
# Not through a function, so that $! is the program itself.
# shellcheck disable=SC2016 # for the inner shell
"$chg" --store "$CANHAZGPU_STORE" --nonblock -- sh -c 'echo "CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"; read -r word <"$1"; echo "$word"' \
    sh "$place/gate" >"$place/printed" &
run=$!

tries=0
until [ -s "$place/printed" ]; do
    kill -0 "$run" 2>/dev/null || fail 'the command ended before it printed anything'
    tries=$((tries + 1))
    [ "$tries" -le 300 ] || fail 'the command printed nothing for 30 s'
    sleep 0.1
done
cat "$place/printed"
gpu=$(sed -n 's/^CUDA_VISIBLE_DEVICES=\([0-9][0-9]*\)$/\1/p' "$place/printed")
[ -n "$gpu" ] || fail 'it did not get exactly one GPU'

show "chg status    # while it runs"
ask status >"$place/during" || fail 'status failed'
cat "$place/during"
grep -q "^GPU $gpu: IN USE by " "$place/during" || fail "GPU $gpu is not shown in use"

echo 'done' >"$place/gate"
status=0
wait "$run" || status=$?
run=
[ "$status" -eq 0 ] || fail "the run ended with status $status"
[ "$(tail -n 1 "$place/printed")" = 'done' ] || fail 'the command did not end as it should'

show "chg status    # after it ended"
ask status >"$place/after" || fail 'status failed'
cat "$place/after"
grep -q "^GPU $gpu: AVAILABLE" "$place/after" || fail "GPU $gpu was not given back"

printf '\nIt works: GPU %s was reserved, used and given back.\n' "$gpu"
