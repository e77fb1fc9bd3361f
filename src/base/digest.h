/* digest.h - 128 bits that stand for bytes. SPDX-License-Identifier: MIT
 *
 * Two 64-bit FNV-1a sums with different starts. Against accidents, not against attackers. */
#ifndef CLATENT_BASE_DIGEST_H
#define CLATENT_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT 33 /* bytes of a digest as text: 32 hexadecimal digits */

struct digest {
    uint64_t words[2];
};
extern const struct digest digest_of_nothing;

/* The digest of what went before and these bytes. */
void digest_add(struct digest *digest, const void *bytes, size_t size);
void digest_text(const struct digest *digest, char text[DIGEST_TEXT]);

#endif
