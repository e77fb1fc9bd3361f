/* status.h - how a function says that it failed. SPDX-License-Identifier: MIT
 *
 * Every function that can fail returns an enum clat_status (the values are in clatent.h; each has
 * one exit code). The function that finds the fault calls status_set() once, with one sentence
 * that says what, where, expected and found; its callers only pass the code on, through TRY and
 * one `out:` label:
 *
 *     enum clat_status status = CLAT_OK;
 *     TRY(file_open(path, &file));
 *     TRY(header_read(&file, &header));
 * out:
 *     file_close(&file);
 *     return status;
 *
 * The sentence is kept per thread and overwritten by the next fault. Nothing here prints. */
#ifndef CLATENT_BASE_STATUS_H
#define CLATENT_BASE_STATUS_H

#include "clatent.h"
#include <stdarg.h>

/* Runs a call; on failure keeps its code in `status` and goes to the cleaning at `out`. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != CLAT_OK)                                                                     \
            goto out;                                                                              \
    } while (0)

/* The same where the fault is found here: code, then the sentence in printf's form. */
#define FAIL(...)                                                                                  \
    do {                                                                                           \
        status = status_set(__VA_ARGS__);                                                          \
        goto out;                                                                                  \
    } while (0)

/* Stores the sentence (at most 2047 bytes, cut at a character boundary; control characters that
 * came from a file are shown as '?') and returns `code`. */
enum clat_status status_set(enum clat_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the stored sentence: for a caller that knows the file or the place. */
enum clat_status status_prefix(enum clat_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The sentence of this thread's last fault, "" if there was none. Valid until the next one. */
const char *status_text(void);

void status_clear(void);

#endif
