#!/bin/sh
# offline.sh BUILD [TABLE] - compiles every kernel program for GPUs that are not here.
# SPDX-License-Identifier: MIT
#
# kernel_programs lists what the library would build; each program must go through each compiler
# without a warning: clang for AMD (with ROCm's device library, as AMD's driver does it), for NVIDIA's
# PTX and for SPIR, ocloc for Intel. From AMD's assembly come registers, local memory, scratch and what
# the innermost loop does; a hot kernel that needs scratch has spilled, and fails. A compiler that is
# missing, or does not know a chip, is named. TABLE receives the figures (docs/offline.md).
#
# CLANG, DEVICE_LIBS, OCLOC name other compilers; JOBS how many run at once.
set -u
export LC_ALL=C
CLANG=${CLANG:-clang-15}
DEVICE_LIBS=${DEVICE_LIBS:-/usr/lib/x86_64-linux-gnu/amdgcn/bitcode}
OCLOC=${OCLOC:-ocloc}
export CLANG DEVICE_LIBS OCLOC
HOT='product|tiled|attention' # kernels in which the time goes
export HOT

# ---- one program for one target: offline.sh --one FOLDER TARGET NAME OPTIONS ----------------------

amd_library() {
    version=${1#gfx} wave64=on
    case $1 in gfx1*) wave64=off ;; esac
    # A chip that the library does not know yet differs from the one before in its instructions only.
    [ -f "$DEVICE_LIBS/oclc_isa_version_$version.bc" ] || version=1036
    for part in opencl ocml ockl oclc_isa_version_$version oclc_daz_opt_off oclc_finite_only_off \
        oclc_unsafe_math_off oclc_correctly_rounded_sqrt_off oclc_wavefrontsize64_$wave64 oclc_abi_version_400; do
        printf ' -Xclang -mlink-builtin-bitcode -Xclang %s' "$DEVICE_LIBS/$part.bc"
    done
}

# Unused: every program has all helpers of common.h.
clang_for() {
    triple=$1
    shift
    "$CLANG" -x cl -cl-std=CL1.2 -Xclang -finclude-default-header --target="$triple" \
        -Wall -Wextra -Wno-unused-function -Wno-unused-parameter "$@"
}

# shellcheck disable=SC2086,SC2046 # options are words
compile() {
    folder=$1 target=$2 name=$3 options=$4
    source=$folder/$name.cl result=$folder/$target/$name
    case $target in
    gfx*) clang_for amdgcn-amd-amdhsa -mcpu="$target" -nogpulib $(amd_library "$target") -O3 -S -o "$result.s" $options "$source" ;;
    sm_*) clang_for nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang "$target" -O1 -S -o "$result.ptx" $options "$source" ;;
    spir64) clang_for spir64 -O0 -emit-llvm -c -o "$result.bc" $options "$source" ;;
    *) "$OCLOC" compile -file "$source" -device "$target" -out_dir "$folder/$target" -options "-cl-std=CL1.2 $options" ;;
    esac >"$result.log" 2>&1 || echo "exit status $?" >>"$result.log"
    # What ocloc says of all is well, or of kernels for CPUs that spill on a GPU.
    sed -i -E "/^$/d; /^Build succeeded/d; /kernel [a-z_0-9]+ .*spilled/{/kernel ($HOT) /!d}" "$result.log"
}

if [ "${1-}" = --one ]; then
    compile "$2" "$3" "$4" "${5-}"
    exit 0
fi

# ---- which compilers are here ----------------------------------------------------------------------

build=${1:-.} table=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/clatent-offline.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
targets='' skipped=''

skip() {
    echo "skipped: $1: $2"
    skipped="$skipped $1"
}

find_clang() {
    command -v "$CLANG" >/dev/null || { skip "AMD, NVIDIA, SPIR" "$CLANG is not here"; return; }
    for chip in gfx900 gfx1030 gfx1100 gfx940 gfx942; do
        if [ ! -f "$DEVICE_LIBS/ocml.bc" ]; then
            skip $chip "there is no $DEVICE_LIBS/ocml.bc (package rocm-device-libs)"
        elif ! clang_for amdgcn-amd-amdhsa -mcpu=$chip -nogpulib -S -o /dev/null /dev/null 2>/dev/null; then
            skip $chip "$CLANG does not know it"
        else
            targets="$targets $chip"
        fi
    done
    targets="$targets sm_60 sm_80 spir64"
}

find_ocloc() {
    command -v "$OCLOC" >/dev/null || { skip "Intel" "$OCLOC is not here (package intel-opencl-icd)"; return; }
    for chip in skl dg2-g10 bmg; do
        if "$OCLOC" compile --help | grep -qw -- "$chip"; then
            targets="$targets $chip"
        else
            skip $chip "this ocloc does not know it"
        fi
    done
}

find_clang
find_ocloc
[ -n "$targets" ] || { echo "no compiler is here"; exit 77; }

# ---- all programs for all targets ------------------------------------------------------------------

make -s -C "$build" tests/tools/kernel_programs || exit 99
"$build/tests/tools/kernel_programs" "$work" >"$work/list" || exit 1
failed=0
for source in "$here"/../../cl/*.cl; do
    if grep -q '"tile_bf16.h"' "$source"; then
        echo "skipped: $(basename "$source"): instructions of x86 CPUs"
        continue
    fi
    grep -q " $(basename "$source" .cl) " "$work/list" ||
        { echo "FAILED: no program of $(basename "$source") is in the self-test"; failed=1; }
done

# Programs of the CPU shape are for CPUs: SPIR stands for all of them.
for target in $targets; do
    mkdir "$work/$target"
    while read -r shape name file options; do
        [ "$shape" = gpu ] || [ "$target" = spir64 ] || continue
        printf '%s\n' --one "$work" "$target" "$name" "${options%%--*}"
    done <"$work/list"
done | tr '\n' '\0' | xargs -0 -n 5 -P "${JOBS:-$(nproc)}" sh "$0"

for target in $targets; do
    for log in "$work/$target"/*.log; do
        [ -s "$log" ] || continue
        echo "FAILED: $target: $(grep " $(basename "$log" .log) " "$work/list")"
        head -n 12 "$log"
        failed=1
    done
done

# ---- figures from AMD's assembly -------------------------------------------------------------------

# A line per kernel: name, vector registers, scalar registers, scratch and local memory in bytes, waves
# per SIMD; and of one basic block multiply-adds, instructions, and words read from local and from global
# memory: of those with eight multiply-adds or more, the one that has the most of them per instruction.
figures() {
    awk '
    function words(op) {
        return op ~ /b128|x4|read2(st64)?_b64|load_2addr(_stride64)?_b64/ ? 4 : op ~ /b96|x3/ ? 3 : \
            op ~ /b64|x2|read2|2addr/ ? 2 : 1
    }
    function end_block() {
        if (f >= 8 && f > most * n) { most = f / n; best = f " " n " " l " " g }
        f = n = l = g = 0
    }
    /^[A-Za-z_][A-Za-z_0-9]*:/ { name = substr($1, 1, length($1) - 1); f = n = l = g = most = 0; best = "0 0 0 0" }
    /^\.LBB/ { end_block() }
    /^\t[a-z]/ { n++ }
    $1 ~ /^v_(dual_)?(fma|fmac|mac|mad)_f32/ { f++ }
    $1 ~ /^v_dual_fmac_f32/ && $0 ~ /:: v_dual_fmac/ { f++ }
    $1 ~ /^v_pk_fma_f32/ { f += 2 }
    $1 ~ /^ds_(read|load)/ { l += words($1) }
    $1 ~ /^(global|flat|buffer)_load/ { g += words($1) }
    /^; Occupancy:/ { end_block(); waves[name] = $3; inner[name] = best }
    $1 == ".group_segment_fixed_size:" { local_bytes = $2 }
    $1 == ".name:" && $2 !~ /^[a-z_0-9]+\.kd$/ { kernel = $2 }
    $1 == ".private_segment_fixed_size:" { scratch = $2 }
    $1 == ".sgpr_count:" { scalar = $2 }
    $1 == ".symbol:" { kernel = $2; sub(/\.kd$/, "", kernel) }
    $1 == ".vgpr_count:" { print kernel, $2, scalar, scratch, local_bytes, waves[kernel], inner[kernel] }
    ' "$1"
}

amd=$(echo "$targets" | tr ' ' '\n' | grep '^gfx')
grep '^gpu ' "$work/list" | while read -r _ name file options; do
    for target in $amd; do
        figures "$work/$target/$name.s" 2>/dev/null | while read -r kernel numbers; do
            case " ${options##*--} " in
            *" $kernel "*) echo "$target $file $kernel $numbers ${options%%--*}" ;;
            esac
        done
    done
done >"$work/figures"

awk -v hot="^($HOT)$" '$3 ~ hot && $6 > 0 {
        print "FAILED: " $1 ": " $3 " of cl/" $2 ".cl spills: " $6 " bytes of scratch"; bad = 1
    } END { exit bad }' "$work/figures" || failed=1

# A line per program and kernel: what is the same on all chips, then a column for each.
rows() {
    awk -v chips="$amd" '
    {
        options = ""
        for (i = 13; i <= NF; i++) options = options " " substr($i, 3)
        key = $2 ".cl `" $3 "`" options
        if (!(key in seen)) { seen[key] = 1; order[++rows] = key; local_bytes[key] = $7 }
        if (!(key in loop)) loop[key] = $9 ? $9 " of " $10 " : " $11 " : " $12 : "-"
        cell[key, $1] = sprintf("%d v %d s, %d waves%s", $4, $5, $8, $6 ? ", scratch " $6 : "")
    }
    END {
        n = split(chips, chip, "\n")
        line = "| kernel | local bytes | multiply-adds : local : global |"; rule = "|---|---|---|"
        for (i = 1; i <= n; i++) { line = line " " chip[i] " |"; rule = rule "---|" }
        print line "\n" rule
        for (r = 1; r <= rows; r++) {
            line = "| " order[r] " | " local_bytes[order[r]] " | " loop[order[r]] " |"
            for (i = 1; i <= n; i++) line = line " " cell[order[r], chip[i]] " |"
            print line
        }
    }' "$work/figures"
}

table() {
    cat <<'END'
# Kernels compiled without a device

`./bootstrap offline` (tests/tools/offline.sh) compiles every kernel program for GPUs, as drivers do at run time, and
writes this page. Of each kernel that a GPU is given: bytes of local memory; of the densest block of instructions how
many are multiply-adds, for how many words read from local and from global memory, per work-item (gfx900); vector and
scalar registers, and waves that a SIMD holds. Scratch, which is spilled registers, is told where there is some: a
product, convolution or attention that has any fails the lane, as one does that Intel's compiler calls spilling.

END
    printf 'Compiled without a warning: %s programs for%s.\n' "$(grep -c '^gpu' "$work/list")" "$targets"
    [ -z "$skipped" ] || printf 'Not compiled here:%s.\n' "$skipped"
    printf 'clang %s; %s.\n\n' "$("$CLANG" -dumpversion 2>/dev/null)" "for Intel: ocloc"
    rows
}
[ -z "$table" ] || table >"$table"
[ $failed -ne 0 ] || echo "offline: $(wc -l <"$work/list") programs;$targets; figures of $(wc -l <"$work/figures") kernels"
exit $failed
