/* place.c - the program run from where it was built. SPDX-License-Identifier: MIT
 *
 * configure leaves a file `clatent.uninstalled` in the build tree, which names the folders of the
 * plugins and of the data there; it is never installed. It is read only if it lies beside the
 * program itself, or one up if that is in libtool's .libs: whoever can write there could replace
 * the program as well, so it gives nobody a power that he did not have. */
#include "program/program.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char data_folder[PATH_MAX], scheduler_folder[PATH_MAX];

/* Cuts the last part of a path off; false if there is none. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* The folder of the running program, without .libs. */
static bool find_folder(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    if (!go_up(path))
        return false;
    const char *slash = strrchr(path, '/');
    return !slash || strcmp(slash, "/.libs") != 0 || go_up(path);
}

/* "key=value" into its buffer. */
static void read_line(const char *line)
{
    const char *value = strchr(line, '=');
    if (!value)
        return;
    if (strncmp(line, "data=", 5) == 0)
        snprintf(data_folder, sizeof data_folder, "%s", value + 1);
    else if (strncmp(line, "schedulers=", 11) == 0)
        snprintf(scheduler_folder, sizeof scheduler_folder, "%s", value + 1);
}

void place_find(struct clat_options *options)
{
    char path[PATH_MAX], name[PATH_MAX + 32], line[PATH_MAX + 32];
    if (!find_folder(path, sizeof path))
        return;
    snprintf(name, sizeof name, "%s/clatent.uninstalled", path);
    FILE *file = fopen(name, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        read_line(line);
    }
    fclose(file);
    options->data_folder = data_folder[0] ? data_folder : NULL;
    options->scheduler_folder = scheduler_folder[0] ? scheduler_folder : NULL;
}
