/* foreign_parameters.c - the text of AUTOMATIC1111's web UI. SPDX-License-Identifier: MIT
 *
 * The prompt, which may have several lines; from a line "Negative prompt: " on what is not wanted;
 * and one last line of pairs "Key: value, Key: value", where a value with a comma, a newline or a
 * colon stands in JSON's quotes. A last line with fewer than three pairs belongs to the prompt. */
#include "job/foreign.h"
#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NEGATIVE "Negative prompt: "
#define KEY_LIMIT 64

/* ---- pairs ---------------------------------------------------------------------------------- */

struct pair {
    char key[KEY_LIMIT]; /* in lower case */
    struct text value;
};

/* Behind the closing quote of a JSON string that starts at `at`; NULL if there is none. */
static const char *end_of_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : NULL;
}

/* A JSON string as text. */
static enum clat_status unquote(const char *from, size_t size, struct text *out)
{
    enum clat_status status;
    struct text object = {0};
    struct json *document = NULL;
    TRY(text_print(&object, "{\"x\":%.*s}", (int)size, from));
    TRY(foreign_parse(object.data, &document));
    const char *value = json_as_string(json_member(json_root(document), "x"));
    TRY(text_print(out, "%s", value ? value : ""));
out:
    json_close(document);
    text_free(&object);
    return status;
}

static bool is_key(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == ' ' || c == '-' || c == '/';
}

/* The next pair of a line; false at the end. What is no pair is passed over, up to a comma. */
static bool next_pair(const char **at, struct pair *pair, enum clat_status *status)
{
    while (**at) {
        *at += strspn(*at, ", ");
        size_t size = 0;
        while (is_key((*at)[size]))
            size++;
        if (!size || (*at)[size] != ':' || size >= KEY_LIMIT) {
            *at += size + strcspn(*at + size, ",");
            continue;
        }
        for (size_t i = 0; i < size; i++)
            pair->key[i] = (char)tolower((unsigned char)(*at)[i]);
        pair->key[size] = '\0';
        *at += size + 1;
        *at += strspn(*at, " ");
        const char *end = **at == '"' ? end_of_string(*at) : NULL;
        pair->value.size = 0;
        *status = end ? unquote(*at, (size_t)(end - *at), &pair->value)
                      : text_print(&pair->value, "%.*s", (int)strcspn(*at, ","), *at);
        *at = end ? end : *at + strcspn(*at, ",");
        return *status == CLAT_OK;
    }
    return false;
}

static enum clat_status count_pairs(const char *line, size_t *count)
{
    enum clat_status status = CLAT_OK;
    struct pair pair = {.value = {0}};
    for (*count = 0; next_pair(&line, &pair, &status);)
        ++*count;
    text_free(&pair.value);
    return status;
}

/* ---- what they mean ------------------------------------------------------------------------- */

static enum clat_status set_size(struct foreign *foreign, const char *text)
{
    enum clat_status status;
    size_t size = strcspn(text, "x");
    char *width = strndup(text, size);
    if (!width)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a size");
    TRY(foreign_set(foreign, "width", width));
    TRY(foreign_set(foreign, "height", text[size] ? text + size + 1 : ""));
out:
    free(width);
    return status;
}

/* Noise from the CPU, from a graphics card, or as NVIDIA's; a card's is taken as NVIDIA's. */
static enum clat_status set_rng(struct foreign *foreign, const char *text)
{
    return foreign_set(foreign, "rng", strcmp(text, "CPU") == 0 ? "torch" : "philox");
}

static bool says_nothing(const char *key)
{
    static const char *const keys[] = {"version", "user", "model hash", "vae hash", "lora hashes"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static enum clat_status take_pair(struct foreign *foreign, const struct pair *pair)
{
    enum clat_status status;
    const char *value = pair->value.data;
    bool known;
    if (strcmp(pair->key, "size") == 0)
        return set_size(foreign, value);
    if (strcmp(pair->key, "rng") == 0)
        return set_rng(foreign, value);
    if (strcmp(pair->key, "schedule type") == 0)
        return foreign_word(&foreign->schedule, value);
    if (strcmp(pair->key, "clip skip") == 0 && strcmp(value, "1") == 0)
        return CLAT_OK;
    TRY(foreign_share(foreign, pair->key, value, &known));
    if (!known && !says_nothing(pair->key))
        status = foreign_lose(foreign, "%s: %.200s", pair->key, value);
out:
    return status;
}

static enum clat_status take_pairs(struct foreign *foreign, const char *line)
{
    enum clat_status status = CLAT_OK;
    struct pair pair = {.value = {0}};
    while (status == CLAT_OK && next_pair(&line, &pair, &status))
        status = take_pair(foreign, &pair);
    text_free(&pair.value);
    if (status == CLAT_OK && !foreign->values.value[job_key_find("rng")].where)
        status = set_rng(foreign, "GPU");
    return status;
}

/* ---- the text ------------------------------------------------------------------------------- */

static enum clat_status take(
    struct foreign *foreign, const char *word, const char *from, size_t size)
{
    enum clat_status status;
    bool known;
    while (size && strchr("\r\n ", from[size - 1]))
        size--;
    char *text = strndup(from, size);
    if (!text)
        return status_set(CLAT_ERROR_MEMORY, "no host memory for a prompt");
    status = foreign_share(foreign, word, text, &known);
    free(text);
    return status;
}

/* Where a line begins with the words; NULL if none does before `end`. */
static const char *find_line(const char *text, const char *end, const char *words)
{
    for (const char *line = text; line && line < end;) {
        if (strncmp(line, words, strlen(words)) == 0)
            return line;
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return NULL;
}

enum clat_status foreign_parameters(const char *text, struct foreign *foreign)
{
    enum clat_status status = CLAT_OK;
    const char *end = text + strlen(text), *last;
    size_t pairs;
    if (*text == '{')
        return foreign_flat("SwarmUI or Fooocus", text, foreign);
    while (end > text && strchr("\r\n ", end[-1]))
        end--;
    for (last = end; last > text && last[-1] != '\n';)
        last--;
    TRY(count_pairs(last, &pairs));
    if (pairs < 3)
        FAIL(CLAT_ERROR_INPUT, "its last line has fewer than three pairs 'Key: value'");
    const char *negative = find_line(text, last, NEGATIVE);
    const char *behind = negative ? negative + strlen(NEGATIVE) : last;
    TRY(take(foreign, "prompt", text, (size_t)((negative ? negative : last) - text)));
    if (negative)
        TRY(take(foreign, "negative_prompt", behind, (size_t)(last - behind)));
    TRY(take_pairs(foreign, last));
out:
    return status;
}
