/* pace.c - how much of a launch may go into the queue at once. SPDX-License-Identifier: MIT */
#include "device/pace.h"

void pace_learn(struct pace *pace, size_t groups, double seconds)
{
    if (groups < pace->groups / 2 && seconds < PACE_SECONDS)
        return;
    size_t most = groups <= SIZE_MAX / PACE_GROWTH ? groups * PACE_GROWTH : SIZE_MAX;
    double wanted = seconds > 0 ? (double)groups * (PACE_SECONDS / seconds) : (double)most;
    pace->groups = wanted < (double)most ? (size_t)wanted : most;
    if (pace->groups == 0)
        pace->groups = 1;
    pace->seconds = seconds / (double)groups;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t part_take(const size_t groups[3], size_t done, size_t most, struct part *part)
{
    size_t row = groups[0], plane = row * groups[1], room = most ? most : 1;
    size_t x = done % row, y = done % plane / row, z = done / plane;
    *part = (struct part){.first = {x, y, z}, .count = {row, groups[1], 1}};
    if (x > 0 || room < row) { /* within a row */
        part->count[0] = least(row - x, room);
        part->count[1] = 1;
    } else if (y > 0 || room < plane) { /* whole rows of a plane */
        part->count[1] = least(groups[1] - y, room / row);
    } else {
        part->count[2] = least(groups[2] - z, room / plane);
    }
    return part->count[0] * part->count[1] * part->count[2];
}
