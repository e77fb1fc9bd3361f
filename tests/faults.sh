#!/bin/sh
# faults.sh - the program when OpenCL fails (tests/fault_layer.c): exit codes, one sentence, no half files.
# SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/faults
checks=0 failed=0

rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99
OPENCL_LAYERS=$build/tests/.libs/fault_layer.so CLFAULT_LOG=$work/log
export OPENCL_LAYERS CLFAULT_LOG
"$clatent" devices --json 2>/dev/null | grep -q '"usable": true' || {
    echo "skipped: no OpenCL device" >&2
    exit 77
}
[ -s log ] || {
    echo "skipped: this OpenCL loader knows no layers" >&2
    exit 77
}

check() { checks=$((checks + 1)); }
fail() { failed=$((failed + 1)); echo "faults: $*" >&2; }

# make CODE WORDS [VARIABLE=VALUE]... -- ARGUMENTS: what a picture of the demo model ends with under a fault, and what
# its words hold
make() {
    want=$1 words=$2
    shift 2
    check
    rm -f made.png log
    env "$@" -p 'a red circle' --steps 2 --seed 1 -o made.png 2>err
    code=$?
    [ $code -eq "$want" ] || fail "$*: exit code $code, expected $want: $(cat err)"
    grep -q -- "$words" err || fail "$*: no '$words' in: $(cat err)"
    grep -q '^faults [1-9]' log || fail "$*: no fault was made"
    grep '^left' log >&2 && fail "$*: OpenCL objects are left"
    if [ "$want" -eq 0 ]; then
        [ -f made.png ] || fail "$*: no picture"
    else
        [ "$(grep -vc '^clatent: \(device\|seed\|warning\|no model\|sampling\)' err)" -eq 1 ] ||
            fail "$*: more than one sentence: $(cat err)"
        [ -z "$(ls -A | grep -v '^\(err\|log\|plain.png\)$')" ] || fail "$*: files are left: $(ls -A)"
    fi
}
same() { check; cmp plain.png made.png >&2 || fail "$1: another picture"; }

"$clatent" generate -q -p 'a red circle' --steps 2 --seed 1 -o plain.png || fail "without faults: $?"

# ---- the context is lost: once it is made anew, then the job ends
make 0 'the device is set up anew, and the work goes on' CLFAULT_LOST=500:-9999 "$clatent" generate
same 'a lost context'
make 6 'CL_OUT_OF_RESOURCES' CLFAULT_LOST='200:-9999 400:-5' "$clatent" generate

# ---- a driver that hangs, in a kernel and in its compiler
check
CLFAULT_HANG=300 timeout 60 "$clatent" generate -p a --seed 1 --steps 2 --device-timeout 4 -o made.png 2>err
code=$?
[ $code -eq 6 ] && grep -q 'has not answered for 4 seconds: it hangs' err || fail "a hang gives $code: $(cat err)"
check
CLFAULT_HANG_BUILD=3 "$clatent" generate -p a --steps 2 --progress json -o 'stop-{index}.png' 2>err &
child=$!
tries=0
until grep -q '"building kernels", "done": 3' err || [ $tries -ge 60 ]; do
    sleep 0.5
    tries=$((tries + 1))
done
kill -TERM $child
wait $child
code=$?
[ $code -eq 143 ] || fail "SIGTERM while kernels are built gives $code: $(cat err)"
[ -z "$(ls -A | grep -v '^\(err\|log\|plain.png\)$')" ] || fail "files are left: $(ls -A)"

# ---- two devices, one of which fails
[ -n "$POCL_DEVICES" ] || two="POCL_DEVICES=pthread pthread"
if env "${two:-A=B}" "$clatent" devices --json 2>/dev/null | grep -q '"index": 1,.*"usable": true'; then
    # the one that fails must have come first to the only image
    check
    tries=0
    until env "${two:-A=B}" CLFAULT_DEVICE=1 CLFAULT='clEnqueueNDRangeKernel:-5:9+' "$clatent" generate -p a --seed 1 \
        --steps 2 --device '[0, 1]' --overwrite -o made.png 2>err && grep -q '^faults [1-9]' log || [ $tries -ge 20 ]; do
        tries=$((tries + 1))
    done
    grep -q 'its images go to the other devices' err || fail "a device of two fails: $(cat err)"
fi

# ---- memory
make 5 'MiB are free' CLFAULT='clCreateBuffer:-4:20+' "$clatent" generate --device 0 --precision f32
make 5 'MiB are free' CLFAULT_CAPACITY=100000 "$clatent" generate --device 0
half=$("$clatent" inspect --json 2>/dev/null | sed -n 's/.*"peak_bytes_f16": \([0-9]*\).*/\1/p')
make 0 'weights of 16 bits' CLFAULT_CAPACITY=$((half + half / 20)) "$clatent" generate --device 0
check
line=$("$clatent" info made.png --as-args) || fail "info --as-args gives $?"
eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output again.png --quiet" || fail "again: $line"
cmp made.png again.png >&2 || fail "what was made with 16 bits is not recorded as that: $line"
rm -f again.png
# memory that is there only until it is used, on what says that it is no CPU
make 5 'MiB are free' CLFAULT_LIMITS=gpu=1 CLFAULT='clEnqueueFillBuffer:-5:1+' "$clatent" generate --device 0 \
    --precision f32

# ---- kernels that do not build, and wrong ones
make 0 'slower kernels take its place' CLFAULT_BUILD='conv_winograd.cl -' "$clatent" generate
make 6 'cl/norm' CLFAULT_BUILD='norm.h -' "$clatent" generate
make 8 'not a finite number' \
    CLFAULT_MUTATE='norm.h -|1.0f / sqrt(|NAN / sqrt(' "$clatent" generate
make 0 'compute wrong .*slower kernels take its place, those of cl/gemm.cl' CLATENT_CACHE=off \
    CLFAULT_MUTATE='gemm_cpu.cl -|value += vload16(|value -= vload16(' "$clatent" generate
make 8 'no other kernels in place of wrong ones' CLATENT_CACHE=off \
    CLFAULT_MUTATE='norm.cl -|1.0f / sqrt(|1.1f / sqrt(' "$clatent" generate --kernels generic
check
CLFAULT_MUTATE='attention_cpu.cl -|* scale,|* scale * 1.1f,' "$clatent" selftest --device 0 >table 2>err
code=$?
[ $code -eq 8 ] && grep -q '^attention .*FAILED' table || fail "selftest gives $code: $(tail -n 1 table)"

echo "faults: $checks checks, $failed failed"
[ $failed -eq 0 ]
