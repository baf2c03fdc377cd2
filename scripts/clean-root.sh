#!/bin/sh
# Plays in a fresh root of this distribution, with nothing in it but what is named, what people do with the program.
#   scripts/clean-root.sh source           a newcomer with a checkout: make try, make install, make uninstall
#   scripts/clean-root.sh package DEB      an administrator with a Debian package: dpkg -i, apt purge
#   scripts/clean-root.sh systemd DEB LIBRARY   services, sessions and logins of a systemd that runs there, with the driver's
#                                          test double as LIBRARY
# Needs root, mmdebstrap, tmux, a network, and for the first a Rust toolchain, which is lent to the root read-only.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
scene=${1:-}
export PACKAGE="${2:-}" LIBRARY="${3:-}"
case $scene in
source) parts=ca-certificates,gcc,libc6-dev,make ;;
package) parts=bash-completion,fish,git,less,libnss-extrausers,man-db,python3-minimal,zsh ;;
systemd) parts=dbus,dbus-user-session,libpam-systemd,openssh-client,openssh-server,python3-minimal,sudo,systemd,systemd-sysv,tmux ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

fail() {
    echo "clean-root: $1" >&2
    exit 1
}

if [ -z "${CLEAN_ROOT:-}" ]; then
    for program in mmdebstrap tmux unshare; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    [ "$(id -u)" -eq 0 ] || fail 'a root of its own takes root'
    CLEAN_ROOT=$(mktemp -d "${TMPDIR:-/var/tmp}/chg-root.XXXXXX")
    export CLEAN_ROOT
    # What is mounted in a namespace of its own is gone with it, so that nothing of this machine is in what is removed.
    status=0
    unshare --mount --propagation private "$0" "$@" || status=$?
    rm -rf --one-file-system "${CLEAN_ROOT:?}"
    exit "$status"
fi

root=$CLEAN_ROOT/root
started=$(date +%s)

say() {
    printf '== %4d s: %s\n' "$(($(date +%s) - started))" "$1"
}

# A program in the root, as this account.
as() {
    account=$1
    shift
    home=$(sed -n "s/^$account:.*:\(\/[^:]*\):[^:]*$/\1/p" "$root/etc/passwd")
    chroot --userspec="$account" "$root" env -i HOME="$home" LANG=C.UTF-8 TERM=xterm \
        PATH=/opt/rust/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# Every path in the root but people's own, and the books of the package manager.
paths() {
    find "$root" -xdev \( -path "$root/home" -o -path "$root/root" -o -path "$root/tmp" -o -path "$root/opt" -o \
        -path "$root/run" -o -path "$root/var/lib/dpkg" -o -path "$root/var/lib/apt" -o -path "$root/var/log" -o -path "$root/var/cache" \) -prune \
        -o -printf '/%P\n' | sort
}

# The state is all that may be there now and was not before.
nothing_stays() {
    paths >"$CLEAN_ROOT/after"
    left=$(comm -13 "$CLEAN_ROOT/before" "$CLEAN_ROOT/after" | grep -v '^/var/lib/canhazgpu' || :)
    [ -z "$left" ] || fail "left behind: $left"
    gone=$(comm -23 "$CLEAN_ROOT/before" "$CLEAN_ROOT/after")
    [ -z "$gone" ] || fail "taken away: $gone"
    [ -f "$root/var/lib/canhazgpu/pool.db" ] || fail 'the state is gone'
}

# The state is everybody's.
state_is_made() {
    found=$(stat -c '%a %U' "$root/var/lib/canhazgpu")
    [ "$found" = '777 root' ] || fail "/var/lib/canhazgpu is $found"
    as root canhazgpu admin --gpus 4 --provider fake --store sqlite:/var/lib/canhazgpu
}

say "a root with $parts"
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=minbase --include="$parts" "${SUITE:-$suite}" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for account in ann ben; do
    as root useradd --create-home --shell /bin/bash "$account"
done

# shellcheck source=/dev/null
. "$here/scripts/clean-root-$scene.sh"
say 'all is as it should be'
