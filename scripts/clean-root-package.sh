# shellcheck shell=sh disable=SC2154 # a part of clean-root.sh
# An administrator with a Debian package, and people at terminals.

[ -f "$PACKAGE" ] || fail "there is no package '$PACKAGE'"
cp "$PACKAGE" "$root/opt/canhazgpu.deb"

terminal() {
    tmux -S "$CLEAN_ROOT/screen" "$@"
}
trap 'terminal kill-server 2>/dev/null || :' EXIT

# Somebody at a terminal in the root, with this shell.
sits_down() {
    account=$1
    shift
    # In a window of its own: a server that has just lost its last one is still about to end.
    at=$account-$1
    terminal -f /dev/null new-session -d -s "$at" -x 120 -y 50 "chroot --userspec=$account $root env -i HOME=/home/$account \
        LANG=C.UTF-8 TERM=screen PATH=/usr/local/bin:/usr/bin:/bin $*"
}

types() {
    terminal send-keys -t "$at" -l "$1"
    [ -z "${2:-}" ] || terminal send-keys -t "$at" "$2"
}

sees() {
    tries=0
    until terminal capture-pane -p -t "$at" | grep -qE -- "$1"; do
        tries=$((tries + 1))
        [ "$tries" -le 200 ] || {
            terminal capture-pane -p -t "$at" >&2
            fail "'$1' did not appear on the screen"
        }
        sleep 0.1
    done
}

# Leaves a clear line behind.
over() {
    terminal send-keys -t "$at" C-u
    types clear Enter
    sees '[$%>] *$'
}

say 'root: dpkg -i'
paths >"$CLEAN_ROOT/before"
as root dpkg -i /opt/canhazgpu.deb
state_is_made
as root dpkg -i /opt/canhazgpu.deb

say 'ben: man chg, and Tab in bash'
sits_down ben bash -l
sees '\$ *$'
types 'man chg' Enter
sees '^CANHAZGPU\(1\)'
types q
types 'man chg run' Enter
sees '^CANHAZGPU-RUN\(1\)'
types q
over
types 'chg ' Tab
terminal send-keys -t "$at" Tab
sees 'completions +.*extend'
over
types 'chg run -- pyth' Tab
sees 'chg run -- python3'
over
types 'chg -- git che' Tab
terminal send-keys -t "$at" Tab
sees 'checkout +cherry'
over
types 'chg reserve -G 2 -d 1h' Enter
sees '^Reserved 1 GPU\(s\): \[2\]'
types 'chg release -G ' Tab
sees 'chg release -G 2'
terminal send-keys -t "$at" Enter
sees '^Released 1 GPU\(s\): \[2\]'

say 'ben: Tab in zsh and fish'
as ben chg reserve -G 1,3 -d 1h
echo 'autoload -U compinit && compinit' >"$root/home/ben/.zshrc"
for shell in zsh fish; do
    sits_down ben "$shell"
    sees '[%>] *$'
    types 'chg extend -G 3,' Tab
    sees 'chg extend -G 3,1'
    over
    types 'chg run -- pyth' Tab
    sees 'chg run -- python3'
    over
    types 'chg man conf' Tab
    sees 'chg man config'
    over
done
terminal kill-server
as ben chg release

say 'ben: a shim of the package'
# shellcheck disable=SC2016 # for the inner shell
got=$(as ben sh -c 'PATH=/usr/share/canhazgpu/shims:$PATH && python-gpu -c "import os; print(os.environ[\"CUDA_VISIBLE_DEVICES\"])"')
[ "$got" = 0 ] || fail "python-gpu got '$got'"

say 'an account that only a name service knows'
sed -i 's/^passwd:.*/passwd: files extrausers/' "$root/etc/nsswitch.conf"
echo 'nora:x:24001:24001::/home/nora:/bin/sh' >"$root/var/lib/extrausers/passwd"
chroot --userspec=24001:24001 "$root" env -i PATH=/usr/bin:/bin HOME=/ chg reserve -G 0 -d 1h
as ben chg status | tee "$CLEAN_ROOT/status"
grep -q '^GPU 0: IN USE by nora ' "$CLEAN_ROOT/status" || fail 'the name of the account is not shown'
rm "$root/var/lib/extrausers/passwd"

say 'root: apt purge'
as root apt-get purge --yes canhazgpu 2>&1 | tee "$CLEAN_ROOT/purged"
grep -q 'stay in /var/lib/canhazgpu' "$CLEAN_ROOT/purged" || fail 'nobody was told of the state'
nothing_stays
