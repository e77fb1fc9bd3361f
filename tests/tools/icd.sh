#!/bin/sh
# icd.sh BUILD DRIVER [TEST...] - the tests that need a device, on the OpenCL driver DRIVER alone: an
# .icd file or the shared library that stands in one. Without TESTs all of them. Variables of the
# driver (RUSTICL_ENABLE=llvmpipe) are the caller's. Fails if the driver has no usable device, or if a
# test that was asked for was skipped.
# SPDX-License-Identifier: MIT
set -u
[ $# -ge 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$1 driver=$2
shift 2
[ -f "$driver" ] || { echo "icd.sh: there is no file $driver" >&2; exit 1; }
vendors=$(mktemp -d "${TMPDIR:-/tmp}/clatent-icd.XXXXXX") || exit 99
trap 'rm -rf "$vendors"' EXIT
case $driver in
*.icd) cp "$driver" "$vendors/" ;;
*) realpath "$driver" >"$vendors/driver.icd" ;;
esac
export OCL_ICD_VENDORS="$vendors"
cd "$build" || exit 99
./clatent devices || exit 1
./clatent devices --json | grep -q '"usable": true' || { echo "icd.sh: no usable device" >&2; exit 1; }
words() { printf 'print:\n\t@echo $(%s)\n' "$1" | make -s -f Makefile -f - print; }
if [ $# -eq 0 ]; then
    host=" $(words HOST_TESTS) "
    for test in $(words TESTS); do
        case $host in
        *" $test "*) ;;
        *) set -- "$@" "$test" ;;
        esac
    done
fi
make check TESTS="$*" 2>&1 | tee "$vendors/log" | grep -E '^(PASS|FAIL|ERROR|SKIP):|^# (PASS|FAIL|ERROR|SKIP):'
grep -q '^# PASS: *[1-9]' "$vendors/log" && grep -q '^# FAIL: *0$' "$vendors/log" &&
    grep -q '^# ERROR: *0$' "$vendors/log" && grep -q '^# SKIP: *0$' "$vendors/log"
