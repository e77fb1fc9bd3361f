#!/bin/sh
# oclgrind.sh BUILD - runs the op tests on tiny shapes in the oclgrind simulator: no access out of
# bounds, no race. Its exit status says nothing; its log must be empty. Without its option for
# uninitialised values: oclgrind 21.10 loses host writes that do not start a buffer, and stops at
# `freeze`; tests fill their pools with not-a-number instead (pool_poison in tests/frame.h).
# A test gets 3 GiB of address space: the simulator keeps some fifty bytes for each byte of a buffer.
# SPDX-License-Identifier: MIT
build=${1:-.}
cd "$build" || exit 99
ulimit -v 3145728
failed=0
log=$(mktemp)
for test in tests/op_*; do
    case $test in *.o | *.log | *.trs | *.lo) continue ;; esac
    [ -x "$test" ] || continue
    : >"$log"
    CLATENT_TEST_TINY=1 CLATENT_CACHE=off top_builddir=$PWD \
        oclgrind --data-races --max-errors 20 \
        --log "$log" "$test" >"$log.out" 2>&1
    code=$?
    if [ -s "$log" ] || [ $code -ne 0 ]; then
        echo "oclgrind: $test: exit $code"
        head -n 40 "$log"
        tail -n 20 "$log.out"
        failed=1
    else
        echo "oclgrind: $test: clean, $(tail -n 1 "$log.out")"
    fi
done
rm -f "$log" "$log.out"
exit $failed
