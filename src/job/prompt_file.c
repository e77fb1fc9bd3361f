/* prompt_file.c - lines of prompts and options. SPDX-License-Identifier: MIT */
#include "job/prompt_file.h"
#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prompt_file {
    const char *name;   /* for messages */
    char *folder;       /* where relative paths start; NULL: nowhere else */
    char *text;         /* all of it */
    const char *prefix; /* "prompts.txt:7" */
    int line;
    const struct job_values *defaults;
};

/* ---- the whole text ------------------------------------------------------------------------- */

static enum clat_status read_stream(FILE *stream, struct text *text)
{
    enum clat_status status = CLAT_OK;
    char part[4096];
    size_t size;
    errno = 0;
    while ((size = fread(part, 1, sizeof part, stream)) > 0) {
        TRY(text_add(text, part, size));
        if (text->size > PROMPT_FILE_LIMIT)
            FAIL(CLAT_ERROR_INPUT, "standard input: more than %u bytes of prompts",
                PROMPT_FILE_LIMIT);
    }
    if (ferror(stream))
        FAIL(CLAT_ERROR_INPUT, "cannot read standard input: %s", strerror(errno));
    TRY(text_add(text, "", 0));
out:
    return status;
}

static enum clat_status open_file(const char *path, struct prompt_file *file, size_t *size)
{
    enum clat_status status;
    struct text text = {0};
    if (strcmp(path, "-") == 0) {
        file->name = "standard input";
        TRY(read_stream(stdin, &text));
        file->text = text.data;
        *size = text.size;
        text = (struct text){0};
    } else {
        file->name = path;
        TRY(job_path_folder(path, &file->folder));
        TRY(file_read_text(path, PROMPT_FILE_LIMIT, &file->text, size));
    }
out:
    text_free(&text);
    return status;
}

/* ---- options of a line ---------------------------------------------------------------------- */

/* One word of a command line: quotes '...' and "...", \x outside of '...'. *at moves behind it;
 * *more is false at the end of the line. */
static enum clat_status next_word(
    const struct prompt_file *file, const char **at, struct text *word, bool *more)
{
    enum clat_status status = CLAT_OK;
    const char *c = *at + strspn(*at, " \t");
    char quote = 0;
    *more = *c != '\0';
    word->size = 0;
    TRY(text_add(word, "", 0));
    for (; *c && (quote || (*c != ' ' && *c != '\t')); c++) {
        if (quote ? *c == quote : (*c == '\'' || *c == '"')) {
            quote = quote ? 0 : *c;
            continue;
        }
        if (*c == '\\' && quote != '\'' && c[1])
            c++;
        TRY(text_add(word, c, 1));
    }
    if (quote)
        FAIL(CLAT_ERROR_USAGE, "%s: a quote (%c) is not closed", file->prefix, quote);
    *at = c;
out:
    return status;
}

static enum clat_status set(const struct prompt_file *file, struct job_values *values, int key,
    const char *text, bool append)
{
    enum clat_status status;
    char *path = NULL;
    if (job_keys[key].whole || strcmp(job_keys[key].name, "prompt_file") == 0)
        FAIL(CLAT_ERROR_USAGE, "%s: %s cannot stand in a file of prompts", file->prefix,
            job_keys[key].name);
    TRY(job_path_join(key, file->folder, text, &path));
    TRY(job_values_set(values, job_keys[key].name, path ? path : text, file->prefix, append));
out:
    free(path);
    return status;
}

/* The key of "--steps" or "--no-overwrite", which is a flag with the value "false". */
static enum clat_status find_key(
    const struct prompt_file *file, const char *option, int *key, bool *negated)
{
    *key = job_key_find(option);
    *negated = false;
    if (*key < 0 && strncmp(option, "no-", 3) == 0) {
        int positive = job_key_find(option + 3);
        *negated = positive >= 0 && job_keys[positive].kind == KEY_FLAG;
        *key = *negated ? positive : -1;
    }
    return *key < 0 ? job_key_unknown(option, file->prefix) : CLAT_OK;
}

/* "--steps" in `word`, its value behind '=' or as the next word. */
static enum clat_status read_option(const struct prompt_file *file, struct job_values *values,
    const char **at, struct text *word, bool had[JOB_KEYS])
{
    enum clat_status status;
    bool more = true, negated;
    int key;
    char *value = strchr(word->data, '=');
    if (strncmp(word->data, "--", 2) != 0 || !word->data[2])
        FAIL(CLAT_ERROR_USAGE, "%s: what is '%s'? behind a prompt stand options, --KEY VALUE",
            file->prefix, word->data);
    if (value)
        *value++ = '\0';
    TRY(find_key(file, word->data + 2, &key, &negated));
    if (job_keys[key].kind == KEY_FLAG && !value) {
        TRY(set(file, values, key, negated ? "false" : "true", false));
    } else {
        if (!value)
            TRY(next_word(file, at, word, &more));
        if (!more)
            FAIL(CLAT_ERROR_USAGE, "%s: --%s needs a value", file->prefix, job_keys[key].name);
        TRY(set(file, values, key, value ? value : word->data, had[key]));
    }
    had[key] = true;
out:
    return status;
}

static enum clat_status read_options(
    const struct prompt_file *file, struct job_values *values, const char *at, bool has_prompt)
{
    enum clat_status status = CLAT_OK;
    struct text word = {0};
    bool more, had[JOB_KEYS] = {false};
    for (;;) {
        TRY(next_word(file, &at, &word, &more));
        if (!more)
            break;
        TRY(read_option(file, values, &at, &word, had));
    }
    if (has_prompt && had[job_key_find("prompt")])
        FAIL(CLAT_ERROR_USAGE, "%s: two prompts: one stands before the options, one is --prompt",
            file->prefix);
out:
    text_free(&word);
    return status;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* Where the options begin: the first word that is "--" and a letter; or the end. */
static char *find_options(char *line)
{
    char *at = line;
    for (; *at; at++)
        if ((at == line || isspace((unsigned char)at[-1])) && strncmp(at, "--", 2) == 0 &&
            isalpha((unsigned char)at[2]))
            break;
    return at;
}

/* Over the defaults, without their prompts. */
static enum clat_status read_line(
    const struct prompt_file *file, char *line, struct job_values *values)
{
    enum clat_status status;
    struct yaml_node root = {0};
    TRY(job_values_copy(file->defaults, values));
    if (*line == '{') {
        TRY(yaml_parse_at(file->name, file->line, line, strlen(line), &root));
        for (size_t i = 0; i < root.count; i++) {
            int key = job_key_find(root.children[i].key);
            if (key >= 0 && (job_keys[key].whole || key == job_key_find("prompt_file")))
                FAIL(CLAT_ERROR_USAGE, "%s: %s cannot stand in a file of prompts", file->prefix,
                    job_keys[key].name);
        }
        TRY(job_values_tree(values, file->name, file->folder, &root));
        goto out;
    }
    char *options = find_options(line), *end = options;
    while (end > line && isspace((unsigned char)end[-1]))
        end--;
    TRY(read_options(file, values, options, end > line));
    *end = '\0';
    if (*line)
        TRY(job_values_set(values, "prompt", line, file->prefix, false));
out:
    yaml_free(&root);
    return status;
}

/* Spaces around it are not part of a line, nor is a carriage return. */
static char *trim(char *line)
{
    line += strspn(line, " \t\r");
    size_t size = strlen(line);
    while (size && strchr(" \t\r", line[size - 1]))
        size--;
    line[size] = '\0';
    return line;
}

static enum clat_status check_line(const struct prompt_file *file, const char *line, size_t size)
{
    if (memchr(line, 0, size) || !text_is_utf8(line, size))
        return status_set(CLAT_ERROR_INPUT, "%s: not UTF-8 text", file->prefix);
    if (size > YAML_SCALAR_LIMIT)
        return status_set(CLAT_ERROR_INPUT, "%s: a line of %zu bytes; at most %u are allowed",
            file->prefix, size, YAML_SCALAR_LIMIT);
    return CLAT_OK;
}

/* A line that ends at `end`; *count goes up if it says something. */
static enum clat_status do_line(struct prompt_file *file, char *line, char *end, size_t *count,
    enum clat_status (*take)(void *user, struct job_values *values, int line), void *user)
{
    enum clat_status status;
    struct job_values values = {.scheduler_options = {0}};
    struct text prefix = {0};
    TRY(text_print(&prefix, "%s:%d", file->name, file->line));
    file->prefix = prefix.data;
    TRY(check_line(file, line, (size_t)(end - line)));
    *end = '\0';
    line = trim(line);
    if (*line == '\0' || *line == '#')
        goto out;
    if (++*count > PROMPT_LINES_LIMIT)
        FAIL(CLAT_ERROR_INPUT, "%s: more than %d prompts", file->prefix, PROMPT_LINES_LIMIT);
    status = read_line(file, line, &values);
    if (status == CLAT_OK) {
        status = take(user, &values, file->line);
        values = (struct job_values){.scheduler_options = {0}};
    }
out:
    job_values_free(&values);
    text_free(&prefix);
    return status;
}

enum clat_status prompt_file_read(const char *path, const struct job_values *defaults,
    enum clat_status (*take)(void *user, struct job_values *values, int line), void *user)
{
    enum clat_status status;
    struct prompt_file file = {.line = 1, .defaults = defaults};
    size_t size = 0, count = 0;
    TRY(open_file(path, &file, &size));
    char *line = file.text, *stop = file.text + size;
    if (size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) /* a byte order mark */
        line += 3;
    for (; line < stop; file.line++) {
        char *end = memchr(line, '\n', (size_t)(stop - line));
        if (!end)
            end = stop;
        TRY(do_line(&file, line, end, &count, take, user));
        line = end + 1;
    }
    if (count == 0)
        FAIL(CLAT_ERROR_INPUT, "%s: there is no prompt in it", file.name);
out:
    free(file.text);
    free(file.folder);
    return status;
}
