/* yaml.h - a small YAML file as a tree of texts. SPDX-License-Identifier: MIT
 *
 * The part of YAML 1.2 that people write by hand, and all of JSON: block and flow mappings and
 * lists, plain and quoted scalars, comments. Everything that makes YAML surprising or dangerous is
 * refused with file and line: aliases, anchors, tags, merge keys, several documents, duplicate
 * keys, nesting deeper than 16, more than 10,000 nodes, more than 1 MiB, and what is not UTF-8.
 * Scalars stay text: what `no` or `1e3` means is for the option that receives it (YAML 1.2 core:
 * yaml_is_null). */
#ifndef CLATENT_FORMATS_YAML_H
#define CLATENT_FORMATS_YAML_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

#define YAML_FILE_LIMIT (1u << 20)   /* bytes in a file */
#define YAML_SCALAR_LIMIT (1u << 16) /* bytes in one scalar */
#define YAML_DEPTH_LIMIT 16
#define YAML_NODE_LIMIT 10000

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

struct yaml_node {
    enum node_kind kind;
    char *key;  /* of an entry of a mapping; NULL elsewhere */
    char *text; /* of a scalar, UTF-8 without NUL; NULL elsewhere */
    bool plain; /* a scalar without quotes: may be a number, a truth value or null */
    int line;   /* counted from 1; of the key, if there is one */
    struct yaml_node *children; /* [count], of a list or mapping, in the order of the file */
    size_t count, capacity;
};

/* Reads a file, or `size` bytes of text that messages call `name`, into *root (zeroed by the call;
 * freed with yaml_free() also after a failure). A file of comments only gives an empty mapping.
 * CLAT_ERROR_USAGE with "name:line: ..." for everything refused; CLAT_ERROR_INPUT if the file
 * cannot be read. */
enum clat_status yaml_read(const char *path, struct yaml_node *root);
enum clat_status yaml_parse(
    const char *name, const char *text, size_t size, struct yaml_node *root);
/* The same for a piece of a file whose first line is `line`. */
enum clat_status yaml_parse_at(
    const char *name, int line, const char *text, size_t size, struct yaml_node *root);
void yaml_node_free(struct yaml_node *root);
/* Not a symbol of its own: libyaml has one of this name, and would call ours where a program is
 * linked with both. */
static inline void yaml_free(struct yaml_node *root)
{
    yaml_node_free(root);
}

/* A plain `null`, `~` or nothing at all: the key is as good as absent. */
bool yaml_is_null(const struct yaml_node *node);

/* "a text", "a list", ... for messages. */
const char *yaml_kind_name(const struct yaml_node *node);

#endif
