#!/bin/sh
# recorded.sh - every recorded run of a scheduler is compared by a test. SPDX-License-Identifier: MIT
#
# Each file of tests/data/goldens/schedulers must be a row of a table (tests/trajectory.h), or be
# read by name, in a test that `make check` runs.
cd "${top_srcdir:-.}" || exit 1
failed=0
count=0
for path in tests/data/goldens/schedulers/*; do
    file=${path##*/}
    stem=${file%.*}
    readers=$(grep -lF -e ".file = \"$stem\"" -e "/$file\"" tests/*.c)
    listed=
    for reader in $readers; do
        grep -q "^check_PROGRAMS.* ${reader%.c}\\( \\|\$\\)" Makefile.am && listed=$reader
    done
    if [ -z "$listed" ]; then
        echo "recorded: $file is compared by no test" >&2
        failed=1
    fi
    count=$((count + 1))
done
[ "$failed" = 0 ] && [ "$count" -gt 60 ] && echo "recorded: all of $count files are compared"
