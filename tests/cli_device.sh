#!/bin/sh
# cli_device.sh - pictures made by the program with the demo model: names, formats, records, Ctrl-C.
# SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/cli_device
checks=0 failed=0

"$clatent" devices --json 2>/dev/null | grep -q '"usable": true' || {
    echo "skipped: no OpenCL device" >&2
    exit 77
}
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99

check() { checks=$((checks + 1)); }
fail() { failed=$((failed + 1)); echo "cli_device: $*" >&2; }
make_image() { check; "$clatent" generate --quiet --steps 3 "$@" || fail "generate $* gives $?"; }
same() { check; cmp "$1" "$2" >&2 || fail "$1 and $2 differ${3:+: $3}"; }

prompt="it's a \"red\" circle, on: blue"

# ---- names: the next free index, never over a file
make_image -p "$prompt" --seed 5
make_image -p "$prompt" --seed 5
check
[ -f clatent-00000-5.png ] && [ -f clatent-00001-5.png ] || fail "expected two names, found: $(ls)"
same clatent-00000-5.png clatent-00001-5.png "the same job twice"
check
"$clatent" generate -q --steps 3 -p x -o clatent-00000-5.png 2>err && fail "an existing file was replaced"
make_image -p "$prompt" --seed 5 -o clatent-00000-5.png --overwrite

# ---- info --as-args makes the same file again, bit for bit
check
"$clatent" info clatent-00000-5.png >info || fail "info gives $?"
grep -q 'made by clatent' info && grep -q 'guidance_scale: 3' info || fail "info says: $(cat info)"
line=$("$clatent" info clatent-00000-5.png --as-args) || fail "info --as-args gives $?"
eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output again.png --quiet" || fail "again: $line"
same clatent-00000-5.png again.png "$line"

# one of a batch of four with other settings: alone it is the same
make_image -p "$prompt" -p "a star" --batch-size 2 --seed 11 --scheduler ddim,eta=0.5 --guidance-scale 2.25 \
    --height 72 --width 64 -o 'batch-{index}.png'
line=$("$clatent" info batch-3.png --as-args) || fail "info --as-args gives $?"
eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output alone.png --quiet" || fail "alone: $line"
same batch-3.png alone.png "$line"

# start latents are part of the record, with the whole job that they belong to
make_image -p a -p b --seed 3 -o start.safetensors --steps 1
make_image -p a -p b --seed 3 --latents start.safetensors -o 'latents-{index}.png'
line=$("$clatent" info latents-1.png --as-args) || fail "info --as-args gives $?"
eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output 'again-{index}.png' --quiet" || fail "again: $line"
same latents-1.png again-1.png "$line"
check
"$clatent" info latents-1.png --json | grep -q '"text": "b\\nSteps: 3' || fail "the second prompt is not told"

# and so are a generator for the batch, and latents that a run starts from in the middle
again_of_two() {
    line=$("$clatent" info "$1-1.png" --as-args) || fail "info --as-args gives $?"
    eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output 'again-$1-{index}.png' --quiet" || fail "again: $line"
    same "$1-1.png" "again-$1-1.png" "$line"
}
make_image -p a -p b --seed 3 --generator batch --rng philox --scheduler euler_ancestral -o 'one-{index}.png'
again_of_two one
make_image -p a -p b --seed 4 --latents start.safetensors --strength 0.7 --scheduler dpmsolver_sde -o 'middle-{index}.png'
again_of_two middle
check
"$clatent" info middle-1.png --json | grep -q 'Denoising strength: 0.7, RNG: CPU' || fail "the strength is not told"
check
"$clatent" generate -q -p a -p b --seed 3 --generator batch -o '{seed}.png' 2>err && fail "two images took one name"
grep -q 'put {index} into the name' err || fail "says: $(cat err)"

# ---- every scheduler makes a picture, but those for other networks than the demo model's
refuse_network() {
    check
    "$clatent" generate -q -p a --scheduler "$1" -o "scheduler-$1.png" 2>err
    [ $? -eq 2 ] && grep -q "scheduler: $1 drives networks of" err || fail "$1: $(cat err)"
}
# ---- made over a picture: the mark says so; a configuration does not get in the way of doing it again
check
grep -qa digitalsourcetype/trainedAlgorithmicMedia clatent-00000-5.png || fail "no mark"
make_image --image clatent-00000-5.png --strength 0.5 -p a --seed 1 -o over.png 2>err &&
    { grep -qa digitalsourcetype/compositeWithTrainedAlgorithmicMedia over.png || fail "no mark of a composite"; }
mkdir -p config/clatent && echo 'rng: philox' >config/clatent/config.yaml
make_image -p a --seed 2 -o first.png
check
line=$(XDG_CONFIG_HOME=$work/config "$clatent" info first.png --as-args) || fail "info --as-args gives $?"
case $line in 'clatent --no-config generate '*) ;; *) fail "a configuration is not passed over: $line" ;; esac
(XDG_CONFIG_HOME=$work/config && export XDG_CONFIG_HOME &&
    eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output second.png --quiet") || fail "again: $line"
same first.png second.png "$line"

# ---- names, schedules and lists: the record makes it again
again() {
    line=$("$clatent" info "$1" --as-args) || fail "info --as-args gives $?"
    rm -f again.png
    eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output again.png --quiet" || fail "again: $line"
    same "$1" again.png "$line"
}
for name in $("$clatent" schedulers --json | grep -o '{"name": "[a-z0-9_]*", "class"' | cut -d '"' -f 4); do
    case $name in edm_* | flow_match_*)
        refuse_network "$name"
        continue ;;
    esac
    make_image -p a --seed 7 --steps 2 --scheduler "$name" -o "scheduler-$name.png"
    check
    "$clatent" info "scheduler-$name.png" | grep -q "^scheduler: $name,.*num_train_timesteps=" ||
        fail "$name is not told: $("$clatent" info "scheduler-$name.png")"
done
make_image -p a --seed 7 --steps 4 --scheduler 'DPM++ 2M SDE Karras' -o karras.png
again karras.png
check
"$clatent" info karras.png --json | grep -q 'Sampler: DPM++ 2M SDE, Schedule type: Karras, ' ||
    fail "the schedule is not told: $("$clatent" info karras.png --json)"
make_image -p a --seed 7 --scheduler 'ddpm,timesteps=[900, 500,100]' --steps 3 -o list.png
again list.png
printf 'prompt: a\nseed: 7\nsteps: 4\nscheduler: {name: k_dpmpp_2m_sde_ka}\noutput: alias.png\n' >job.yaml
make_image job.yaml --steps 4
same karras.png alias.png

# ---- standard output, JSON, other formats
make_image -p "$prompt" --seed 5 -o - >stream.png
same clatent-00000-5.png stream.png
check
"$clatent" generate -q --steps 3 -p a -p b --seed 1 -o 'j-{index}.png' --json >lines || fail "--json gives $?"
[ "$(grep -c '^{"path": "j-[01].png", "index": [01], "seed": [12], ' lines)" -eq 2 ] || fail "--json: $(cat lines)"
make_image -p a -p b --seed 1 -o all.npy
check
[ "$(wc -c <all.npy)" -eq $((128 + 2 * 64 * 64 * 3 * 4)) ] || fail "all.npy has $(wc -c <all.npy) bytes"
make_image -p a --seed 1 -o latents.safetensors --trace trace.safetensors
for name in token_ids text_embeddings latents.init model_output.0 latents.2 decoded; do
    check
    head -c 4000 trace.safetensors | grep -qa "\"$name\"" || fail "trace has no $name"
done
check
head -c 200 latents.safetensors | grep -qa '"latents"' || fail "no latents"
make_image -p a -p b --seed 1 -o 's-{index}.png' --sheet sheet.png
check
"$clatent" info sheet.png | grep -q pixels || fail "no sheet"

# ---- previews: a file that each replaces, a picture above the bar, an event
make_image -p a --seed 1 --steps 4 --preview 2 -o seen.png --overwrite
check
"$clatent" info clatent-preview-00000.png | grep -q '64 x 64 pixels' || fail "no preview as large as the image: $(ls)"
grep -qa trainedAlgorithmicMedia clatent-preview-00000.png || fail "a preview is not marked"
check
"$clatent" generate -p a -p b --seed 1 --steps 4 --preview 2 --preview-output 'p-{seed}.png' -o 'q-{index}.png' --progress json 2>err ||
    fail "previews: $(cat err)"
[ -f p-1.png ] && [ -f p-2.png ] || fail "previews of two images: $(ls p-*)"
grep -q '^{"event": "preview", "image": 1, "step": 4, "steps": 4, "path": "p-2.png"}$' err &&
    grep -q '"images": 2, "seconds_per_step": \(null\|[0-9.e+-]*\), "eta_seconds": \(null\|[0-9.e+-]*\)}$' err || fail "events: $(cat err)"
check
"$clatent" generate -p a --seed 1 --steps 4 -o quiet.png 2>err && ! grep -q sampling err ||
    fail "progress is told where there is no terminal: $(cat err)"
on_terminal() { # ENVIRONMENT: what the program writes there
    env COLUMNS=80 LINES=24 LC_ALL=C.UTF-8 NO_COLOR= COLORTERM= TERM=xterm "$@" script -qec "'$clatent' generate -p a --seed 1 --steps 4 --preview 2 -o terminal.png --overwrite" /dev/null </dev/null >typescript 2>&1
}
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then # and there are terminals to be had
    check
    on_terminal COLORTERM=truecolor || fail "on a terminal: $(cat typescript)"
    grep -qa '\[38;2;[0-9]*;[0-9]*;[0-9]*m' typescript && grep -qa '▀' typescript || fail "no preview in 24 bits"
    on_terminal TERM=xterm-256color
    grep -qa '\[38;5;[0-9]*m' typescript || fail "no preview in 256 colours"
    on_terminal TERM=xterm-256color NO_COLOR=1
    grep -qa '▀' typescript && fail "a preview in spite of NO_COLOR"
    on_terminal COLORTERM=truecolor LC_ALL=C
    grep -qa '▀' typescript && fail "a preview without UTF-8"
fi

# ---- privacy
make_image -p secretword --seed 1 -o plain.png --no-metadata
check
grep -qa secretword plain.png && fail "--no-metadata keeps the prompt"
grep -qa trainedAlgorithmicMedia plain.png || fail "the mark is gone"
check
"$clatent" info plain.png --as-args 2>err && fail "as-args of an image without metadata"
grep -q 'without metadata' err || fail "says: $(cat err)"

# ---- a full disk, and a reader that goes away
if [ -w /dev/full ]; then
    check
    "$clatent" generate -q --steps 1 -p a -o - >/dev/full 2>err
    code=$?
    [ $code -eq 7 ] || fail "/dev/full gives $code: $(cat err)"
fi
check
{ "$clatent" generate -q --steps 1 -p a -o - 2>err; echo $? >code; } | :
[ ! -s err ] || fail "a closed pipe says: $(cat err)"

# ---- Ctrl-C: gone by the signal, no half file
check
"$clatent" generate -p a --steps 500 --batch-size 500 --progress json -o 'stop-{index}.png' 2>err &
child=$!
tries=0
until grep -q '"phase": "sampling", "step": [1-9]' err || [ $tries -ge 60 ]; do
    sleep 1
    tries=$((tries + 1))
done
kill -TERM $child
wait $child
code=$?
[ $code -eq 143 ] || fail "SIGTERM gives $code: $(cat err)"
[ -z "$(ls -A | grep '^\.clatent-')" ] || fail "half files are left: $(ls -A)"

# ---- bench
check
"$clatent" bench --json 2>/dev/null >bench || fail "bench gives $?"
number='[0-9.e+-]*'
for name in text_encoder unet decode; do
    grep -q "{\"name\": \"$name\", \"batch\": [12], \"seconds\": $number, \"gflop\": $number, \"gflop_per_s\": $number, \"percent_of_peak\": $number," bench ||
        fail "bench has no $name: $(cat bench)"
done
grep -q "\"peak_gflop_per_s\": [1-9]$number," bench || fail "bench: no peak: $(head -c 300 bench)"
grep -q '"peak_memory_bytes": [0-9]*}$' bench || fail "bench: $(tail -c 300 bench)"
for op in linear 'conv 3x3' attention 'layer norm' 'group norm, moments'; do
    grep -q "{\"op\": \"$op\", \"shape\": \"[^\"]*\", \"kernel\": \"[a-z_0-9]*\.[^\"]*\", \"calls\": [1-9]" bench ||
        fail "bench has no $op: $(cat bench)"
done
# The ops of a stage are all of its work.
tr '{' '\n' <bench | sed 's/": */" /g; s/,/ /g' | awk '
    function value(key) { match($0, "\"" key "\" [^ ]*"); return substr($0, RSTART + length(key) + 3, RLENGTH) + 0 }
    function close_stage() { if (n && (sum < 0.999 * whole || sum > 1.001 * whole)) print name, sum, "of", whole }
    /^"name"/ { close_stage(); name = $2; whole = value("gflop"); sum = 0; n++ }
    /^"op"/ { sum += value("gflop") }
    END { close_stage(); if (n != 3) print n " stages" }' >differ
[ ! -s differ ] || fail "bench: GFLOP of the ops: $(cat differ)"

# ---- tune: rows for a tiny model, a table that jobs heed, one that is wrong
tiny=$src/tests/data/ldm-text2im-tiny
XDG_DATA_HOME=$work/data
export XDG_DATA_HOME
unset CLATENT_TUNING
check
"$clatent" tune "$tiny" --shapes 2 --json --quiet >tuned 2>err || fail "tune gives $?: $(cat err)"
[ "$(grep -o '"kernel": "[a-z_]*", "shape": "[0-9 ]*", "parameters": "[a-z0-9_= -]*", "seconds": [0-9]' tuned | wc -l)" -eq 2 ] ||
    fail "tune tells: $(cat tuned)"
table=$(ls "$work"/data/clatent/tuning/*.tune) || fail "tune wrote no table"
[ "$(grep -vc '^#' "$table")" -eq 2 ] || fail "the table is $(cat "$table")"
check
"$clatent" tune --check "$table" >out && grep -qx '2 rows are right' out || fail "tune --check: $(cat out)"
check
"$clatent" tune "$tiny" --shapes 1 --dry-run >out 2>err || fail "tune --dry-run gives $?"
[ "$(grep -c '^[^#]* | ' out)" -eq 1 ] && [ "$(grep -vc '^#' "$table")" -eq 2 ] || fail "tune --dry-run: $(cat out)"
# Whatever shape the device's kernels have: tiles that no rule takes for these sizes.
check
echo 'any | * | gemm_cpu | * * * | tile=12x1' >"$table"
echo 'any | * | gemm | * * * | rows=8 parts=16' >>"$table"
"$clatent" bench "$tiny" --json 2>err >bench || fail "bench with a table gives $?: $(cat err)"
CLATENT_TUNING=off "$clatent" bench "$tiny" --json 2>err >bench.off || fail "bench without tables gives $?"
[ "$(grep -o 'product[a-z_]* -DROWS=\(12\|8\) ' bench | wc -l)" -gt "$(grep -o 'product[a-z_]* -DROWS=\(12\|8\) ' bench.off | wc -l)" ] ||
    fail "no job heeds the table"
check
echo 'any | * | gemm | 1 2 3 | rows=99' >"$table"
"$clatent" tune --check "$table" 2>err && fail "a wrong table is right"
grep -q ':1: rows: expected one of 1 4 8, found .99.' err || fail "tune --check says: $(cat err)"
"$clatent" generate --steps 2 --model "$tiny" -p x -o hostile.png 2>err || fail "a wrong table ends a job: $(cat err)"
grep -q 'warning: .*:1: rows: expected one of 1 4 8, found .99.; this table is not used' err || fail "no warning: $(cat err)"
unset XDG_DATA_HOME
CLATENT_TUNING=off
export CLATENT_TUNING

# ---- selftest: the table, the report that tells nothing of the user's, JSON
check
"$clatent" selftest --device 0 >table 2>err || fail "selftest gives $?: $(grep -A 1 FAILED table) $(cat err)"
tail -n 1 table | grep -q '^all [1-9][0-9][0-9] checks are right$' || fail "selftest: $(tail -n 1 table)"
for form in plain tiled 'plain, half weights'; do
    grep -q "^conv 3x3 *$form  *[0-9.]*e-[0-9]* *4.0e-06  ok" table || fail "selftest has no convolution '$form'"
done
for op in linear attention 'group norm, moments' 'layer norm' SiLU sum resize quantize; do
    grep -q "^$op *portable " table || fail "selftest has no $op"
done
check
"$clatent" selftest --report --device=0 >report 2>err || fail "selftest --report gives $?: $(cat err)"
head -n 1 report | grep -q '^clatent self-test report$' || fail "report: $(head -n 1 report)"
for fact in clatent system device vendor platform version driver kind memory; do
    grep -q "^$fact  *[^ ]" report || fail "the report does not tell the $fact"
done
for private in "$HOME" "$PWD" "${LOGNAME:-/home/}" "$(uname -n)"; do
    [ ${#private} -lt 5 ] || ! grep -qF "$private" report || fail "the report tells '$private'"
done
sed -n '/^op /,$p' report | cmp - table || fail "report and table differ"
check
"$clatent" selftest --json -d 0 >json 2>err || fail "selftest --json gives $?: $(cat err)"
grep -q '"op": "conv 3x3", "variant": "tiled", "shape": "[^"]*", "error": [0-9.e-]*, "limit": 4e-06, "passed": true, "fault": null}' json ||
    fail "selftest --json: $(tail -c 600 json)"
grep -q '"count": [1-9][0-9][0-9], "failed": 0}$' json || fail "selftest --json: $(tail -c 100 json)"
"$clatent" selftest --device nosuch >out 2>err
[ $? -eq 4 ] || fail "selftest of no device: $(cat err)"

echo "cli_device: $checks checks, $failed failed"
[ $failed -eq 0 ]
