/* status.c - the sentence of the last fault, one per thread. SPDX-License-Identifier: MIT */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static _Thread_local char sentence[2048];

/* Cuts at the last whole UTF-8 character, and shows what could drive a terminal as '?'. */
static void make_printable(char *text)
{
    size_t size = strlen(text);
    if (size == sizeof sentence - 1) {
        while (size > 0 && ((unsigned char)text[size - 1] & 0xC0) == 0x80)
            text[--size] = '\0';
        if (size > 0 && (unsigned char)text[size - 1] >= 0xC0)
            text[--size] = '\0';
    }
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            text[i] = '?';
}

enum clat_status status_set(enum clat_status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    make_printable(sentence);
    return code;
}

enum clat_status status_prefix(enum clat_status code, const char *format, ...)
{
    char old[sizeof sentence];
    memcpy(old, sentence, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    size_t at = strlen(sentence);
    snprintf(sentence + at, sizeof sentence - at, ": %s", old);
    make_printable(sentence);
    return code;
}

const char *status_text(void)
{
    return sentence;
}

void status_clear(void)
{
    sentence[0] = '\0';
}
