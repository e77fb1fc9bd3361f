#!/bin/sh
# example.sh - the program at the head of clatent.h compiles, as C99, C11 and C++; so does the plugin header.
# SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
work=$build/tests/tmp/example
mkdir -p "$work" || exit 99
cc=${CC:-cc}
command -v "$cc" >/dev/null || { echo "skipped: no C compiler" >&2; exit 77; }

# The lines of the example stand in the first comment, indented by five.
sed -n '/^ \*     #include <clatent.h>/,/^ \* Rules that hold/p' "$src/src/clatent.h" |
    sed '$d; s/^ \*\( \{5\}\)\{0,1\}//' >"$work/example.c"
grep -q 'clat_generate' "$work/example.c" || { echo "example: not found in clatent.h" >&2; exit 1; }
printf '#include <clatent-scheduler.h>\n#include <clatent.h>\n' >"$work/headers.c"

failed=0
for file in example headers; do
    for standard in c99 c11 c++11; do
        compiler=$cc
        if [ $standard = c++11 ]; then
            compiler=${CXX:-c++}
            command -v "$compiler" >/dev/null || continue
            cp "$work/$file.c" "$work/$file.cc"
            source=$work/$file.cc
        else
            source=$work/$file.c
        fi
        "$compiler" -std=$standard -pedantic -Wall -Werror -fsyntax-only \
            -I "$src/src" -I "$src/plugins" "$source" ||
            { echo "example: $file does not compile as $standard" >&2; failed=1; }
    done
done

# The example plugin, as C and as C++ (which wants to be told what run->options is).
plugin=$src/plugins/example/gradient_estimation.c
"$cc" -std=c99 -pedantic -Wall -Wextra -Wno-missing-field-initializers -Werror -fsyntax-only -I "$src/plugins" "$plugin" ||
    { echo "example: the plugin does not compile as c99" >&2; failed=1; }
if command -v "${CXX:-c++}" >/dev/null; then
    sed 's/= run->options;/= (const struct options *)run->options;/' "$plugin" >"$work/plugin.cc"
    "${CXX:-c++}" -std=gnu++20 -Wall -Wno-attributes -Werror -fsyntax-only -I "$src/plugins" "$work/plugin.cc" ||
        { echo "example: the plugin does not compile as C++" >&2; failed=1; }
fi
exit $failed
