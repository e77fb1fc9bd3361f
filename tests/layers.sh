#!/bin/sh
# layers.sh - includes only go down: greps every #include against the table of floors (docs/tour.md).
# SPDX-License-Identifier: MIT
cd "${top_srcdir:-.}" || exit 99
failed=0

# What a room may include, besides itself, clatent.h, clatent-scheduler.h and config.h.
allowed() {
    case $1 in
    base) echo ;;
    formats | text) echo base ;;
    checkpoint | job) echo "formats base" ;;
    device) echo base ;;
    ops) echo "device base" ;;
    selftest) echo "ops device base" ;;
    networks) echo "ops device checkpoint base" ;;
    sampling) echo "networks ops device checkpoint plugins base" ;;
    pipeline) echo "selftest sampling networks ops device checkpoint text job formats plugins base" ;;
    plugins) echo base ;;
    contract) echo "sampling plugins formats base" ;;
    *) echo none ;;
    esac
}

fail() { echo "layers: $*" >&2; failed=1; }

for file in src/*/*.[ch] plugins/*.[ch]; do
    room=$(basename "$(dirname "$file")")
    [ "$room" = program ] && continue
    [ "$file" = plugins/template.c ] && continue
    for target in $(sed -n 's/^ *# *include "\([a-z]*\)\/.*/\1/p' "$file" | sort -u); do
        case " $room $(allowed "$room") " in
        *" $target "*) ;;
        *) fail "$file includes $target/, which is not below $room/" ;;
        esac
    done
done

# The program sees the public header only; schedulers see the plugin header, headers of their own
# beside them, and the C library only.
for include in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' src/program/*.[ch] | sort -u); do
    case $include in
    clatent.h | config.h | program/*) ;;
    *) fail "src/program includes $include" ;;
    esac
done
for include in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' schedulers/*.[ch] plugins/template.c | sort -u); do
    [ "$include" = clatent-scheduler.h ] || [ -f "schedulers/$include" ] || fail "schedulers include $include"
done

# Each foreign library is named in one file; OpenCL stays in device/.
only_in() {
    header=$1 count=$2
    shift 2
    found=$(grep -lE "# *include [<\"]$header[>\"]" src/*/*.[ch] src/*.[ch] plugins/*.[ch] 2>/dev/null)
    n=$(printf '%s' "$found" | grep -c .)
    [ "$n" -le "$count" ] || fail "$header is included in $n files:" $found
}
only_in yaml.h 1
only_in png.h 1
only_in jpeglib.h 1
only_in jansson.h 1
only_in dlfcn.h 1
only_in clblast_c.h 1
only_in utf8proc.h 1
for file in $(grep -lE '# *include [<"]CL/' src/*/*.[ch] plugins/*.[ch] schedulers/*.c); do
    case $file in
    src/device/* | src/ops/gemm_clblast.c) ;;
    *) fail "$file includes OpenCL's header" ;;
    esac
done

# A launch may be cut into parts: kernels must number their groups over all of them (cl/common.h).
for file in cl/*.cl cl/*.h; do
    [ "$file" = cl/common.h ] && continue
    if grep -nE 'get_(group_id|num_groups|global_size)' "$file" >&2; then
        fail "$file: GROUP_ID(), and counts as arguments, are right in parts of a launch; these are not"
    fi
done

[ $failed -eq 0 ] && echo "layers: every include goes down"
exit $failed
