/* plugin_hostile.c - files and directories that others have prepared for us: none is loaded that
 * must not be, none makes the search crash or hang. SPDX-License-Identifier: MIT
 *
 * plugin_loader.c has descriptors that lie, plugin_check.sh plugins that misbehave as they run. */
#include "plugins/loader.h"
#include "plugins/trust.h"
#include "check.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static char good[1 << 20]; /* a plugin's file */
static size_t good_size;
static char folder[3000]; /* tests/tmp/hostile, absolute */

/* folder/NAME; four buffers in turn. */
static const char *in_folder(const char *name)
{
    static char paths[4][4096];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *put(const char *name, const void *bytes, size_t size)
{
    const char *path = in_folder(name);
    unlink(path);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size, "%s", path);
    if (file)
        fclose(file);
    chmod(path, 0644);
    return path;
}

static void refused(const char *path, const char *words)
{
    const struct clat_plugin *plugin;
    CHECK_FAILS(plugin_open(path, &plugin), CLAT_ERROR_NO_DEVICE, words);
    CHECK(!plugin, "%s was opened", path);
}

static void prepare(void)
{
    const char *build = getenv("top_builddir");
    char path[4096];
    snprintf(folder, sizeof folder, "%s", check_scratch("hostile/x"));
    *strrchr(folder, '/') = '\0';
    if (!realpath(folder, path) || strlen(path) >= sizeof folder)
        exit(99);
    strcpy(folder, path);
    snprintf(path, sizeof path, "%s/schedulers/.libs/ddim.so", build ? build : ".");
    FILE *file = fopen(path, "rb");
    good_size = file ? fread(good, 1, sizeof good, file) : 0;
    if (file)
        fclose(file);
    CHECK(good_size > 4096 && good_size < sizeof good, "%s has %zu bytes", path, good_size);
}

/* ---- files that are none -------------------------------------------------------------------- */

static void odd_files(void)
{
    mkdir(in_folder("folder.so"), 0755);
    refused(in_folder("folder.so"), "not a regular file");
    unlink(in_folder("pipe.so"));
    if (mkfifo(in_folder("pipe.so"), 0644) == 0)
        refused(in_folder("pipe.so"), "not a regular file"); /* and does not wait for a writer */
    unlink(in_folder("dangling.so"));
    CHECK(symlink("/nonexistent/x.so", in_folder("dangling.so")) == 0, "symlink");
    refused(in_folder("dangling.so"), "a link, which is not followed");
    unlink(in_folder("loop.so"));
    CHECK(symlink("loop.so", in_folder("loop.so")) == 0, "symlink");
    refused(in_folder("loop.so"), "a link, which is not followed");
    refused("/dev/zero", "not a regular file");
    refused("", "must be absolute");
    refused("./ddim.so", "must be absolute");
}

static void other_peoples_files(void)
{
    const char *path = put("ddim.so", good, good_size);
    chmod(path, 0646);
    refused(path, "anyone can write this file (chmod o-w)");
    chmod(path, 0644);
    if (geteuid() == 0 && chown(path, NOBODY, NOBODY) == 0)
        refused(path, "owner must be root or user 0, found 65534");
    unlink(path);
}

/* ---- ELF files that lie --------------------------------------------------------------------- */

static void changed_header(
    const char *name, size_t offset, const void *bytes, size_t size, const char *words)
{
    static char copy[sizeof good];
    memcpy(copy, good, good_size);
    memcpy(copy + offset, bytes, size);
    refused(put(name, copy, good_size), words);
}

static void lying_headers(void)
{
    const uint64_t far = UINT64_MAX - 8;
    const uint16_t many = 0xFFFF, machine = 0x1234, executable = ET_EXEC, none = 0;
    const unsigned char narrow = ELFCLASS32;
    const char *torn = "not a whole shared object for this machine";
    if (good[EI_CLASS] != ELFCLASS64)
        return;
    changed_header("far.so", offsetof(Elf64_Ehdr, e_phoff), &far, 8, torn);
    changed_header("many.so", offsetof(Elf64_Ehdr, e_phnum), &many, 2, torn);
    changed_header("size.so", offsetof(Elf64_Ehdr, e_phentsize), &many, 2, torn);
    changed_header("offset.so", 64 + offsetof(Elf64_Phdr, p_offset), &far, 8, torn);
    changed_header("length.so", 64 + offsetof(Elf64_Phdr, p_filesz), &far, 8, torn);
    changed_header("magic.so", 0, "\177ELG", 4, torn);
    changed_header("machine.so", offsetof(Elf64_Ehdr, e_machine), &machine, 2, "cannot be loaded");
    changed_header("type.so", offsetof(Elf64_Ehdr, e_type), &executable, 2, "cannot be loaded");
    changed_header("none.so", offsetof(Elf64_Ehdr, e_phnum), &none, 2, "cannot be loaded");
    changed_header("narrow.so", EI_CLASS, &narrow, 1, "cannot be loaded");
}

/* Cut anywhere: what is mapped and what the program headers name must all be there. Where only
 * section headers are lost it is still a plugin, under a wrong name. */
static void cut_files(void)
{
    for (size_t size = 0; size < good_size; size += good_size / 61) {
        const struct clat_plugin *plugin;
        const char *path = put("cut.so", good, size);
        CHECK(plugin_open(path, &plugin) == CLAT_ERROR_NO_DEVICE, "%zu bytes of %zu", size,
            good_size);
    }
}

/* "clat_scheduler" is called something else. */
static void missing_symbol(void)
{
    static char copy[sizeof good];
    memcpy(copy, good, good_size);
    for (size_t i = 0; i + 15 < good_size; i++)
        if (memcmp(copy + i, "clat_scheduler", 15) == 0)
            copy[i + 13] = 'x';
    refused(put("symbol.so", copy, good_size), "does not export clat_scheduler");
}

/* ---- directories ---------------------------------------------------------------------------- */

static void distrusted(const char *path, const char *words)
{
    CHECK_FAILS(trust_directory(path), CLAT_ERROR_NO_DEVICE, words);
}

static void open_directories(void)
{
    char inner[4096];
    snprintf(inner, sizeof inner, "%s", in_folder("outer/inner"));
    mkdir(in_folder("outer"), 0755);
    mkdir(inner, 0755);
    CHECK_OK(trust_directory(inner));
    chmod(inner, 0777);
    distrusted(inner, "anyone can write it (chmod o-w)");
    unlink(in_folder("link"));
    CHECK(symlink(inner, in_folder("link")) == 0, "symlink");
    distrusted(in_folder("link"), "outer/inner': anyone can write it"); /* where the link leads */
    distrusted(in_folder("outer/inner/../inner"), "anyone can write it");
    chmod(inner, 01777);
    CHECK_OK(trust_directory(inner)); /* as /tmp */
    chmod(inner, 0755);
    chmod(in_folder("outer"), 0777);
    distrusted(inner, "outer': anyone can write it");
    chmod(in_folder("outer"), 0755);
    distrusted(in_folder("dangling.so"), "cannot be reached");
    distrusted("", "cannot be reached");
    CHECK_OK(trust_directory(inner));
}

static void other_peoples_directories(void)
{
    if (geteuid() != 0)
        return;
    mkdir(in_folder("theirs"), 0755);
    CHECK(chown(in_folder("theirs"), NOBODY, NOBODY) == 0, "chown");
    distrusted(in_folder("theirs"), "owner must be root or user 0, found 65534");
    CHECK(chown(in_folder("theirs"), 0, NOBODY) == 0, "chown");
    chmod(in_folder("theirs"), 0775);
    distrusted(in_folder("theirs"), "group 65534 can write it (chmod g-w)");
    rmdir(in_folder("theirs"));
}

/* ---- the search ----------------------------------------------------------------------------- */

/* Names that are not looked at, however tempting. */
static void put_odd_names(void)
{
    static const char *const names[] = {"ddim.so.1", "Ddim.so", ".so", ".ddim.so", "ddim.so~",
        "d dim.so", "d\nim.so", "d;rm.so", "ddim", "a23456789012345678901234567890123.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(names[i], good, good_size);
}

static void search_finds_one(void)
{
    const struct plugin *plugins;
    size_t count, usable = 0;
    CHECK_FAILS(plugins_add_directory(""), CLAT_ERROR_USAGE, "must be an absolute path");
    CHECK_FAILS(plugins_add_directory("."), CLAT_ERROR_USAGE, "must be an absolute path");
    CHECK_FAILS(plugins_add_directory("tests"), CLAT_ERROR_USAGE, "must be an absolute path");
    mkdir(in_folder("second"), 0755);
    CHECK_OK(plugins_add_directory(folder));
    CHECK_OK(plugins_add_directory(in_folder("second"))); /* has a plugin of the same name */
    CHECK_OK(plugins_add_directory(in_folder("cut.so"))); /* is none */
    CHECK_OK(plugins_add_directory(in_folder("missing")));
    CHECK_OK(plugins_add_directory(in_folder("wide")));
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        const char *file = strrchr(plugins[i].path, '/') + 1;
        if (strncmp(plugins[i].path, folder, strlen(folder)) != 0)
            continue; /* an installed clatent's */
        CHECK((plugins[i].scheduler == NULL) == (plugins[i].reason != NULL), "%s", file);
        size_t stem = strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        CHECK(strcmp(file + stem, ".so") == 0 || strcmp(file, "wide") == 0, "%s", file);
        usable += plugins[i].scheduler != NULL;
        CHECK(!plugins[i].scheduler || strcmp(plugins[i].path, in_folder("ddim.so")) == 0,
            "%s was opened", plugins[i].path);
    }
    CHECK(usable == 1, "%zu plugins were opened", usable);
}

/* A directory that the program names and everybody can write; what lies in it is not opened. */
static void put_wide_directory(void)
{
    mkdir(in_folder("wide"), 0755);
    put("wide/wide.so", good, good_size);
    chmod(in_folder("wide"), 0777);
}

static void wide_directory_is_refused(void)
{
    const struct plugin *plugins;
    size_t count, refusals = 0;
    CHECK_OK(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++) {
        CHECK(strcmp(plugins[i].path, in_folder("wide/wide.so")) != 0, "it was looked at");
        if (strcmp(plugins[i].path, in_folder("wide")) == 0)
            refusals += strstr(plugins[i].reason, "anyone can write it (chmod o-w)") != NULL;
    }
    CHECK(refusals == 1, "%zu refusals", refusals);
    chmod(in_folder("wide"), 0755);
}

/* A name is never a path. */
static void names_are_no_paths(void)
{
    const struct clat_plugin *plugin;
    char file[4096];
    snprintf(file, sizeof file, "%s", in_folder("ddim.so"));
    CHECK_OK(plugins_find("ddim", &plugin));
    const char *const names[] = {
        file, "./ddim", "../hostile/ddim", "ddim.so", "", "%s%n%s", "/dev/stdin", "dd\x1bim"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_FAILS(plugins_find(names[i], &plugin), CLAT_ERROR_NO_DEVICE,
            "anyone can write it"); /* it might have been in the directory that was refused */
    CHECK_FAILS(plugins_find("machine", &plugin), CLAT_ERROR_NO_DEVICE, "cannot be loaded");
}

int main(void)
{
    prepare();
    odd_files();
    other_peoples_files();
    lying_headers();
    cut_files();
    missing_symbol();
    open_directories();
    other_peoples_directories();
    put_odd_names();
    put("ddim.so", good, good_size);
    mkdir(in_folder("second"), 0755);
    put("second/ddim.so", good, good_size);
    put_wide_directory();
    search_finds_one();
    wide_directory_is_refused();
    names_are_no_paths();
    return check_result();
}
