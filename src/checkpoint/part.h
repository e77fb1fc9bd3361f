/* part.h - one file of weights: mapped, read, its tensors under our names.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_CHECKPOINT_PART_H
#define CLATENT_CHECKPOINT_PART_H

#include "base/file.h"
#include "checkpoint/weights.h"
#include "formats/weight.h"

struct part { /* zero-initialise */
    struct file_map map;
    struct weight_list list;           /* sorted by our names */
    size_t touched_begin, touched_end; /* bytes of the map read since weights_done() */
};

/* The format is recognised by the file's bytes. `view` NULL: all tensors, by diffusers' names or
 * Paddle's, as the format says. */
enum clat_status part_open(const char *path, const struct weight_view *view, struct part *part);
void part_close(struct part *part);

/* NULL if there is none of this name (ours). */
struct weight *part_find(const struct part *part, const char *name);

/* Notes that bytes of the map were read; part_forget() gives their pages back. */
void part_touch(struct part *part, const unsigned char *data, size_t size);
void part_forget(struct part *part);

/* Brings a list of tensors as a file has them to our names: see struct weight_view. */
enum clat_status view_apply(
    const struct weight_view *view, const char *path, struct weight_list *list);

#endif
