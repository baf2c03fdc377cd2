#!/bin/sh
# Packs what scripts/stage.sh laid out as a tarball that needs nothing but a C library; prints its name. The same input
# gives the same bytes.
#   scripts/dist.sh STAGE VERSION DIRECTORY
# shellcheck source=scripts/packing.sh
. "$(dirname "$0")/packing.sh"

name=canhazgpu-$version-$(uname -m)-linux-gnu
rm -rf "${out:?}/$name"
mkdir -p "$out/$name"
cp -R -P "$stage/bin" "$stage/share" "$out/$name/"
install -m 755 scripts/install.sh "$out/$name/install.sh"
install -m 644 README.md CHANGELOG.md LICENSE "$out/$name/"

tar --create --directory "$out" --sort=name --mtime "@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --format=gnu "$name" | gzip -9n >"$out/$name.tar.gz"
rm -rf "${out:?}/$name"
echo "$out/$name.tar.gz"
