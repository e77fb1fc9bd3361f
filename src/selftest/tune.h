/* tune.h - finds parameters of kernels by timing them, each result checked.
 * SPDX-License-Identifier: MIT
 *
 * For every shape that a model asks a tuning table for, up to ten candidates run on random input. A
 * candidate is right if it agrees with the op's own choice, and that with plain C at places of the
 * result. It is fast by the least of several timings; the winner meets the op's own choice once
 * more, in turns, and must be faster by WIN. */
#ifndef CLATENT_SELFTEST_TUNE_H
#define CLATENT_SELFTEST_TUNE_H

#include "device/tuning.h"

struct tune_outcome {
    struct tuning_row row; /* of the fastest; `own` where that is the op's own choice */
    int candidates;        /* that ran, with the own one */
    int failed;            /* of them: wrong results, or no kernel */
    double error;          /* of the fastest against the own one, relative L2 */
    const char *fault;     /* why nothing was found; NULL: the row is good. Good while it is told */
    size_t number, total;  /* shapes, counted from 1 */
};

struct tune_request {
    double seconds; /* for everything, about: no shape is begun later; 0: no limit */
    size_t shapes;  /* at most so many, those with most work; 0: all */
    void (*tell)(void *user, const struct tune_outcome *outcome);
    void *user;
};

/* Tunes a device that has a table (device_set_tuning): the rows found are added to it as they come.
 * CLAT_CANCELLED, or what ends all, may come after some rows. */
enum clat_status tune_device(struct device *device, const struct tuning_question *questions,
    size_t count, const struct tune_request *request);

#endif
