#!/bin/sh
# offline.sh BUILD [TABLE] - compiles every kernel program for GPUs that are not here.
# SPDX-License-Identifier: MIT
#
# kernel_programs lists what the library would build; each program must go through each compiler
# without a warning: clang for AMD (with ROCm's device library, as AMD's driver does it), for NVIDIA's
# PTX and for SPIR, ocloc for Intel. Programs of a matrix unit are for the chips that have it. From the
# assembly come registers, local memory, scratch and what the innermost loop does; a hot kernel that
# has spilled registers fails, as one does for a matrix unit without the unit's instruction. A compiler
# that is missing, or does not know a chip, is named. TABLE receives the figures (docs/offline.md).
#
# CLANG, DEVICE_LIBS, OCLOC name other compilers; JOBS how many run at once.
set -u
export LC_ALL=C
CLANG=${CLANG:-clang-19}
DEVICE_LIBS=${DEVICE_LIBS:-/usr/lib/x86_64-linux-gnu/amdgcn/bitcode}
OCLOC=${OCLOC:-ocloc}
export CLANG DEVICE_LIBS OCLOC
# Kernels in which the time goes.
HOT='product|tiled|few|narrow|input|output|weights|attention|softmax|group_stats|group_apply|layer_norm'
HOT="$HOT|product_matrix|matrix|attention_matrix"
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
    gfx*) clang_for amdgcn-amd-amdhsa -mcpu="$target" -mcode-object-version=4 \
        -nogpulib $(amd_library "$target") -O3 -S -o "$result.s" $options "$source" ;;
    sm_*) clang_for nvptx64-nvidia-nvcl -Xclang -target-cpu -Xclang "$target" -O1 -S -o "$result.ptx" $options "$source" ;;
    spir64) clang_for spir64 -O0 -emit-llvm -c -o "$result.bc" $options "$source" ;;
    *) IGC_ShaderDumpEnable=1 IGC_DumpToCustomDir="$result.dump" \
        "$OCLOC" compile -file "$source" -device "$target" -out_dir "$folder/$target" -options "-cl-std=CL1.2 $options" ;;
    esac >"$result.log" 2>&1 || echo "exit status $?" >>"$result.log"
    # What ocloc says of all is well, or of kernels for CPUs that spill on a GPU.
    sed -i -E "/^$/d; /^Build succeeded/d; /kernel [a-z_0-9]+ .*spilled/{/kernel ($HOT) /!d}" "$result.log"
    [ ! -d "$result.dump" ] || keep_assembly "$result"
}

# Of all that ocloc leaves, the assembly of each kernel.
keep_assembly() {
    cat "$1".dump/*.asm >"$1.asm" 2>/dev/null
    rm -r "$1.dump"
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
    for chip in gfx900 gfx906 gfx90a gfx942 gfx1030 gfx1100 gfx1200; do
        if [ ! -f "$DEVICE_LIBS/ocml.bc" ]; then
            skip $chip "there is no $DEVICE_LIBS/ocml.bc (package rocm-device-libs)"
        elif ! clang_for amdgcn-amd-amdhsa -mcpu=$chip -nogpulib -S -o /dev/null /dev/null 2>/dev/null; then
            skip $chip "$CLANG does not know it"
        else
            targets="$targets $chip"
        fi
    done
    targets="$targets sm_60 sm_75 sm_80 spir64"
}

find_ocloc() {
    command -v "$OCLOC" >/dev/null || { skip "Intel" "$OCLOC is not here (package intel-opencl-icd)"; return; }
    for chip in skl dg2-g10 pvc bmg; do
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

# Which programs a chip is for: those of GPUs, and of the units that it has, as device/group_unit.c has them.
# The chips that have only units here are near to one that has all.
shapes_of() {
    case $1 in
    gfx906) echo dot2 ;;
    gfx90a) echo mfma ;;
    gfx942) echo gpu mfma ;;
    gfx1030) echo gpu dot2 ;;
    gfx1100) echo gpu wmma_11 ;;
    gfx1200) echo wmma_12 ;;
    sm_75) echo mma_8 ;;
    sm_80) echo gpu mma ;;
    dg2-g10) echo gpu dpas_8 ;;
    pvc) echo dpas_16 ;;
    spir64) echo gpu cpu ;; # programs of the CPU shape are for CPUs: SPIR stands for all of them
    *) echo gpu ;;
    esac
}

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

for target in $targets; do
    mkdir "$work/$target"
    while read -r shape name file options; do
        case " $(shapes_of "$target") " in *" $shape "*) ;; *) continue ;; esac
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

# ---- figures from the assembly ---------------------------------------------------------------------

# A line per kernel: name, vector registers, scalar registers, scratch and local memory in bytes, waves
# per SIMD; and of one basic block multiply-adds, instructions, and words read from local and from global
# memory: of those with eight multiply-adds or more, the one that has the most of them per instruction.
# For a matrix unit its instructions take the place of multiply-adds, four or more of them.
amd_figures() {
    awk -v unit="$2" '
    function words(op) {
        return op ~ /b128|x4|read2(st64)?_b64|load_2addr(_stride64)?_b64/ ? 4 : op ~ /b96|x3/ ? 3 : \
            op ~ /b64|x2|read2|2addr/ ? 2 : 1
    }
    function end_block() {
        if (f >= (unit ? 4 : 8) && f > most * n) { most = f / n; best = f " " n " " l " " g }
        f = n = l = g = 0
    }
    /^[A-Za-z_][A-Za-z_0-9]*:/ { name = substr($1, 1, length($1) - 1); f = n = l = g = most = 0; best = "0 0 0 0" }
    /^\.LBB/ { end_block() }
    /^\t[a-z]/ { n++ }
    !unit && $1 ~ /^v_(dual_)?(fma|fmac|mac|mad)_f32/ { f++ }
    !unit && $1 ~ /^v_dual_fmac_f32/ && $0 ~ /:: v_dual_fmac/ { f++ }
    !unit && $1 ~ /^v_pk_fma_f32/ { f += 2 }
    unit && $1 ~ /^v_(wmma|mfma|dot2c?)_f32_/ { f++ }
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

# The same of ocloc: registers of a thread, instructions of the unit in all. Where registers spill it compiles
# once more, with loops as they are written and arrays in memory: spilled bytes are those of the first time.
intel_figures() {
    awk '
    function tell() { if (kernel) print kernel, registers, 0, spilled, 0, 0, units, 0, 0, 0; kernel = "" }
    $1 == "//.kernel" && $2 != kernel { tell(); kernel = $2; spilled = units = 0 }
    $1 == "//.kernel" { count = 0 }
    $1 == "//.thread_config" { registers = $2; gsub(/[^0-9]/, "", registers) }
    /^\/\/\.spill size/ { spilled = $3 }
    $1 ~ /^dpas/ || $2 ~ /^dpas/ { if (++count > units) units = count }
    END { tell() }
    ' "$1"
}

# And of PTX, which has no registers yet.
ptx_figures() {
    awk '
    $1 == ".entry" || $2 == ".entry" { kernel = $NF; sub(/\(.*/, "", kernel); units[kernel] = 0 }
    /mma\.sync/ { units[kernel]++ }
    END { for (kernel in units) print kernel, 0, 0, 0, 0, 0, units[kernel], 0, 0, 0 }
    ' "$1"
}

# Of each kernel that is launched: target, shape, file, the kernel's figures, options.
for target in $targets; do
    [ "$target" != spir64 ] || continue
    while read -r shape name file options; do
        case " $(shapes_of "$target") " in *" $shape "*) ;; *) continue ;; esac
        unit=$shape
        [ "$shape" != gpu ] || unit=''
        case $target in
        gfx*) amd_figures "$work/$target/$name.s" "$unit" ;;
        sm_*) ptx_figures "$work/$target/$name.ptx" ;;
        *) [ ! -f "$work/$target/$name.asm" ] || intel_figures "$work/$target/$name.asm" ;;
        esac | while read -r kernel numbers; do
            case " ${options##*--} " in
            *" $kernel "*) echo "$target $shape $file $kernel $numbers ${options%%--*}" ;;
            esac
        done
    done <"$work/list"
done >"$work/figures"

awk -v hot="^($HOT)$" '
    $4 ~ hot && $7 > 0 && ($2 != "gpu" || $1 ~ /^gfx/) { print "FAILED: " $1 ": " $4 " of cl/" $3 ".cl spills: " $7 " bytes:" rest(); bad = 1 }
    $4 ~ hot && $2 != "gpu" && $10 == 0 { print "FAILED: " $1 ": " $4 " of cl/" $3 ".cl has no instruction of the unit:" rest(); bad = 1 }
    function rest(text, i) { for (i = 14; i <= NF; i++) text = text " " $i; return text }
    END { exit bad }' "$work/figures" || failed=1

# A line per program and kernel of GPUs: what is the same on all chips, then a column for each.
rows() {
    awk -v chips="$(echo "$targets" | tr ' ' '\n' | grep '^gfx')" '
    $2 == "gpu" && $1 ~ /^gfx/ {
        options = ""
        for (i = 14; i <= NF; i++) options = options " " substr($i, 3)
        key = $3 ".cl `" $4 "`" options
        if (!(key in seen)) { seen[key] = 1; order[++rows] = key; local_bytes[key] = $8 }
        if (!(key in loop)) loop[key] = $10 ? $10 " of " $11 " : " $12 " : " $13 : "-"
        cell[key, $1] = sprintf("%d v %d s, %d waves%s", $5, $6, $9, $7 ? ", scratch " $7 : "")
        used[$1] = 1
    }
    END {
        n = split(chips, chip, "\n")
        line = "| kernel | local bytes | multiply-adds : local : global |"; rule = "|---|---|---|"
        for (i = 1; i <= n; i++) if (chip[i] in used) { line = line " " chip[i] " |"; rule = rule "---|" }
        print line "\n" rule
        for (r = 1; r <= rows; r++) {
            line = "| " order[r] " | " local_bytes[order[r]] " | " loop[order[r]] " |"
            for (i = 1; i <= n; i++) if (chip[i] in used) line = line " " cell[order[r], chip[i]] " |"
            print line
        }
    }' "$work/figures"
}

# A line per kernel of matrix units, of half: a column for each chip that has one.
unit_rows() {
    awk -v chips="$(echo "$targets" | tr ' ' '\n')" '
    function short(option) {
        return option ~ /^-DUNIT_|^-DDPAS_|^-DWMMA_|^-DMMA_|^-DSUBS|^-DSPAN|^-DKEYS|^-cl-/ ? "" : " " substr(option, 3)
    }
    $2 != "gpu" && $0 !~ /-DBF16/ {
        options = ""
        for (i = 14; i <= NF; i++) options = options short($i)
        key = $3 ".cl `" $4 "`" options
        if (!(key in seen)) { seen[key] = 1; order[++rows] = key }
        cell[key, $1] = $1 ~ /^gfx/ ? ($10 ? $10 " of " $11 " : " $12 ", " : "") $5 " v, " $9 " waves, " $8 " B" : \
            $1 ~ /^sm_/ ? $10 : $10 ", " $5 " r"
        used[$1] = 1
    }
    END {
        n = split(chips, chip, "\n")
        line = "| kernel |"; rule = "|---|"
        for (i = 1; i <= n; i++) if (chip[i] in used) { line = line " " chip[i] " |"; rule = rule "---|" }
        print line "\n" rule
        for (r = 1; r <= rows; r++) {
            line = "| " order[r] " |"
            for (i = 1; i <= n; i++) if (chip[i] in used) line = line " " cell[order[r], chip[i]] " |"
            print line
        }
    }' "$work/figures"
}

# Hot kernels of which Intel's compiler keeps arrays in memory.
anew_rows() {
    printf '| kernel | chips |\n|---|---|\n'
    awk -v hot="^($HOT)$" '
    $2 == "gpu" && $1 !~ /^(gfx|sm_)/ && $4 ~ hot && $7 > 0 {
        options = ""
        for (i = 14; i <= NF; i++) options = options " " substr($i, 3)
        key = $3 ".cl `" $4 "`" options
        if (!(key in chips)) order[++rows] = key
        chips[key] = chips[key] (chips[key] ? ", " : "") $1
    }
    END { for (r = 1; r <= rows; r++) print "| " order[r] " | " chips[order[r]] " |" }' "$work/figures"
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
    printf 'Compiled without a warning: %s programs, and %s of matrix units for the chips that have them:%s.\n' \
        "$(grep -c '^gpu' "$work/list")" "$(grep -vcE '^(gpu|cpu)' "$work/list")" "$targets"
    [ -z "$skipped" ] || printf 'Not compiled here:%s.\n' "$skipped"
    printf 'clang %s; %s.\n\n' "$("$CLANG" -dumpversion 2>/dev/null)" "for Intel: ocloc"
    rows
    cat <<'END'

## Matrix units

Programs that only a device with the unit gets (cl/unit.h). Of AMD's chips: instructions of the unit in the densest
block, of all in it, for how many words of local memory; vector registers, waves, bytes of local memory. Of Intel's
(dg2, pvc): the unit's instructions in the kernel, registers of a thread; of NVIDIA's the former. A kernel without any
fails the lane. With bf16 factors the same is compiled and checked, but not shown.

END
    unit_rows
    cat <<'END'

## Compiled twice

Kernels without a matrix unit that do not fit into the 128 registers of Intel's threads at the first try. The compiler
then leaves their loops as they are written and keeps their sums in memory: they are right, but slow. The table that
comes with the program (data/tuning) has products, convolutions as products and attention do with half of the rows there.

END
    anew_rows
}
[ -z "$table" ] || table >"$table"
[ $failed -ne 0 ] || echo "offline: $(wc -l <"$work/list") programs;$targets; figures of $(wc -l <"$work/figures") kernels"
exit $failed
