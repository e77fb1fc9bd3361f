#!/bin/sh
# demo.sh - draws pictures with the demo model and says where they are. SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
mkdir -p demo
./clatent generate --prompt "a large red circle above a small blue square on a yellow background" \
    --num-inference-steps 30 --guidance-scale 3 --seed 1 --overwrite --output demo/first.png
