/* wordpiece.h - BERT's WordPiece tokenizer. SPDX-License-Identifier: MIT
 * Source: Devlin et al. 2018, arXiv 1810.04805; rules as transformers' BertTokenizer applies them.
 */
#ifndef CLATENT_TEXT_WORDPIECE_H
#define CLATENT_TEXT_WORDPIECE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wordpiece;

/* vocab: path of vocab.txt (one token a line, id = line number from 0; of a token that stands there
 * twice, the last line counts). The five special tokens must be in it, else CLAT_ERROR_INPUT. */
enum clat_status wordpiece_open(const char *vocab, bool lower_case, bool strip_accents,
    bool chinese_characters, struct wordpiece **tokenizer);
void wordpiece_close(struct wordpiece *tokenizer);        /* NULL is allowed */
size_t wordpiece_size(const struct wordpiece *tokenizer); /* tokens in the vocabulary */

/* [CLS] pieces [SEP] [PAD]..., exactly `length` ids (2 at least); too long a text is cut.
 * CLAT_ERROR_INPUT if the prompt is not UTF-8. `pieces`, if not NULL, receives the count before
 * cutting, without [CLS] and [SEP]. Time grows with the length of the prompt, whatever is in it. */
enum clat_status wordpiece_encode(const struct wordpiece *tokenizer, const char *prompt, int length,
    int32_t *ids, size_t *pieces);

#endif
