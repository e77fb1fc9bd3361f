/* pace.h - how much of a launch may go into the queue at once. SPDX-License-Identifier: MIT
 *
 * Where a GPU also draws a desktop, a kernel that holds it for seconds is killed, and all of a job
 * with it; and what is queued cannot be called back. So on GPUs a launch goes in parts, as many
 * work-groups at a time as PACE_SECONDS allow (device_facts.launch_groups). Groups do not know of
 * each other, and results are the same however a launch is cut.
 *
 * How long groups take is measured, for each kernel with each shape of its own. The first part is
 * one group per compute unit, the next ones grow at most PACE_GROWTH times. A launch that goes in
 * one piece by then is measured no more. */
#ifndef CLATENT_DEVICE_PACE_H
#define CLATENT_DEVICE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_SECONDS 0.08 /* aim of a part; two are in flight, and none may take 0.2 */
#define PACE_GROWTH 4
#define PACE_MEASURED SIZE_MAX /* as device_facts.launch_groups */

struct pace {
    uint64_t shape; /* what it was learned for */
    size_t groups;  /* that may go at once */
    double seconds; /* of one group; 0: not known yet */
};

/* Takes in that `groups` at once took so long. A part much smaller than it might have been, as the
 * last one of a launch is, shows the cost of an enqueue, and counts only if it was slow. */
void pace_learn(struct pace *pace, size_t groups, double seconds);

/* A box of a grid's work-groups: what one enqueue takes. */
struct part {
    size_t first[3], count[3];
};
/* The box of at most `most` (0 counts as 1) of the grid's groups that begins with number `done`,
 * counted with the first dimension fastest; how many it has. */
size_t part_take(const size_t groups[3], size_t done, size_t most, struct part *part);

#endif
