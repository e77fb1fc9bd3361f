/* tensors.h - what a network would do with the tensors of a hostile file.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_TESTS_FUZZ_TENSORS_H
#define CLATENT_TESTS_FUZZ_TENSORS_H

#include "base/file.h"
#include "formats/weight.h"

/* Brings a list to our names in every dialect, reads every tensor that is not too large, and frees
 * the list. */
void tensors_use(const struct file_map *map, struct weight_list *list);

#endif
