#!/bin/sh
# Makes a Debian package of what scripts/stage.sh laid out; prints its name. The same input gives the same bytes.
#   scripts/deb.sh STAGE VERSION DIRECTORY
# shellcheck source=scripts/packing.sh
. "$(dirname "$0")/packing.sh"

maintainer='The authors of canhazgpu <canhazgpu@canhazgpu.invalid>'
architecture=$(dpkg --print-architecture)
name=canhazgpu_${version}_$architecture
tree="$out/$name"
rm -rf "${tree:?}"
mkdir -p "$tree/DEBIAN" "$tree/usr"
cp -R -P "$stage/bin" "$stage/share" "$tree/usr/"

# Where Debian differs.
share="$tree/usr/share"
mv "$share/zsh/site-functions" "$share/zsh/vendor-completions"
doc="$share/doc/canhazgpu"
rm "$doc/LICENSE"
cat >"$doc/changelog" <<END
canhazgpu ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- $maintainer  $(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')
END
cat >"$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: canhazgpu

Files: *
Copyright: 2026 the authors of canhazgpu
License: Apache-2.0
 On Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.
END
gzip -9n "$doc/changelog"
find "$share/man" -type f -exec gzip -9n {} +
find "$share/man" -type l | while IFS= read -r link; do
    ln -s "$(readlink "$link").gz" "$link.gz"
    rm "$link"
done

depends="libc6 (>= $(scripts/needed.sh "$stage/bin/canhazgpu"))"
if readelf --dynamic "$stage/bin/canhazgpu" | grep -q libgcc_s; then
    depends="$depends, libgcc-s1"
fi
cat >"$tree/DEBIAN/control" <<END
Package: canhazgpu
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$tree/usr" | cut -f 1)
Depends: $depends
Suggests: bash-completion, man-db, redis-server
Section: utils
Priority: optional
Description: find free GPUs on a shared machine, reserve them, run a command on them
 Several people, one machine, a few GPUs. chg finds a free one, reserves it,
 runs a program on it, and gives it back when the program ends, however it
 ends.
 .
 No daemon and no privilege is needed: the pool is made of the GPUs that the
 driver reports, on first use. Jobs that were started without a reservation
 keep their GPUs, and who finds none free waits in line.
END
for script in packaging/debian/*; do
    install -m 755 "$script" "$tree/DEBIAN/"
done
(cd "$tree" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
chmod 644 "$tree/DEBIAN/md5sums"

find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$tree" "$out/$name.deb" >/dev/null
rm -rf "${tree:?}"
echo "$out/$name.deb"
