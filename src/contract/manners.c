/* manners.c - what a plugin must leave as it was. SPDX-License-Identifier: MIT */
#include "contract/manners.h"
#include "contract/report.h"

#include <dirent.h>
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    while (tasks && readdir(tasks))
        count++;
    if (tasks)
        closedir(tasks);
    return count;
}

struct manners manners_look(void)
{
    struct manners manners = {.rounding = fegetround(), .threads = count_threads()};
    struct stat facts;
    snprintf(manners.locale, sizeof manners.locale, "%s", setlocale(LC_ALL, NULL));
    if (!getcwd(manners.folder, sizeof manners.folder))
        manners.folder[0] = '\0';
    manners.mask = umask(0);
    umask(manners.mask);
    fflush(NULL);
    if (fstat(STDOUT_FILENO, &facts) == 0 && S_ISREG(facts.st_mode))
        manners.printed = facts.st_size;
    return manners;
}

static bool flushes_to_zero(void)
{
    volatile double tiny = 2.2250738585072014e-308;
    tiny /= 4;
    return !(tiny > 0);
}

void check_manners(const struct manners *before)
{
    struct manners after = manners_look();
    report_check("manners");
    if (after.rounding != before->rounding || flushes_to_zero())
        report(VERDICT_FAILED, "it changed the floating-point environment");
    else if (strcmp(after.locale, before->locale) != 0)
        report(VERDICT_FAILED, "it changed the locale");
    else if (after.threads != before->threads)
        report(VERDICT_FAILED, "it started threads");
    else if (strcmp(after.folder, before->folder) != 0 || after.mask != before->mask)
        report(VERDICT_FAILED, "it changed the working directory or the file mode mask");
    else if (after.printed != before->printed)
        report(VERDICT_FAILED, "it printed");
    else
        report(VERDICT_PASSED, "no printing, threads, change of locale or floating point");
}
