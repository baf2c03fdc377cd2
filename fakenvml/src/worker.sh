#!/bin/sh
# Stands in for a program that computes on GPUs: takes memory on those that CUDA_VISIBLE_DEVICES names, and stays until
# it is told to end or killed. It starts nothing that would outlive it, unless it is asked to.
#
#   --memory MB       per GPU (1024); 'unknown': the driver cannot tell
#   --kind KIND       compute (default), graphics, both
#   --hidden          in another pid namespace: uses memory, is not listed
#   --ignore SIGNAL   may be repeated
#   --children N      as many more, in this session
#   --daemons N       as many more, each in a session of its own
#   --exit N          ends at once with this status, instead of staying
#
# Commands to <scenario>/control/<pid>, a line each: claim GPU MB; drop GPU; exit N (GPU is the driver's index).
set -u

dir=${FAKENVML_DIR:-${0%/*}}
[ -f "$dir/driver.json" ] || dir=$dir/..
memory=1024 kind=compute listed=true ignored='' children=0 daemons=0 status=''

while [ $# -gt 0 ]; do
    case $1 in
        --memory) memory=$2; shift 2 ;;
        --kind) kind=$2; shift 2 ;;
        --hidden) listed=false; shift ;;
        --ignore) ignored="$ignored $2"; shift 2 ;;
        --children) children=$2; shift 2 ;;
        --daemons) daemons=$2; shift 2 ;;
        --exit) status=$2; shift 2 ;;
        # Whatever else a real program would be given.
        *) shift ;;
    esac
done
[ "$memory" = unknown ] && memory=null

# Sets `pid` and `start` to those of this very process: in a subshell $$ is still the parent's.
know_yourself() {
    line=
    # The name may hold line ends.
    while read -r part; do line="$line$part "; done < /proc/self/stat
    pid=${line%% *}
    # The name may hold spaces and parentheses: count from the last one. Start time is field 22.
    # shellcheck disable=SC2086 # the fields are to be split
    set -- ${line##*) }
    start=${20}
}

claim() {
    draft=$dir/gpus/$1/procs/.draft-$pid
    printf '{"start":%s,"memory_mb":%s,"kind":"%s","listed":%s}' "$start" "$2" "$kind" "$listed" > "$draft" &&
        mv "$draft" "$dir/gpus/$1/procs/$pid"
}

# Prints the driver's indices of the GPUs that this process may use. An unknown one is cudaErrorNoDevice.
visible() {
    if [ -z "${CUDA_VISIBLE_DEVICES+set}" ]; then
        while read -r _ _ gpu; do echo "$gpu"; done < "$dir/cuda-order"
        return 0
    fi
    # shellcheck disable=SC2086 # split at commas
    for wanted in $(IFS=,; echo $CUDA_VISIBLE_DEVICES); do
        found=
        while read -r index uuid gpu; do
            case $wanted in "$index" | "$uuid") found=$gpu ;; esac
        done < "$dir/cuda-order"
        [ -n "$found" ] || { echo "no GPU $wanted" >&2; return 100; }
        echo "$found"
    done
}

work() {
    know_yourself
    # It listens before it is seen: whoever sees it can tell it to end, and if the scenario is gone it ends by itself.
    fifo=$dir/control/$pid
    # One that was killed may have had the same number.
    rm -f "$fifo"
    mkfifo -m 666 "$fifo" || exit 99
    # Open for both, so that a read waits for a writer instead of seeing the end of the file.
    exec 3<> "$fifo" || exit 99
    for gpu in $gpus; do claim "$gpu" "$memory" || exit 99; done
    [ -z "$status" ] || exit "$status"
    while :; do
        read -r verb first second <&3 || continue
        case $verb in
            claim) claim "$first" "$second" ;;
            drop) rm -f "$dir/gpus/$first/procs/$pid" ;;
            exit) exit "$first" ;;
        esac
    done
}

for signal in $ignored; do trap '' "$signal"; done
gpus=$(visible) || exit $?

while [ "$daemons" -gt 0 ]; do
    options=
    for signal in $ignored; do options="$options --ignore $signal"; done
    # shellcheck disable=SC2086 # options are words
    (setsid "$0" --memory "$memory" --kind "$kind" $options < /dev/null > /dev/null 2>&1 &)
    daemons=$((daemons - 1))
done
while [ "$children" -gt 0 ]; do
    (status=; work) &
    children=$((children - 1))
done
work
