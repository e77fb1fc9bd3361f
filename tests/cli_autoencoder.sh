#!/bin/sh
# cli_autoencoder.sh - encode, decode and reconstruct from the command line, and runs that start from a
# picture. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
data=$(cd "${top_srcdir:-.}/tests/data" && pwd) || exit 99
clatent=$build/clatent
work=$build/tests/tmp/cli_autoencoder
checks=0 failed=0

"$clatent" devices --json 2>/dev/null | grep -q '"usable": true' || {
    echo "skipped: no OpenCL device" >&2
    exit 77
}
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99

check() { checks=$((checks + 1)); }
fail() { failed=$((failed + 1)); echo "cli_autoencoder: $*" >&2; }
run() { check; "$clatent" "$@" --quiet 2>err || fail "$* gives $?: $(cat err)"; }
same() { check; cmp "$1" "$2" >&2 || fail "$1 and $2 differ: $3"; }
refuse() { # code, words, arguments
    code=$1 words=$2
    shift 2
    check
    "$clatent" "$@" --quiet 2>err
    [ $? -eq "$code" ] && grep -q -e "$words" err || fail "$* does not say '$words' but: $(cat err)"
}

model=$data/compvis/inpainting_big
picture=$model/image.png

run encode "$picture" -m "$model" -o latents.npy
run decode latents.npy -m "$model" -o decoded.png --no-ai-mark
run reconstruct "$picture" -m "$model" -o again.png --no-ai-mark >psnr.txt
same decoded.png again.png "there and back in two steps and in one"
check
grep -Eq '^image 0: PSNR [0-9]+\.[0-9][0-9] dB$' psnr.txt || fail "reconstruct prints $(cat psnr.txt)"
run reconstruct "$picture" "--image=$picture" -m "$model" --json >psnr.json
check
grep -Eq '^\{"psnr": \[[0-9.]+, [0-9.]+\]\}$' psnr.json || fail "reconstruct --json prints $(cat psnr.json)"
run encode "$picture" -m "$model" -o latents.safetensors
run decode latents.safetensors -m "$model" -o tensors.png --no-ai-mark
same decoded.png tensors.png "both kinds of files"

# ---- what generate makes can be decoded, and a picture can be started from
model=$data/tasks/ldm-uncond-tiny
run generate -m "$model" --steps 2 --seed 3 -o made.png
run generate -m "$model" --steps 2 --seed 3 -o made.safetensors
run decode made.safetensors -m "$model" -o made-again.png --no-ai-mark
check
"$clatent" generate -q -m "$model" --steps 2 --seed 3 -o bare.png --no-metadata --no-ai-mark
same bare.png made-again.png "the latents of generate"
run encode made.png -m "$model" -o start.npy
run generate -m "$model" --steps 4 --seed 5 --strength 0.5 --image made.png -o a.npy
run generate -m "$model" --steps 4 --seed 5 --strength 0.5 --latents start.npy -o b.npy
same a.npy b.npy "an image and its latents"

# ---- refused
refuse 2 'no image was given' encode -m "$model"
refuse 2 'no latents were given' decode -m "$model"
refuse 7 'exists; --overwrite replaces it' encode made.png -m "$model" -o start.npy
refuse 2 'output: expected a name that ends in .npy or .safetensors' encode made.png -m "$model" -o x.png
refuse 3 'latents: expected \[images, 3, height, width\]' decode a.npy -m "$data/compvis/cin256-v2" -o x.png
refuse 3 'expected sides that are multiples of 4, found 70 x 50' encode "$data/tasks/ldm-sr-tiny/input1.png" -m "$data/compvis/cin256-v2" -o x.npy
refuse 2 'image: at strength 1 nothing of it would be left' generate -m "$model" --image made.png -o x.png
refuse 2 'there are latents to start from, too' generate -m "$model" --image made.png --latents start.npy --strength 0.5 -o x.png

echo "cli_autoencoder: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
