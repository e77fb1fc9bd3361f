/* frame.h - tensors with a frame round them, to catch an op that reads or writes outside of its
 * own. SPDX-License-Identifier: MIT
 *
 * A framed tensor is a slice of channels of wider rows, with rows to spare before and after. Round
 * an input the frame is not-a-number, which would show in any result; round an output it is a
 * number that must still be there afterwards. */
#ifndef CLATENT_TESTS_FRAME_H
#define CLATENT_TESTS_FRAME_H

#include "device/tensor.h"

#define FRAME_ROWS 2

struct framed {
    struct tensor tensor, whole;
    float *values; /* dense, of `tensor` */
    int side;      /* spare channels on each side */
};

/* n x 1 x tokens x c, at the front of the pool. An input (seed > 0) has random values; an output
 * has 1e30 everywhere. Freed with frame_free(). */
struct framed frame_new(struct pool *pool, int n, int tokens, int c, int side, uint64_t seed);
void frame_free(struct framed *framed);

/* Fetches an output into values; CHECKs that its frame is untouched. */
void frame_read(struct pool *pool, const char *label, struct framed *framed);

/* Fills a pool with not-a-number: whatever reads what nobody wrote then shows. */
enum clat_status pool_poison(struct pool *pool);

#endif
