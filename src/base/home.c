/* home.c - the user's folders. SPDX-License-Identifier: MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "base/home.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *home_variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

const char *home_folder(void)
{
    const char *home = home_variable("HOME");
    const struct passwd *user = home ? NULL : getpwuid(getuid());
    return user ? user->pw_dir : home;
}

enum clat_status home_path(
    const char *variable, const char *standard, const char *name, struct text *out)
{
    const char *given = home_variable(variable), *home = home_folder();
    if (given && *given == '/')
        return text_print(out, "%s/%s", given, name);
    return home ? text_print(out, "%s/%s/%s", home, standard, name) : CLAT_OK;
}
