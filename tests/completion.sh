#!/bin/sh
# completion.sh - the installed completions are those of the program's own tables; and in bash, zsh and fish, where
# they are, words come out of them. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
work=$build/tests/tmp/completion
files=$src/data/completions
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99
ln -s "$build/clatent" clatent && touch file.yaml || exit 99
PATH=$work:$PATH HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work
export PATH HOME XDG_CONFIG_HOME XDG_DATA_HOME
failed=0 shells=
fail() { echo "completion: $*" >&2; failed=1; }

for pair in bash:clatent.bash zsh:_clatent fish:clatent.fish; do
    clatent completion "${pair%%:*}" >made && cmp made "$files/${pair#*:}" >&2 ||
        fail "data/completions/${pair#*:} is not what clatent completion prints: make completions"
done
clatent completion csh 2>words && fail "csh is not refused"
grep -q 'bash, zsh or fish' words || fail "csh: $(cat words)"

# expect SHELL LINE WORD...: the words that can end the last word of LINE; "none", or "and more": at least these
expect() {
    shell=$1 line=$2 want=$3
    got=$(complete_"$shell" "$line" | sort | tr '\n' ' ')
    got=${got% }
    case $want in
    *' ...')
        for word in ${want% ...}; do
            case " $got " in *" $word "*) ;; *) fail "$shell: '$line' gives '$got', without $word" ;; esac
        done ;;
    *) [ "$got" = "$want" ] || fail "$shell: '$line' gives '$got', not '$want'" ;;
    esac
}
expect_all() {
    shells="$shells $1"
    expect "$1" 'clatent sc' 'schedulers'
    expect "$1" 'clatent generate --rng ' 'numpy philox torch'
    expect "$1" 'clatent generate --num-in' '--num-inference-steps'
    expect "$1" 'clatent encode --prec' '--precision'
    expect "$1" 'clatent convert --type ' 'f16 f32'
    expect "$1" 'clatent generate --scheduler ddi' 'ddim'
    expect "$1" 'clatent schedulers dd' 'ddim ddpm'
    expect "$1" 'clatent completion ' 'bash fish zsh'
    expect "$1" 'clatent help gen' 'generate'
    expect "$1" 'clatent info --as' '--as-args'
    expect "$1" 'clatent inspect --rng' ''
}

complete_bash() {
    bash --norc -c '
        . "$1" && line=$2
        COMP_WORDS=($line) && [[ $line == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _clatent && printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' - "$files/clatent.bash" "$1" | sed '/^$/d'
}
if command -v bash >/dev/null; then
    expect_all bash
    expect bash 'clatent generate --rng = to' 'torch'
fi
complete_fish() {
    fish --no-config -c "source '$files/clatent.fish'; complete -C '$1'" 2>&1 | cut -f 1
}
command -v fish >/dev/null && expect_all fish

complete_zsh() { zsh -f "$src/tests/tools/complete.zsh" "$files" "$1"; }
command -v zsh >/dev/null && expect_all zsh

[ $failed -eq 0 ] && echo "completion: current; tried in${shells:- no shell}"
exit $failed
