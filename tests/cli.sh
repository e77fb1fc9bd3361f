#!/bin/sh
# cli.sh - messages and exit codes of the program; needs no OpenCL device. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/cli
checks=0 failed=0

rm -rf "$work" && mkdir -p "$work" || exit 99
OCL_ICD_VENDORS=/nonexistent HF_HUB_CACHE=$work/hub HOME=$work
export OCL_ICD_VENDORS HF_HUB_CACHE HOME

fail() { failed=$((failed + 1)); echo "cli: $*" >&2; }

# expect CODE WORDS ARGUMENT...: the exit code, and the words somewhere on standard error.
expect() {
    code=$1 words=$2
    shift 2
    checks=$((checks + 1))
    (cd "$work" && "$clatent" "$@" >"$work/out" 2>"$work/err")
    found=$?
    [ $found -eq "$code" ] || fail "$* gives $found, not $code: $(cat "$work/err")"
    grep -qF -- "$words" "$work/err" || fail "$* does not say '$words' but: $(cat "$work/err")"
}

# prints WORDS ARGUMENT...: exit code 0, and the words somewhere on standard output.
prints() {
    words=$1
    shift
    checks=$((checks + 1))
    (cd "$work" && "$clatent" "$@" >"$work/out" 2>"$work/err") || fail "$* fails: $(cat "$work/err")"
    grep -qF -- "$words" "$work/out" || fail "$* does not print '$words' but: $(head -5 "$work/out")"
}

job() { printf '%b' "$1" >"$work/job.yaml"; }

# ---- help and verbs
prints 'usage: clatent VERB' --help
prints 'clatent 0.' --version
for verb in generate inspect convert devices schedulers info bench selftest help; do
    prints "usage: clatent $verb" "$verb" --help
    prints "usage: clatent $verb" help "$verb"
done
prints '--num-inference-steps, --steps N' generate --help
expect 2 'clatent --help lists the verbs'
expect 2 "did you mean 'generate'?" genrate
expect 2 "unknown option '--jsn', did you mean '--json'?" devices --jsn
expect 2 "selftest takes --device DEVICE, --json or --report, not 'all'" selftest all
expect 2 '--device needs a value' selftest --json --device
expect 2 'only one image is taken' info a.png b.png
expect 2 'info needs an image' info
expect 2 'exclude each other' info a.png --json --as-args

# ---- options
expect 2 'no prompt was given' generate
expect 2 "--height: height must be a multiple of 4 from 4 to 8192, found '250'" generate -p x --height 250
expect 2 "--width: width must be a multiple of 4" generate -p x --width=-8
expect 2 "num_inference_steps must be a whole number from 1 to 1000, found '0'" generate -p x --steps 0
expect 2 "found '1000000'" generate -p x --num-inference-steps 1000000
expect 2 "unknown key 'hieght', did you mean 'height'?" generate -p x --hieght 64
expect 2 '--steps needs a value' generate -p x --steps
expect 2 'mask: the model is for text_to_image, which takes prompt' generate -p x --mask m.png
data=$(cd "${top_srcdir:-.}/tests/data" && pwd) || exit 99
expect 2 'no class was given (--class, or class: in a job file), which a model for class_conditional' generate "$data/compvis/cin256"
expect 2 'no class was given' generate "$data/compvis/cin256/model.ckpt" --steps 2
expect 2 'only one model or job file is taken' generate a.yaml b.yaml
expect 2 'guidance_scale must be a number from 0 to 100' generate -p x --guidance-scale nan
expect 2 'output must end in .png, .npy or .safetensors' generate -p x -o x.jpg
expect 2 'known fields are' generate -p x -o '{indx}.png'
expect 2 'put {index} into the name' generate -p x -p y -o x.png
expect 2 "output '-' takes one image" generate -p x -p y -o -
expect 2 'both want standard output' generate -p x -o - --json
expect 2 'seed must be a whole number' generate -p x --seed=-2
expect 2 '2 seeds for 1 images' generate -p x --seed '[1,2]'
expect 2 'metadata must be true or false' generate -p x --metadata=yes
expect 3 'the prompt is not UTF-8 text' generate -p "$(printf 'caf\351')"

# ---- job files
expect 3 "cannot read 'none.yaml'" generate none.yaml
job 'prompt: a\nheight: 64\nprompt: b\n'
expect 2 "job.yaml:3: key 'prompt' was given before, on line 1" generate job.yaml
job 'prompt: &a x\nmodel: *a\n'
expect 2 'job.yaml:1: an anchor' generate job.yaml
job 'prompt: x\nmodel: *a\n'
expect 2 'job.yaml:2: an alias' generate job.yaml
job 'prompt: x\n\nheight: tall\n'
expect 2 "job.yaml:3: height must be a multiple of 4" generate job.yaml
job 'prompt: x\nheigth: 64\n'
expect 2 "job.yaml:2: unknown key 'heigth', did you mean 'height'?" generate job.yaml
job 'prompt: x\nsteps: [1]\n'
expect 2 'job.yaml:2: num_inference_steps must be a single value, found a list' generate job.yaml
job 'prompt: caf\0351\n'
expect 2 'job.yaml:1: not UTF-8' generate job.yaml
job 'prompt: x\n--- \nprompt: y\n'
expect 2 'a second document' generate job.yaml
job 'prompt: x\nmodel: no/such/folder\n'
expect 3 "$work/no/such/folder" generate "$work/job.yaml"

# ---- models, schedulers, output, devices
expect 3 "no model folder '/nonexistent'" generate -p x -m /nonexistent
expect 3 'is not in the hub cache' generate -p x -m hf:org/name
expect 2 'not of the form hf:ORG/NAME' generate -p x -m hf:name
expect 4 "unknown scheduler 'nosuch'" generate -p x --scheduler nosuch
expect 2 'no_such_option' generate -p x --scheduler ddim,no_such_option=1
expect 7 "there is no folder '/nonexistent'" generate -p x -o /nonexistent/x.png
expect 7 "there is no folder '/nonexistent'" generate -p x --trace /nonexistent/x.safetensors
touch "$work/there.png"
expect 7 "'there.png' exists; --overwrite replaces it" generate -p x -o there.png
expect 4 'no OpenCL' generate -p x -o never.png
[ ! -e "$work/never.png" ] || fail "a file appeared without a device"
expect 0 'no OpenCL platform found' devices
expect 4 'no OpenCL' selftest
prints '"devices": []' devices --json
prints '"schema": "clatent/schedulers/1"' schedulers --json
prints 'set_alpha_to_one: true or false' schedulers ddim
expect 4 "unknown scheduler 'nosuch'" schedulers nosuch
prints 'LDMTextToImagePipeline' inspect
prints 'guidance_scale: 3' inspect
prints 'missing 0' inspect
prints '"missing": 0' inspect --json
expect 3 "/nonexistent" inspect /nonexistent
prints 'task        inpainting' inspect "$data/compvis/inpainting_big"
prints 'source      CompVis' inspect "$data/compvis/inpainting_big/model.ckpt"
prints 'the first stage under a second name' inspect "$data/compvis/inpainting_big"
prints '"task": "class_conditional"' inspect --json "$data/compvis/cin256"

# ---- convert
(cd "$work" && "$clatent" convert "$data/compvis/cin256" made --type f16) || fail "convert fails"
prints 'task        class_conditional' inspect made
prints 'F16' inspect made
expect 7 "'made' is there already and is not overwritten" convert "$data/compvis/cin256" made
expect 2 "type: expected f32 or f16, found 'f64'" convert "$data/compvis/cin256" other --type=f64
expect 2 'convert takes a model and a folder to write' convert "$data/compvis/cin256"
expect 2 "convert has no option '--typ'" convert a b --typ f16
expect 3 "there is no model 'nosuch'" convert nosuch other
[ ! -e "$work/other" ] || fail "a refused conversion left a folder"
expect 3 'no PNG signature' info there.png
expect 3 "cannot read 'none.png'" info none.png
expect 3 'no PNG signature' info job.yaml

# ---- schedulers: listed, and each of the list chosen by every one of its names
prints 'name                    order evaluations  noise  what' schedulers
prints 'class    DDIMScheduler' schedulers ddim
prints 'use_clipped_model_output: true or false, default false' schedulers DDIMScheduler
prints 'stands for ddim,timestep_spacing=trailing' schedulers 'DDIM trailing'
prints '"choices": ["leading", "trailing", "linspace"]' schedulers --json ddim
prints '"default": "0", "range": "0 to 1", "lowest": 0, "highest": 1, "help": "fresh noise' schedulers --json ddim
prints '"presets": "timestep_spacing=trailing"' schedulers --json k_DDIM.Trailing
expect 2 "'ddim karras': scheduler 'ddim' has no such schedule (no option use_karras_sigmas)" schedulers 'ddim karras'
expect 4 "did you mean 'ddim'?" schedulers dimm
choose() {
    if "$clatent" schedulers --json "$1" | grep -q '"network": "diffusion"'; then
        expect 4 'no OpenCL' generate -p x --scheduler "$1"
    else
        expect 2 'drives networks of ' generate -p x --scheduler "$1"
    fi
}
for name in $("$clatent" schedulers --json | grep -o '{"name": "[a-z0-9_]*", "class"' | cut -d '"' -f 4); do
    prints "\"name\": \"$name\", \"class\"" schedulers --json "$name"
    choose "$name"
    choose "$(echo "$name" | tr 'a-z_' 'A-Z ')"
done
"$clatent" schedulers --json | tr '{' '\n' | sed -n 's/^"name": "\([^"]*\)", "options": .*/\1/p' >"$work/aliases"
while read -r name; do
    choose "$name"
done <"$work/aliases"

# ---- a model that was made for another scheduler: what inspect tells
model() {
    rm -rf "$work/model"
    mkdir -p "$work/model/scheduler"
    for part in bert tokenizer unet vqvae clatent.yaml; do
        ln -s "$(cd "${top_srcdir:-.}" && pwd)/data/models/demo/$part" "$work/model/$part"
    done
    sed "s/DDIMScheduler/$1/" "${top_srcdir:-.}/data/models/demo/model_index.json" >"$work/model/model_index.json"
    printf '%s\n' "$2" >"$work/model/scheduler/scheduler_config.json"
}
model EulerDiscreteScheduler '{"_class_name": "PNDMScheduler", "skip_prk_steps": true, "beta_end": 0.012, "steps_offset": 1,
    "lambda_min_clipped": -Infinity, "my_note": "hello"}'
prints 'scheduler   euler' inspect model
prints 'beta_end: 0.012' inspect model
prints 'beta_start: 0.0001 (default)' inspect model
prints 'timestep_spacing: linspace (default)' inspect model
prints 'not used by it: skip_prk_steps, lambda_min_clipped, my_note' inspect model
prints '"scheduler_name": "euler"' inspect model --json
expect 4 'no OpenCL' generate -p x -m model
expect 4 'no OpenCL' generate -p x -m model --scheduler 'DPM++ 2M SDE Karras'
model DDIMScheduler '{"_class_name": "DDIMScheduler", "beta_end": "high"}'
prints "cannot be used: model/scheduler/scheduler_config.json: beta_end is 'high', expected a number" inspect model
expect 3 "model/scheduler/scheduler_config.json: beta_end is 'high', expected a number from 0 to 1" generate -p x -m model
model WarpScheduler '{"beta_end": 0.012, "timestep_spacing": null}'
prints "cannot be used: model_index.json: _class_name: unknown scheduler 'WarpScheduler'" inspect model
expect 4 "unknown scheduler 'WarpScheduler'" generate -p x -m model
expect 3 "timestep_spacing is 'null', expected one of leading, trailing, linspace" generate -p x -m model --scheduler ddim

# ---- options of schedulers: refused with place, key, value and what was expected
for bad in 'eta=nan' 'eta=1e999' 'eta=2' 'eta=' 'eta=[0.5]' 'steps_offset=0.5' 'steps_offset=99999999999999999999' \
    'clip_sample=yes' 'timestep_spacing=Leading' 'trained_betas=0.1' 'trained_betas=[0.1' 'trained_betas=[0.1,nan]' \
    'trained_betas=[[0.1]]' 'trained_betas=[2]'; do
    expect 2 "--scheduler: ${bad%%=*} is '${bad#*=}', expected" generate -p x --scheduler "ddim,$bad"
done
expect 4 'no OpenCL' generate -p x --scheduler 'ddim,trained_betas=[0.1, 0.2,0.3],eta=0.5,steps_offset=0' --steps 3
expect 2 'num_inference_steps is larger than num_train_timesteps' \
    generate -p x --scheduler 'ddim,trained_betas=[0.1, 0.2]' --steps 3
expect 2 "expected option=value, found 'clip_sample'" generate -p x --scheduler ddim,clip_sample
expect 2 "has no option 'clip_smaple' (did you mean 'clip_sample'?)" generate -p x --scheduler clip_smaple=true
job 'prompt: x\nscheduler:\n  name: dimm\n'
expect 4 "job.yaml:3: unknown scheduler 'dimm' (did you mean 'ddim'?)" generate job.yaml
job 'prompt: x\nscheduler:\n  name: ddim\n  eta: null\n'
expect 2 "job.yaml:4: eta is 'null', expected a number from 0 to 1" generate job.yaml
job 'prompt: x\nscheduler:\n  name: ddim\n  trained_betas: [0.1, .inf]\n'
expect 2 "job.yaml:4: trained_betas is '[0.1, .inf]', expected a list of numbers" generate job.yaml
job 'prompt: x\nscheduler:\n  name: DDIM trailing\n  trained_betas: null\n  clip_sample: True\n'
expect 4 'no OpenCL' generate job.yaml
job 'prompt: x\nscheduler: {}\n'
expect 4 'no OpenCL' generate job.yaml
{ printf 'prompt: x\nsteps: 2\nscheduler:\n  name: ddim\n  trained_betas: [0.5'; yes ', 0.5' | head -100000 | tr -d '\n'; echo ']'; } >"$work/job.yaml"
expect 2 'job.yaml:5: more than 10000 values' generate job.yaml

# ---- standard output that cannot be written
if [ -w /dev/full ]; then
    checks=$((checks + 1))
    "$clatent" --help >/dev/full 2>"$work/err"
    code=$?
    [ $code -eq 7 ] || fail "a full standard output gives $code: $(cat "$work/err")"
    grep -q 'cannot write to standard output' "$work/err" || fail "a full standard output goes unsaid"
fi

echo "cli: $checks checks, $failed failed"
[ $failed -eq 0 ]
