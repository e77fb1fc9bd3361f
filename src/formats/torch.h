/* torch.h - reading torch's own files: a zip archive with one pickle, and the container before it.
 * SPDX-License-Identifier: MIT */
#ifndef CLATENT_FORMATS_TORCH_H
#define CLATENT_FORMATS_TORCH_H

#include "base/file.h"
#include "formats/weight.h"

bool torch_is_zip(const struct file_map *map);    /* "PK\3\4" at the start */
bool torch_is_legacy(const struct file_map *map); /* torch before 1.6 */

/* All tensors of the state dict, sorted by name, as views into the map. A state dict may be the
 * whole object or stand under "state_dict". Nothing in the pickle is ever executed. */
enum clat_status torch_read(const struct file_map *map, struct weight_list *list);
enum clat_status torch_read_legacy(const struct file_map *map, struct weight_list *list);

#endif
