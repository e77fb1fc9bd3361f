#!/bin/sh
# run.sh - the fuzz targets under libFuzzer, side by side, one core each. SPDX-License-Identifier: MIT
# usage: run.sh WORK SECONDS [TARGET...]      (from the source tree; needs clang)
# WORK gets a build with address and undefined-behaviour sanitizers, the grown corpora and the logs.
# A fault leaves crash-*, timeout-* or oom-* there, and the exit code is 1.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 2 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
seconds=$2
shift 2
[ $# -gt 0 ] || set -- safetensors zip pickle json yaml png foreign
clang=${CLANG:-clang}
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'

mkdir -p "$work/build"
cd "$work/build"
[ -f Makefile ] || "$source/configure" -q CC="$clang" CFLAGS="$flags -fsanitize=fuzzer-no-link"
make -s libcore.la
libraries=$(sed -n "s/^dependency_libs='\(.*\)'/\1/p" libcore.la)
for target in "$@"; do
    # shellcheck disable=SC2086 # flags and libraries are lists
    "$clang" -std=gnu11 $flags -fsanitize=fuzzer -I"$source/src" -I"$source/tests/fuzz" -I. -o "$work/$target" \
        "$source/tests/fuzz/$target.c" "$source/tests/fuzz/tensors.c" .libs/libcore.a $libraries
done

cd "$work"
running=
for target in "$@"; do
    mkdir -p "corpus/$target"
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "./$target" -dict="$source/tests/fuzz/$target.dict" \
        -max_len=16384 -timeout=10 -rss_limit_mb=2048 -max_total_time="$seconds" -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="$work/$target-" \
        "corpus/$target" "$source/tests/fuzz/seeds/$target" >"$target.log" 2>&1 &
    running="$running $!"
done
status=0
for process in $running; do
    wait "$process" || status=1
done
for log in *.log; do
    echo "$log: $(sed -n 's/^stat::number_of_executed_units: */runs /p; s/^stat::new_units_added: */new inputs /p' "$log" | tr '\n' ' ')" \
        "$(grep -E 'SUMMARY|ERROR' "$log" | head -1)"
done
exit $status
