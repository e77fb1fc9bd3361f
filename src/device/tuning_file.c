/* tuning_file.c - tuning tables on disk. SPDX-License-Identifier: MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/tuning.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char tuning_head[] =
    "# clatent tune: parameters of kernels, found by timing them. docs/devices.md says how rows "
    "are "
    "read.\n"
    "# device | platform and driver | kernel | shape | parameters | microseconds, of the rule\n";

enum clat_status tuning_read(const char *path, struct tuning *tuning)
{
    enum clat_status status;
    char *text = NULL;
    size_t size;
    TRY(file_read_text(path, TUNING_FILE_LIMIT, &text, &size));
    if (strlen(text) != size)
        FAIL(CLAT_ERROR_INPUT, "%s: expected text, found a zero byte", path);
    TRY(tuning_parse(tuning, path, text));
out:
    free(text);
    return status;
}

/* The user's folder; false if there is no home. */
static bool folder_name(char *path, size_t size)
{
    const char *base = secure_getenv("XDG_DATA_HOME"), *inside = "";
    if (!base || base[0] != '/') {
        base = secure_getenv("HOME");
        inside = "/.local/share";
    }
    if (!base || base[0] != '/')
        return false;
    int length = snprintf(path, size, "%s%s/clatent/tuning", base, inside);
    return length > 0 && (size_t)length < size;
}

/* ---- reading all ---------------------------------------------------------------------------- */

static int is_table(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".tune");
}

/* All files of a folder, in the order of their names; of a folder that is not there none. */
static enum clat_status read_folder(struct tuning *tuning, const char *folder,
    void (*warn)(void *user, const char *sentence), void *user)
{
    enum clat_status status = CLAT_OK;
    struct dirent **entries;
    int count = scandir(folder, &entries, is_table, alphasort);
    for (int i = 0; i < count; i++) {
        char *path = NULL, sentence[1024];
        if (status == CLAT_OK)
            status = file_join(folder, entries[i]->d_name, &path);
        if (status == CLAT_OK)
            status = tuning_read(path, tuning);
        if (status == CLAT_ERROR_INPUT) {
            snprintf(sentence, sizeof sentence, "%s; this table is not used", status_text());
            warn(user, sentence);
            status = CLAT_OK;
        }
        free(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return status;
}

enum clat_status tuning_load(struct device *device, const char *data_folder,
    void (*warn)(void *user, const char *sentence), void *user)
{
    enum clat_status status;
    struct tuning *tuning = NULL;
    char *shared = NULL, own[4096];
    const char *wanted = secure_getenv("CLATENT_TUNING");
    bool off = wanted && strcmp(wanted, "off") == 0;
    TRY(tuning_new(&tuning));
    if (!off && folder_name(own, sizeof own))
        TRY(read_folder(tuning, own, warn, user));
    if (!off && data_folder) {
        TRY(file_join(data_folder, "tuning", &shared));
        TRY(read_folder(tuning, shared, warn, user));
    }
    device_set_tuning(device, tuning);
    tuning = NULL;
out:
    tuning_free(tuning);
    free(shared);
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Letters and digits of a device's name, small; runs of others become one dash. */
static void file_name(const char *device, char *name, size_t size)
{
    size_t length = 0;
    for (; *device && length + 1 < size; device++) {
        char c = *device >= 'A' && *device <= 'Z' ? (char)(*device - 'A' + 'a') : *device;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            name[length++] = c;
        else if (length > 0 && name[length - 1] != '-')
            name[length++] = '-';
    }
    while (length > 0 && name[length - 1] == '-')
        length--;
    name[length] = '\0';
}

enum clat_status tuning_path(const struct device_facts *facts, char **path)
{
    char folder[4096], device[64], name[80];
    if (!folder_name(folder, sizeof folder))
        return status_set(CLAT_ERROR_OUTPUT,
            "no folder for tuning tables: neither XDG_DATA_HOME nor HOME is an absolute path");
    file_name(facts->name, device, sizeof device);
    snprintf(name, sizeof name, "%s.tune", device[0] ? device : "device");
    return file_join(folder, name, path);
}

/* Makes the folders above an absolute path; a failure shows when the file is made. */
static enum clat_status make_folders(const char *path)
{
    char *copy;
    enum clat_status status;
    TRY(memory_string(path, &copy));
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0755);
        *slash = '/';
    }
    free(copy);
out:
    return status;
}

static bool same_key(const struct tuning_row *a, const struct tuning_row *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->driver, b->driver) == 0 &&
           a->kind == b->kind && memcmp(a->sides, b->sides, sizeof a->sides) == 0;
}

static bool is_replaced(const struct tuning_row *old, const struct tuning_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_key(old, &rows[i]))
            return true;
    return false;
}

/* The new rows, then the old ones that they do not replace. */
static enum clat_status print_table(
    struct text *text, const struct tuning *old, const struct tuning_row *rows, size_t count)
{
    enum clat_status status;
    TRY(text_print(text, "%s", tuning_head));
    for (size_t i = 0; i < count; i++)
        TRY(tuning_print(text, &rows[i]));
    for (size_t i = 0; i < tuning_count(old); i++)
        if (!is_replaced(tuning_row(old, i), rows, count))
            TRY(tuning_print(text, tuning_row(old, i)));
out:
    return status;
}

enum clat_status tuning_save(const char *path, const struct tuning_row *rows, size_t count)
{
    enum clat_status status;
    struct tuning *old = NULL;
    struct text text = {0};
    struct file_out out = {0};
    TRY(tuning_new(&old));
    if (file_exists(path))
        TRY(tuning_read(path, old));
    TRY(print_table(&text, old, rows, count));
    TRY(make_folders(path));
    TRY(file_out_open(path, &out));
    TRY(file_out_write(&out, text.data, text.size));
    TRY(file_out_commit(&out));
out:
    file_out_abort(&out);
    text_free(&text);
    tuning_free(old);
    return status;
}
