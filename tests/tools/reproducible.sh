#!/bin/sh
# reproducible.sh BUILD - the sources of BUILD (out of tree, made), copied and built once more elsewhere with the same
# options, in another time zone and locale: everything installed is the same, byte for byte, and names no folder of
# either build. SPDX-License-Identifier: MIT
set -u
build=$(cd "${1:?folder of a build}" && pwd) || exit 99
source=$(sed -n 's/^abs_top_srcdir = //p' "$build/Makefile")
jobs=$(nproc 2>/dev/null || echo 2)
work=$(mktemp -d "${TMPDIR:-/tmp}/clatent-reproducible.XXXXXX") || exit 99
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fail() { echo "reproducible: $*" >&2; exit 1; }

[ -n "$source" ] && [ "$source" != "$build" ] || fail "$build is not built out of tree"
other=$work/another/place/of/another/length
mkdir -p "$other/build" && cp -R "$source" "$other/source" && rm -rf "$other/source/tests/data" || exit 99
(
    eval "set -- $("$build/config.status" --config)"
    LC_ALL=C.UTF-8 TZ=Asia/Kathmandu && export LC_ALL TZ
    cd "$other/build" && ../source/configure --quiet "$@" && make -j"$jobs"
) >"$work/log" 2>&1 || { tail "$work/log" >&2; fail "the second build does not succeed"; }

make -s -C "$build" install DESTDIR="$work/one" >"$work/log" 2>&1 || fail "$(tail "$work/log")"
make -s -C "$other/build" install DESTDIR="$work/two" >"$work/log" 2>&1 || fail "$(tail "$work/log")"
list() { (cd "$1" && find . -printf '%P %y %m %s %l\n' | LC_ALL=C sort); }
list "$work/one" >"$work/one.list" && list "$work/two" >"$work/two.list" || exit 99
diff "$work/one.list" "$work/two.list" >&2 || fail "what is installed differs"
diff -r "$work/one" "$work/two" >&2 || fail "contents differ"
[ "$(grep -c ' f ' "$work/one.list")" -gt 50 ] || fail "only $(grep -c ' f ' "$work/one.list") files"
for folder in "$source" "$build" "$work"; do
    grep -rlF "$folder" "$work/one" >&2 && fail "these name $folder"
done
echo "reproducible: $(grep -c ' f ' "$work/one.list") files are the same"
