#!/bin/sh
# Lays out in a directory what is installed below a prefix: the program, its manual, completions, shims and documents.
#   scripts/stage.sh PROGRAM DIRECTORY
set -eu
umask 022
program=$1
stage=$2
cd "$(dirname "$0")/.."

rm -rf "$stage"
share="$stage/share"
bash="$share/bash-completion/completions"
zsh="$share/zsh/site-functions"
fish="$share/fish/vendor_completions.d"
mkdir -p "$stage/bin" "$share/man/man1" "$share/man/man5" "$share/man/man7" "$bash" "$zsh" "$fish" \
    "$share/canhazgpu/shims" "$share/doc/canhazgpu"

install -m 755 "$program" "$stage/bin/canhazgpu"
ln -s canhazgpu "$stage/bin/chg"

for page in man/*.[157]; do
    install -m 644 "$page" "$share/man/man${page##*.}/"
done
# By the short name too: 'man chg', 'man chg-run' and 'man chg run'.
for page in man/canhazgpu*.1; do
    name=${page#man/}
    ln -s "$name" "$share/man/man1/chg${name#canhazgpu}"
done

install -m 644 completions/chg.bash "$bash/chg"
ln -s chg "$bash/canhazgpu"
install -m 644 completions/_chg "$zsh/_chg"
install -m 644 completions/chg.fish "$fish/chg.fish"
ln -s chg.fish "$fish/canhazgpu.fish"

# Called by such a name the program knows what it stands for.
for shim in shims/*; do
    ln -s ../../../bin/canhazgpu "$share/canhazgpu/shims/${shim#shims/}"
done
install -m 644 README.md CHANGELOG.md LICENSE "$share/doc/canhazgpu/"
