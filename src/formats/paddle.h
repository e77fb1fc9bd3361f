/* paddle.h - reading PaddlePaddle's .pdparams: one pickle of numpy arrays. SPDX-License-Identifier:
 * MIT */
#ifndef CLATENT_FORMATS_PADDLE_H
#define CLATENT_FORMATS_PADDLE_H

#include "base/file.h"
#include "formats/weight.h"
#include <stdbool.h>

bool paddle_is(const struct file_map *map); /* a bare pickle of protocol 2, 3 or 4 */

/* All arrays of the dictionary, sorted by name, as views into the map. Linear layers are [in][out]
 * as Paddle has them. Nothing in the pickle is ever executed. */
enum clat_status paddle_read(const struct file_map *map, struct weight_list *list);

#endif
