/* layout.c - boxes out of YAML, and as JSON. SPDX-License-Identifier: MIT */
#include "job/layout.h"
#include "formats/escape.h"

#include <math.h>
#include <string.h>

#define ROUNDING 1e-6 /* of x + w: decimal fractions are not exact */

static const char *const flag_names[] = {"group_of", "occluded", "depiction", "inside", NULL};

/* Where a box stands, for messages. */
struct place {
    const char *where;
    size_t box; /* counted from 1 */
};

static enum clat_status read_number(
    const struct place *place, const struct yaml_node *node, double *out)
{
    if (node->kind == NODE_SCALAR && text_to_double(node->text, out) && *out >= 0 && *out <= 1)
        return CLAT_OK;
    return status_set(CLAT_ERROR_USAGE,
        "%s: layout: box %zu: %s must be a number from 0 to 1, found %s%s%s", place->where,
        place->box, node->key, node->text ? "'" : yaml_kind_name(node),
        node->text ? node->text : "", node->text ? "'" : "");
}

static enum clat_status read_class(
    const struct place *place, const struct yaml_node *node, struct box *box)
{
    if (node->kind != NODE_SCALAR || *node->text == '\0' || strlen(node->text) >= sizeof box->class)
        return status_set(CLAT_ERROR_USAGE,
            "%s: layout: box %zu: class must be a number or a name of at most %zu bytes",
            place->where, place->box, sizeof box->class - 1);
    strcpy(box->class, node->text);
    return CLAT_OK;
}

static enum clat_status read_flag(
    const struct place *place, const struct yaml_node *node, unsigned *flags)
{
    for (size_t i = 0; node->text && flag_names[i]; i++)
        if (strcmp(node->text, flag_names[i]) == 0) {
            *flags |= 1u << i;
            return CLAT_OK;
        }
    return status_set(CLAT_ERROR_USAGE,
        "%s: layout: box %zu: flags are group_of, occluded, depiction and inside, found %s%s%s",
        place->where, place->box, node->text ? "'" : yaml_kind_name(node),
        node->text ? node->text : "", node->text ? "'" : "");
}

/* One name or a list of them. */
static enum clat_status read_flags(
    const struct place *place, const struct yaml_node *node, unsigned *flags)
{
    enum clat_status status = CLAT_OK;
    if (node->kind != NODE_LIST)
        return read_flag(place, node, flags);
    for (size_t i = 0; i < node->count; i++)
        TRY(read_flag(place, &node->children[i], flags));
out:
    return status;
}

static enum clat_status unknown_entry(const struct place *place, const char *key)
{
    static const char *const keys[] = {"class", "x", "y", "w", "h", "flags", NULL};
    const char *nearest = text_nearest(key, keys);
    return status_set(CLAT_ERROR_USAGE,
        "%s: layout: box %zu: unknown key '%s'%s%s%s; a box has class, x, y, w, h and flags",
        place->where, place->box, key, nearest ? ", did you mean '" : "", nearest ? nearest : "",
        nearest ? "'?" : "");
}

static enum clat_status check_box(const struct place *place, const struct box *box, unsigned given)
{
    static const char *const names[] = {"class", "x", "y", "w", "h"};
    for (size_t i = 0; i < 5; i++)
        if (!(given & 1u << i))
            return status_set(CLAT_ERROR_USAGE, "%s: layout: box %zu has no %s", place->where,
                place->box, names[i]);
    if (box->w == 0 || box->h == 0)
        return status_set(
            CLAT_ERROR_USAGE, "%s: layout: box %zu is empty", place->where, place->box);
    if (box->x + box->w > 1 + ROUNDING || box->y + box->h > 1 + ROUNDING)
        return status_set(CLAT_ERROR_USAGE,
            "%s: layout: box %zu reaches out of the image: x + w = %g, y + h = %g, expected at "
            "most 1",
            place->where, place->box, box->x + box->w, box->y + box->h);
    return CLAT_OK;
}

/* The field of a box that `key` names by one of x, y, w, h; NULL if it is another key. */
static double *find_number(struct box *box, const char *key, unsigned *bit)
{
    static const char *const names[] = {"x", "y", "w", "h"};
    double *fields[] = {&box->x, &box->y, &box->w, &box->h};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(key, names[i]) == 0) {
            *bit = 2u << i;
            return fields[i];
        }
    return NULL;
}

/* One entry of a box; `given` collects what there was: bit 0 class, 1 to 4 x, y, w, h. */
static enum clat_status read_entry(
    const struct place *place, const struct yaml_node *entry, struct box *box, unsigned *given)
{
    unsigned bit = 0;
    double *number = find_number(box, entry->key, &bit);
    *given |= bit;
    if (number)
        return read_number(place, entry, number);
    if (strcmp(entry->key, "flags") == 0)
        return read_flags(place, entry, &box->flags);
    if (strcmp(entry->key, "class") != 0)
        return unknown_entry(place, entry->key);
    *given |= 1;
    return read_class(place, entry, box);
}

static enum clat_status read_box(
    const struct place *place, const struct yaml_node *node, struct box *box)
{
    enum clat_status status = CLAT_OK;
    unsigned given = 0;
    if (node->kind != NODE_MAPPING)
        FAIL(CLAT_ERROR_USAGE, "%s: layout: box %zu: expected {class: ..., x: ...}, found %s",
            place->where, place->box, yaml_kind_name(node));
    for (size_t i = 0; i < node->count; i++)
        TRY(read_entry(place, &node->children[i], box, &given));
    TRY(check_box(place, box, given));
out:
    return status;
}

enum clat_status layout_from_node(
    const struct yaml_node *node, const char *where, struct layout *layout)
{
    enum clat_status status = CLAT_OK;
    *layout = (struct layout){.count = 0};
    if (node->kind != NODE_LIST)
        FAIL(CLAT_ERROR_USAGE, "%s: layout must be a list of boxes, found %s", where,
            yaml_kind_name(node));
    if (node->count == 0 || node->count > LAYOUT_BOXES)
        FAIL(CLAT_ERROR_USAGE, "%s: layout: expected 1 to %d boxes, found %zu", where, LAYOUT_BOXES,
            node->count);
    for (; layout->count < node->count; layout->count++)
        TRY(read_box(&(struct place){where, layout->count + 1}, &node->children[layout->count],
            &layout->boxes[layout->count]));
out:
    return status;
}

/* A file may be the list itself, or a job file with the key. */
static const struct yaml_node *find_list(const struct yaml_node *root)
{
    for (size_t i = 0; root->kind == NODE_MAPPING && i < root->count; i++)
        if (strcmp(root->children[i].key, "layout") == 0)
            return &root->children[i];
    return root;
}

enum clat_status layout_read(const char *text, const char *where, struct layout *layout)
{
    enum clat_status status = CLAT_OK;
    struct yaml_node root = {0};
    if (*text == '[')
        TRY(yaml_parse(where, text, strlen(text), &root));
    else
        TRY(yaml_read(text, &root));
    TRY(layout_from_node(find_list(&root), *text == '[' ? where : text, layout));
out:
    yaml_free(&root);
    return status;
}

static enum clat_status box_text(const struct box *box, struct text *out)
{
    enum clat_status status = CLAT_OK;
    const char *separator = "";
    TRY(text_print(out, "{\"class\": "));
    TRY(escape_json(out, box->class));
    TRY(text_print(out, ", \"x\": %.9g, \"y\": %.9g, \"w\": %.9g, \"h\": %.9g", box->x, box->y,
        box->w, box->h));
    TRY(text_print(out, "%s", box->flags ? ", \"flags\": [" : ""));
    for (size_t i = 0; flag_names[i]; i++)
        if (box->flags & 1u << i) {
            TRY(text_print(out, "%s\"%s\"", separator, flag_names[i]));
            separator = ", ";
        }
    TRY(text_print(out, "%s}", box->flags ? "]" : ""));
out:
    return status;
}

enum clat_status layout_text(const struct layout *layout, struct text *out)
{
    enum clat_status status = CLAT_OK;
    TRY(text_print(out, "["));
    for (size_t i = 0; i < layout->count; i++) {
        TRY(text_print(out, "%s", i ? ", " : ""));
        TRY(box_text(&layout->boxes[i], out));
    }
    TRY(text_print(out, "]"));
out:
    return status;
}
