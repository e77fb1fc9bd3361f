#!/bin/sh
# cli_jobs.sh - several jobs, files of prompts, sweeps and their sheets; jobs that are cut off and go on. With the demo
# model. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/cli_jobs
checks=0 failed=0

"$clatent" devices --json 2>/dev/null | grep -q '"usable": true' || {
    echo "skipped: no OpenCL device" >&2
    exit 77
}
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99

check() { checks=$((checks + 1)); }
fail() { failed=$((failed + 1)); echo "cli_jobs: $*" >&2; }
generate() { check; "$clatent" generate --progress none "$@" 2>err || fail "generate $* gives $?: $(cat err)"; }
# refused CODE WORDS ARGUMENT...
refused() {
    code=$1 words=$2
    shift 2
    check
    "$clatent" generate --progress none "$@" 2>err
    found=$?
    [ $found -eq "$code" ] || fail "$* gives $found, not $code: $(cat err)"
    grep -qF -- "$words" err || fail "$* does not say '$words' but: $(cat err)"
}
says() { check; grep -qF -- "$1" err || fail "expected '$1', found: $(cat err)"; }
same() { check; cmp "$1" "$2" >&2 || fail "$1 and $2 differ"; }

# ---- several jobs: what each makes is what it makes alone
cat >jobs.yaml <<'END'
steps: 2
seed: 3
output: list-{index}.png
jobs:
  - prompt: a red circle
  - prompt: [a star, a ring]
    scheduler: euler
  - {prompt: a red circle, seed: 5, output: 'other-{seed}.png'}
END
generate jobs.yaml
says '3 jobs, 4 images'
generate -p 'a star' -p 'a ring' --steps 2 --seed 3 --scheduler euler -o 'alone-{index}.png'
same list-1.png alone-0.png
same list-2.png alone-1.png
generate -p 'a red circle' --steps 2 --seed 5 -o alone.png
same other-5.png alone.png
[ "$(grep -c 'taking the demo model' err)" -eq 1 ] || fail "the demo model is told of: $(cat err)"
printf 'steps: 2\noutput: x-{index}.png\njobs:\n  - prompt: a\n  - prompt: b\n    mask: m.png\n' >jobs.yaml
refused 2 'job 2 (jobs.yaml:5): mask: the model is for text_to_image' jobs.yaml
printf 'output: x.png\njobs:\n  - prompt: a\n  - prompt: b\n' >jobs.yaml
refused 2 "put {index} into the name" jobs.yaml
printf 'jobs:\n  - {prompt: a, output: x.png}\n  - {prompt: b, output: x.png, overwrite: true}\n' >jobs.yaml
refused 2 "'x.png' is the name of an image of job 1 (jobs.yaml:2) and of one of job 2 (jobs.yaml:3)" jobs.yaml
printf 'trace: t.safetensors\noutput: x-{index}.png\njobs:\n  - prompt: a\n  - prompt: b\n' >jobs.yaml
refused 2 "'t.safetensors' can hold one run" jobs.yaml
printf 'output: x.npy\njobs:\n  - prompt: a\n  - prompt: b\n' >jobs.yaml
refused 2 "put {index} into the name" jobs.yaml
check
[ -z "$(ls | grep '^x')" ] || fail "something was made before all was checked: $(ls)"

# ---- files of prompts, from a pipe too
printf 'a red circle\na star --seed 9 --steps 3\n{"prompt": "a ring"}\n' >prompts.txt
generate --prompt-file prompts.txt --steps 2 --seed 3 -o 'prompts-{index}.png'
says '3 images'
same prompts-0.png list-0.png
generate -p 'a star' --seed 9 --steps 3 -o star.png
same prompts-1.png star.png
generate -p 'a ring' --seed 5 --steps 2 -o ring.png
same prompts-2.png ring.png
check
printf 'a red circle\n' | "$clatent" generate -q --prompt-file - --steps 2 --seed 3 -o pipe.png || fail "from a pipe: $?"
same pipe.png list-0.png
check
"$clatent" encode ring.png -o l.npy --sweep eta=0,1 2>err && fail "encode takes a sweep"
says 'are for generate'

# ---- sweeps: each image as alone; shared calls of the UNet change none
generate -p 'a red circle' --seed 3 --sweep prompt='a red circle,a star' --sweep steps=2-3 --sweep seed=3-4 \
    --sheet sheet.png -o 'sweep-{index}.png'
says 'sweep: 2 prompt x 2 num_inference_steps x 2 seed = 8 images'
same sweep-0.png list-0.png
generate -p 'a star' --seed 4 --steps 3 -o alone4.png
same sweep-7.png alone4.png
line=$("$clatent" info sweep-7.png --as-args) || fail "info --as-args gives $?"
check
eval "PATH=\"\${clatent%/clatent}:\$PATH\"; $line --output again.png --quiet" || fail "again: $line"
same sweep-7.png again.png
check
"$clatent" info sheet.png >info || fail "info gives $?"
grep -q 'contact sheet of 8 images: prompt (a red circle, a star) x num_inference_steps (2, 3) x seed (3, 4)' info ||
    fail "the sheet says: $(cat info)"
refused 7 "'sheet.png' exists" -p a --sweep steps=2-3 --sheet sheet.png
printf 'output: x-{index}.png\nsheet: x.png\nsteps: 1\njobs:\n  - {prompt: a, sweep: {eta: [0, 1]}}\n  - prompt: b\n' >jobs.yaml
refused 2 "'x.png' shows one sweep, and nothing else" jobs.yaml
refused 2 'more than the 67 million pixels' -p a --seed 1 --sweep seed=1-4096 --height 512 --width 512 --sheet x.png
refused 2 "num_inference_steps=3, scheduler=ddim,eta=7: --sweep: eta is '7'" -p a --sweep steps=3 --sweep 'scheduler=[ddim, "ddim,eta=7"]'
refused 4 'scheduler=dimm' -p a --sweep scheduler=ddim,dimm

# ---- networks are loaded once; another size loads them anew
check
"$clatent" generate -p a --seed 1 --sweep scheduler=ddim,euler --sweep steps=1-2 --sweep prompt=a,b --progress json \
    -o 'once-{index}.png' 2>err || fail "a sweep gives $?: $(cat err)"
check
grep -q '"step": 2, "steps": 2, "fraction": 1, "first_image": 6, "count": 2, "images": 8,' err &&
    grep -q '"step": 1, "steps": 1, "fraction": 0.166667, "first_image": 0, "count": 2, "images": 8,' err ||
    fail "not told over all jobs: $(grep sampling err)"
loads() { grep -o '"phase": "[^"]*"' err | grep -v 'building kernels' | uniq | grep -c "loading $1"; }
for network in 'text encoder' UNet decoder; do
    check
    [ "$(loads "$network")" -eq 1 ] || fail "$network: loaded $(loads "$network") times"
done
check
"$clatent" generate -p a --seed 1 --sweep height=64,72 --sweep steps=1-2 --progress json -o 'twice-{index}.png' 2>err ||
    fail "a sweep gives $?: $(cat err)"
[ "$(loads UNet)" -eq 2 ] || fail "two sizes load the UNet $(loads UNet) times"
generate -p a --seed 1 --height 72 --steps 2 -o size.png
same twice-3.png size.png
generate -p b --seed 1 --scheduler euler --steps 2 -o once.png
same once-7.png once.png

# ---- jobs that go on
resume() { generate -p 'a red circle' --seed 3 --sweep scheduler=ddim,euler --sweep steps=2,3 --sweep seed=1-2 \
    --sheet r/sheet.png -o 'r/{index}.png' --resume "$@"; }
mkdir r whole
resume
cp r/*.png whole
made() { grep -c 'r/[0-9].png (seed' err; }
all_same() { for i in 0 1 2 3 4 5 6 7; do same r/$i.png whole/$i.png; done; same r/sheet.png whole/sheet.png; }
check
[ "$(wc -l <r/clatent-manifest.jsonl)" -eq 8 ] || fail "the manifest: $(cat r/clatent-manifest.jsonl)"
resume
says 'resume: 8 of 8 images are finished'
check
[ "$(made)" -eq 0 ] || fail "made again: $(cat err)"
all_same
# a file that is gone, one in the middle of a run
rm r/3.png r/sheet.png
resume
check
[ "$(made)" -eq 1 ] || fail "not one, but: $(cat err)"
all_same
# a line that was cut off, and one that was damaged
head -c 700 r/clatent-manifest.jsonl | sed '2s/.*/{"file": 7}/' >m && cp m r/clatent-manifest.jsonl
rm r/5.png r/6.png r/7.png
resume
says 'r/clatent-manifest.jsonl:2: this is no line of a manifest; its image is made again'
check
[ "$(made)" -eq 4 ] || fail "not four, but: $(cat err)"
all_same
resume
check
grep -q 'no line of a manifest' err && fail "the manifest was not repaired: $(cat err)"
[ "$(made)" -eq 0 ] || fail "made again: $(cat err)"
# another setting: those images alone
generate -p 'a red circle' --seed 3 --sweep scheduler=ddim,heun --sweep steps=2,3 --sweep seed=1-2 -o 'r/{index}.png' --resume
check
[ "$(made)" -eq 4 ] || fail "not four, but: $(cat err)"
same r/0.png whole/0.png
check
cmp -s r/4.png whole/4.png && fail "r/4.png is the old one"
# what was changed by hand is not replaced
echo changed >>r/4.png
refused 7 "'r/4.png' is there, but not as 'r/clatent-manifest.jsonl' has it" \
    -p 'a red circle' --seed 3 --sweep scheduler=ddim,heun --sweep steps=2,3 --sweep seed=1-2 -o 'r/{index}.png' --resume
resume --overwrite
all_same
# killed in the middle of it
mkdir k
endure() { exec "$clatent" generate -q -p a --seed 1 --steps 20 --batch-size 60 -o 'k/{index}.png' --resume; }
endure 2>err &
child=$!
tries=0
until [ -f k/9.png ] || [ $tries -ge 300 ]; do
    sleep 0.2
    tries=$((tries + 1))
done
kill -KILL $child 2>/dev/null
wait $child 2>/dev/null
check
made=$(ls k | grep -c '^[0-9]*\.png$')
[ "$made" -ge 10 ] && [ "$made" -lt 60 ] || fail "it was not killed in the middle: $made images"
generate -p a --seed 1 --steps 20 --batch-size 60 -o 'k/{index}.png' --resume
says "resume: $made of 60 images are finished"
generate -p a --seed 41 --steps 20 -o forty.png
same k/40.png forty.png
refused 2 'resume: a job with a random seed' -p a --resume
refused 2 'expected an output that ends in .png' -p a --seed 1 --resume -o x.npy
refused 2 'a trace is of a whole run' -p a --seed 1 --resume --trace t.safetensors
refused 2 'gives other names later' -p a --seed 1 --resume -o '{date}-{index}.png'

echo "cli_jobs: $checks checks, $failed failed"
[ $failed -eq 0 ]
