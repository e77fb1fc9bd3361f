/* share.c - see share.h. SPDX-License-Identifier: MIT */
#include "pipeline/share.h"
#include "base/memory.h"

#include <stdlib.h>

enum clat_status shares_open(struct shares *shares, int images, int members, bool alike)
{
    enum clat_status status;
    *shares = (struct shares){.images = images, .count = members, .alike = alike};
    for (int i = 0; i < members; i++)
        shares->members[i].works = true;
    TRY(memory_new((size_t)images, 1, &shares->states));
    TRY(memory_new((size_t)images, 1, &shares->takers));
out:
    return status;
}

void shares_close(struct shares *shares)
{
    free(shares->states);
    free(shares->takers);
}

int shares_members(const struct shares *shares)
{
    int working = 0;
    for (int i = 0; i < shares->count; i++)
        working += shares->members[i].works;
    return working;
}

static int count_waiting(const struct shares *shares)
{
    int waiting = 0;
    for (int i = 0; i < shares->images; i++)
        waiting += shares->states[i] == IMAGE_WAITS;
    return waiting;
}

/* The fastest that works, and all together; a member of unknown speed is thought to be like `own`.
 */
static void add_speeds(const struct shares *shares, double own, double *fastest, double *sum)
{
    *fastest = own;
    *sum = 0;
    for (int i = 0; i < shares->count; i++) {
        double speed = shares->members[i].speed > 0 ? shares->members[i].speed : own;
        if (!shares->members[i].works)
            continue;
        *sum += speed;
        if (speed > *fastest)
            *fastest = speed;
    }
}

/* How many of those that wait a member should take. */
static int fair_part(const struct shares *shares, int member, int waiting)
{
    double own = shares->members[member].speed, fastest, sum;
    if (own <= 0 && !shares->alike)
        return 1;
    if (own <= 0)
        own = 1;
    add_speeds(shares, own, &fastest, &sum);
    if (2 * waiting * own < fastest)
        return 0;
    int part = (int)(waiting * own / sum + 0.5);
    return part > 0 ? part : 1;
}

int shares_take(struct shares *shares, int member, int limit, int *first)
{
    int waiting = count_waiting(shares), count = 0;
    int part = waiting ? fair_part(shares, member, waiting) : 0;
    *first = 0;
    if (part == 0)
        return 0;
    while (shares->states[*first] != IMAGE_WAITS)
        ++*first;
    for (int i = *first; i < shares->images && shares->states[i] == IMAGE_WAITS; i++) {
        if (count == part || count == limit)
            break;
        shares->states[i] = IMAGE_TAKEN;
        shares->takers[i] = (unsigned char)member;
        count++;
    }
    return count;
}

bool shares_are_done(const struct shares *shares)
{
    for (int i = 0; i < shares->images; i++)
        if (shares->states[i] != IMAGE_MADE)
            return false;
    return true;
}

void shares_return(struct shares *shares, int member)
{
    for (int i = 0; i < shares->images; i++)
        if (shares->states[i] == IMAGE_TAKEN && shares->takers[i] == member)
            shares->states[i] = IMAGE_WAITS;
}
