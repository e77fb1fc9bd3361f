/* wordpiece.c - the tokenizer against transformers' BertTokenizer, id for id.
 * SPDX-License-Identifier: MIT
 *
 * tests/data/wordpiece: cases.txt with vocab.txt from tests/tools/make_wordpiece.py, tiny.txt the
 * prompts that the reference values of ldm-text2im-tiny were made of. `tests/wordpiece VOCAB CASES`
 * compares others, thousands. */
#include "text/wordpiece.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 8192

/* ---- recorded cases: "111 636166c3a9 12 507 33" --------------------------------------------- */

/* The tokenizer with these flags; opened on first use, kept in all[]. */
static struct wordpiece *with_flags(struct wordpiece *all[8], const char *vocab, const char *flags)
{
    bool lower = flags[0] == '1', strip = flags[1] == '1', chinese = flags[2] == '1';
    struct wordpiece **found = &all[4 * lower + 2 * strip + chinese];
    if (!*found)
        CHECK_OK(wordpiece_open(vocab, lower, strip, chinese, found));
    return *found;
}

static void decode_hex(char *text)
{
    char *out = text;
    unsigned byte;
    for (const char *at = text; sscanf(at, "%2x", &byte) == 1; at += 2)
        *out++ = (char)byte;
    *out = '\0';
}

static void compare_ids(const char *prompt, const char *expected, const int32_t *ids, size_t pieces)
{
    for (size_t i = 0; i < pieces; i++) {
        char *end;
        long id = strtol(expected, &end, 10);
        if (!CHECK(end != expected && ids[1 + i] == id, "'%s': piece %zu is %d, expected %ld",
                prompt, i, (int)ids[1 + i], id))
            return;
        expected = end;
    }
    CHECK(
        strspn(expected, " \n") == strlen(expected), "'%s': more than %zu pieces", prompt, pieces);
}

static int recorded_cases(const char *vocab, const char *path)
{
    static char line[1 << 16];
    static int32_t ids[ROOM];
    struct wordpiece *all[8] = {NULL};
    int cases = 0;
    FILE *file = fopen(path, "r");
    while (CHECK(file, "no %s", path) && fgets(line, sizeof line, file)) {
        char *prompt = line + 4, *expected = strchr(prompt, ' ');
        size_t pieces = 0;
        *expected++ = '\0';
        decode_hex(prompt);
        struct wordpiece *tokenizer = with_flags(all, vocab, line);
        if (tokenizer && CHECK_OK(wordpiece_encode(tokenizer, prompt, ROOM, ids, &pieces)))
            compare_ids(prompt, expected, ids, pieces);
        cases++;
    }
    if (file)
        fclose(file);
    for (int i = 0; i < 8; i++)
        wordpiece_close(all[i]);
    return cases;
}

/* ---- the ends of a row ---------------------------------------------------------------------- */

static int32_t id_of(const struct wordpiece *tokenizer, const char *token)
{
    int32_t ids[3] = {-1, -1, -1};
    wordpiece_encode(tokenizer, token, 3, ids, NULL);
    return ids[1];
}

static void rows_are_padded_and_cut(const struct wordpiece *tokenizer)
{
    int32_t ids[6];
    size_t pieces;
    int32_t a = id_of(tokenizer, "a"), b = id_of(tokenizer, "b");
    CHECK_OK(wordpiece_encode(tokenizer, "", 6, ids, &pieces));
    CHECK(
        pieces == 0 && memcmp(ids, (int32_t[]){2, 3, 0, 0, 0, 0}, sizeof ids) == 0, "empty prompt");
    CHECK_OK(wordpiece_encode(tokenizer, "a b a b", 6, ids, &pieces));
    CHECK(pieces == 4 && memcmp(ids, (int32_t[]){2, a, b, a, b, 3}, sizeof ids) == 0, "full row");
    CHECK_OK(wordpiece_encode(tokenizer, "a b a b a", 6, ids, &pieces));
    CHECK(pieces == 5 && memcmp(ids, (int32_t[]){2, a, b, a, b, 3}, sizeof ids) == 0, "cut row");
    CHECK_OK(wordpiece_encode(tokenizer, "a", 2, ids, &pieces));
    CHECK(pieces == 1 && ids[0] == 2 && ids[1] == 3, "no room for any piece");
    CHECK_FAILS(wordpiece_encode(tokenizer, "a", 1, ids, NULL), CLAT_ERROR_INTERNAL, "no room");
}

static void bad_utf8_is_refused(const struct wordpiece *tokenizer)
{
    static const struct {
        const char *prompt, *words;
    } cases[] = {{"ab\xff", "byte 2 is 0xFF"}, {"\x80", "byte 0 is 0x80"},
        {"caf\xc3", "byte 3 is 0xC3"}, {"\xc0\xaf", "byte 0 is 0xC0"},
        {"a\xed\xa0\x80", "byte 1 is 0xED"}, {"\xf4\x90\x80\x80", "byte 0 is 0xF4"},
        {"\xe2\x82", "byte 0 is 0xE2"}};
    int32_t ids[8];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_FAILS(wordpiece_encode(tokenizer, cases[i].prompt, 8, ids, NULL), CLAT_ERROR_INPUT,
            cases[i].words);
}

/* A megabyte of one letter is one [UNK]; a megabyte of words, of marks, of brackets ends as well.
 */
static void long_prompts_end(const struct wordpiece *tokenizer)
{
    static const char *const parts[] = {
        "x", "xyzzy ", "\u0301\u0327", "[CLS", "\u5317", "!", "\uFDFA"};
    size_t size = 1 << 20, pieces;
    char *prompt = malloc(size + 1);
    int32_t ids[77];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t part = strlen(parts[i]), used = 0;
        for (; used + part <= size; used += part)
            memcpy(prompt + used, parts[i], part);
        prompt[used] = '\0';
        CHECK_OK(wordpiece_encode(tokenizer, prompt, 77, ids, &pieces));
        CHECK(
            i > 0 || (pieces == 1 && ids[1] == 1), "one long word is one [UNK], found %zu", pieces);
    }
    free(prompt);
}

/* ---- vocabularies --------------------------------------------------------------------------- */

static const char *write_vocabulary(const char *name, const char *text)
{
    const char *path = check_scratch(name);
    FILE *file = fopen(path, "w");
    if (CHECK(file, "cannot write %s", path)) {
        fputs(text, file);
        fclose(file);
    }
    return path;
}

static void vocabularies_are_checked(void)
{
    struct wordpiece *tokenizer = NULL;
    const char *path = write_vocabulary("no_mask.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nword\n");
    CHECK_FAILS(
        wordpiece_open(path, true, true, true, &tokenizer), CLAT_ERROR_INPUT, "no line [MASK]");
    path = write_vocabulary("empty.txt", "");
    CHECK_FAILS(
        wordpiece_open(path, true, true, true, &tokenizer), CLAT_ERROR_INPUT, "no line [PAD]");
    CHECK_FAILS(wordpiece_open(check_scratch("absent.txt"), true, true, true, &tokenizer),
        CLAT_ERROR_INPUT, "absent.txt");
    path = write_vocabulary(
        "crlf.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n\r\nword\r\nword");
    if (CHECK_OK(wordpiece_open(path, true, true, true, &tokenizer))) {
        CHECK(wordpiece_size(tokenizer) == 8, "%zu tokens", wordpiece_size(tokenizer));
        CHECK(id_of(tokenizer, "word") == 7, "the last of two equal lines counts");
    }
    wordpiece_close(tokenizer);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        CHECK(recorded_cases(argv[1], argv[2]) > 0, "no cases in %s", argv[2]);
        return check_result();
    }
    const char *vocab = check_data("wordpiece/vocab.txt");
    struct wordpiece *tokenizer = NULL;
    int cases = recorded_cases(vocab, check_data("wordpiece/cases.txt"));
    CHECK(cases >= 200, "only %d cases", cases);
    cases = recorded_cases(
        check_data("ldm-text2im-tiny/tokenizer/vocab.txt"), check_data("wordpiece/tiny.txt"));
    CHECK(cases == 35, "%d prompts of the tiny model", cases);
    if (CHECK_OK(wordpiece_open(vocab, true, true, true, &tokenizer))) {
        rows_are_padded_and_cut(tokenizer);
        bad_utf8_is_refused(tokenizer);
        long_prompts_end(tokenizer);
    }
    wordpiece_close(tokenizer);
    vocabularies_are_checked();
    return check_result();
}
