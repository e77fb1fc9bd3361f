/* main.c - finds the verb; its status is the exit code. SPDX-License-Identifier: MIT */
#include "program/program.h"
#include "program/signals.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

const struct verb verbs[] = {
    {"generate", "[MODEL | JOB.yaml] [--KEY VALUE]...", "make images", generate_run,
        "Keys of the YAML file and long options are the same; an option overrides the file.\n"
        "True or false: --overwrite, --no-metadata. Relative paths in a file start at its "
        "folder.\n",
        true},
    {"encode", "IMAGE [-o FILE.npy] [--KEY VALUE]...", "a picture as latents", encode_run,
        "Sides must be multiples of the model's latent scale. --model FOLDER names a model, or its "
        "autoencoder alone.\n",
        false},
    {"decode", "LATENTS [-o PATTERN] [--KEY VALUE]...", "latents as pictures", decode_run,
        "LATENTS is a .npy or .safetensors file that encode or generate wrote.\n", false},
    {"reconstruct", "IMAGE [-o PATTERN] [--KEY VALUE]...",
        "a picture to latents and back; prints the PSNR", reconstruct_run,
        "Without -o nothing is written.\n", false},
    {"inspect", "[MODEL] [--json]", "what a model holds, what is missing, how much memory it needs",
        inspect_run,
        "MODEL is a folder, a checkpoint with its .yaml beside it, or hf:ORG/NAME[@REV]; without "
        "one, the demo model.\n",
        false},
    {"convert", "MODEL FOLDER [--type f32 | f16] [--quiet]",
        "write any model as a folder of diffusers", convert_run,
        "MODEL is what inspect takes. FOLDER must not be there yet; it gets json files and "
        "safetensors.\n",
        false},
    {"devices", "[--json]", "OpenCL devices, and why each is or is not used", devices_run, "",
        false},
    {"schedulers", "[NAME] [--json]", "samplers and their options", schedulers_run, "", false},
    {"info", "IMAGE.png [--json | --as-args]", "how an image was made", info_run,
        "--as-args prints the command that makes the same image again.\n", false},
    {"config", "[--show-origin | --path | --json]", "what configuration files and variables say",
        config_run,
        "--show-origin tells where each value comes from; --path prints the name of your own file,"
        "\nwhich need not be there.\n",
        false},
    {"bench", "[MODEL] [--json] [--KEY VALUE]...",
        "time and GFLOP/s of each network and each op in it, peak memory", bench_run,
        "Of the keys of a job, model, height, width, device, gemm, kernels, precision, "
        "float32_matmul_precision and variant matter here.\n",
        false},
    {"selftest", "[--device DEVICE] [--json | --report]",
        "every kernel variant of a device against plain C", selftest_run,
        "Exit code 8 if a check fails. --report prints a text to send in: facts of the device and "
        "its driver,\nversions and results, nothing else.\n",
        false},
    {"tune",
        "[MODEL] [--seconds N] [--shapes N] [--dry-run] [--json] [--check FILE] [--KEY VALUE]...",
        "find the fastest kernels of a device for a model, by timing", tune_run,
        "What is found goes into the user's table for that device, which jobs heed from then on. "
        "--dry-run only\nprints it, --check reads a table that somebody sent. Of the keys of a "
        "job, model, height, width, device, gemm,\nprecision and float32_matmul_precision matter "
        "here.\n",
        false},
    {"completion", "bash | zsh | fish", "the script that completes words of clatent in a shell",
        completion_run,
        "Packages install it. Otherwise: source <(clatent completion bash), the same in zsh;\n"
        "clatent completion fish | source.\n",
        false},
    {"help", "[VERB]", "this text, or more about a verb", help_run, "", false},
    {NULL, NULL, NULL, NULL, NULL, false},
};

enum clat_status complain(enum clat_status status, const char *format, ...)
{
    va_list arguments;
    fputs("clatent: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

enum clat_status report(enum clat_status status)
{
    if (status == CLAT_OK || status == CLAT_CANCELLED)
        return status;
    const char *text = shown(clat_error());
    complain(status, "%s", text);
    clat_free(text);
    return status;
}

const char *shown(const char *text)
{
    const char *printable = clat_printable(text, 0);
    if (printable)
        return printable;
    fputs("clatent: no memory\n", stderr);
    exit(CLAT_ERROR_MEMORY);
}

void print_shown(const char *text)
{
    const char *printable = shown(text);
    fputs(printable, stdout);
    clat_free(printable);
}

static void log_words(void *user, const char *message)
{
    const char *text = shown(message);
    (void)user;
    fprintf(stderr, "clatent: %s\n", text);
    clat_free(text);
}

enum clat_status context_open(struct clat_options *options, struct clat_context **context)
{
    options->struct_size = sizeof *options;
    if (!options->log)
        options->log = log_words;
    place_find(options);
    return report(clat_open(options, context));
}

static bool ignores_config; /* --no-config */

enum clat_status context_configure(struct clat_context *context)
{
    return ignores_config ? CLAT_OK : report(clat_configure(context));
}

enum clat_status context_open_configured(
    struct clat_options *options, struct clat_context **context)
{
    enum clat_status status = context_open(options, context);
    return status == CLAT_OK ? context_configure(*context) : status;
}

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

static enum clat_status unknown_verb(const char *name)
{
    const char *names[sizeof verbs / sizeof *verbs];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        names[i] = verbs[i].name;
    const char *nearest = clat_nearest(name, names), *text = shown(name);
    if (nearest)
        complain(CLAT_OK, "unknown verb '%s', did you mean '%s'?", text, nearest);
    else
        complain(CLAT_OK, "unknown verb '%s'; clatent --help lists them", text);
    clat_free(text);
    return CLAT_ERROR_USAGE;
}

enum clat_status help_run(int count, char **arguments)
{
    const struct verb *verb = count ? find_verb(arguments[0]) : NULL;
    if (count > 1)
        return complain(CLAT_ERROR_USAGE, "help takes one verb");
    if (count && !verb)
        return unknown_verb(arguments[0]);
    if (verb)
        help_print_verb(verb);
    else
        help_print_all();
    return CLAT_OK;
}

/* --help anywhere before "--" is a question about the verb. */
static bool asks_for_help(int count, char **arguments)
{
    for (int i = 0; i < count && strcmp(arguments[i], "--") != 0; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return true;
    return false;
}

static enum clat_status run_verb(int count, char **arguments)
{
    if (count && strcmp(arguments[0], "--no-config") == 0) {
        ignores_config = true;
        count--;
        arguments++;
    }
    const char *name = count ? arguments[0] : "";
    if (!count) {
        complain(CLAT_OK, "what to do? clatent --help lists the verbs");
        return CLAT_ERROR_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help_run(0, NULL);
    if (strcmp(name, "--version") == 0) {
        printf("clatent %s\n", clat_version());
        return CLAT_OK;
    }
    const struct verb *verb = find_verb(name);
    if (!verb)
        return unknown_verb(name);
    if (asks_for_help(count - 1, arguments + 1)) {
        help_print_verb(verb);
        return CLAT_OK;
    }
    return verb->run(count - 1, arguments + 1);
}

/* Data that did not arrive is a failure too; a reader that went away is one without words. */
static enum clat_status finish_output(enum clat_status status)
{
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed || status != CLAT_OK)
        return status;
    if (errno != EPIPE)
        complain(status, "cannot write to standard output: %s", strerror(errno));
    return CLAT_ERROR_OUTPUT;
}

/* Set-user-id, set-group-id or capabilities of the file: plugins, drivers and files would be used
 * with rights that the caller has not. */
static bool has_borrowed_rights(void)
{
    return getauxval(AT_SECURE) != 0;
}

int main(int count, char **arguments)
{
    if (has_borrowed_rights())
        return complain(CLAT_ERROR_USAGE, "refused: the program must not be set-user-id");
    signals_catch();
    enum clat_status status = run_verb(count - 1, arguments + 1);
    status = finish_output(status);
    signals_end((int)status);
    return (int)status;
}
