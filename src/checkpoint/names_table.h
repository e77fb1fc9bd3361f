/* names_table.h - the tables behind names.h. SPDX-License-Identifier: MIT
 *
 * A row is a pattern of theirs, one of ours, and a table for what follows inside of such a block;
 * what follows that (".weight", ".bias", a whole transformer) is the same in both. In a pattern
 * {b} and {l} are block and layer as we count them, the others numbers of theirs, with R resnets
 * per level going down and n levels:
 *
 *     {down} = 1 + b (R+1) + l, l < R    {pool} = 1 + b (R+1) + R      going down, and its end
 *     {up}   = b (R+1) + l               {last} = b (R+1) + R          going up, and its end
 *     {rise} = n - 1 - b                 {even} = 2 b, {odd} = 2 b + 1 */
#ifndef CLATENT_CHECKPOINT_NAMES_TABLE_H
#define CLATENT_CHECKPOINT_NAMES_TABLE_H

#include "checkpoint/names.h"

enum name_inside {
    NAME_SAME,
    NAME_RESNET,
    NAME_ATTENTION,
    NAME_AE_RESNET,
    NAME_AE_ATTENTION,
    NAME_OLD_ATTENTION
};

struct name_row {
    const char *theirs, *ours; /* both NULL after the last row */
    enum name_inside inside;
    int part; /* 1 to 3: this third of the rows of theirs; 0: all */
};

/* The tables of a dialect, one after the other: number `which` from 0, NULL if there are no more.
 */
const struct name_row *name_table(const struct name_facts *facts, int which);
/* Inside of such a block; NULL for NAME_SAME. */
const struct name_row *name_inside(const struct name_facts *facts, enum name_inside inside);

#endif
