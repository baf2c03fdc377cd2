#!/bin/sh
# Prints the lowest version of glibc that a program needs, and fails if it needs any other library: libgcc_s does not
# count, because glibc itself cannot do without it.
#   scripts/needed.sh PROGRAM
set -eu
LC_ALL=C
export LC_ALL

strange=$(readelf --dynamic --wide "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux.*\.so\.[0-9])$' || :)
if [ -n "$strange" ]; then
    echo "$1 needs $strange" >&2
    exit 1
fi
readelf --version-info --wide "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -V | tail -n 1
