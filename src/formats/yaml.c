/* yaml.c - libyaml's events into a tree, with everything surprising refused.
 * SPDX-License-Identifier: MIT
 *
 * The event interface of libyaml never expands an alias, so that an alias bomb cannot exist here;
 * it is refused like anchors and tags, because job files need none. The only file that includes
 * yaml.h. */
#include "formats/yaml.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *name; /* of the file, for messages */
    int line, lines;  /* of the text's beginning in that file, and how many it has */
    size_t nodes;     /* so far */
    int depth;        /* of the node being read */
};

/* libyaml puts the end of a text into a line of its own. */
static int line_of(const struct reader *reader, const yaml_mark_t *mark)
{
    int line = (int)mark->line < reader->lines ? (int)mark->line : reader->lines - 1;
    return line + reader->line;
}

static int count_lines(const char *text, size_t size)
{
    int lines = size > 0;
    for (size_t i = 0; i + 1 < size; i++)
        lines += text[i] == '\n';
    return lines > 0 ? lines : 1;
}

static int event_line(const struct reader *reader, const yaml_event_t *event)
{
    return line_of(reader, &event->start_mark);
}

static enum clat_status next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return CLAT_OK;
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return status_set(CLAT_ERROR_MEMORY, "no host memory to read %s", reader->name);
    return status_set(CLAT_ERROR_USAGE, "%s:%d: not valid YAML: %s%s%s", reader->name,
        line_of(reader, &parser->problem_mark), parser->problem ? parser->problem : "unreadable",
        parser->context ? ", " : "", parser->context ? parser->context : "");
}

static enum clat_status refuse(
    const struct reader *reader, const yaml_event_t *event, const char *what)
{
    return status_set(CLAT_ERROR_USAGE, "%s:%d: %s", reader->name, event_line(reader, event), what);
}

/* Anchors and tags of any node; they only differ in where the event keeps them. */
static enum clat_status check_plain_node(const struct reader *reader, const yaml_event_t *event)
{
    const void *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(reader, event, "an alias (*name) is not allowed here; write the value out");
    if (anchor)
        return refuse(reader, event, "an anchor (&name) is not allowed here; write the value out");
    if (tag)
        return refuse(reader, event, "a tag (!name) is not allowed here; write the value alone");
    return CLAT_OK;
}

static enum clat_status read_scalar(
    const struct reader *reader, const yaml_event_t *event, struct yaml_node *node)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (size > YAML_SCALAR_LIMIT)
        return status_set(CLAT_ERROR_USAGE, "%s:%d: a text of %zu bytes; at most %u are allowed",
            reader->name, event_line(reader, event), size, YAML_SCALAR_LIMIT);
    if (strlen(text) != size)
        return refuse(reader, event, "a NUL character is not allowed in a text");
    node->kind = NODE_SCALAR;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return memory_string(text, &node->text);
}

static enum clat_status read_node(
    struct reader *reader, const yaml_event_t *event, struct yaml_node *node);

/* Appends a zeroed child; the pointer is good until the next one is appended. */
static enum clat_status add_child(struct yaml_node *node, struct yaml_node **child)
{
    enum clat_status status =
        memory_grow(&node->children, &node->capacity, node->count, sizeof *node->children);
    if (status != CLAT_OK)
        return status;
    *child = &node->children[node->count++];
    memset(*child, 0, sizeof **child);
    return CLAT_OK;
}

static enum clat_status read_list(struct reader *reader, struct yaml_node *node)
{
    node->kind = NODE_LIST;
    for (;;) {
        yaml_event_t event;
        enum clat_status status = next_event(reader, &event);
        if (status != CLAT_OK)
            return status;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct yaml_node *child;
        if (!end && (status = add_child(node, &child)) == CLAT_OK)
            status = read_node(reader, &event, child);
        yaml_event_delete(&event);
        if (end || status != CLAT_OK)
            return status;
    }
}

static enum clat_status check_key(
    const struct reader *reader, const yaml_event_t *event, const struct yaml_node *mapping)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(reader, event, "a key must be a name, not a list or a mapping");
    const char *key = (const char *)event->data.scalar.value;
    if (strlen(key) != event->data.scalar.length)
        return refuse(reader, event, "a NUL character is not allowed in a key");
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(key, "<<") == 0)
        return refuse(reader, event, "a merge key (<<) is not allowed here");
    for (size_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->children[i].key, key) == 0)
            return status_set(CLAT_ERROR_USAGE, "%s:%d: key '%s' was given before, on line %d",
                reader->name, event_line(reader, event), key, mapping->children[i].line);
    return CLAT_OK;
}

/* A key event in hand: checks it, reads the value that follows. */
static enum clat_status read_entry(
    struct reader *reader, const yaml_event_t *key, struct yaml_node *mapping)
{
    enum clat_status status = CLAT_OK;
    struct yaml_node *child;
    yaml_event_t value = {0};
    TRY(check_plain_node(reader, key));
    TRY(check_key(reader, key, mapping));
    TRY(next_event(reader, &value));
    TRY(add_child(mapping, &child));
    child->key = strdup((const char *)key->data.scalar.value);
    if (!child->key)
        FAIL(CLAT_ERROR_MEMORY, "no host memory to read %s", reader->name);
    TRY(read_node(reader, &value, child));
    child->line = event_line(reader, key);
out:
    yaml_event_delete(&value);
    return status;
}

static enum clat_status read_mapping(struct reader *reader, struct yaml_node *node)
{
    node->kind = NODE_MAPPING;
    for (;;) {
        yaml_event_t event;
        enum clat_status status = next_event(reader, &event);
        if (status != CLAT_OK)
            return status;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        if (!end)
            status = read_entry(reader, &event, node);
        yaml_event_delete(&event);
        if (end || status != CLAT_OK)
            return status;
    }
}

static enum clat_status read_node(
    struct reader *reader, const yaml_event_t *event, struct yaml_node *node)
{
    enum clat_status status = CLAT_OK;
    node->line = event_line(reader, event);
    TRY(check_plain_node(reader, event));
    if (++reader->nodes > YAML_NODE_LIMIT)
        FAIL(CLAT_ERROR_USAGE, "%s:%d: more than %d values", reader->name, node->line,
            YAML_NODE_LIMIT);
    if (++reader->depth > YAML_DEPTH_LIMIT)
        FAIL(CLAT_ERROR_USAGE, "%s:%d: nested deeper than %d levels", reader->name, node->line,
            YAML_DEPTH_LIMIT);
    if (event->type == YAML_SCALAR_EVENT)
        TRY(read_scalar(reader, event, node));
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        TRY(read_list(reader, node));
    else
        TRY(read_mapping(reader, node));
    reader->depth--;
out:
    return status;
}

/* Passes the event that must come here; the structure of the stream is libyaml's to keep. */
static enum clat_status skip_event(struct reader *reader, yaml_event_type_t *type)
{
    yaml_event_t event;
    enum clat_status status = next_event(reader, &event);
    if (status == CLAT_OK) {
        *type = event.type;
        yaml_event_delete(&event);
    }
    return status;
}

/* stream start, document start, one node, document end, stream end. */
static enum clat_status read_stream(struct reader *reader, struct yaml_node *root)
{
    enum clat_status status = CLAT_OK;
    yaml_event_t event = {0};
    yaml_event_type_t type = YAML_NO_EVENT;
    TRY(skip_event(reader, &type));
    TRY(skip_event(reader, &type));
    if (type == YAML_STREAM_END_EVENT) {
        root->kind = NODE_MAPPING;
        return CLAT_OK;
    }
    TRY(next_event(reader, &event));
    TRY(read_node(reader, &event, root));
    TRY(skip_event(reader, &type));
    TRY(skip_event(reader, &type));
    if (type != YAML_STREAM_END_EVENT)
        FAIL(CLAT_ERROR_USAGE,
            "%s:%d: a second document (---) is not allowed; several jobs stand in a list under "
            "'jobs'",
            reader->name, line_of(reader, &reader->parser.mark));
out:
    yaml_event_delete(&event);
    return status;
}

/* The line of the first byte that is not UTF-8, or that is NUL. */
static int bad_line(const char *text, size_t size)
{
    int line = 1;
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && text[i] != '\n')
            continue;
        if (!text_is_utf8(text + start, i - start) || memchr(text + start, 0, i - start))
            return line;
        start = i + 1;
        line++;
    }
    return 0;
}

enum clat_status yaml_parse(const char *name, const char *text, size_t size, struct yaml_node *root)
{
    return yaml_parse_at(name, 1, text, size, root);
}

enum clat_status yaml_parse_at(
    const char *name, int first, const char *text, size_t size, struct yaml_node *root)
{
    memset(root, 0, sizeof *root);
    struct reader reader = {.name = name, .line = first};

    if (size > YAML_FILE_LIMIT)
        return status_set(
            CLAT_ERROR_USAGE, "%s: %zu bytes; at most %u are allowed", name, size, YAML_FILE_LIMIT);
    int line = bad_line(text, size);
    if (line)
        return status_set(CLAT_ERROR_USAGE, "%s:%d: not UTF-8 text", name, first + line - 1);
    reader.lines = count_lines(text, size);
    if (!yaml_parser_initialize(&reader.parser))
        return status_set(CLAT_ERROR_MEMORY, "no host memory to read %s", name);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    enum clat_status status = read_stream(&reader, root);
    yaml_parser_delete(&reader.parser);
    return status;
}

enum clat_status yaml_read(const char *path, struct yaml_node *root)
{
    enum clat_status status = CLAT_OK;
    char *text = NULL;
    size_t size;
    memset(root, 0, sizeof *root);
    TRY(file_read_text(path, YAML_FILE_LIMIT, &text, &size));
    TRY(yaml_parse(path, text, size, root));
out:
    free(text);
    return status;
}

void yaml_node_free(struct yaml_node *root)
{
    for (size_t i = 0; i < root->count; i++)
        yaml_node_free(&root->children[i]);
    free(root->children);
    free(root->key);
    free(root->text);
    memset(root, 0, sizeof *root);
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != NODE_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    switch (node->kind) {
    case NODE_LIST:
        return "a list";
    case NODE_MAPPING:
        return "a mapping";
    default:
        return "a single value";
    }
}
