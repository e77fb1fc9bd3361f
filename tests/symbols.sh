#!/bin/sh
# symbols.sh - libclatent exports what clatent.h declares, which is what packages promise (the symbols file), and nothing
# else; it calls nothing that prints, exits or changes the process; a plugin exports its one constant.
# SPDX-License-Identifier: MIT
build=$(cd "${top_builddir:-.}" && pwd) && src=$(cd "${top_srcdir:-.}" && pwd) || exit 99
library=$build/.libs/libclatent.so
work=$build/tests/tmp/symbols
command -v nm >/dev/null && command -v readelf >/dev/null || { echo "skipped: no nm, no readelf" >&2; exit 77; }
readelf -h "$library" >/dev/null 2>&1 || { echo "skipped: no shared library in ELF" >&2; exit 77; }
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 99
failed=0
same() { # FILE FILE WHAT
    diff "$1" "$2" >&2 || { echo "symbols: $3" >&2; failed=1; }
}

tr '\n' ' ' <"$src/src/clatent.h" | grep -o 'CLAT_API [a-z][^;]*;' | sed 's/[^(]*\(clat_[a-z_]*\)(.*/\1/' | sort >declared
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >exported
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
package=libclatent${soname##*.}
sed -n 's/^ \(clat_[a-z_]*\)@CLATENT_[0-9]* .*/\1/p' "$src/packaging/debian/$package.symbols" | sort >promised
same declared exported "the library does not export what clatent.h declares"
same promised exported "packaging/debian/$package.symbols is not what the library exports"
grep -q "^$soname $package " "$src/packaging/debian/$package.symbols" ||
    { echo "symbols: $package.symbols is not about $soname" >&2; failed=1; }
[ "$(wc -l <exported)" -gt 20 ] || { echo "symbols: only $(wc -l <exported) are exported" >&2; failed=1; }

# A library leaves the process to the program.
nm -D --undefined-only "$library" | awk '{ sub(/@.*/, "", $2); print $2 }' | sort >wanted
for name in exit _exit _Exit abort quick_exit atexit system popen fork vfork execv execve execvp posix_spawn \
    printf vprintf puts putchar perror stdout stderr syslog setlocale setenv unsetenv putenv clearenv \
    chdir fchdir umask signal sigaction sigprocmask alarm rand srand; do
    grep -qx -e "$name" -e "__${name}_chk" wanted && { echo "symbols: the library calls $name" >&2; failed=1; }
done

count=0
for plugin in "$build"/schedulers/.libs/*.so; do
    count=$((count + 1))
    nm -D --defined-only "$plugin" | awk '{ print $3 }' >one
    [ "$(cat one)" = clat_scheduler ] || { echo "symbols: $plugin exports $(cat one)" >&2; failed=1; }
done
[ $count -gt 10 ] || { echo "symbols: only $count plugins" >&2; failed=1; }
[ $failed -eq 0 ] && echo "symbols: $(wc -l <exported) functions, $count plugins"
exit $failed
