#!/bin/sh
# check.sh - proves what train.py promises, on a run of a few steps: the same seed gives the same weights, and a run
# that was stopped in every stage gives those of one that was not. About a minute. SPDX-License-Identifier: MIT
#
# Usage: check.sh [PYTHON]
set -eu
cd "$(dirname "$0")"
python=${1:-python3}
stopped=none
work=$(mktemp -d "${TMPDIR:-/tmp}/clatent-train.XXXXXX")
trap 'rm -rf "$work"' EXIT

train() { "$python" -B train.py --size smoke --until export --work "$work/$1"; }
weights() { sed -n 's/.* weights \([0-9a-f]*\)$/\1/p' "$1" | tail -n 1; }

train whole >"$work/whole.log" 2>&1 || { tail "$work/whole.log"; exit 1; }

# Stopped politely in the middle of every stage, and once the hard way in the last.
for stage in autoencoder text decoder denoiser denoiser; do
    : >"$work/parts.log"
    train parts >"$work/parts.log" 2>&1 &
    process=$!
    until grep -q "$stage .*[0-9]/8" "$work/parts.log" || ! kill -0 $process 2>/dev/null; do sleep .05; done
    kill -s "$(case $stopped in denoiser) echo KILL ;; *) echo TERM ;; esac)" $process 2>/dev/null || true
    wait $process 2>/dev/null || true
    stopped=$stage
    tail -n 1 "$work/parts.log"
done
train parts >"$work/parts.log" 2>&1 || { tail "$work/parts.log"; exit 1; }

[ -n "$(weights "$work/whole.log")" ] && [ "$(weights "$work/whole.log")" = "$(weights "$work/parts.log")" ] ||
    { echo "check: weights differ" >&2; exit 1; }
echo "check: the same weights, $(weights "$work/whole.log")"
