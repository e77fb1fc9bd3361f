/* guard.c - memory between two pages that nobody may touch. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "contract/guard.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILLING 0xC5

/* map: [untouchable page][filling, data][untouchable page] */
struct guard {
    const char *name;
    unsigned char *map, *data;
    size_t mapped, size; /* bytes of map and of data */
    struct guard *next;
};

static struct guard *guards;
static void (*trap_report)(const char *sentence);
static int trap_exit_code;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned char *inside(const struct guard *guard)
{
    return guard->map + page_size();
}

static struct guard *find(const void *data)
{
    struct guard *guard = guards;
    while (guard && guard->data != data)
        guard = guard->next;
    return guard;
}

static bool map_pages(struct guard *guard, size_t size)
{
    size_t page = page_size(), inner = (size + page - 1) / page * page;
    guard->mapped = inner + 2 * page;
    guard->map =
        mmap(NULL, guard->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (guard->map == MAP_FAILED)
        return false;
    guard->size = size;
    guard->data = inside(guard) + inner - size;
    if (mprotect(inside(guard), inner, PROT_READ | PROT_WRITE) != 0) {
        munmap(guard->map, guard->mapped);
        return false;
    }
    memset(inside(guard), FILLING, inner - size);
    return true;
}

void *guard_new(const char *name, size_t size)
{
    struct guard *guard = size < SIZE_MAX / 2 ? malloc(sizeof *guard) : NULL;
    if (!guard)
        return NULL;
    guard->name = name;
    if (!map_pages(guard, size ? size : 1)) {
        free(guard);
        return NULL;
    }
    guard->next = guards;
    guards = guard;
    return guard->data;
}

void guard_free(void *data)
{
    for (struct guard **at = &guards; data && *at; at = &(*at)->next)
        if ((*at)->data == data) {
            struct guard *guard = *at;
            *at = guard->next;
            munmap(guard->map, guard->mapped);
            free(guard);
            return;
        }
}

static void protect(void *data, int rights)
{
    const struct guard *guard = find(data);
    if (guard)
        mprotect(inside(guard), guard->mapped - 2 * page_size(), rights);
}

void guard_seal(void *data)
{
    protect(data, PROT_READ);
}

void guard_unseal(void *data)
{
    protect(data, PROT_READ | PROT_WRITE);
}

bool guard_is_intact(const void *data)
{
    const struct guard *guard = find(data);
    for (const unsigned char *at = guard ? inside(guard) : NULL; at && at < guard->data; at++)
        if (*at != FILLING)
            return false;
    return true;
}

/* ---- the trap: functions that are safe in signal handlers only ------------------------------ */

static void add(char *text, size_t size, const char *words)
{
    size_t at = 0;
    while (text[at])
        at++;
    for (; *words && at + 1 < size; at++)
        text[at] = *words++;
    text[at] = '\0';
}

static const char *offence(const struct guard *guard, const unsigned char *address)
{
    if (address >= guard->data + guard->size)
        return "it reached past the end of ";
    return address < guard->data ? "it reached before the start of " : "it wrote into ";
}

static void trap(int signal_number, siginfo_t *info, void *context)
{
    char sentence[256] = "";
    const unsigned char *address = info->si_addr;
    (void)context;
    for (const struct guard *guard = guards; guard; guard = guard->next)
        if (address >= guard->map && address < guard->map + guard->mapped) {
            add(sentence, sizeof sentence, offence(guard, address));
            add(sentence, sizeof sentence, guard->name);
            trap_report(sentence);
            _exit(trap_exit_code);
        }
    signal(signal_number, SIG_DFL); /* not ours: takes its course as we return */
    raise(signal_number);
}

void guard_catch(void (*report)(const char *sentence), int exit_code)
{
    static char stack[64 * 1024]; /* a plugin may have used up its own */
    struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    trap_report = report;
    trap_exit_code = exit_code;
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}
