#!/bin/sh
# commands.sh - every command line of the documents and every example job, tried. SPDX-License-Identifier: MIT
#
# Command lines are lines of code blocks, and spans of code, that begin with "clatent" or "./clatent". They run in a
# folder where small models and pictures bear the names that the documents use. Without a device a job must get as far
# as the sentence that there is none: everything that can be wrong with it is found before. With DEVICE=yes
# (commands_device.sh) those whose model is here as a whole also make their pictures, in two steps; the others'
# stand-ins are a yaml and an empty table. CLATENT_ORACLE names a folder with more of them (models/ckpt-NAME).
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
[ -x "$build/clatent" ] || exit 99
work=$build/tests/tmp/commands${DEVICE:+_device}
data=$src/tests/data
checks=0 failed=0 skipped=0
fail() { failed=$((failed + 1)); echo "commands: $*" >&2; }

rm -rf "$work" && mkdir -p "$work/bin" "$work/hub" && cd "$work" || exit 99
ln -s "$build/clatent" bin/clatent && ln -s "$build/clatent" clatent || exit 99
PATH=$work/bin:$PATH HF_HUB_CACHE=$work/hub HOME=$work
export PATH HF_HUB_CACHE HOME

# ---- the models that the documents name -----------------------------------------------------------
whole() { ln -s "$data/$2" "$1"; }
whole ldm-text2im-large-256 ldm-text2im-tiny
whole ldm-super-resolution-4x-openimages tasks/ldm-sr-tiny
whole ldm-celebahq-256 tasks/ldm-uncond-tiny
whole cin256 compvis/cin256
whole cin256-v2 compvis/cin256-v2
whole inpainting_big compvis/inpainting_big
whole semantic_synthesis256 compvis/semantic_synthesis256
whole semantic_synthesis512 compvis/semantic_synthesis256
whole kl-f8 ldm-text2im-tiny/vqvae
whole vq-f4 tasks/ldm-sr-tiny/vqvae
hub=hub/models--CompVis--ldm-text2im-large-256
mkdir -p $hub/refs $hub/snapshots
echo 0123456789012345678901234567890123456789 >$hub/refs/main
ln -s "$data/ldm-text2im-tiny" $hub/snapshots/0123456789012345678901234567890123456789

# first_stage KIND Z LEVELS: what yaml says of a small autoencoder
first_stage() {
    kind=VQModelInterface more='n_embed: 16, ' double=false
    [ "$1" = vq ] || { kind=AutoencoderKL more='' double=true; }
    printf 'target: ldm.models.autoencoder.%s, params: {embed_dim: %s, %sddconfig: {' $kind "$2" "$more"
    printf 'double_z: %s, z_channels: %s, resolution: 64, in_channels: 3, out_ch: 3, ch: 32, ' $double "$2"
    printf 'ch_mult: [%s], num_res_blocks: 1, attn_resolutions: [], dropout: 0.0}}' "$3"
}
# stand_in NAME CHANNELS OF-THE-UNET FIRST-STAGE MORE-OF-THE-UNET CONDITION MORE: a checkpoint without weights. The
# vocabulary of a text encoder and the scale of latents are read from it, so that there is a table of 8192 words of
# width 8, and a number.
stand_in() {
    mkdir "$1" && cp "$data/ldm-text2im-tiny/tokenizer/vocab.txt" "$1" || exit 99
    if [ -d "$CLATENT_ORACLE/models/ckpt-$1" ]; then
        head -n 300 "$data/ldm-text2im-tiny/tokenizer/vocab.txt" >"$1/vocab.txt" # as many as they have
        ln -s "$CLATENT_ORACLE/models/ckpt-$1"/* "$1"
        return
    fi
    stand_ins="$stand_ins|$1"
    cat >"$1/config.yaml" <<END
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    {linear_start: 0.0015, linear_end: 0.0195, timesteps: 1000, image_size: 64, channels: $2, $7,
     unet_config: {target: ldm.modules.diffusionmodules.openaimodel.UNetModel, params: {image_size: 64,
       in_channels: $3, out_channels: $2, model_channels: 32, attention_resolutions: [2], num_res_blocks: 1,
       channel_mult: [1, 2], num_head_channels: 32, $5}},
     first_stage_config: {$4},
     cond_stage_config: $6}
END
    header='{"cond_stage_model.transformer.token_emb.weight":{"dtype":"F32","shape":[8192,8],"data_offsets":[0,262144]},'
    header=$header'"scale_factor":{"dtype":"F32","shape":[],"data_offsets":[262144,262148]}}'
    {
        printf '\300\0\0\0\0\0\0\0%-192s' "$header"
        head -c 262144 /dev/zero
        printf '\0\0\200?'
    } >"$1/model.safetensors"
}
stand_ins=none
vq4=$(first_stage vq 3 '1, 1, 1') kl8=$(first_stage kl 4 '1, 1, 1, 1')
text='use_spatial_transformer: true, transformer_depth: 1, context_dim: 8'
bert='{target: ldm.modules.encoders.modules.BERTEmbedder, params: {n_embed: 8, n_layer: 1'
for name in celeba256 ffhq256 lsun_beds256; do
    stand_in $name 3 3 "$vq4" 'legacy: true' __is_unconditional__ 'use_ema: true'
done
stand_in lsun_churches256 4 4 "$kl8" 'use_scale_shift_norm: true, resblock_updown: true' __is_unconditional__ \
    'scale_by_std: true'
stand_in bsr_sr 3 6 "$vq4" 'legacy: true' '{target: torch.nn.Identity}' 'concat_mode: true'
stand_in text2img256 3 3 "$vq4" "$text" "$bert}}" 'conditioning_key: crossattn'
stand_in txt2img-f8-large 4 4 "$kl8" "$text" "$bert}}" \
    'conditioning_key: crossattn, scale_factor: 0.18215, use_ema: false'
stand_in layout2img-openimages256 3 3 "$vq4" "$text" \
    "$bert, vocab_size: 8192, max_seq_len: 92, use_tokenizer: false}}" 'conditioning_key: crossattn'

# ---- the files that they name ---------------------------------------------------------------------
cp "$data/compvis/inpainting_big/image.png" photo.png
cp "$data/compvis/inpainting_big/mask.png" hole.png
cp "$data/compvis/semantic_synthesis256/labels.png" labels.png
cp "$data/tasks/ldm-sr-tiny/input0.png" small.png
cp small.png shapes.png
i=0
while [ $i -lt 1000 ]; do
    [ $i -eq 207 ] && echo 'n02099601 golden retriever' || echo "class $i"
    i=$((i + 1))
done >imagenet.txt
for job in "$src"/data/jobs/*.yaml; do
    sed 's,\.\./\.\./demo/,./,' "$job" >"${job##*/}"
done
cp "$src/data/jobs/prompts.txt" . || exit 99
# Job files in the text: that of the manual, and each of fenced yaml, by the name in its first line.
mkdir models out && ln -s "$data/ldm-text2im-tiny" models/ldm-text2im-large-256
sed -n '/^model: /,/^\.fi/{/^\./d; s/\\-/-/g; p;}' "$src/man/clatent-job.5" >job.yaml
cat "$src/README.md" "$src"/docs/*.md |
    awk '/^```yaml/ { getline; name = "text-" $2 } /^```$/ { name = "" } name { print >name }'

# ---- the command lines ----------------------------------------------------------------------------
# One a line: of fenced code with its continuations joined and comments cut off, and of `code` in the text. A word in
# capitals stands for the reader's own.
markdown() {
    awk '
        /^```/ { fenced = !fenced; next }
        fenced {
            line = line $0
            if (sub(/\\$/, "", line)) next
            sub(/  +#.*/, "", line)
            if (line ~ /^(\.\/)?clatent /) print line
            line = ""
            next
        }
        { while (match($0, /`(\.\/)?clatent [^`]*`/)) {
            print substr($0, RSTART + 1, RLENGTH - 2)
            $0 = substr($0, RSTART + RLENGTH)
        } }' "$@"
}
manual() { sed -n '/^\.nf/,/^\.fi/{s/\\-/-/g; s/\\e/\\/g; /^clatent [a-z]/p;}' "$@" | sed 's/  *#.*//'; }
{
    for job in *.yaml; do echo "clatent generate $job"; done
    markdown "$src/README.md" "$src"/docs/*.md
    manual "$src"/man/*.[157]
} | sed 's,data/jobs/,,' | grep -vE '[ =/][A-Z][A-Z]| \[[A-Z-]|\.\.\.|^clatent (generate|convert|encode|decode|reconstruct|info( --as-args)?)$' | awk '!seen[$0]++' >commands

# Without a device: what must be found at once is found, and what needs none is done.
try_without_device() {
    case $1 in
    *clatent\ generate\ --help) return ;;
    *clatent\ info\ * | *clatent\ decode\ *) return ;; # what others wrote
    *clatent\ generate* | *clatent\ bench* | *clatent\ tune* | *clatent\ selftest* | *clatent\ encode* | *clatent\ reconstruct*) want=4 ;;
    *) want=0 ;;
    esac
    checks=$((checks + 1))
    (OCL_ICD_VENDORS=/nonexistent && export OCL_ICD_VENDORS && eval "$1") >.out 2>.err </dev/null
    code=$?
    [ $code -eq $want ] || fail "$1 gives $code, not $want: $(cat .err)"
    [ $want -eq 0 ] || grep -q 'no OpenCL' .err || fail "$1 says: $(cat .err)"
}

# With one: the pictures, small and in two steps.
try_with_device() {
    case $1 in
    *clatent\ generate\ --help | *clatent\ bench* | *clatent\ selftest* | *clatent\ inspect*) return ;;
    *clatent\ tune*) more='--shapes 1 --dry-run' ;;
    *clatent\ generate*) more='--steps 2 --quiet --overwrite' ;;
    *code\ * | *reconstruct\ *) more='--quiet --overwrite' ;;
    *) more= ;;
    esac
    job=$(echo "$1" | sed -n 's/.* \([^ ]*\.yaml\).*/\1/p')
    if echo "$1" | cat - ${job:+"$job"} | grep -qE "$stand_ins"; then
        skipped=$((skipped + 1))
        return
    fi
    checks=$((checks + 1))
    eval "$1 $more" >.out 2>.err </dev/null || fail "$1 gives $?: $(cat .err)"
}

if [ -z "$DEVICE" ]; then
    while read -r command; do try_without_device "$command"; done <commands
elif "$build/clatent" devices --json 2>.err | grep -q '"usable": true'; then
    while read -r command; do try_with_device "$command"; done <commands
else
    echo "skipped: no OpenCL device" >&2
    exit 77
fi
[ $checks -gt 10 ] || fail "only $checks command lines were found"
echo "commands: $checks command lines, $failed failed, $skipped of models that are not here as a whole"
[ $failed -eq 0 ]
