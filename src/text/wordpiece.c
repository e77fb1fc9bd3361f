/* wordpiece.c - BERT's WordPiece tokenizer. SPDX-License-Identifier: MIT
 *
 * Devlin et al. 2018, arXiv 1810.04805; rules as transformers' BertTokenizer applies them. One pass
 * over the prompt, code point by code point:
 *
 *     "[MASK]" as written       its id, uncut
 *     control characters        dropped; white space ends a word
 *     punctuation, ideographs   a word each
 *     everything else           decomposed, accents dropped, lower-cased, added to the word
 *
 * A finished word is cut greedily: the longest token that it begins with, then the longest "##"
 * token that the rest begins with, and so on. If that gets stuck, or the word is longer than 100
 * code points, it becomes one [UNK].
 *
 * Categories are those of utf8proc's Unicode. The reference's are of Unicode 8; some 500 marks and
 * punctuation characters are younger, and there the two differ. */
#include "text/wordpiece.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define VOCAB_LIMIT ((size_t)8 << 20) /* bytes of vocab.txt */
#define WORD_LIMIT 100                /* code points */

enum special { PAD, UNK, CLS, SEP, MASK, SPECIALS };
static const char *const special_names[SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

struct token {
    const char *bytes; /* in `text`; not NUL-terminated */
    size_t size;
};

struct wordpiece {
    char *text; /* vocab.txt */
    struct token *tokens;
    size_t count, capacity;
    int32_t *slots;   /* open addressing: id + 1, or 0 */
    size_t slot_mask; /* their count, a power of two, less one */
    size_t longest;   /* bytes of the longest token */
    int32_t specials[SPECIALS];
    bool lower_case, strip_accents, chinese_characters;
};

/* ---- vocabulary: a hash table from bytes to id -------------------------------------------------
 */

/* FNV-1a, which can be carried on byte by byte: one walk along a word hashes all its beginnings. */
#define HASH_START 2166136261u

static uint32_t hash_byte(uint32_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * 16777619u;
}

static uint32_t hash_bytes(uint32_t hash, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = hash_byte(hash, bytes[i]);
    return hash;
}

/* The slot that holds prefix + bytes, or the empty one where it would go. */
static int32_t *find_slot(
    const struct wordpiece *t, uint32_t hash, const char *prefix, const char *bytes, size_t size)
{
    size_t prefix_size = strlen(prefix);
    for (size_t i = hash & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        if (!t->slots[i])
            return &t->slots[i];
        const struct token *token = &t->tokens[t->slots[i] - 1];
        if (token->size == prefix_size + size && memcmp(token->bytes, prefix, prefix_size) == 0 &&
            memcmp(token->bytes + prefix_size, bytes, size) == 0)
            return &t->slots[i];
    }
}

static enum clat_status split_lines(struct wordpiece *t, size_t size)
{
    enum clat_status status = CLAT_OK;
    for (const char *line = t->text, *end = t->text + size; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > line && stop[-1] == '\r')
            stop--;
        TRY(memory_grow(&t->tokens, &t->capacity, t->count, sizeof *t->tokens));
        t->tokens[t->count++] = (struct token){line, (size_t)(stop - line)};
        line = next;
    }
out:
    return status;
}

static enum clat_status build_table(struct wordpiece *t)
{
    enum clat_status status;
    size_t slots = 64;
    while (slots < 2 * t->count)
        slots *= 2;
    TRY(memory_new(slots, sizeof *t->slots, &t->slots));
    t->slot_mask = slots - 1;
    for (size_t id = 0; id < t->count; id++) {
        const struct token *token = &t->tokens[id];
        uint32_t hash = hash_bytes(HASH_START, token->bytes, token->size);
        *find_slot(t, hash, "", token->bytes, token->size) = (int32_t)id + 1;
        if (token->size > t->longest)
            t->longest = token->size;
    }
out:
    return status;
}

static enum clat_status find_specials(struct wordpiece *t, const char *vocab)
{
    for (int i = 0; i < SPECIALS; i++) {
        const char *name = special_names[i];
        size_t size = strlen(name);
        int32_t id = *find_slot(t, hash_bytes(HASH_START, name, size), "", name, size) - 1;
        if (id < 0)
            return status_set(CLAT_ERROR_INPUT, "vocabulary '%s' has no line %s", vocab, name);
        t->specials[i] = id;
    }
    return CLAT_OK;
}

enum clat_status wordpiece_open(const char *vocab, bool lower_case, bool strip_accents,
    bool chinese_characters, struct wordpiece **tokenizer)
{
    enum clat_status status;
    struct wordpiece *t = NULL;
    size_t size;
    *tokenizer = NULL;
    TRY(memory_new(1, sizeof *t, &t));
    t->lower_case = lower_case;
    t->strip_accents = strip_accents;
    t->chinese_characters = chinese_characters;
    TRY(file_read_text(vocab, VOCAB_LIMIT, &t->text, &size));
    TRY(split_lines(t, size));
    TRY(build_table(t));
    TRY(find_specials(t, vocab));
    *tokenizer = t;
    return CLAT_OK;
out:
    wordpiece_close(t);
    return status;
}

void wordpiece_close(struct wordpiece *tokenizer)
{
    if (!tokenizer)
        return;
    free(tokenizer->slots);
    free(tokenizer->tokens);
    free(tokenizer->text);
    free(tokenizer);
}

size_t wordpiece_size(const struct wordpiece *tokenizer)
{
    return tokenizer->count;
}

/* ---- words into pieces ---------------------------------------------------------------------- */

struct encoder {
    const struct wordpiece *t;
    int32_t *ids;              /* receives the first `room` pieces */
    size_t room, pieces;       /* pieces also counts those that found no room */
    char word[4 * WORD_LIMIT]; /* UTF-8 */
    size_t size, code_points;  /* of the word; bytes stop at WORD_LIMIT code points */
};

static void emit(struct encoder *e, int32_t id)
{
    if (e->pieces < e->room)
        e->ids[e->pieces] = id;
    e->pieces++;
}

/* The id of the longest token that prefix + the word from `start` on begins with, -1 if there is
 * none; *size: bytes of the word that it takes. */
static int32_t longest_token(
    const struct encoder *e, const char *prefix, size_t start, size_t *size)
{
    uint32_t hash = hash_bytes(HASH_START, prefix, strlen(prefix));
    int32_t best = -1;
    const char *bytes = e->word + start;
    for (size_t n = 1; n <= e->size - start && n <= e->t->longest; n++) {
        hash = hash_byte(hash, bytes[n - 1]);
        int32_t id = *find_slot(e->t, hash, prefix, bytes, n) - 1;
        if (id < 0)
            continue;
        best = id;
        *size = n;
    }
    return best;
}

static void cut_word(struct encoder *e)
{
    int32_t found[4 * WORD_LIMIT];
    size_t count = 0;
    for (size_t start = 0, size = 0; start < e->size; start += size) {
        found[count] = longest_token(e, start ? "##" : "", start, &size);
        if (found[count++] < 0) {
            emit(e, e->t->specials[UNK]);
            return;
        }
    }
    for (size_t i = 0; i < count; i++)
        emit(e, found[i]);
}

static void end_word(struct encoder *e)
{
    if (e->code_points > WORD_LIMIT)
        emit(e, e->t->specials[UNK]);
    else if (e->code_points)
        cut_word(e);
    e->size = e->code_points = 0;
}

static void add_to_word(struct encoder *e, utf8proc_int32_t c)
{
    if (++e->code_points > WORD_LIMIT)
        return;
    e->size += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)e->word + e->size);
}

/* ---- code points into words ----------------------------------------------------------------- */

/* The block of 0x2B820 begins at 0x2B920 in the tokenizer that the models were trained with. */
static bool is_ideograph(utf8proc_int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static bool is_space(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static bool is_dropped(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return c == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
}

static bool is_punctuation(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126) ||
           (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO);
}

/* One code point after decomposition. Lower case is taken by itself, without looking at neighbours:
 * a capital sigma at the end of a word becomes the ordinary small one. */
static void add_plain(struct encoder *e, utf8proc_int32_t c)
{
    if (e->t->strip_accents && utf8proc_category(c) == UTF8PROC_CATEGORY_MN)
        return;
    bool dotted = e->t->lower_case && c == 0x130; /* I with dot: the one that becomes two */
    if (e->t->lower_case)
        c = utf8proc_tolower(c);
    if (is_punctuation(c)) {
        end_word(e);
        add_to_word(e, c);
        end_word(e);
        return;
    }
    add_to_word(e, c);
    if (dotted)
        add_to_word(e, 0x307);
}

/* Marks are not brought into canonical order: nearly all are dropped, and sorting long runs of them
 * would cost the square of their number. */
static void add_decomposed(struct encoder *e, utf8proc_int32_t c)
{
    utf8proc_int32_t parts[16];
    int boundary = 0;
    utf8proc_ssize_t count = 1;
    parts[0] = c;
    if (e->t->strip_accents)
        count = utf8proc_decompose_char(c, parts, 16, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; i++)
        add_plain(e, parts[i]);
}

static void add_code_point(struct encoder *e, utf8proc_int32_t c)
{
    if (is_space(c)) {
        end_word(e);
    } else if (is_dropped(c)) {
        return;
    } else if (e->t->chinese_characters && is_ideograph(c)) {
        end_word(e);
        add_decomposed(e, c);
        end_word(e);
    } else {
        add_decomposed(e, c);
    }
}

/* Bytes of the special token that `at` begins with, 0 if none; its id goes out. */
static size_t take_special(struct encoder *e, const char *at)
{
    for (int i = 0; *at == '[' && i < SPECIALS; i++) {
        size_t size = strlen(special_names[i]);
        if (strncmp(at, special_names[i], size) == 0) {
            end_word(e);
            emit(e, e->t->specials[i]);
            return size;
        }
    }
    return 0;
}

static enum clat_status encode_text(struct encoder *e, const char *prompt)
{
    size_t size = strlen(prompt);
    for (size_t at = 0; at < size;) {
        size_t special = take_special(e, prompt + at);
        at += special;
        if (special)
            continue;
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)prompt + at,
            size - at > 4 ? 4 : (utf8proc_ssize_t)(size - at), &c);
        if (used <= 0)
            return status_set(CLAT_ERROR_INPUT,
                "prompt is not UTF-8: byte %zu is 0x%02X, which cannot stand there", at,
                (unsigned)(unsigned char)prompt[at]);
        add_code_point(e, c);
        at += (size_t)used;
    }
    end_word(e);
    return CLAT_OK;
}

enum clat_status wordpiece_encode(
    const struct wordpiece *tokenizer, const char *prompt, int length, int32_t *ids, size_t *pieces)
{
    if (length < 2)
        return status_set(CLAT_ERROR_INTERNAL, "no room for [CLS] and [SEP] in %d ids", length);
    struct encoder e = {.t = tokenizer, .ids = ids + 1, .room = (size_t)length - 2};
    enum clat_status status = encode_text(&e, prompt);
    if (status != CLAT_OK)
        return status;
    size_t kept = e.pieces < e.room ? e.pieces : e.room;
    ids[0] = tokenizer->specials[CLS];
    ids[kept + 1] = tokenizer->specials[SEP];
    for (size_t i = kept + 2; i < (size_t)length; i++)
        ids[i] = tokenizer->specials[PAD];
    if (pieces)
        *pieces = e.pieces;
    return CLAT_OK;
}
