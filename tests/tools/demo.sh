#!/bin/sh
# demo.sh - draws pictures with the demo model into demo/ and says where they are.
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
mkdir -p demo

./clatent generate --prompt "a large red circle above a small blue square on a yellow background" \
    --seed 1 --overwrite --output demo/first.png
./clatent generate --model demo-sr --image demo/first.png --seed 1 --overwrite --output demo/first-large.png
./clatent generate data/jobs/demo.yaml

cat >&2 <<EOF

The first picture:    $PWD/demo/first.png
Four times the size:  $PWD/demo/first-large.png
A contact sheet:      $PWD/demo/sheet.png   (its prompts: data/jobs/demo.yaml)

Try your own:         ./clatent generate --prompt "two green stars on a black background"
EOF
