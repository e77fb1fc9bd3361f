#!/bin/sh
# installcheck.sh - what docs/library.md and plugins/README tell, done with what is installed alone: programs in C and
# Python draw pictures; a scheduler is built, checked, found, listed and used, then taken away again.
# `make installcheck` calls it after `make install`. SPDX-License-Identifier: MIT
#
# In: DESTDIR, bindir, libdir, pkgconfigdir, docdir (without DESTDIR), CC. Under a DESTDIR clatent does not look where it
# will once be: programs and plugins are built and checked only.
fail() { echo "installcheck: $*" >&2; exit 1; }

command -v pkg-config >/dev/null || { echo "installcheck: skipped, no pkg-config" >&2; exit 0; }
[ -x "$DESTDIR$bindir/clatent" ] || fail "$DESTDIR$bindir/clatent is not there: make install comes first"
work=$(mktemp -d) || exit 99
plugins=
trap 'rm -rf "$work"; [ -z "$plugins" ] || rm -f "$plugins/gradient_estimation.so" "$plugins/my_sampler.so"' EXIT
PKG_CONFIG_PATH=$DESTDIR$pkgconfigdir PATH=$DESTDIR$bindir:$PATH
export PKG_CONFIG_PATH PATH
if [ -n "$DESTDIR" ]; then
    PKG_CONFIG_SYSROOT_DIR=$DESTDIR LD_LIBRARY_PATH=$DESTDIR$libdir
    export PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
fi
cc=${CC:-cc}
plugin_sources=$DESTDIR$docdir/plugins
cd "$work" || exit 99

# ---- programs: pictures of the installed demo model, if there is a device
code_of() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/d;p;}" "$DESTDIR$docdir/library.md"; }
code_of c >picture.c && code_of python >picture.py
grep -q clat_generate picture.c && grep -q clat_generate picture.py || fail "no examples in library.md"
command=$(sed -n 's/^.*`\(cc picture.c [^`]*\)`.*$/\1/p' "$DESTDIR$docdir/library.md")
[ -n "$command" ] || fail "no command in library.md"
eval "$cc -std=c99 -pedantic -Wall -Wextra -Werror -D_POSIX_C_SOURCE=200809L ${command#cc}" || fail "the command of library.md fails: $command"
# draws LANGUAGE COMMAND...: its line about the picture; without a device it must say that, under a DESTDIR that there
# is no model
draws() {
    language=$1
    shift
    LD_LIBRARY_PATH=$DESTDIR$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@" >said 2>words
    code=$?
    if [ -n "$DESTDIR" ] && [ $code -eq 3 ] && grep -q 'no model' words; then
        return
    elif [ $code -eq 4 ] && grep -q 'OpenCL' words; then
        echo "installcheck: no OpenCL device, the example in $language draws nothing"
    else
        [ $code -eq 0 ] && grep -q 'seed 1.* mean 0\.[0-9]' said || fail "the example in $language: $code, $(cat said words)"
    fi
}
draws C ./picture
if [ -z "$DESTDIR" ] && [ -s picture-1.png ]; then
    clatent info picture-1.png | grep -q 'a red circle' || fail "picture-1.png is not what was asked for"
fi
soname=$(sed -n 's/^lib = c.CDLL("\(.*\)")$/\1/p' picture.py)
[ -e "$DESTDIR$libdir/$soname" ] || fail "library.md loads $soname, which is not installed"
if command -v python3 >/dev/null; then
    draws Python python3 picture.py
else
    echo "installcheck: no python3, its example is left out"
fi

# ---- plugins
# The example, with its own Makefile.
cp "$plugin_sources/example/gradient_estimation.c" "$plugin_sources/example/Makefile" "$work" &&
    chmod 644 gradient_estimation.c Makefile || exit 99
make -s CC="$cc" MAKEFLAGS= || fail "the example does not build"
make -s check PLUGIN_CHECK=clatent-plugin-check MAKEFLAGS= >check.out || fail "the example is not in order: $(cat check.out)"

# The template as my_sampler, with the command of step 8.
sed 's/"template"/"my_sampler"/' "$plugin_sources/template.c" >my_sampler.c
command=$(sed -n 's/^ *\(cc -shared .*\)$/\1/p' "$plugin_sources/README" | sed "s|^cc|$cc|")
[ -n "$command" ] || fail "no command in the README"
eval "$command" || fail "the command of the README fails: $command"
clatent-plugin-check my_sampler.so >check.out || fail "the template is not in order: $(cat check.out)"

# Where clatent finds them.
[ -z "$DESTDIR" ] || { echo "installcheck: programs and two plugins built outside of the tree and checked"; exit 0; }
folder=$(pkg-config --variable=schedulersdir libclatent)
[ -w "$folder" ] || { echo "installcheck: $folder is not mine to write, the rest is left out"; exit 0; }
plugins=$folder
make -s install MAKEFLAGS= || fail "the example cannot be installed"
install -m 644 my_sampler.so "$folder" || exit 99
clatent schedulers >list || fail "clatent schedulers"
for name in ddim gradient_estimation my_sampler; do
    grep -q "^$name " list || fail "$name is not listed: $(cat list)"
done
clatent schedulers gradient_estimation | grep -q 'gamma: number, default 2, 1 to 5' || fail "options are not shown"

# Used: a picture of the installed demo model, if there is a device.
generate() {
    clatent generate --quiet --steps 2 --prompt "a red circle" --output out.npy --overwrite --scheduler "$1" 2>words
}
generate gradient_estimation,gamma=1.5
code=$?
if [ $code -eq 4 ] && ! grep -q scheduler words; then
    echo "installcheck: no OpenCL device, nothing is drawn"
elif [ $code -ne 0 ] || [ ! -s out.npy ]; then
    fail "the example draws nothing: $(cat words)"
else
    generate gradient_estimation,gama=1.5
    [ $? -eq 2 ] && grep -q "did you mean 'gamma'" words || fail "a wrong option is not refused: $(cat words)"
fi
echo "installcheck: programs and two plugins built outside of the tree, checked, listed and used"
