#!/bin/sh
# config.sh - configuration files, variables, job files and options: which wins, what is refused, where models are
# looked for. Needs no OpenCL device. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && data=$(cd "${top_srcdir:-.}/tests/data" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/config
checks=0 failed=0
rm -rf "$work" && mkdir -p "$work/home" "$work/xdg/clatent" "$work/first/clatent" "$work/second/clatent" "$work/shelf" &&
    cd "$work" || exit 99
OCL_ICD_VENDORS=/nonexistent HOME=$work/home XDG_CONFIG_HOME=$work/xdg XDG_CONFIG_DIRS=$work/first:relative:$work/second
export OCL_ICD_VENDORS HOME XDG_CONFIG_HOME XDG_CONFIG_DIRS

fail() { failed=$((failed + 1)); echo "config: $*" >&2; }
user=$work/xdg/clatent/config.yaml

# says KEY VALUE ORIGIN: of clatent config --show-origin
says() {
    checks=$((checks + 1))
    "$clatent" config --show-origin >out 2>err || fail "config gives $?: $(cat err)"
    sed 's/  */ /g' out | grep -qxF "$1: $2 $3" || fail "$1 is not '$2' of $3 but: $(grep "^$1:" out)"
}
# refused CODE WORDS ARGUMENT...
refused() {
    code=$1 words=$2
    shift 2
    checks=$((checks + 1))
    "$clatent" "$@" >out 2>err
    found=$?
    [ $found -eq "$code" ] || fail "$* gives $found, not $code: $(cat err)"
    grep -qF -- "$words" err || fail "$* does not say '$words' but: $(cat err)"
}

# ---- from the least important source to the most important
says device auto default
says rng torch default
echo 'device: a' >second/clatent/config.yaml
says device a "$work/second/clatent/config.yaml:1"
printf '# mine\ndevice: b\nrng: numpy\n' >first/clatent/config.yaml
says device b "$work/first/clatent/config.yaml:2"
printf 'device: c\nscheduler: {name: ddim, eta: 0.5}\n' >"$user"
says device c "$user:1"
says rng numpy "$work/first/clatent/config.yaml:3"
says scheduler ddim,eta=0.5 "$user:2"
CLATENT_DEVICE=d && export CLATENT_DEVICE
says device d CLATENT_DEVICE
refused 4 'no OpenCL' generate -p x # which did read all that
unset CLATENT_DEVICE

# A job comes over the configuration, an option over the job: seen by the value that is refused.
echo 'guidance_scale: 3' >>"$user"
printf 'prompt: x\nscheduler: nosuch\n' >job.yaml
refused 4 "job.yaml:2: " generate job.yaml
refused 4 "--scheduler: " generate job.yaml --scheduler nosuch2
printf 'scheduler: nosuch3\n' >"$user"
refused 4 "$user:1: " generate -p x
refused 4 'no OpenCL' generate -p x --scheduler ddim
refused 4 'no OpenCL' --no-config generate -p x

# ---- what is wrong
printf 'device: 0\ndevcie: 1\n' >"$user"
refused 2 "$user:2: unknown key 'devcie', did you mean 'device'?" generate -p x
refused 2 "$user:2: unknown key" config
checks=$((checks + 1))
[ "$("$clatent" config --path)" = "$user" ] || fail "--path says $("$clatent" config --path 2>&1)"
echo 'prompt: x' >"$user"
refused 2 "$user:1: prompt belongs to a job" config
printf 'device: 0\ndevice: 1\n' >"$user"
refused 2 "$user:2: key 'device' was given before, on line 1" config
echo 'precision: f64' >"$user"
refused 2 "$user:1: precision must be one of auto, f32, f16, found 'f64'" config
: >"$user"
refused 2 'exclude each other' config --path --json
CLATENT_PRECISION=f8 refused 2 'CLATENT_PRECISION: precision must be one of' config
CLATENT_DEVCIE=0 refused 4 'CLATENT_DEVCIE in the environment is unknown, did you mean CLATENT_DEVICE?' generate -p x
checks=$((checks + 1))
"$clatent" config --json >out 2>err || fail "--json gives $?: $(cat err)"
grep -q '"schema": "clatent/config/1", "files": \[{"path": "' out && grep -qF "{\"path\": \"$user\", \"found\": true}]" out &&
    grep -q '{"key": "device", "value": "b", "origin": "[^"]*:2", "default": "auto", "variable": "CLATENT_DEVICE"}' out ||
    fail "--json: $(cat out)"
# Verbs that need no configuration do not mind a bad one.
echo '[' >"$user"
for line in --version 'help generate' 'completion fish'; do
    checks=$((checks + 1))
    "$clatent" $line >out 2>err || fail "$line gives $? with a bad configuration: $(cat err)"
done

# ---- model_path: a bare name is looked for, first in the folder where one is
ln -s "$data/ldm-text2im-tiny" shelf/small
ln -s "$data/tasks/ldm-uncond-tiny" home/small
printf 'model_path: [nowhere, ../../shelf, ~/]\n' >"$user"
family() { # WORDS WANTED
    checks=$((checks + 1))
    "$clatent" inspect $1 --json >out 2>err || fail "inspect $1 gives $?: $(cat err)"
    grep -q "\"task\": \"$2\"" out || fail "inspect $1 is no model of $2"
}
family small text_to_image
family ./home/small unconditional
CLATENT_MODEL_PATH=$work/home: && export CLATENT_MODEL_PATH
family small unconditional
unset CLATENT_MODEL_PATH
refused 4 "model: $work/xdg/clatent/../../shelf/small" generate small -p x --model-path nowhere --model-path "$work/xdg/clatent/../../shelf"
refused 4 'no OpenCL' generate small -p x
printf 'model: small\nprompt: x\n' >job.yaml
refused 4 'no OpenCL' generate job.yaml
refused 3 "there is no model 'smal': not in this folder, and not in $work/xdg/clatent/nowhere, " inspect smal
refused 3 '/models (--model-path,' generate smal -p x
family demo text_to_image
mkdir -p data/clatent/models && ln -s "$data/tasks/ldm-uncond-tiny" data/clatent/models/mine
XDG_DATA_HOME=$work/data family mine unconditional

echo "config: $checks checks, $failed failed"
[ $failed -eq 0 ]
