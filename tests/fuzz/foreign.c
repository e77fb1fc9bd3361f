/* foreign.c - fuzz target: what other programs write into images. The first byte says under which
 * keyword. SPDX-License-Identifier: MIT */
#include "job/foreign.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char keywords[][24] = {
        "parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream"};
    enum { KEYWORDS = sizeof keywords / sizeof *keywords };
    char *text = size ? malloc(size) : NULL;
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct png_text one = {keywords[data[0] % KEYWORDS], text};
    struct png_facts facts = {.width = 1, .height = 1, .texts = &one, .count = 1};
    struct foreign foreign = {.program = NULL};
    (void)foreign_read(&facts, &foreign);
    foreign_free(&foreign);
    free(text);
    return 0;
}
