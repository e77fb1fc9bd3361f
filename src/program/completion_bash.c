/* completion_bash.c - completion for bash; needs nothing but bash 4. SPDX-License-Identifier: MIT
 */
#include "program/completion.h"

#include <stdio.h>
#include <string.h>

static void print_names(const struct option *option, const char *between)
{
    printf("%s", option->name);
    if (option->alias[0])
        printf("%s%s", between, option->alias);
    if (option->letter)
        printf("%s-%c", between, option->letter);
}

static void print_words(const struct options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        printf(i ? " " : "");
        print_names(&options->all[i], " ");
    }
}

static void print_verbs(void)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        printf("%s%s", verb == verbs ? "" : " ", verb->name);
}

/* The branch for options that share what follows them. */
static void print_branch(const struct options *options, enum value value, const char *body)
{
    bool first = true;
    for (size_t i = 0; i < options->count; i++) {
        if (options->all[i].value != value)
            continue;
        printf(first ? "        " : " | ");
        print_names(&options->all[i], " | ");
        first = false;
    }
    if (!first)
        printf(") %s ;;\n", body);
}

static void print_values(const struct options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct option *option = &options->all[i];
        if (option->value != VALUE_WORDS)
            continue;
        printf("        ");
        print_names(option, " | ");
        printf(") words=\"%s\" ;;\n", option->words);
    }
    print_branch(options, VALUE_FILE, "return");
    print_branch(options, VALUE_SCHEDULER, "words=$(_clatent_schedulers)");
    print_branch(options, VALUE_OTHER, "compopt +o default 2>/dev/null; return");
}

/* Keys, and flags of verbs that bear another name. */
static void print_all_values(const struct options *keys)
{
    static struct options flags;
    print_values(keys);
    for (const struct verb *verb = verbs; verb->name; verb++) {
        completion_flags(verb, keys, &flags);
        for (size_t i = 0; i < flags.count; i++)
            if (completion_knows(keys, flags.all[i].name))
                flags.all[i].value = VALUE_NONE;
        print_values(&flags);
    }
}

/* What may stand behind a verb where no value is due. */
static void print_verb(const struct verb *verb, const struct options *flags)
{
    printf("            %s:-*) words=\"", verb->name);
    print_words(flags);
    printf(completion_takes_keys(verb) ? " $keys\" ;;\n" : "\" ;;\n");
    if (strstr(verb->usage, "[VERB]"))
        printf("            %s:*) words=\"$verbs\" ;;\n", verb->name);
    else if (strstr(verb->usage, "[NAME]"))
        printf("            %s:*) words=$(_clatent_schedulers) ;;\n", verb->name);
    else if (strncmp(verb->usage, "bash", 4) == 0)
        printf("            %s:*) words=\"bash zsh fish\" ;;\n", verb->name);
}

static void print_head(const struct options *keys)
{
    printf(
        "# clatent.bash - completion for bash. SPDX-License-Identifier: MIT\n"
        "# Made by: clatent completion bash\n"
        "_clatent_schedulers()\n{\n"
        "    \"${COMP_WORDS[0]}\" schedulers 2>/dev/null | sed -n 's/^\\([a-z][a-z0-9_-]*\\)  "
        "*[0-9].*/\\1/p'\n}\n\n"
        "_clatent()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words='' keys "
        "verbs\n"
        "    keys=\"");
    print_words(keys);
    printf("\"\n    verbs=\"");
    print_verbs();
    printf("\"\n    COMPREPLY=()\n"
           "    # --option=value comes as three words\n"
           "    if [[ $word == = ]]; then\n        word=\n"
           "    elif [[ $before == = ]]; then\n        before=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    fi\n"
           "    if ((COMP_CWORD == 1)); then\n        words=\"$verbs --help --version\"\n    else\n"
           "        case $before in\n");
}

void completion_bash(const struct options *keys)
{
    static struct options flags;
    print_head(keys);
    print_all_values(keys);
    printf("        *)\n            case ${COMP_WORDS[1]}:$word in\n");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        completion_flags(verb, keys, &flags);
        print_verb(verb, &flags);
    }
    printf("            *) return ;; # a file\n            esac\n            ;;\n"
           "        esac\n    fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
           "complete -o default -F _clatent clatent\n");
}
