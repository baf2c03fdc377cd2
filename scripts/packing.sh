# shellcheck shell=sh
# Read by deb.sh and dist.sh, which are given STAGE VERSION DIRECTORY and go on at the top of the tree. Of the same input they
# make the same bytes: every file is of SOURCE_DATE_EPOCH, which is the time of the last commit, or else of the last change
# that was told, unless somebody has set it.
set -eu
umask 022
# shellcheck disable=SC2034 # Those who read this use them.
stage=$1 version=$2 out=$3
cd "$(dirname "$0")/.."
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH
