/* values_yaml.c - a YAML tree into the keys of a job. SPDX-License-Identifier: MIT
 *
 * The same code reads job files, the recommendations of a model and the JSON that an image carries
 * about itself (JSON is YAML). Relative paths are taken from the folder of the file. */
#include "base/file.h"
#include "base/home.h"
#include "base/memory.h"
#include "formats/escape.h"
#include "job/layout.h"
#include "job/values.h"

#include <stdlib.h>
#include <string.h>

struct source {
    struct job_values *values;
    const char *name;   /* of the file, for messages */
    const char *folder; /* relative paths start here; NULL: they stay as they are */
    bool recommending;  /* a model's clatent.yaml: fill gaps, allowed keys only */
    bool configuring;   /* a configuration file: allowed keys only */
    bool own_eta;       /* a recommended eta is about another scheduler than the user's */
};

/* "name:line", freed by the caller. */
static enum clat_status make_where(const struct source *source, int line, char **where)
{
    struct text text = {0};
    enum clat_status status = text_print(&text, "%s:%d", source->name, line);
    *where = text.data;
    return status;
}

static enum clat_status wrong_kind(
    const char *name, const struct yaml_node *node, const char *where, const char *expected)
{
    return status_set(CLAT_ERROR_USAGE, "%s: %s must be %s, found %s", where, name, expected,
        yaml_kind_name(node));
}

/* What must not be in quotes: numbers and truth values are plain scalars. */
static bool wants_plain(enum key_kind kind)
{
    return kind == KEY_INT || kind == KEY_REAL || kind == KEY_FLAG || kind == KEY_SEEDS;
}

static bool stays_as_it_is(const char *path)
{
    return path[0] == '/' || strncmp(path, "hf:", 3) == 0 || strcmp(path, "-") == 0;
}

/* What a path in a file stands for: "~/x" is in the home folder, everything relative in the folder
 * of the file; a model's bare name that is not there stays, to be looked for in model_path. */
enum clat_status job_path_join(int index, const char *folder, const char *text, char **path)
{
    enum clat_status status = CLAT_OK;
    const struct job_key *key = &job_keys[index];
    *path = NULL;
    if (!key->is_path || !folder || stays_as_it_is(text))
        return CLAT_OK;
    if (strncmp(text, "~/", 2) == 0 && home_folder())
        return file_join(home_folder(), text + 2, path);
    TRY(file_join(folder, text, path));
    if (key->field == offsetof(struct job, model) && !strchr(text, '/') && !file_exists(*path)) {
        free(*path);
        *path = NULL;
    }
out:
    return status;
}

static enum clat_status add_scalar(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    char *path = NULL;
    const char *name = job_keys[key].name;
    if (node->kind != NODE_SCALAR)
        FAIL(CLAT_ERROR_USAGE, "%s: %s must be a single value, found %s", where, name,
            yaml_kind_name(node));
    if (wants_plain(job_keys[key].kind) && !node->plain)
        FAIL(CLAT_ERROR_USAGE, "%s: %s must be a plain value, found the quoted text '%s'", where,
            name, node->text);
    TRY(job_value_check(key, node->text, where));
    TRY(job_path_join(key, source->folder, node->text, &path));
    TRY(job_value_add(source->values, key, path ? path : node->text, where));
out:
    free(path);
    return status;
}

static enum clat_status add_list(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    if (node->count == 0)
        FAIL(CLAT_ERROR_USAGE, "%s: the list of %s is empty", where, job_keys[key].name);
    for (size_t i = 0; i < node->count; i++)
        TRY(add_scalar(source, key, &node->children[i], where));
out:
    return status;
}

/* "[1, 2]" for a flat list of scalars. */
static enum clat_status option_text(
    const struct yaml_node *node, const char *where, struct text *out)
{
    enum clat_status status = CLAT_OK;
    if (node->kind == NODE_SCALAR)
        return text_add(out, node->text, strlen(node->text));
    if (node->kind == NODE_MAPPING)
        return wrong_kind(node->key, node, where, "a single value or a list");
    TRY(text_add(out, "[", 1));
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = &node->children[i];
        if (item->kind != NODE_SCALAR)
            FAIL(CLAT_ERROR_USAGE, "%s: %s must be a flat list", where, node->key);
        TRY(text_print(out, "%s%s", i ? ", " : "", item->text));
    }
    TRY(text_add(out, "]", 1));
out:
    return status;
}

static enum clat_status add_scheduler_option(struct source *source, const struct yaml_node *node)
{
    enum clat_status status = CLAT_OK;
    struct text text = {0};
    char *where = NULL;
    TRY(make_where(source, node->line, &where));
    TRY(text_add(&text, "", 0));
    if (yaml_is_null(node))
        TRY(text_add(&text, "null", 4));
    else
        TRY(option_text(node, where, &text));
    TRY(settings_set(&source->values->scheduler_options, node->key, text.data, where));
out:
    text_free(&text);
    free(where);
    return status;
}

/* `name` in the mapping: its own line is the place to report. */
static enum clat_status add_scheduler_name(
    struct source *source, int key, const struct yaml_node *node)
{
    struct job_value *value = &source->values->value[key];
    free(value->where);
    value->where = NULL;
    enum clat_status status = make_where(source, node->line, &value->where);
    return status == CLAT_OK ? add_scalar(source, key, node, value->where) : status;
}

static enum clat_status add_scheduler_parts(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    if (node->kind == NODE_SCALAR)
        return add_scalar(source, key, node, where);
    TRY(memory_string(where, &source->values->value[key].where));
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = &node->children[i];
        if (strcmp(entry->key, "name") == 0)
            TRY(add_scheduler_name(source, key, entry));
        else
            TRY(add_scheduler_option(source, entry));
    }
out:
    return status;
}

/* `scheduler: ddim`, or a mapping of `name` and options, in place of what was there; but over a
 * recommendation, options that the user gave without a name stay. */
static enum clat_status add_scheduler(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct settings *options = &source->values->scheduler_options, given = *options;
    if (node->kind == NODE_LIST)
        return wrong_kind("scheduler", node, where, "a name or a mapping");
    *options = (struct settings){0};
    TRY(add_scheduler_parts(source, key, node, where));
    for (size_t i = 0; source->recommending && i < given.count; i++)
        TRY(settings_set(options, given.items[i].key, given.items[i].value, given.items[i].where));
out:
    settings_free(&given);
    return status;
}

static enum clat_status add_layout(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    struct layout layout;
    struct text json = {0};
    TRY(layout_from_node(node, where, &layout));
    TRY(layout_text(&layout, &json));
    TRY(job_value_add(source->values, key, json.data, where));
out:
    text_free(&json);
    return status;
}

/* "steps=10-30": a value or range; "steps=[\"10\", \"20\"]": a list. */
static enum clat_status axis_text(const struct source *source, int key,
    const struct yaml_node *node, const char *where, struct text *out)
{
    enum clat_status status;
    char *path = NULL;
    bool list = node->kind == NODE_LIST;
    TRY(text_print(out, list ? "%s=[" : "%s=", job_keys[key].name));
    for (size_t i = 0; i < (list ? node->count : 1); i++) {
        const struct yaml_node *item = list ? &node->children[i] : node;
        if (item->kind != NODE_SCALAR)
            FAIL(CLAT_ERROR_USAGE, "%s: sweep: the values of %s must be texts or numbers, found %s",
                where, job_keys[key].name, yaml_kind_name(item));
        TRY(job_path_join(key, source->folder, item->text, &path));
        TRY(text_print(out, i ? ", " : ""));
        TRY(list ? escape_json(out, path ? path : item->text)
                 : text_print(out, "%s", path ? path : item->text));
        free(path);
        path = NULL;
    }
    TRY(text_print(out, list ? "]" : ""));
out:
    free(path);
    return status;
}

static enum clat_status add_axis(struct source *source, int sweep, const struct yaml_node *node)
{
    enum clat_status status;
    struct text text = {0};
    char *where = NULL;
    int key = job_key_find(node->key);
    TRY(make_where(source, node->line, &where));
    if (key < 0)
        TRY(job_key_unknown(node->key, where));
    TRY(axis_text(source, key, node, where, &text));
    TRY(job_value_check(sweep, text.data, where));
    TRY(job_value_add(source->values, sweep, text.data, where));
out:
    text_free(&text);
    free(where);
    return status;
}

/* A mapping: an axis for each key. */
static enum clat_status add_sweep(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum clat_status status = CLAT_OK;
    if (node->kind != NODE_MAPPING || !node->count)
        return status_set(CLAT_ERROR_USAGE,
            "%s: sweep must be a mapping with a line 'KEY: [VALUE, ...]' for each axis, found %s",
            where, node->kind == NODE_MAPPING ? "an empty one" : yaml_kind_name(node));
    for (size_t i = 0; i < node->count && status == CLAT_OK; i++)
        status = add_axis(source, key, &node->children[i]);
    return status;
}

static enum clat_status add_value(
    struct source *source, int key, const struct yaml_node *node, const char *where)
{
    enum key_kind kind = job_keys[key].kind;
    if (kind == KEY_LATER)
        return job_value_check(key, "", where);
    job_value_clear(&source->values->value[key]);
    if (kind == KEY_SCHEDULER)
        return add_scheduler(source, key, node, where);
    if (kind == KEY_SWEEP)
        return add_sweep(source, key, node, where);
    if (kind == KEY_LAYOUT && node->kind != NODE_SCALAR)
        return add_layout(source, key, node, where);
    if (node->kind == NODE_LIST && (kind == KEY_TEXTS || kind == KEY_SEEDS))
        return add_list(source, key, node, where);
    return add_scalar(source, key, node, where);
}

/* Does a recommendation find a gap? */
static bool has_gap(const struct source *source, int key)
{
    if (strcmp(job_keys[key].name, "eta") == 0 && source->own_eta)
        return false;
    return !source->values->value[key].where;
}

static enum clat_status add_entry(struct source *source, const struct yaml_node *node)
{
    enum clat_status status = CLAT_OK;
    char *where = NULL;
    TRY(make_where(source, node->line, &where));
    int key = job_key_find(node->key);
    if (key < 0)
        status = job_key_unknown(node->key, where);
    else if (source->recommending && !job_keys[key].recommended)
        status = status_set(CLAT_ERROR_INPUT, "%s: a model cannot recommend %s", where, node->key);
    else if (source->configuring && !job_keys[key].configured)
        status = status_set(CLAT_ERROR_USAGE,
            "%s: %s belongs to a job, it cannot be configured (clatent config lists what can)",
            where, node->key);
    else if ((!source->recommending || has_gap(source, key)) && !yaml_is_null(node))
        status = add_value(source, key, node, where);
out:
    free(where);
    return status;
}

static enum clat_status add_tree(struct source *source, const struct yaml_node *root)
{
    enum clat_status status = CLAT_OK;
    if (root->kind != NODE_MAPPING)
        return status_set(CLAT_ERROR_USAGE, "%s:%d: expected 'key: value' lines, found %s",
            source->name, root->line, yaml_kind_name(root));
    for (size_t i = 0; i < root->count && status == CLAT_OK; i++)
        status = add_entry(source, &root->children[i]);
    return status;
}

enum clat_status job_path_folder(const char *path, char **folder)
{
    const char *slash = strrchr(path, '/');
    *folder = NULL;
    if (!slash)
        return CLAT_OK;
    *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    return *folder ? CLAT_OK : status_set(CLAT_ERROR_MEMORY, "no host memory for %s", path);
}

static enum clat_status read_file(struct source *source)
{
    enum clat_status status = CLAT_OK;
    struct yaml_node root = {0};
    char *folder = NULL;
    TRY(job_path_folder(source->name, &folder));
    source->folder = folder;
    TRY(yaml_read(source->name, &root));
    TRY(add_tree(source, &root));
out:
    yaml_free(&root);
    free(folder);
    return status;
}

enum clat_status job_values_read(struct job_values *values, const char *path)
{
    return read_file(&(struct source){.values = values, .name = path});
}

enum clat_status job_values_recommend(struct job_values *values, const char *path)
{
    struct source source = {.values = values, .name = path, .recommending = true};
    source.own_eta = values->value[job_key_find("scheduler")].where ||
                     settings_find(&values->scheduler_options, "eta");
    return file_exists(path) ? read_file(&source) : CLAT_OK;
}

enum clat_status job_values_configure(struct job_values *values, const char *path)
{
    return read_file(&(struct source){.values = values, .name = path, .configuring = true});
}

enum clat_status job_values_tree(
    struct job_values *values, const char *name, const char *folder, const struct yaml_node *root)
{
    struct source source = {.values = values, .name = name, .folder = folder};
    return add_tree(&source, root);
}

enum clat_status job_values_parse(
    struct job_values *values, const char *name, const char *text, size_t size)
{
    struct yaml_node root;
    enum clat_status status = yaml_parse(name, text, size, &root);
    if (status == CLAT_OK)
        status = job_values_tree(values, name, NULL, &root);
    yaml_free(&root);
    return status;
}
