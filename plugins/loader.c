/* loader.c - finding, checking and opening scheduler plugins. SPDX-License-Identifier: MIT
 *
 * A plugin runs in our process, so a file is opened only if nobody but root and the user could have
 * written it: an absolute path, a regular file, owner root or the user, not writable by others.
 * Then its descriptor is checked field by field; what is wrong is one sentence with file, expected
 * and found. */
#include "plugins/loader.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LIMIT 32
#define OPTIONS_LIMIT 256

static struct {
    pthread_mutex_t lock;
    char **directories;
    size_t directory_count, directory_capacity;
    struct plugin *plugins;
    size_t count, capacity;
    bool searched;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- one file
 * --------------------------------------------------------------------------------------- */

static enum clat_status check_file(const char *path)
{
    struct stat facts;
    if (path[0] != '/')
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': the path must be absolute", path);
    if (lstat(path, &facts) != 0 || !S_ISREG(facts.st_mode))
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': not a regular file", path);
    if (facts.st_uid != 0 && facts.st_uid != geteuid())
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': owner must be root or user %u, found %u", path, (unsigned)geteuid(),
            (unsigned)facts.st_uid);
    if (facts.st_mode & S_IWOTH)
        return status_set(
            CLAT_ERROR_NO_DEVICE, "plugin '%s': anyone can write this file (chmod o-w)", path);
    return CLAT_OK;
}

/* The dynamic loader maps what an ELF header says and dies of a file that is shorter: a
 * half-written plugin is found here. */
static bool is_whole_elf(const struct file_map *map)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) part;
    if (map->size < sizeof header)
        return false;
    memcpy(&header, map->data, sizeof header);
    size_t parts = (size_t)header.e_phnum * sizeof part;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof part ||
        header.e_phoff > map->size || parts > map->size - header.e_phoff)
        return false;
    for (size_t i = 0; i < header.e_phnum; i++) {
        memcpy(&part, map->data + header.e_phoff + i * sizeof part, sizeof part);
        if (part.p_offset > map->size || part.p_filesz > map->size - part.p_offset)
            return false;
    }
    return true;
}

static enum clat_status check_elf(const char *path)
{
    struct file_map map;
    if (file_map_open(path, &map) != CLAT_OK)
        return CLAT_ERROR_NO_DEVICE;
    bool whole = is_whole_elf(&map);
    size_t size = map.size;
    file_map_close(&map);
    if (whole)
        return CLAT_OK;
    return status_set(CLAT_ERROR_NO_DEVICE,
        "plugin '%s': not a whole shared object for this machine (%zu bytes)", path, size);
}

static bool is_printable(const char *text)
{
    if (!text || !*text || !text_is_utf8(text, strlen(text)))
        return false;
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

/* "DIR/NAME.so": is it the scheduler's own name? */
static bool name_is_stem(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t size = strlen(name);
    return strncmp(slash + 1, name, size) == 0 && strcmp(slash + 1 + size, ".so") == 0;
}

static size_t field_size(enum clat_option_type type)
{
    switch (type) {
    case CLAT_BOOL:
    case CLAT_INT:
    case CLAT_CHOICE:
        return sizeof(int);
    case CLAT_REAL:
        return sizeof(double);
    case CLAT_REALS:
        return sizeof(struct clat_reals);
    }
    return 0;
}

static enum clat_status check_options(const char *path, const struct clat_plugin *s)
{
    if (!s->options)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': no option table", path);
    for (size_t i = 0; s->options[i].name; i++) {
        const struct clat_option *option = &s->options[i];
        size_t size = field_size(option->type);
        if (i >= OPTIONS_LIMIT || !is_printable(option->name) || !is_printable(option->help) ||
            !option->initial)
            return status_set(CLAT_ERROR_NO_DEVICE,
                "plugin '%s': option %zu lacks name, default or help", path, i + 1);
        if (size == 0 || size > s->options_size || option->offset > s->options_size - size)
            return status_set(CLAT_ERROR_NO_DEVICE,
                "plugin '%s': option '%s' lies outside of the options (offset %zu, size %zu of "
                "%zu)",
                path, option->name, option->offset, size, s->options_size);
        if (option->type == CLAT_CHOICE && (!option->choices || !option->choices[0]))
            return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': option '%s' has no choices", path,
                option->name);
    }
    return CLAT_OK;
}

/* The first three fields are where every ABI has them. */
static enum clat_status check_descriptor(const char *path, const struct clat_plugin *s)
{
    if (s->magic != CLAT_SCHEDULER_MAGIC)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': magic is %08x, expected %08x", path,
            s->magic, CLAT_SCHEDULER_MAGIC);
    if (s->abi != CLAT_SCHEDULER_ABI)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': made for plugin interface %u, this program has %u", path, s->abi,
            CLAT_SCHEDULER_ABI);
    if (s->size != sizeof *s)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': its descriptor has %zu bytes, expected %zu", path, s->size, sizeof *s);
    if (!is_printable(s->name) || strlen(s->name) > NAME_LIMIT || !name_is_stem(path, s->name))
        return status_set(CLAT_ERROR_NO_DEVICE,
            "plugin '%s': its name must be that of the file, found '%s'", path,
            is_printable(s->name) ? s->name : "?");
    if (!is_printable(s->title) || !is_printable(s->source) || !is_printable(s->version) ||
        (s->class_name && !is_printable(s->class_name)))
        return status_set(
            CLAT_ERROR_NO_DEVICE, "plugin '%s': title, source or version is missing", path);
    if (!s->plan || !s->run)
        return status_set(CLAT_ERROR_NO_DEVICE, "plugin '%s': plan or run is missing", path);
    return check_options(path, s);
}

enum clat_status plugin_open(const char *path, const struct clat_plugin **scheduler)
{
    enum clat_status status;
    void *library = NULL;
    fenv_t environment;
    *scheduler = NULL;
    TRY(check_file(path));
    TRY(check_elf(path));
    /* a library built with -ffast-math may switch on flush-to-zero as it is loaded */
    fegetenv(&environment);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&environment);
    if (!library)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': cannot be loaded: %s", path, dlerror());
    const struct clat_plugin *found = dlsym(library, "clat_scheduler");
    if (!found)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': does not export clat_scheduler", path);
    TRY(check_descriptor(path, found));
    *scheduler = found;
    return CLAT_OK;
out:
    if (library)
        dlclose(library);
    return status;
}

/* ---- the registry
 * ----------------------------------------------------------------------------------- */

enum clat_status plugins_add_directory(const char *directory)
{
    enum clat_status status = CLAT_OK;
    char *copy = NULL;
    pthread_mutex_lock(&registry.lock);
    if (directory[0] != '/')
        FAIL(CLAT_ERROR_USAGE, "plugin directory '%s' must be an absolute path", directory);
    if (registry.searched)
        FAIL(
            CLAT_ERROR_USAGE, "plugin directory '%s' was named after plugins were used", directory);
    TRY(memory_string(directory, &copy));
    TRY(memory_grow(&registry.directories, &registry.directory_capacity, registry.directory_count,
        sizeof *registry.directories));
    registry.directories[registry.directory_count++] = copy;
    copy = NULL;
out:
    pthread_mutex_unlock(&registry.lock);
    free(copy);
    return status;
}

/* NAME.so with NAME of [a-z0-9_-], at most 32. */
static bool is_plugin_name(const char *file)
{
    size_t stem = strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return stem > 0 && stem <= NAME_LIMIT && strcmp(file + stem, ".so") == 0;
}

static bool is_known(const char *file)
{
    for (size_t i = 0; i < registry.count; i++)
        if (strcmp(strrchr(registry.plugins[i].path, '/') + 1, file) == 0)
            return true;
    return false;
}

/* A refused plugin is an entry with its reason; only lack of memory is a failure here. */
static enum clat_status add_plugin(const char *directory, const char *file)
{
    struct plugin plugin = {0};
    enum clat_status status;
    TRY(file_join(directory, file, &plugin.path));
    TRY(memory_grow(
        &registry.plugins, &registry.capacity, registry.count, sizeof *registry.plugins));
    if (plugin_open(plugin.path, &plugin.scheduler) != CLAT_OK)
        TRY(memory_string(status_text(), &plugin.reason));
    registry.plugins[registry.count++] = plugin;
    return CLAT_OK;
out:
    free(plugin.path);
    return status;
}

static int plugin_files_only(const struct dirent *entry)
{
    return is_plugin_name(entry->d_name);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum clat_status search_directory(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, plugin_files_only, compare_names);
    if (count < 0)
        return CLAT_OK;
    enum clat_status status = CLAT_OK;
    for (int i = 0; i < count; i++) {
        if (status == CLAT_OK && !is_known(entries[i]->d_name))
            status = add_plugin(directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static enum clat_status search(void)
{
    enum clat_status status = CLAT_OK;
    if (registry.searched)
        return CLAT_OK;
    for (size_t i = 0; i < registry.directory_count; i++)
        TRY(search_directory(registry.directories[i]));
    TRY(search_directory(SCHEDULERS_DIR));
    registry.searched = true;
out:
    return status;
}

enum clat_status plugins_list(const struct plugin **plugins, size_t *count)
{
    pthread_mutex_lock(&registry.lock);
    enum clat_status status = search();
    pthread_mutex_unlock(&registry.lock);
    *plugins = registry.plugins;
    *count = registry.count;
    return status;
}

/* "ddim", "DDIMScheduler", "DDIM": its name, its class, its class without "Scheduler". */
static bool answers_to(const struct clat_plugin *s, const char *name)
{
    if (strcasecmp(name, s->name) == 0)
        return true;
    if (!s->class_name)
        return false;
    size_t size = strlen(name);
    return strcasecmp(name, s->class_name) == 0 ||
           (strncasecmp(name, s->class_name, size) == 0 &&
               strcasecmp(s->class_name + size, "Scheduler") == 0);
}

/* "unknown scheduler 'dimm' (did you mean 'ddim'?); known: ddim, euler" */
static enum clat_status unknown(const char *name, const struct plugin *plugins, size_t count)
{
    struct text known = {0};
    const char **names = NULL;
    size_t n = 0;
    enum clat_status status;
    TRY(memory_new(count + 1, sizeof *names, &names));
    for (size_t i = 0; i < count; i++)
        if (plugins[i].scheduler) {
            names[n] = plugins[i].scheduler->name;
            TRY(text_print(&known, "%s%s", n++ ? ", " : "", plugins[i].scheduler->name));
        }
    const char *nearest = text_nearest(name, names);
    if (nearest)
        status = status_set(CLAT_ERROR_NO_DEVICE,
            "unknown scheduler '%s' (did you mean '%s'?); known: %s", name, nearest, known.data);
    else
        status = status_set(CLAT_ERROR_NO_DEVICE, "unknown scheduler '%s'; known: %s", name,
            n ? known.data : "none, no plugin was found");
out:
    free(names);
    text_free(&known);
    return status;
}

enum clat_status plugins_find(const char *name, const struct clat_plugin **scheduler)
{
    const struct plugin *plugins;
    size_t count;
    enum clat_status status;
    TRY(plugins_list(&plugins, &count));
    for (size_t i = 0; i < count; i++)
        if (plugins[i].scheduler && answers_to(plugins[i].scheduler, name)) {
            *scheduler = plugins[i].scheduler;
            return CLAT_OK;
        }
    for (size_t i = 0; i < count; i++)
        if (!plugins[i].scheduler && name_is_stem(plugins[i].path, name))
            return status_set(CLAT_ERROR_NO_DEVICE, "%s", plugins[i].reason);
    status = unknown(name, plugins, count);
out:
    return status;
}
