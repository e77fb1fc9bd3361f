/* completion_fish.c - completion for fish: one rule for each option. SPDX-License-Identifier: MIT
 */
#include "program/completion.h"

#include <stdio.h>
#include <string.h>

/* Inside of '...'. */
static void print_text(const char *text)
{
    for (; *text; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void print_value(const struct option *option)
{
    switch (option->value) {
    case VALUE_NONE:
        break;
    case VALUE_WORDS:
        printf(" -x -a '%s'", option->words);
        break;
    case VALUE_FILE:
        printf(" -r -F");
        break;
    case VALUE_SCHEDULER:
        printf(" -x -a '(__clatent_schedulers)'");
        break;
    case VALUE_OTHER:
        printf(" -x");
    }
}

/* `condition` says behind which verbs. */
static void print_option(const struct option *option, const char *condition)
{
    printf("complete -c clatent -n '%s' -l %s", condition, option->name + 2);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (option->alias[0])
        printf(" -l %s", option->alias + 2);
    print_value(option);
    if (option->help[0]) {
        printf(" -d '");
        print_text(option->help);
        printf("'");
    }
    putchar('\n');
}

static void print_words(const char *verb, const char *words)
{
    printf("complete -c clatent -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", verb, words);
}

static void print_verb(const struct verb *verb, const struct options *keys)
{
    static struct options flags;
    char condition[96];
    completion_flags(verb, keys, &flags);
    printf("complete -c clatent -f -n __fish_use_subcommand -a %s -d '", verb->name);
    print_text(verb->summary);
    printf("'\n");
    snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", verb->name);
    for (size_t i = 0; i < flags.count; i++)
        print_option(&flags.all[i], condition);
    if (strstr(verb->usage, "[VERB]"))
        print_words(verb->name, "(__clatent_verbs)");
    else if (strstr(verb->usage, "[NAME]"))
        print_words(verb->name, "(__clatent_schedulers)");
    else if (strncmp(verb->usage, "bash", 4) == 0)
        print_words(verb->name, "bash zsh fish");
}

static void print_head(void)
{
    printf("# clatent.fish - completion for fish. SPDX-License-Identifier: MIT\n"
           "# Made by: clatent completion fish\n"
           "function __clatent_schedulers\n"
           "    command clatent schedulers 2>/dev/null |\n"
           "        string match -r '^[a-z][a-z0-9_-]*(?=  *[0-9])'\nend\n"
           "function __clatent_verbs\n    printf '%%s\\n'");
    for (const struct verb *verb = verbs; verb->name; verb++)
        printf(" %s", verb->name);
    printf("\nend\n");
}

void completion_fish(const struct options *keys)
{
    char condition[256] = "__fish_seen_subcommand_from";
    print_head();
    for (const struct verb *verb = verbs; verb->name; verb++) {
        print_verb(verb, keys);
        size_t used = strlen(condition);
        if (completion_takes_keys(verb))
            snprintf(condition + used, sizeof condition - used, " %s", verb->name);
    }
    for (size_t i = 0; i < keys->count; i++)
        print_option(&keys->all[i], condition);
}
