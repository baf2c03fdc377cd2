# shellcheck shell=sh disable=SC2154 # a part of clean-root.sh
# A newcomer with a checkout: what README says, and no more.

# A root has no toolchain that is new enough, and no package of one.
mkdir "$root/opt/rust"
mount --bind -o ro "$(rustc --print sysroot)" "$root/opt/rust"
mount --bind -o ro /etc/ssl/certs "$root/etc/ssl/certs"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/home/ann/canhazgpu" "$root/home/ann/.cargo"
for file in config.toml config; do
    cp "${CARGO_HOME:-$HOME/.cargo}/$file" "$root/home/ann/.cargo/" 2>/dev/null || :
done
(cd "$here" && git ls-files -z | tar --create --null --files-from=- --ignore-failed-read) |
    tar --extract --directory "$root/home/ann/canhazgpu"
as root chown -R ann: /home/ann

say 'ann: make try'
begun=$(date +%s)
as ann make -C /home/ann/canhazgpu try | tee "$CLEAN_ROOT/tried"
took=$(($(date +%s) - begun))
grep -q '^It works: GPU' "$CLEAN_ROOT/tried" || fail 'make try did not end with a job that ran'
echo "a running job after $took s"
[ "$took" -lt "${LIMIT:-300}" ] || fail 'that is too long'

say 'root: make install, while somebody holds a GPU in the place that was used so far'
paths >"$CLEAN_ROOT/before"
old=sqlite:/var/tmp/canhazgpu
built=/home/ann/canhazgpu/target/release/chg
as ann "$built" admin --store "$old" --gpus 4 --provider fake
as ann "$built" reserve --store "$old" -d 1h
# The builder's toolchain is not root's.
install() {
    as root env PATH=/usr/bin:/bin:/usr/sbin:/sbin make -C /home/ann/canhazgpu install 2>&1 | tee "$CLEAN_ROOT/installed"
}
install
grep -q 'live reservations of GPU 0' "$CLEAN_ROOT/installed" || fail 'a second store would have been made'
[ ! -e "$root/var/lib/canhazgpu" ] || fail 'a second store was made'
as ann chg release

say 'root: make install again'
install
rm -r "$root/var/tmp/canhazgpu"
state_is_made

say 'ben: uses it'
# shellcheck disable=SC2016 # for the inner shell
got=$(as ben chg -g 2 -- sh -c 'echo "$CUDA_VISIBLE_DEVICES"')
[ "$got" = 0,1 ] || fail "ben got '$got'"
as ben chg reserve -G 3 -d 1h
as ann chg status | tee "$CLEAN_ROOT/status"
grep -q '^GPU 3: IN USE by ben ' "$CLEAN_ROOT/status" || fail 'ann does not see what ben holds'
as ben chg man run | grep -q 'Nm canhazgpu-run' || fail 'there is no manual'
as ben bash -c '. /usr/local/share/bash-completion/completions/chg && complete -p chg' || fail 'no completion'

say 'root: make uninstall'
as root env PATH=/usr/bin:/bin make -C /home/ann/canhazgpu uninstall
nothing_stays
