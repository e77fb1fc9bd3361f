# embed.awk - kernel files as one C array. SPDX-License-Identifier: MIT
# Usage: awk -f embed.awk cl/a.cl cl/b.h >kernels.c; each line of text becomes one C string.
function close_text() { if (opened) print "    },"; opened = 1 }
BEGIN {
    print "/* Made by embed.awk from the files of cl/. */"
    print "#include \"device/program.h\"\n"
    print "const struct kernel_source kernel_sources[] = {"
}
FNR == 1 {
    close_text()
    name = FILENAME
    sub(/.*\//, "", name)
    printf "    {\"%s\",\n", name
}
{
    gsub(/\\/, "&&") # each backslash twice
    count = split($0, part, "\"")
    line = part[1]
    for (i = 2; i <= count; i++)
        line = line "\\\"" part[i]
    printf "        \"%s\\n\"\n", line
}
END { close_text(); print "    {NULL, NULL},\n};" }
