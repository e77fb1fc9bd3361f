/* portions.c - see portions.h. SPDX-License-Identifier: MIT */
#include "pipeline/portions.h"
#include "base/memory.h"

#include <stdlib.h>

enum clat_status portions_open(struct portions *portions, int images, int members, bool alike)
{
    enum clat_status status;
    *portions = (struct portions){.images = images, .count = members, .alike = alike};
    for (int i = 0; i < members; i++)
        portions->members[i].works = true;
    TRY(memory_new((size_t)images, 1, &portions->states));
    TRY(memory_new((size_t)images, 1, &portions->takers));
out:
    return status;
}

void portions_close(struct portions *portions)
{
    free(portions->states);
    free(portions->takers);
}

int portions_members(const struct portions *portions)
{
    int working = 0;
    for (int i = 0; i < portions->count; i++)
        working += portions->members[i].works;
    return working;
}

static int count_waiting(const struct portions *portions)
{
    int waiting = 0;
    for (int i = 0; i < portions->images; i++)
        waiting += portions->states[i] == IMAGE_WAITS;
    return waiting;
}

/* The fastest that works, and all together; a member of unknown speed is thought to be like `own`.
 */
static void add_speeds(const struct portions *portions, double own, double *fastest, double *sum)
{
    *fastest = own;
    *sum = 0;
    for (int i = 0; i < portions->count; i++) {
        double speed = portions->members[i].speed > 0 ? portions->members[i].speed : own;
        if (!portions->members[i].works)
            continue;
        *sum += speed;
        if (speed > *fastest)
            *fastest = speed;
    }
}

/* How many of those that wait a member should take. */
static int fair_part(const struct portions *portions, int member, int waiting)
{
    double own = portions->members[member].speed, fastest, sum;
    if (own <= 0 && !portions->alike)
        return 1;
    if (own <= 0)
        own = 1;
    add_speeds(portions, own, &fastest, &sum);
    if (2 * waiting * own < fastest)
        return 0;
    int part = (int)(waiting * own / sum + 0.5);
    return part > 0 ? part : 1;
}

int portions_take(struct portions *portions, int member, int limit, int *first)
{
    int waiting = count_waiting(portions), count = 0;
    int part = waiting ? fair_part(portions, member, waiting) : 0;
    *first = 0;
    if (part == 0)
        return 0;
    while (portions->states[*first] != IMAGE_WAITS)
        ++*first;
    for (int i = *first; i < portions->images && portions->states[i] == IMAGE_WAITS; i++) {
        if (count == part || count == limit)
            break;
        portions->states[i] = IMAGE_TAKEN;
        portions->takers[i] = (unsigned char)member;
        count++;
    }
    return count;
}

bool portions_are_done(const struct portions *portions)
{
    for (int i = 0; i < portions->images; i++)
        if (portions->states[i] != IMAGE_MADE)
            return false;
    return true;
}

void portions_return(struct portions *portions, int member)
{
    for (int i = 0; i < portions->images; i++)
        if (portions->states[i] == IMAGE_TAKEN && portions->takers[i] == member)
            portions->states[i] = IMAGE_WAITS;
}
