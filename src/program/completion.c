/* completion.c - the verb `completion`, and what all shells are told. SPDX-License-Identifier: MIT
 */
#include "program/completion.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- options -------------------------------------------------------------------------------- */

static void set_name(char to[48], const char *prefix, const char *name)
{
    snprintf(to, 48, "--%s%s", prefix, name);
    for (char *at = to + 2; *at; at++)
        if (*at == '_')
            *at = '-';
}

/* "f32|f16" names what is possible, "N|NAME" and "PIXELS" only what it means. */
static bool is_choice(const char *argument)
{
    for (const char *at = argument; *at; at++)
        if (isupper((unsigned char)*at))
            return false;
    return strchr(argument, '|') != NULL;
}

static enum value value_of(const char *argument)
{
    static const char *const files[] = {"MODEL", "FILE", "PATTERN", "BOXES", NULL};
    if (!argument)
        return VALUE_NONE;
    if (is_choice(argument))
        return VALUE_WORDS;
    if (strncmp(argument, "NAME[,", 6) == 0)
        return VALUE_SCHEDULER;
    for (const char *const *file = files; *file; file++)
        if (strcmp(argument, *file) == 0)
            return VALUE_FILE;
    return VALUE_OTHER;
}

static void set_value(struct option *option, const char *argument)
{
    option->value = value_of(argument);
    snprintf(option->argument, sizeof option->argument, "%s", argument ? argument : "");
    if (option->value != VALUE_WORDS)
        return;
    snprintf(option->words, sizeof option->words, "%s", argument);
    for (char *at = option->words; *at; at++)
        if (*at == '|')
            *at = ' ';
}

static struct option *add_option(struct options *options)
{
    static struct option spare;
    size_t room = sizeof options->all / sizeof *options->all;
    struct option *option = options->count < room ? &options->all[options->count++] : &spare;
    memset(option, 0, sizeof *option);
    return option;
}

static void add_key(struct options *options, const struct clat_key *key)
{
    struct option *option = add_option(options);
    set_name(option->name, "", key->name);
    if (key->alias)
        set_name(option->alias, "", key->alias);
    option->letter = key->letter;
    option->repeats = key->repeats;
    set_value(option, key->argument);
    snprintf(option->help, sizeof option->help, "%.*s", (int)strcspn(key->help, ";"), key->help);
    if (key->argument || !strstr(key->help, "(default"))
        return;
    struct option *opposite = add_option(options);
    set_name(opposite->name, "no-", key->name);
    snprintf(opposite->help, sizeof opposite->help, "the opposite of %s", option->name);
}

enum clat_status completion_keys(struct options *options)
{
    const struct clat_keys *keys;
    enum clat_status status = report(clat_keys(&keys));
    options->count = 0;
    if (status != CLAT_OK)
        return status;
    for (size_t i = 0; i < keys->count; i++)
        add_key(options, &keys->keys[i]);
    clat_free(keys);
    return CLAT_OK;
}

bool completion_takes_keys(const struct verb *verb)
{
    return strstr(verb->usage, "[--KEY VALUE]") != NULL;
}

/* The argument of a flag, up to the bracket; "| " begins another flag or goes on with a word. */
static void read_argument(struct option *option, const char *at)
{
    char argument[48];
    size_t size = 0;
    for (; *at && *at != ']' && strncmp(at, " | --", 5) != 0 && size < sizeof argument - 1; at++)
        if (*at != ' ')
            argument[size++] = *at;
    argument[size] = '\0';
    set_value(option, size ? argument : NULL);
}

bool completion_knows(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->all[i].name, name) == 0)
            return true;
    return false;
}

void completion_flags(const struct verb *verb, const struct options *keys, struct options *options)
{
    const char *at = verb->usage;
    char name[48];
    options->count = 0;
    while ((at = strstr(at, "--")) != NULL) {
        size_t size = strcspn(at, " ]");
        snprintf(name, sizeof name, "%.*s", (int)size, at);
        at += size;
        if (strcmp(name, "--KEY") == 0 ||
            (completion_takes_keys(verb) && completion_knows(keys, name)))
            continue;
        struct option *option = add_option(options);
        snprintf(option->name, sizeof option->name, "%s", name);
        read_argument(option, at);
    }
    snprintf(add_option(options)->name, sizeof options->all[0].name, "--help");
}

/* ---- the verb ------------------------------------------------------------------------------- */

enum clat_status completion_run(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(const struct options *keys);
    } shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
    static struct options keys;
    for (size_t i = 0; count == 1 && i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(arguments[0], shells[i].name) != 0)
            continue;
        enum clat_status status = completion_keys(&keys);
        if (status == CLAT_OK)
            shells[i].print(&keys);
        return status;
    }
    return complain(CLAT_ERROR_USAGE, "completion takes the name of a shell: bash, zsh or fish");
}
