# shellcheck shell=sh
# Sets SOURCE_DATE_EPOCH, unless somebody has: the time of the last commit, or else of the last change that was told.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH
