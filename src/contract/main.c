/* main.c - clatent-plugin-check: does a scheduler plugin keep the contract?
 * SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "contract/child.h"
#include "formats/escape.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define DEFAULT_SECONDS 60

static const char help[] =
    "Usage: clatent-plugin-check [--json] [--seconds N] FILE.so...\n"
    "Loads scheduler plugins for clatent, each in a process of its own, and tries out everything\n"
    "that the contract (clatent-scheduler.h) asks of them:\n"
    "\n"
    "  load      trusted file, symbol, interface number, sizes, names, option table\n"
    "  options   defaults, ranges; each option at its ends or with each word; 300 combinations\n"
    "  plan      1 to 5000 steps: finite numbers in range, twice the same\n"
    "  run       evaluations as planned, steps in order, finite results\n"
    "  repeat    the same bits again, inside of another run, image by image\n"
    "  cancel    the code of any call that fails is handed back at once\n"
    "  memory    each scratch() without memory is reported\n"
    "  order     convergence to the exact solution for normal data, with the declared order\n"
    "  spread    instead, for those with noise: mean and spread of the result\n"
    "  middle    the same from half of the steps on\n"
    "  manners   no printing, threads, change of locale or floating point\n"
    "\n"
    "Reading or writing past any memory of the host, a crash, an exit and a hang are findings "
    "too.\n"
    "\n"
    "  --seconds N   time for one plugin before it counts as hanging (60)\n"
    "  --json        one JSON object per plugin and line on standard output\n"
    "  --help        this text\n"
    "\n"
    "Exit code: 0 every plugin keeps the contract; 2 wrong usage; 4 clatent would refuse to load\n"
    "one; 8 one was loaded and breaks the contract; 1 the check itself could not be done.\n";

enum exit_code {
    EXIT_KEPT = 0,
    EXIT_INTERNAL = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 4,
    EXIT_BROKEN = 8
};

struct request {
    bool json;
    int seconds;
};

/* ---- printing ------------------------------------------------------------------------------- */

static const char *word(enum verdict verdict)
{
    return verdict == VERDICT_PASSED ? "passed" : verdict == VERDICT_REFUSED ? "refused" : "failed";
}

/* A text fit for the terminal, or quoted for JSON. */
static void print_text(const char *text, bool json)
{
    struct text out = {0};
    if ((json ? escape_json(&out, text) : escape_terminal(&out, text, false)) == CLAT_OK)
        fputs(out.data, stdout);
    text_free(&out);
}

static void print_json(const char *path, const struct findings *findings)
{
    printf("{\"schema\": \"clatent/plugin-check/1\", \"file\": ");
    print_text(path, true);
    printf(", \"findings\": [");
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        printf("%s{\"check\": \"%s\", \"result\": \"%s\", \"text\": ", i ? ", " : "",
            finding->check, word(finding->verdict));
        print_text(finding->text, true);
        printf("}");
    }
    printf("]}\n");
}

static void print_findings(const char *path, const struct findings *findings)
{
    print_text(path, false);
    printf("\n");
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        printf("  %-7s  %-8s ", word(finding->verdict), finding->check);
        print_text(finding->text, false);
        printf("\n");
    }
}

/* ---- files ---------------------------------------------------------------------------------- */

static enum exit_code conclude(const struct findings *findings)
{
    return findings_have(findings, VERDICT_REFUSED)  ? EXIT_REFUSED
           : findings_have(findings, VERDICT_FAILED) ? EXIT_BROKEN
                                                     : EXIT_KEPT;
}

/* The folder without links; the file may be one, which the loader must see. */
static bool make_absolute(const char *file, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file + 1) : 1,
            slash ? file : ".") >= (int)sizeof folder)
        return false;
    char *real = realpath(folder, NULL);
    int size = real ? snprintf(path, PATH_MAX, "%s/%s", strcmp(real, "/") ? real : "", name) : -1;
    free(real);
    return size >= 0 && size < PATH_MAX;
}

static enum exit_code check_file(const char *file, const struct request *request)
{
    static struct findings findings;
    char path[PATH_MAX];
    if (!make_absolute(file, path)) {
        fprintf(stderr, "clatent-plugin-check: %s: no such folder\n", file);
        return EXIT_REFUSED;
    }
    if (!child_check(path, request->seconds, &findings)) {
        fprintf(stderr, "clatent-plugin-check: cannot start a process: %s\n", strerror(errno));
        return EXIT_INTERNAL;
    }
    if (request->json)
        print_json(path, &findings);
    else
        print_findings(path, &findings);
    return conclude(&findings);
}

/* ---- the command line ----------------------------------------------------------------------- */

static enum exit_code usage(const char *format, const char *what)
{
    fprintf(stderr, "clatent-plugin-check: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; clatent-plugin-check --help tells more\n");
    return EXIT_USAGE;
}

/* Options into the request; the rest of the words, the files, to the front of the list. */
static enum exit_code read_arguments(
    int *count, char **arguments, struct request *request, bool *asked_for_help)
{
    int files = 0;
    for (int i = 0; i < *count; i++) {
        long long seconds;
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            *asked_for_help = true;
        else if (strcmp(arguments[i], "--json") == 0)
            request->json = true;
        else if (strcmp(arguments[i], "--seconds") == 0) {
            if (i + 1 == *count || !text_to_int(arguments[++i], 1, 86400, &seconds))
                return usage("%s", "--seconds needs a whole number from 1 to 86400");
            request->seconds = (int)seconds;
        } else if (arguments[i][0] == '-')
            return usage("unknown option '%s'", arguments[i]);
        else
            arguments[files++] = arguments[i];
    }
    *count = files;
    return EXIT_KEPT;
}

int main(int count, char **arguments)
{
    struct request request = {.seconds = DEFAULT_SECONDS};
    bool asked_for_help = false;
    int files = count - 1;
    if (getauxval(AT_SECURE))
        return usage("%s", "refused: the program must not be set-user-id");
    enum exit_code worst = read_arguments(&files, arguments + 1, &request, &asked_for_help);
    if (worst != EXIT_KEPT)
        return worst;
    if (asked_for_help)
        return fputs(help, stdout) < 0;
    if (!files)
        return usage("%s", "no plugin named");
    for (int i = 0; i < files; i++) {
        enum exit_code code = check_file(arguments[1 + i], &request);
        worst = code > worst ? code : worst;
    }
    return fflush(stdout) != 0 ? EXIT_INTERNAL : (int)worst;
}
