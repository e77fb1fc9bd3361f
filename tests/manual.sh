#!/bin/sh
# manual.sh - the manual knows the verbs, flags and keys that the program knows, and no others; every file that a
# document names is there; and all say the same version. SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
work=$build/tests/tmp/manual
failed=0
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99

# compare WHAT AT-LEAST: the lists `program` and `manual`, of which $page is one
compare() {
    sort -u -o program program && sort -u -o manual manual
    for missing in $(comm -23 program manual); do
        echo "manual: $1 $missing is not in man/$page" >&2
        failed=1
    done
    for unknown in $(comm -13 program manual); do
        echo "manual: man/$page has the $1 $unknown, the program has not" >&2
        failed=1
    done
    [ "$(wc -l <program)" -ge "$2" ] || { echo "manual: only $(wc -l <program) of the kind: $1" >&2; failed=1; }
}

# ---- verbs: of the synopsis
page=clatent.1
"$build/clatent" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' >program
sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/s/^\.B clatent \([a-z]*\)$/\1/p' "$src/man/$page" >manual
compare verb 8

# ---- each verb has a page, whose synopsis has the flags of its usage
for verb in $(grep -v '^help$' program); do
    page=clatent-$verb.1
    [ -f "$src/man/$page" ] || { echo "manual: there is no man/$page" >&2; failed=1; continue; }
    target=$(sed -n 's,^\.so man1/,,p' "$src/man/$page")
    "$build/clatent" "$verb" --help | sed -n '/^usage/{s/\[/ /g; p;}' | grep -o -e ' --*[a-zA-Z-]*' | tr -d ' ' >program
    sed -n "/^\.B clatent $verb\$/,/^\.br\|^\.SH/p" "$src/man/${target:-$page}" | sed 's/\\-/-/g; s/\\fI//g' |
        grep -o -e ' --*[a-zA-Z-]*' | tr -d ' ' >manual
    compare flag 0
done

# ---- options: the keys of a job; --no-X belongs to --X
page=clatent-job.5
"$build/clatent" generate --help | sed -n 's/^[- ][a-z ][, ] //p' | cut -c 1-30 | grep -o -e '--[a-z-]*' >program
sed -n '/^\.SS What to make/,/^\.SH/{s/\\-/-/g; /^\.B/p;}' "$src/man/$page" | grep -o -e '--[a-z-]*' | sed 's/^--no-/--/' >manual
compare option 30

# ---- one version everywhere
version=$("$build/clatent" --version | sed 's/clatent //')
count=0
said() { # FILE VERSION
    count=$((count + 1))
    [ "$2" = "$version" ] || { echo "manual: $1 says version $2, the program $version" >&2; failed=1; }
}
for page in $(cd "$src" && grep -l '^\.TH' man/*); do
    said "$page" "$(sed -n 's/^\.TH .* "clatent \(.*\)" ".*/\1/p' "$src/$page")"
done
said NEWS "$(sed -n '1s/clatent //p' "$src/NEWS")"
said packaging/debian/changelog "$(sed -n '1s/.*(\(.*\)-.*/\1/p' "$src/packaging/debian/changelog")"
said packaging/rpm/clatent.spec "$(sed -n 's/^Version: *//p' "$src/packaging/rpm/clatent.spec")"
[ $count -gt 10 ] || { echo "manual: only $count files say a version" >&2; failed=1; }

# ---- files that the documents name: their links, and paths in code, which may leave out src/
exists() { # FOLDER PATTERN: some file or folder of that name
    set +f
    for found in "$1"/$2; do [ -e "$found" ] && return 0; done
    return 1
}
count=0
for document in README.md docs/devices.md docs/jobs.md docs/library.md docs/models.md docs/schedulers.md docs/speed.md docs/tour.md; do
    for link in $(grep -o ']([^)#:]*[)#]' "$src/$document" | sed 's/^..//; s/.$//'); do
        count=$((count + 1))
        exists "$src/$(dirname $document)" "$link" || { echo "manual: $document: there is no $link" >&2; failed=1; }
    done
    rooms='base|checkpoint|contract|device|formats|job|networks|ops|pipeline|program|sampling|text'
    paths=$(grep -oE "\`(src|tests|docs|cl|data|plugins|schedulers|$rooms)/[A-Za-z0-9_./*-]*\`" "$src/$document" |
        tr -d '\`' | grep -v NAME)
    set -f # patterns are the function's
    for path in $paths; do
        count=$((count + 1))
        exists "$src" "$path" || exists "$src/src" "$path" ||
            { echo "manual: $document: there is no $path" >&2; failed=1; }
    done
    set +f
done
[ $count -gt 60 ] || { echo "manual: only $count files are named" >&2; failed=1; }

# ---- and it can be shown, where there is a program that does
if command -v groff >/dev/null; then
    ln -s "$src/man" man1 || exit 99
    for page in man1/*; do groff -t -s -man -ww -z -Tutf8 "$page"; done 2>warnings
    [ ! -s warnings ] || { cat warnings >&2; failed=1; }
fi
[ $failed -eq 0 ] && echo "manual: verbs, flags and keys are those of the program"
