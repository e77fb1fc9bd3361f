#!/bin/sh
# plugin_check.sh - clatent-plugin-check finds each broken rule, and says so with the right exit code.
# SPDX-License-Identifier: MIT
#
# Every line of the table is one plugin (tests/outlaw.c under another name): fault, exit code, the
# check that must find it, words of its sentence.
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
program=$build/clatent-plugin-check
work=$build/tests/tmp/outlaws
[ -f "$build/tests/.libs/outlaw.so" ] || { echo "plugin_check: tests/outlaw.la is not built" >&2; exit 99; }
rm -rf "$work" && mkdir -p "$work" || exit 99
failed=0 checked=0

fail() { echo "plugin_check: $*" >&2; failed=1; }

# expect CODE CHECK WORDS FILE: runs the program on a file
expect() {
    code=$1 check=$2 words=$3 file=$4
    checked=$((checked + 1))
    out=$("$program" --seconds "${seconds:-60}" "$file" 2>"$work/err")
    found=$?
    [ $found -eq "$code" ] || fail "$file: exit code $found, expected $code
$out"
    printf '%s\n' "$out" | grep -E "^  (failed|refused) +$check " | grep -qF -- "$words" ||
        fail "$file: no finding of '$check' says '$words'
$out"
    [ ! -s "$work/err" ] || fail "$file: something on standard error"
}

while read -r fault code check words; do
    case $fault in '' | '#'*) continue ;; esac
    cp "$build/tests/.libs/outlaw.so" "$work/out_$fault.so" && chmod 644 "$work/out_$fault.so"
    case $fault in *hang) seconds=3 ;; *) seconds=60 ;; esac
    expect "$code" "$check" "$words" "$work/out_$fault.so"
    rm -f "$work/out_$fault.so"
done <<'TABLE'
# what happens as it is loaded
load_crash      4 load    crashed: Segmentation fault (loading)
load_exit       4 load    ended the process with exit code 0 (loading)
load_hang       4 load    did not return within 3 seconds (loading)
# options
initial         8 options knob is 'many', expected a whole number
range           8 options option 'knob' has the range 2 to 1
words           8 options option 'word' has the choice 'one' twice
sweep           8 options it reached past the end of memory from scratch() (knob=1000, 6 steps, strength 1)
pair            8 options word=two
# plan
count           8 plan    plan->count is 21, expected 1 to 20
evaluations     8 plan    plan->evaluations is 0
nan_timestep    8 plan    plan->timesteps[0] is nan
far_timestep    8 plan    plan->timesteps[0] is 1e+09
nan_level       8 plan    plan->signal[0] is nan
no_sigma        8 plan    plan->init_noise_sigma is 0
first           8 plan    plan->first is 1, expected -1 to 0
capacity        8 options it reached past the end of plan->timesteps
before          8 plan    plan() changed the host's members of the plan
arrays          8 plan    plan() changed the host's members of the plan
replan          8 plan    planned twice, with different results
plan_unsaid     8 plan    plan() gave up with code -1 without calling fail()
plan_network    8 plan    plan() called evaluate()
mute            8 plan    it called fail() without a sentence
# memory of the host
overrun         8 options it reached past the end of the sample
overread        8 options it reached past the end of the sample
underrun        8 run     it wrote before the start of the sample
scratch         8 options it reached past the end of memory from scratch()
options         8 options it wrote into the options
plan            8 options it wrote into the plan
null            8 memory  (scratch() number 1 gives NULL)
# run
inplace         8 run     with an output that overlaps the sample
divisor         8 run     it called evaluate() with divisor 0
nan_asked       8 run     it called evaluate() at timestep nan
twice           8 run     it called evaluate() more often than the 6 times of its plan
order_of_steps  8 run     it called step_done() for step 5, expected 0 of 6
early           8 run     run() returned after step -1 of 6
unsaid          8 run     run() gave up with code 1 without calling fail()
nan             8 run     run() left nan in the sample
noise           8 run     stochastic is 0, but it drew noise 6 times
still           8 run     stochastic is 1, but it drew noise 0 times
middle          8 middle  it called step_done() for step 0, expected 40
# the same result again
state           8 repeat  two runs with the same sample and noise gave different results
shared          8 repeat  because a second one was under way
batch           8 repeat  an image comes out differently alone and in a batch
# calls that fail
deaf            8 cancel  call 1 of 12 failed: run() returned 0 though it was told to stop
own_code        8 cancel  call 1 of 12 failed: run() returned -1 though it was told to stop
late            8 cancel  call 1 of 12 failed: it called the host 1 more times
chatter         8 cancel  call 1 of 12 failed: run() did not return after 1000 calls that failed
# numbers
order           8 order   declared is 2
no_order        8 order   order is 0, expected 1 or more
wrong           8 order   standard deviations from the exact solution
spread          8 spread  expected 0 and 1 within
# the process
exit            8 options ended the process with exit code 0
abort           8 options crashed: Aborted
recursion       8 options crashed: Segmentation fault
hang            8 options did not return within 3 seconds
print           8 manners it printed
thread          8 manners it started threads
rounding        8 manners it changed the floating-point environment
locale          8 manners it changed the locale
folder          8 manners it changed the working directory
TABLE

# files that are no plugins
printf 'not a plugin\n' >"$work/text.so"
expect 4 load "not a whole shared object for this machine (13 bytes)" "$work/text.so"
: >"$work/empty.so"
expect 4 load "not a whole shared object for this machine (0 bytes)" "$work/empty.so"
expect 4 load "No such file" "$work/missing.so"
expect 4 load "not a regular file" "$work"
ln -s "$build/schedulers/.libs/ddim.so" "$work/ddim.so"
expect 4 load "a link, which is not followed" "$work/ddim.so"
cp "$build/schedulers/.libs/ddim.so" "$work/other.so"
expect 4 load "its name must be that of the file, found 'ddim'" "$work/other.so"
chmod 666 "$work/other.so"
expect 4 load "anyone can write this file" "$work/other.so"

# good ones, in words and as JSON
cp "$build/tests/.libs/outlaw.so" "$work/out_none.so"
for file in "$work/out_none.so" "$build/plugins/.libs/template.so" "$build"/schedulers/.libs/*.so; do
    checked=$((checked + 1))
    out=$("$program" "$file") || fail "$file:
$out"
    [ "$(printf '%s\n' "$out" | grep -c '^  passed ')" -eq 10 ] || fail "$file: not ten checks
$out"
done
(cd "$work" && "$program" --json out_none.so) | grep -q \
    '^{"schema": "clatent/plugin-check/1", "file": ".*out_none.so", "findings": \[{"check": "load", "result": "passed", "text": "out_none: breaks a rule"}.*\]}$' ||
    fail "--json"

# the command line
"$program" --help | grep -q '^Exit code:' || fail "--help"
for words in "" "--jsn x.so" "--seconds" "--seconds x x.so" "--seconds 0 x.so"; do
    # shellcheck disable=SC2086 # words
    "$program" $words >"$work/out" 2>"$work/err"
    [ $? -eq 2 ] && [ -s "$work/err" ] && [ ! -s "$work/out" ] || fail "'$words' is no usage error"
done
# with rights of the file's owner: refused before anything is loaded
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    secure=$(mktemp -d) && cp "$program" "$secure/check" && chmod 755 "$secure" && chmod 4755 "$secure/check"
    setpriv --reuid 65534 --regid 65534 --clear-groups "$secure/check" --help >"$work/out" 2>"$work/err"
    code=$?
    case $code in
    2) grep -q "must not be set-user-id" "$work/err" || fail "set-user-id: $(cat "$work/err")" ;;
    0) mount | grep -q nosuid || fail "set-user-id was not noticed" ;;
    *) fail "set-user-id: exit code $code" ;;
    esac
    rm -rf "$secure"
fi
"$program" "$work/text.so" "$work/out_none.so" >/dev/null
[ $? -eq 4 ] || fail "the worst of several files is the exit code"

rm -rf "$work"
[ $failed -eq 0 ] && echo "plugin_check: $checked plugins, each with the right finding"
exit $failed
