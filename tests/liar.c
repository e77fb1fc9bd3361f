/* liar.c - a plugin whose descriptor lies as its file name says: plugin_loader.c copies it to
 * lie_offset.so, lie_type.so, ... and expects each to be refused. SPDX-License-Identifier: MIT
 *
 * The descriptor of a real plugin is constant; this one is made up while the file is being loaded,
 * where it also upsets the floating-point environment. */
#define _GNU_SOURCE                       /* dladdr */
#define clat_scheduler constant_scheduler /* the header's declaration, out of the way */
#include <clatent-scheduler.h>
#undef clat_scheduler
#include <dlfcn.h>
#include <fenv.h>
#include <string.h>

struct options {
    int first, second;
    double third;
    int fourth;
};
static const char *const words[] = {"one", "two", NULL};
static const char *const no_words[] = {NULL};
static const char *const bad_words[] = {"one", "\n", NULL};

static struct clat_option options[] = {
    {"first", CLAT_INT, offsetof(struct options, first), "1", 0, 9, NULL, "an int"},
    {"second", CLAT_CHOICE, offsetof(struct options, second), "two", 0, 0, words, "a choice"},
    {"third", CLAT_REAL, offsetof(struct options, third), "0.5", 0, 1, NULL, "a number"}, {NULL}};

static int plan(struct clat_run *run, struct clat_plan *plan)
{
    plan->timesteps[0] = 1;
    plan->signal[0] = 1;
    plan->count = plan->evaluations = 1;
    return run->size ? 0 : -1;
}

static int sample(struct clat_run *run)
{
    return run->step_done(run, 0, run->sample);
}

extern CLAT_EXPORT struct clat_plugin clat_scheduler;
struct clat_plugin clat_scheduler = {CLAT_SCHEDULER_HEADER, .title = "lies",
    .source = "tests/liar.c", .version = "1", .options_size = sizeof(struct options),
    .options = options, .plan = plan, .run = sample};

/* ---- further names -------------------------------------------------------------------------- */

static struct clat_alias endless[257];

static const struct clat_alias *lie_alias(const char *what)
{
    static struct clat_alias aliases[] = {{"good name", "first=2"}, {"other", NULL}, {NULL, NULL}};
    if (strcmp(what, "_blank") == 0)
        aliases[1].name = " _-";
    else if (strcmp(what, "_name") == 0)
        aliases[1].name = "two\nlines";
    else if (strcmp(what, "_text") == 0)
        aliases[1].options = "first=\xff";
    else if (strcmp(what, "_form") == 0)
        aliases[1].options = "first";
    else if (strcmp(what, "_option") == 0)
        aliases[1].options = "first=1,fifth=2";
    return aliases;
}

static const struct clat_foreign *lie_foreign(const char *what)
{
    static struct clat_foreign foreign[] = {{"second", "eins", "one"}, {NULL, NULL, NULL}};
    if (strcmp(what, "_option") == 0)
        foreign[0].option = "fifth";
    else if (strcmp(what, "_ours") == 0)
        foreign[0].ours = NULL;
    else if (strcmp(what, "_theirs") == 0)
        foreign[0].theirs = "\x1b[2J";
    return foreign;
}

/* ---- all lies ------------------------------------------------------------------------------- */

static void lie(const char *what)
{
    struct clat_option *row = &options[1];
    if (strcmp(what, "offset") == 0)
        row->offset = sizeof(struct options);
    else if (strcmp(what, "huge") == 0)
        row->offset = (size_t)-2;
    else if (strcmp(what, "crooked") == 0)
        row->offset = 2 * sizeof(int) + 1;
    else if (strcmp(what, "same") == 0)
        row->offset = 0;
    else if (strcmp(what, "twice") == 0)
        row->name = "first";
    else if (strcmp(what, "type") == 0)
        row->type = (enum clat_option_type)77;
    else if (strcmp(what, "name") == 0)
        row->name = "Big Name";
    else if (strcmp(what, "help") == 0)
        row->help = NULL;
    else if (strcmp(what, "initial") == 0)
        row->initial = NULL;
    else if (strcmp(what, "choices") == 0)
        row->choices = NULL;
    else if (strcmp(what, "nochoice") == 0)
        row->choices = no_words;
    else if (strcmp(what, "choice") == 0)
        row->choices = bad_words;
    else if (strcmp(what, "table") == 0)
        clat_scheduler.options = NULL;
    else if (strcmp(what, "space") == 0)
        clat_scheduler.space = (enum clat_space)9;
    else if (strcmp(what, "run") == 0)
        clat_scheduler.run = NULL;
    else if (strcmp(what, "title") == 0)
        clat_scheduler.title = "two\nlines";
    else if (strcmp(what, "version") == 0)
        clat_scheduler.version = "\xff";
    else if (strncmp(what, "alias", 5) == 0)
        clat_scheduler.aliases = strcmp(what, "aliases") == 0 ? endless : lie_alias(what + 5);
    else if (strncmp(what, "foreign", 7) == 0)
        clat_scheduler.foreign = lie_foreign(what + 7);
    else if (strcmp(what, "default") == 0)
        row->initial = "three"; /* found when the options are filled */
}

__attribute__((constructor)) static void made_up_as_it_is_loaded(void)
{
    static char name[64];
    Dl_info info;
    fesetround(FE_UPWARD);
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++)
        endless[i].name = "again";
    if (!dladdr((const void *)&clat_scheduler, &info) || !info.dli_fname)
        return;
    const char *stem = strrchr(info.dli_fname, '/') + 1;
    strncpy(name, stem, sizeof name - 1);
    name[strcspn(name, ".")] = '\0';
    clat_scheduler.name = name;
    lie(name + strcspn(name, "_") + (strchr(name, '_') != NULL));
}
