#!/usr/bin/env zsh
# complete.zsh FOLDER LINE - the words that zsh, with the functions of FOLDER, offers at the end of LINE, one a line.
# SPDX-License-Identifier: MIT
#
# Completion runs in a line editor only, so a shell gets a terminal of its own (zpty), LINE and the tab key. There
# compadd, through which all words go, writes down those that fit before it takes them.
zmodload zsh/zpty || exit 99
work=$(mktemp -d) || exit 99
cat >$work/setup <<END
PS1=
fpath=(${(q)1} \$fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a fitting
    if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)* ]]; then
        builtin compadd -O fitting "\$@"
        print -rl -- \$fitting >>$work/words
    fi
    builtin compadd "\$@"
}
offer() { _main_complete; print -r -- offered: ; exit }
zle -C offer complete-word offer
bindkey '^I' offer
print set up:
END
: >$work/words
zpty shell zsh -f -i
zpty -w shell ". $work/setup"
zpty -r -m shell said '*set up:*'
zpty -w -n shell $2$'\t'
zpty -r -m shell said '*offered:*'
zpty -d shell
sed '/^$/d' $work/words
rm -rf $work
