/* report.c - findings through a pipe. SPDX-License-Identifier: MIT */
#include "contract/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FINISHED "D\t\t\n"

static int out = -1;
static char current[32];

/* ---- the child's side ----------------------------------------------------------------------- */

static void put(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(out, text, size);
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

/* One line, whatever stands in the text. */
static void put_line(enum verdict verdict, const char *format, va_list arguments)
{
    char line[REPORT_LINE];
    int size = snprintf(line, sizeof line, "%c\t%s\t", (char)verdict, current);
    vsnprintf(line + size, sizeof line - (size_t)size - 1, format, arguments);
    for (char *at = line + size; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    strcat(line, "\n");
    put(line, strlen(line));
}

void report_open(int descriptor)
{
    out = descriptor;
}

void report_check(const char *name)
{
    snprintf(current, sizeof current, "%s", name);
}

void report_doing(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(VERDICT_DOING, format, arguments);
    va_end(arguments);
}

void report(enum verdict verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(verdict, format, arguments);
    va_end(arguments);
}

void report_trap(const char *sentence)
{
    put("F\t", 2);
    put(current, strlen(current));
    put("\t", 1);
    put(sentence, strlen(sentence));
    put("\n", 1);
}

void report_finished(void)
{
    put(FINISHED, strlen(FINISHED));
}

/* ---- the parent's side ---------------------------------------------------------------------- */

void findings_add(
    struct findings *findings, enum verdict verdict, const char *check, const char *format, ...)
{
    if (findings->count == REPORT_LIMIT)
        return;
    struct finding *finding = &findings->items[findings->count++];
    va_list arguments;
    va_start(arguments, format);
    finding->verdict = verdict;
    snprintf(finding->check, sizeof finding->check, "%s", check);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

void findings_read(struct findings *findings, const char *line)
{
    const char *check = strchr(line, '\t'), *text = check ? strchr(check + 1, '\t') : NULL;
    if (!text)
        return;
    snprintf(findings->check, sizeof findings->check, "%.*s", (int)(text - check - 1), check + 1);
    if (line[0] != VERDICT_DOING)
        findings_add(findings, (enum verdict)line[0], findings->check, "%s", text + 1);
    else if (findings->check[0])
        snprintf(findings->doing, sizeof findings->doing, "%s", text + 1);
    else
        findings->finished = true;
}

void findings_explain(struct findings *findings)
{
    char *text = findings->count ? findings->items[findings->count - 1].text : NULL;
    size_t size = text ? strlen(text) : 0;
    if (text)
        snprintf(text + size, REPORT_LINE - size, " (%s)", findings->doing);
}

bool findings_have(const struct findings *findings, enum verdict verdict)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].verdict == verdict)
            return true;
    return false;
}
