/* help.c - the texts of --help; the keys come from the library's own table.
 * SPDX-License-Identifier: MIT */
#include "program/program.h"

#include <stdio.h>
#include <string.h>

#define INDENT 30 /* columns before a help text */
#define WIDTH 100 /* columns in all */

void help_print_all(void)
{
    printf(
        "clatent - latent diffusion on any OpenCL device\n\nusage: clatent VERB [ARGUMENT]...\n\n");
    for (const struct verb *verb = verbs; verb->name; verb++)
        printf("  %-12s %s\n", verb->name, verb->summary);
    printf(
        "\nclatent VERB --help tells more; clatent --version the version.\n"
        "clatent --no-config VERB passes over configuration files and CLATENT_ variables.\n"
        "Example: clatent generate --prompt \"a red circle on a blue background\" --seed 1\n\n"
        "Exit codes: 0 done, 1 defect of clatent, 2 usage, 3 bad input, 4 no device or plugin, 5 "
        "out of\n"
        "memory, 6 driver failed, 7 cannot write, 8 a result check failed; 128 + n: signal n.\n");
}

/* Words from column INDENT on, broken before WIDTH. */
static void print_wrapped(const char *text, int column)
{
    if (column >= INDENT) {
        putchar('\n');
        column = 0;
    }
    for (; column < INDENT; column++)
        putchar(' ');
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (column > INDENT && column + 1 + size > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            putchar(' ');
            column++;
        }
        printf("%.*s", size, text);
        column += size;
        text += size + (text[size] == ' ');
    }
    putchar('\n');
}

static void print_option_name(const char *name)
{
    for (; *name; name++)
        putchar(*name == '_' ? '-' : *name);
}

static void print_key(const struct clat_key *key)
{
    int column = 4;
    if (key->letter)
        printf("-%c, --", key->letter);
    else
        printf("    --");
    column += 2 + (int)strlen(key->name);
    print_option_name(key->name);
    if (key->alias)
        column += printf(", --%s", key->alias);
    if (key->argument)
        column += printf(" %s", key->argument);
    print_wrapped(key->help, column);
}

static void print_keys(void)
{
    const struct clat_keys *keys;
    if (report(clat_keys(&keys)) != CLAT_OK)
        return;
    putchar('\n');
    for (size_t i = 0; i < keys->count; i++)
        print_key(&keys->keys[i]);
    clat_free(keys);
}

void help_print_verb(const struct verb *verb)
{
    printf("usage: clatent %s %s\n\n%s\n\n", verb->name, verb->usage, verb->summary);
    if (verb->more[0])
        printf("%s", verb->more);
    if (verb->takes_keys)
        print_keys();
}
