/* digest.c - two sums side by side. SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <stdio.h>

const struct digest digest_of_nothing = {{0xCBF29CE484222325u, 0x9E3779B97F4A7C15u}};

void digest_add(struct digest *digest, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t *words = digest->words;
    for (size_t i = 0; i < size; i++) {
        words[0] = (words[0] ^ at[i]) * 0x100000001B3u;
        words[1] = (words[1] ^ at[i] ^ (words[1] >> 47)) * 0x100000001B3u;
    }
}

void digest_text(const struct digest *digest, char text[DIGEST_TEXT])
{
    snprintf(text, DIGEST_TEXT, "%016llx%016llx", (unsigned long long)digest->words[0],
        (unsigned long long)digest->words[1]);
}
