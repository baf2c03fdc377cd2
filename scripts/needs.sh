#!/bin/sh
# Sees to it that the programs named as arguments are there: installs what is missing where that is allowed, else says
# what to install.
set -eu

package_of() {
    case $1 in
    busybox) echo busybox-static ;;
    chattr) echo e2fsprogs ;;
    dropbear) echo dropbear-bin ;;
    cc) echo gcc libc6-dev ;;
    ip) echo iproute2 ;;
    setpriv) echo util-linux ;;
    vi) echo vim-tiny ;;
    man) echo man-db ;;
    pgrep) echo procps ;;
    script) echo bsdutils ;;
    *) echo "$1" ;;
    esac
}

is_there() {
    case $1 in
    bash-completion) [ -e /usr/share/bash-completion/bash_completion ] ;;
    # Servers lie in sbin, which not every PATH has.
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
    esac
}

missing=
for program in "$@"; do
    is_there "$program" || missing="$missing $(package_of "$program")"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "these packages are needed:$missing" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "these packages are needed (as Debian calls them):$missing" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of packages
{
    $as_root apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
        $as_root apt-get update -q
        $as_root apt-get install -y -q --no-install-recommends $missing
    }
}
