#!/bin/sh
# setup.sh - install what is missing on Debian 12 or Ubuntu: what the build needs; with `test` also
# what the tests need; with `ci` also what the continuous integration needs; with `bench` also the
# peers that the benchmarks stand beside.
set -eu

packages="g++ libdragonbox-dev libmicrohttpd-dev libcjson-dev libsqlite3-dev librandom123-dev nettle-dev libopenblas-serial-dev curl"
case "${1:-build}" in
  build) ;;
  test) packages="$packages libcurl4-openssl-dev" ;;
  ci) packages="$packages libcurl4-openssl-dev clang clang-format-14 binutils python3-numpy" ;;
  bench) packages="$packages python3-torch python3-fastapi uvicorn python3-uvicorn python3-matplotlib wrk" ;;
  *)
    echo "setup.sh: unknown group '$1': build, test, ci or bench" >&2
    exit 2
    ;;
esac

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian or Ubuntu; install by hand what corresponds to:$missing" >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup.sh: needs root or sudo to install:$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root apt-get install -q -y --no-install-recommends $missing
