/* loader.c - finding and opening scheduler plugins. SPDX-License-Identifier: MIT
 *
 * A file is opened only if nobody but root and the user could have written it (trust.c); then its
 * descriptor is checked field by field (descriptor.c). What is wrong is one sentence, kept with the
 * file in the list, and shown when somebody asks for that scheduler. */
#include "plugins/loader.h"
#include "base/file.h"
#include "base/memory.h"
#include "plugins/descriptor.h"
#include "plugins/trust.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    char **directories;
    size_t directory_count, directory_capacity;
    struct plugin *plugins;
    size_t count, capacity;
    bool searched;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- one file ------------------------------------------------------------------------------- */

enum clat_status plugin_open(const char *path, const struct clat_plugin **scheduler)
{
    enum clat_status status;
    void *library = NULL;
    fenv_t environment;
    *scheduler = NULL;
    TRY(trust_file(path));
    /* a library built with -ffast-math may switch on flush-to-zero as it is loaded */
    fegetenv(&environment);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&environment);
    if (!library)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': cannot be loaded: %s", path, dlerror());
    const struct clat_plugin *found = dlsym(library, "clat_scheduler");
    if (!found)
        FAIL(CLAT_ERROR_NO_DEVICE, "plugin '%s': does not export clat_scheduler", path);
    TRY(descriptor_check(path, found));
    *scheduler = found;
    return CLAT_OK;
out:
    if (library)
        dlclose(library);
    return status;
}

/* ---- the registry --------------------------------------------------------------------------- */

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
    return stem > 0 && stem <= PLUGIN_NAME_LIMIT && strcmp(file + stem, ".so") == 0;
}

static bool is_known(const char *file)
{
    for (size_t i = 0; i < registry.count; i++)
        if (strcmp(strrchr(registry.plugins[i].path, '/') + 1, file) == 0)
            return true;
    return false;
}

/* A directory that cannot be trusted is an entry of the list too, with the reason. */
static enum clat_status add_refused(const char *directory)
{
    struct plugin refused = {0};
    enum clat_status status;
    TRY(memory_string(status_text(), &refused.reason));
    TRY(memory_string(directory, &refused.path));
    TRY(memory_grow(
        &registry.plugins, &registry.capacity, registry.count, sizeof *registry.plugins));
    registry.plugins[registry.count++] = refused;
    return CLAT_OK;
out:
    free(refused.path);
    free(refused.reason);
    return status;
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

/* A directory that is not there is passed over. */
static enum clat_status search_trusted(
    const char *directory, enum clat_status (*trust)(const char *path))
{
    if (!file_is_directory(directory))
        return CLAT_OK;
    return trust(directory) == CLAT_OK ? search_directory(directory) : add_refused(directory);
}

static enum clat_status search(void)
{
    enum clat_status status = CLAT_OK;
    if (registry.searched)
        return CLAT_OK;
    for (size_t i = 0; i < registry.directory_count; i++)
        TRY(search_trusted(registry.directories[i], trust_named_directory));
    TRY(search_trusted(SCHEDULERS_DIR, trust_directory));
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
