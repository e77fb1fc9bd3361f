# clatent.bash - completion for bash. SPDX-License-Identifier: MIT
# Made by: clatent completion bash
_clatent_schedulers()
{
    "${COMP_WORDS[0]}" schedulers 2>/dev/null | sed -n 's/^\([a-z][a-z0-9_-]*\)  *[0-9].*/\1/p'
}

_clatent()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words='' keys verbs
    keys="--model -m --model-path --prompt -p --prompt-file --class --class-labels --image -i --mask --label-map --layout --height --width --num-inference-steps --steps --guidance-scale --eta --seed --batch-size --latents --strength --rng --generator --compat --scheduler --sweep --output -o --sheet --overwrite --resume --metadata --no-metadata --ai-mark --no-ai-mark --device --device-timeout --precision --gemm --kernels --float32-matmul-precision --variant --trace --progress --preview --preview-output --quiet -q --json"
    verbs="generate encode decode reconstruct inspect convert devices schedulers info config bench selftest tune completion help"
    COMPREPLY=()
    # --option=value comes as three words
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    if ((COMP_CWORD == 1)); then
        words="$verbs --help --version"
    else
        case $before in
        --rng) words="torch numpy philox" ;;
        --generator) words="image batch" ;;
        --compat) words="none diffusers" ;;
        --precision) words="auto f32 f16" ;;
        --gemm) words="auto own clblast" ;;
        --kernels) words="auto generic" ;;
        --float32-matmul-precision) words="highest high" ;;
        --progress) words="auto plain json none" ;;
        --model | -m | --prompt-file | --class-labels | --image | -i | --mask | --label-map | --layout | --latents | --output | -o | --sheet | --trace | --preview-output) return ;;
        --scheduler) words=$(_clatent_schedulers) ;;
        --model-path | --prompt | -p | --class | --height | --width | --num-inference-steps | --steps | --guidance-scale | --eta | --seed | --batch-size | --strength | --sweep | --device | --device-timeout | --variant | --preview) compopt +o default 2>/dev/null; return ;;
        --type) words="f32 f16" ;;
        --check) return ;;
        --seconds | --shapes) compopt +o default 2>/dev/null; return ;;
        *)
            case ${COMP_WORDS[1]}:$word in
            generate:-*) words="--help $keys" ;;
            encode:-*) words="--help $keys" ;;
            decode:-*) words="--help $keys" ;;
            reconstruct:-*) words="--help $keys" ;;
            inspect:-*) words="--json --help" ;;
            convert:-*) words="--type --quiet --help" ;;
            devices:-*) words="--json --help" ;;
            schedulers:-*) words="--json --help" ;;
            schedulers:*) words=$(_clatent_schedulers) ;;
            info:-*) words="--json --as-args --help" ;;
            config:-*) words="--show-origin --path --json --help" ;;
            bench:-*) words="--help $keys" ;;
            selftest:-*) words="--device --json --report --help" ;;
            tune:-*) words="--seconds --shapes --dry-run --check --help $keys" ;;
            completion:-*) words="--help" ;;
            completion:*) words="bash zsh fish" ;;
            help:-*) words="--help" ;;
            help:*) words="$verbs" ;;
            *) return ;; # a file
            esac
            ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _clatent clatent
