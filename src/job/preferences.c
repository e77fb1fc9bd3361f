/* preferences.c - configuration files and variables into the keys of a job.
 * SPDX-License-Identifier: MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "job/preferences.h"
#include "base/file.h"
#include "base/home.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "CLATENT_"
#define FILE_NAME "clatent/config.yaml"

/* ---- files ---------------------------------------------------------------------------------- */

static enum clat_status add_file(struct preferences *preferences, const char *path)
{
    enum clat_status status;
    TRY(memory_grow(&preferences->files, &preferences->capacity, preferences->count,
        sizeof *preferences->files));
    struct preference_file *file = &preferences->files[preferences->count];
    *file = (struct preference_file){.found = file_exists(path)};
    TRY(memory_string(path, &file->path));
    preferences->count++;
out:
    return status;
}

/* The last folder of a list between colons is the least important: it comes first. Relative ones
 * are passed over. */
static enum clat_status add_folders(struct preferences *preferences, const char *list)
{
    enum clat_status status = CLAT_OK;
    struct text path = {0};
    for (size_t end = strlen(list); status == CLAT_OK;) {
        size_t start = end;
        while (start > 0 && list[start - 1] != ':')
            start--;
        path.size = 0;
        if (list[start] == '/') {
            TRY(text_print(&path, "%.*s/%s", (int)(end - start), list + start, FILE_NAME));
            TRY(add_file(preferences, path.data));
        }
        if (start == 0)
            break;
        end = start - 1;
    }
out:
    text_free(&path);
    return status;
}

static enum clat_status list_files(struct preferences *preferences)
{
    enum clat_status status;
    struct text path = {0};
    const char *folders = home_variable("XDG_CONFIG_DIRS");
    TRY(add_file(preferences, CLATENT_SYSCONF "/" FILE_NAME));
    TRY(add_folders(preferences, folders ? folders : "/etc/xdg"));
    TRY(home_path("XDG_CONFIG_HOME", ".config", FILE_NAME, &path));
    if (path.data)
        TRY(add_file(preferences, path.data));
out:
    text_free(&path);
    return status;
}

/* ---- variables ------------------------------------------------------------------------------ */

enum clat_status preferences_variable(const struct job_key *key, struct text *out)
{
    enum clat_status status = text_print(out, PREFIX);
    for (const char *c = key->name; *c && status == CLAT_OK; c++)
        status = text_print(out, "%c", toupper((unsigned char)*c));
    return status;
}

/* Folders between colons; empty ones are none. */
static enum clat_status set_folders(
    struct job_values *values, const char *key, const char *list, const char *where)
{
    enum clat_status status = CLAT_OK;
    bool append = false;
    for (; *list && status == CLAT_OK; list += strspn(list, ":")) {
        size_t size = strcspn(list, ":");
        char *folder = strndup(list, size);
        if (!folder)
            return status_set(CLAT_ERROR_MEMORY, "no host memory for %s", where);
        if (size) {
            status = job_values_set(values, key, folder, where, append);
            append = true;
        }
        free(folder);
        list += size;
    }
    return status;
}

static enum clat_status read_variables(struct job_values *values)
{
    enum clat_status status = CLAT_OK;
    struct text name = {0};
    for (size_t i = 0; i < job_key_count && status == CLAT_OK; i++) {
        const struct job_key *key = &job_keys[i];
        name.size = 0;
        if (!key->configured)
            continue;
        TRY(preferences_variable(key, &name));
        const char *value = home_variable(name.data);
        if (value && key->kind == KEY_TEXTS && key->is_path)
            TRY(set_folders(values, key->name, value, name.data));
        else if (value)
            TRY(job_values_set(values, key->name, value, name.data, false));
    }
out:
    text_free(&name);
    return status;
}

/* "DEVICE=0" -> "device"; false if there is no room for it. */
static bool lower_name(const char *entry, char *name, size_t room)
{
    size_t size = strcspn(entry, "=");
    if (size >= room)
        return false;
    for (size_t i = 0; i < size; i++)
        name[i] = (char)tolower((unsigned char)entry[i]);
    name[size] = '\0';
    return true;
}

/* The variable that a name was meant for; false if it is one, or nothing like one. */
static bool find_nearest(const char *name, char nearest[80])
{
    const char *names[JOB_KEYS + 1];
    size_t count = 0;
    for (size_t i = 0; i < job_key_count; i++)
        if (job_keys[i].configured)
            names[count++] = job_keys[i].name;
    names[count] = NULL;
    const char *found = text_nearest(name, names);
    if (!found || strcmp(found, name) == 0)
        return false;
    snprintf(nearest, 80, PREFIX "%s", found);
    for (char *c = nearest; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return true;
}

const char *preferences_stranger(size_t *place, char nearest[80])
{
    char name[80];
    for (; environ && environ[*place]; ++*place) {
        const char *entry = environ[*place];
        if (strncmp(entry, PREFIX, strlen(PREFIX)) == 0 &&
            lower_name(entry + strlen(PREFIX), name, sizeof name) && find_nearest(name, nearest)) {
            ++*place;
            return entry;
        }
    }
    return NULL;
}

enum clat_status preferences_read(struct preferences *preferences)
{
    enum clat_status status;
    TRY(list_files(preferences));
    for (size_t i = 0; i < preferences->count; i++)
        if (preferences->files[i].found)
            TRY(job_values_configure(&preferences->values, preferences->files[i].path));
    TRY(read_variables(&preferences->values));
out:
    return status;
}

void preferences_free(struct preferences *preferences)
{
    for (size_t i = 0; i < preferences->count; i++)
        free(preferences->files[i].path);
    free(preferences->files);
    job_values_free(&preferences->values);
    *preferences = (struct preferences){.count = 0};
}
