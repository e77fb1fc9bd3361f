#!/bin/sh
# manual.sh - the manual knows the verbs and keys that the program knows, and no others. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
work=$build/tests/tmp/manual
page=$src/man/clatent.1
failed=0
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99

# compare WHAT: the sorted lists `program` and `manual`, neither of them short
compare() {
    sort -u -o program program && sort -u -o manual manual
    for missing in $(comm -23 program manual); do
        echo "manual: $1 $missing is not in man/clatent.1" >&2
        failed=1
    done
    for unknown in $(comm -13 program manual); do
        echo "manual: man/clatent.1 has the $1 $unknown, the program has not" >&2
        failed=1
    done
    [ "$(wc -l <program)" -ge "$2" ] || { echo "manual: only $(wc -l <program) of the kind: $1" >&2; failed=1; }
}

# ---- verbs: of the synopsis
"$build/clatent" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' >program
sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/s/^\.B clatent \([a-z]*\)$/\1/p' "$page" >manual
compare verb 8

# ---- options: of the section KEYS; --no-X belongs to --X
"$build/clatent" generate --help | sed -n 's/^[- ][a-z ][, ] //p' | cut -c 1-30 | grep -o -e '--[a-z-]*' >program
sed -n '/^\.SH KEYS/,/^\.SH SCHEDULERS/{s/\\-/-/g; /^\.B/p;}' "$page" | grep -o -e '--[a-z-]*' | sed 's/^--no-/--/' >manual
compare option 30

# ---- files: what is called by its name is there
for file in $(grep -o 'docs/[a-z]*\.md' "$page"); do
    [ -f "$src/$file" ] || { echo "manual: there is no $file" >&2; failed=1; }
done

# ---- and it can be shown, where there is a program that does
if command -v groff >/dev/null; then
    groff -t -man -ww -z -Tutf8 "$page" 2>warnings
    [ ! -s warnings ] || { cat warnings >&2; failed=1; }
fi
[ $failed -eq 0 ] && echo "manual: verbs and keys are those of the program"
