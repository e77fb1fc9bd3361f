/* layout.h - boxes that say what stands where in a picture. SPDX-License-Identifier: MIT
 *
 *     layout:
 *       - {class: 14, x: 0.1, y: 0.2, w: 0.3, h: 0.6}
 *       - {class: Tree, x: 0, y: 0, w: 1, h: 0.5, flags: [occluded]}
 *
 * The words are those of the Open Images annotations. */
#ifndef CLATENT_JOB_LAYOUT_H
#define CLATENT_JOB_LAYOUT_H

#include "base/text.h"
#include "formats/yaml.h"

#define LAYOUT_BOXES 30 /* most objects that the published model was trained with */

enum layout_flag {
    LAYOUT_GROUP_OF = 1,
    LAYOUT_OCCLUDED = 2,
    LAYOUT_DEPICTION = 4,
    LAYOUT_INSIDE = 8
};
struct box {
    char class[64];    /* a number, or a name out of a file of class labels */
    double x, y, w, h; /* upper left corner and size, in parts of the image: 0..1 */
    unsigned flags;    /* enum layout_flag */
};
struct layout {
    struct box boxes[LAYOUT_BOXES];
    size_t count; /* 1 or more */
};

/* From JSON or YAML text that starts with '[', else from the YAML file of that name (a list, or a
 * mapping with the key `layout`). Every fault is CLAT_ERROR_USAGE (CLAT_ERROR_INPUT if a file
 * cannot be read) and names the box, counted from 1. */
enum clat_status layout_read(const char *text, const char *where, struct layout *layout);
enum clat_status layout_from_node(
    const struct yaml_node *node, const char *where, struct layout *layout);

/* The same boxes as JSON, which layout_read reads. */
enum clat_status layout_text(const struct layout *layout, struct text *out);

#endif
