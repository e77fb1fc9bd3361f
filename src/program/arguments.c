/* arguments.c - the command line. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

static enum clat_status too_many(const char *what, const char *word)
{
    const char *text = shown(word);
    if (what)
        complain(CLAT_OK, "only one %s is taken, what is '%s'?", what, text);
    else
        complain(CLAT_OK, "what is '%s'? no such argument is taken", text);
    clat_free(text);
    return CLAT_ERROR_USAGE;
}

static const struct flag *find_flag(const struct flag *flags, const char *name)
{
    for (; flags && flags->name; flags++)
        if (strcmp(flags->name, name) == 0)
            return flags;
    return NULL;
}

static enum clat_status unknown_option(const struct flag *flags, const char *option)
{
    const char *names[8] = {"help"};
    size_t count = 1;
    for (; flags && flags->name && count < 7; flags++)
        names[count++] = flags->name;
    const char *nearest = clat_nearest(option + strspn(option, "-"), names), *text = shown(option);
    if (nearest)
        complain(CLAT_OK, "unknown option '%s', did you mean '--%s'?", text, nearest);
    else
        complain(CLAT_OK, "unknown option '%s'", text);
    clat_free(text);
    return CLAT_ERROR_USAGE;
}

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

enum clat_status arguments_read(
    int count, char **arguments, const struct flag *flags, const char *what, const char **word)
{
    bool ended = false, found = false;
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
        } else if (!ended && is_option(argument)) {
            const struct flag *flag =
                strncmp(argument, "--", 2) == 0 ? find_flag(flags, argument + 2) : NULL;
            if (!flag)
                return unknown_option(flags, argument);
            *flag->set = true;
        } else if (!what || found) {
            return too_many(what, argument);
        } else {
            *word = argument;
            found = true;
        }
    }
    return CLAT_OK;
}

/* ---- keys of a job -------------------------------------------------------------------------- */

struct reader {
    char **arguments;
    int count, at;
    const struct clat_keys *keys;
    struct clat_job *job;
    bool apply; /* false: only look */
    /* Of a key that repeats the first value replaces those of a file, the next join it. */
    bool had[64]; /* by the index of the key */
};

static bool same_name(const char *option, size_t size, const char *name)
{
    if (!name || strlen(name) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (option[i] != name[i] && !(option[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

static const struct clat_key *find_key(const struct reader *reader, const char *name, size_t size)
{
    for (size_t i = 0; i < reader->keys->count; i++) {
        const struct clat_key *key = &reader->keys->keys[i];
        if (same_name(name, size, key->name) || same_name(name, size, key->alias))
            return key;
    }
    return NULL;
}

static const struct clat_key *find_letter(const struct reader *reader, char letter)
{
    for (size_t i = 0; i < reader->keys->count; i++)
        if (reader->keys->keys[i].letter == letter)
            return &reader->keys->keys[i];
    return NULL;
}

static enum clat_status set_key(
    struct reader *reader, const struct clat_key *key, const char *value, const char *where)
{
    size_t index = (size_t)(key - reader->keys->keys);
    if (!reader->apply)
        return CLAT_OK;
    bool joins = key->repeats && index < 64 && reader->had[index];
    if (index < 64)
        reader->had[index] = true;
    return report(joins ? clat_job_add(reader->job, key->name, value, where)
                        : clat_job_set(reader->job, key->name, value, where));
}

/* `value` is what stood behind '=' or the letter; NULL: nothing did. */
static enum clat_status take_value(
    struct reader *reader, const struct clat_key *key, const char *value, const char *where)
{
    if (!key->argument)
        return set_key(reader, key, value ? value : "true", where);
    if (!value && ++reader->at >= reader->count)
        return complain(CLAT_ERROR_USAGE, "%s needs a value: %s %s", where, where, key->argument);
    return set_key(reader, key, value ? value : reader->arguments[reader->at], where);
}

static enum clat_status read_short(struct reader *reader, const char *option)
{
    const char where[] = {'-', option[1], '\0'};
    const struct clat_key *key = find_letter(reader, option[1]);
    if (!key)
        return unknown_option(NULL, option);
    if (!key->argument && option[2])
        return unknown_option(NULL, option);
    return take_value(reader, key, option[2] ? option + 2 : NULL, where);
}

static enum clat_status read_long(struct reader *reader, const char *option)
{
    char where[64], name[64];
    const char *start = option + 2;
    size_t size = strcspn(start, "=");
    const char *value = start[size] ? start + size + 1 : NULL;
    const struct clat_key *key = find_key(reader, start, size);
    snprintf(where, sizeof where, "%.*s", (int)(size + 2), option);
    if (key)
        return take_value(reader, key, value, where);
    if (strncmp(start, "no-", 3) == 0 && !value) {
        key = find_key(reader, start + 3, size - 3);
        if (key && !key->argument)
            return set_key(reader, key, "false", where);
    }
    snprintf(name, sizeof name, "%.*s", (int)size, start);
    return report(clat_job_set(reader->job, name, value ? value : "", where));
}

enum clat_status arguments_read_job(int count, char **arguments, struct clat_job *job, bool apply,
    const char *what, const char **word)
{
    enum clat_status status;
    struct reader reader = {.arguments = arguments, .count = count, .job = job, .apply = apply};
    bool ended = false, found = false;
    status = report(clat_keys(&reader.keys));
    for (; status == CLAT_OK && reader.at < count; reader.at++) {
        const char *argument = arguments[reader.at];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
        } else if (!ended && is_option(argument)) {
            status =
                argument[1] == '-' ? read_long(&reader, argument) : read_short(&reader, argument);
        } else if (found) {
            status = too_many(what, argument);
        } else {
            *word = argument;
            found = true;
        }
    }
    clat_free(reader.keys);
    return status;
}

enum clat_status arguments_read_model(int count, char **arguments, struct clat_job *job)
{
    const char *model = NULL;
    enum clat_status status = arguments_read_job(count, arguments, job, true, "model", &model);
    if (status == CLAT_OK && model)
        status = report(clat_job_set(job, "model", model, "model"));
    return status;
}
