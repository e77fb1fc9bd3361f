/* completion_zsh.c - completion for zsh, through its own _arguments. SPDX-License-Identifier: MIT
 */
#include "program/completion.h"

#include <stdio.h>
#include <string.h>

/* Inside of '...' and of [...]: quotes end the word, brackets the text, colons a field. */
static void print_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void print_action(const struct option *option)
{
    static const char *const actions[] = {
        [VALUE_FILE] = "_files", [VALUE_SCHEDULER] = "_clatent_schedulers", [VALUE_OTHER] = " "};
    if (option->value == VALUE_NONE)
        return;
    printf(":");
    print_text(option->argument);
    if (option->value == VALUE_WORDS)
        printf(":(%s)", option->words);
    else
        printf(":%s", actions[option->value]);
}

/* One spec for each name; each excludes the others unless the option repeats. */
static void print_spec(const struct option *option, const char *name, bool takes_equals)
{
    printf("'");
    if (option->repeats)
        printf("*");
    else if (option->alias[0] || option->letter) {
        printf("(%s", option->name);
        if (option->alias[0])
            printf(" %s", option->alias);
        if (option->letter)
            printf(" -%c", option->letter);
        printf(")");
    }
    printf("%s%s", name, option->value != VALUE_NONE ? (takes_equals ? "=" : "+") : "");
    if (option->help[0]) {
        printf("[");
        print_text(option->help);
        printf("]");
    }
    print_action(option);
    printf("'");
}

static void print_option(const struct option *option, const char *before, const char *after)
{
    const char letter[] = {'-', option->letter, '\0'};
    const char *const names[] = {option->name, option->alias, option->letter ? letter : "", NULL};
    for (const char *const *name = names; *name; name++) {
        if (!**name)
            continue;
        printf("%s", before);
        print_spec(option, *name, (*name)[1] == '-');
        printf("%s", after);
    }
}

static void print_verb(const struct verb *verb, const struct options *keys)
{
    static struct options flags;
    completion_flags(verb, keys, &flags);
    printf("    %s)\n        _arguments -s \\\n", verb->name);
    for (size_t i = 0; i < flags.count; i++)
        print_option(&flags.all[i], "            ", " \\\n");
    if (completion_takes_keys(verb))
        printf("            $keys \\\n");
    if (strstr(verb->usage, "[VERB]"))
        printf("            '*:verb:_clatent_verbs'\n");
    else if (strstr(verb->usage, "[NAME]"))
        printf("            '*:scheduler:_clatent_schedulers'\n");
    else if (strncmp(verb->usage, "bash", 4) == 0)
        printf("            '*:shell:(bash zsh fish)'\n");
    else
        printf("            '*:file:_files'\n");
    printf("        ;;\n");
}

static void print_head(void)
{
    printf("#compdef clatent\n"
           "# _clatent - completion for zsh. SPDX-License-Identifier: MIT\n"
           "# Made by: clatent completion zsh\n"
           "_clatent_schedulers() {\n"
           "    local -a names\n"
           "    names=(${(f)\"$(_call_program schedulers clatent schedulers 2>/dev/null |\n"
           "        sed -n 's/^\\([a-z][a-z0-9_-]*\\)  *[0-9].*/\\1/p')\"})\n"
           "    compadd -a names\n}\n\n"
           "_clatent_verbs() {\n    local -a verbs\n    verbs=(\n");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        printf("        '%s:", verb->name);
        print_text(verb->summary);
        printf("'\n");
    }
    printf("    )\n    _describe verb verbs\n}\n\n");
}

void completion_zsh(const struct options *keys)
{
    print_head();
    printf("_clatent() {\n    local -a keys\n    keys=(\n");
    for (size_t i = 0; i < keys->count; i++)
        print_option(&keys->all[i], "        ", "\n");
    printf("    )\n"
           "    if ((CURRENT == 2)); then\n        _clatent_verbs\n        return\n    fi\n"
           "    local verb=$words[2]\n"
           "    shift words\n    ((CURRENT--))\n"
           "    case $verb in\n");
    for (const struct verb *verb = verbs; verb->name; verb++)
        print_verb(verb, keys);
    printf("    *) _files ;;\n    esac\n}\n\n"
           "if [ \"$funcstack[1]\" = _clatent ]; then\n    _clatent \"$@\"\n"
           "else\n    compdef _clatent clatent\nfi\n");
}
