#!/bin/sh
# Installs canhazgpu below PREFIX (/usr/local), staged below DESTDIR (for packages; empty otherwise), and removes it.
#   install.sh             what lies beside this script
#   install.sh --from DIR  what lies in DIR
#   install.sh --remove    every file that was installed; reservations and configuration stay
set -eu
umask 022
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}$prefix
# What was installed, a line each; directories that were made for it end in a slash.
list=share/canhazgpu/installed
state=/var/lib/canhazgpu

case ${1:-} in
'') from=$(dirname "$0") ;;
--from) from=$2 ;;
--remove) from= ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

known=$(cat "$root/$list" 2>/dev/null || :)

remove() {
    printf '%s\n' "$1" | grep '[^/]$' | while IFS= read -r file; do rm -f "$root/${file:?}"; done
    # The deepest first; what holds other files stays.
    printf '%s\n' "$1" | grep '/$' | sort -r | while IFS= read -r directory; do
        rmdir "$root/$directory" 2>/dev/null || :
    done
}

if [ -z "$from" ]; then
    [ -n "$known" ] || {
        echo "nothing is installed below $root" >&2
        exit 1
    }
    remove "$known
$list"
    echo "removed from $root; reservations and configuration stay"
    exit 0
fi

[ -x "$from/bin/canhazgpu" ] || {
    echo "there is no program in $from/bin" >&2
    exit 1
}
mkdir -p "$root"
made=$(cd "$from" && find bin share -type d | sort | while IFS= read -r directory; do
    [ -d "$root/$directory" ] || {
        mkdir "$root/$directory"
        printf '%s/\n' "$directory"
    }
done)
files=$(cd "$from" && find bin share ! -type d | sort)
printf '%s\n' "$files" | while IFS= read -r file; do
    # In one step, so that nobody meets half a program.
    new="$root/$file.new"
    rm -f "$new"
    if [ -L "$from/$file" ]; then
        ln -s "$(readlink "$from/$file")" "$new"
    elif [ -x "$from/$file" ]; then
        install -m 755 "$from/$file" "$new"
    else
        install -m 644 "$from/$file" "$new"
    fi
    mv -f "$new" "$root/$file"
done
now=$(printf '%s\n' "$known" | grep '/$' || :
    printf '%s\n' "$made" "$files")
printf '%s\n' "$now" | grep . | sort -u >"$root/$list"

# What an earlier version had and this one has not.
remove "$(printf '%s\n' "$known" | grep '[^/]$' | grep -vxF "$files" || :)"
echo "installed below $root"

# The place of the reservations, for everybody on this machine: only where this is no package in the making.
if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" -eq 0 ] && ! [ -e "$state" ]; then
    env -i PATH="$PATH" "$prefix/bin/canhazgpu" admin --everybody --store "sqlite:$state" || {
        echo "$state was not made; later, as root: canhazgpu admin --everybody" >&2
    }
fi
