/* list.c - the top of a job file, then its jobs over a copy of it. SPDX-License-Identifier: MIT */
#include "job/list.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void drop_entries(struct job_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        job_values_free(&list->entries[i].values);
        free(list->entries[i].name);
    }
    free(list->entries);
    list->entries = NULL;
    list->count = list->capacity = 0;
}

void job_list_free(struct job_list *list)
{
    drop_entries(list);
    job_values_free(&list->top);
}

/* Takes the entry `jobs` out of the tree; a zeroed node if there is none. */
static struct yaml_node take_jobs(struct yaml_node *root)
{
    struct yaml_node jobs = {0};
    for (size_t i = 0; root->kind == NODE_MAPPING && i < root->count; i++)
        if (strcmp(root->children[i].key, "jobs") == 0) {
            jobs = root->children[i];
            root->count--;
            memmove(&root->children[i], &root->children[i + 1],
                (root->count - i) * sizeof *root->children);
        }
    return jobs;
}

static enum clat_status add_entry(struct job_list *list, const char *path, int line)
{
    enum clat_status status;
    struct text name = {0};
    TRY(memory_grow(&list->entries, &list->capacity, list->count, sizeof *list->entries));
    struct job_entry *entry = &list->entries[list->count];
    *entry = (struct job_entry){.name = NULL};
    list->count++;
    TRY(text_print(&name, "job %zu (%s:%d)", list->count, path, line));
    entry->name = name.data;
    TRY(job_values_copy(&list->top, &entry->values));
out:
    return status;
}

/* Keys that are for all jobs together stand at the top. */
static enum clat_status check_keys(const struct yaml_node *job, const char *path)
{
    for (size_t i = 0; job->kind == NODE_MAPPING && i < job->count; i++) {
        int key = job_key_find(job->children[i].key);
        if (key >= 0 && job_keys[key].whole)
            return status_set(CLAT_ERROR_USAGE,
                "%s:%d: %s is for all jobs together: it stands at the top of the file, not in one "
                "of them",
                path, job->children[i].line, job_keys[key].name);
    }
    return CLAT_OK;
}

static enum clat_status read_entry(
    struct job_list *list, const char *path, const char *folder, const struct yaml_node *job)
{
    enum clat_status status;
    TRY(add_entry(list, path, job->line));
    TRY(check_keys(job, path));
    TRY(job_values_tree(&list->entries[list->count - 1].values, path, folder, job));
out:
    return status == CLAT_OK ? status : status_prefix(status, "job %zu", list->count);
}

static enum clat_status read_jobs(
    struct job_list *list, const char *path, const char *folder, const struct yaml_node *jobs)
{
    enum clat_status status = CLAT_OK;
    drop_entries(list);
    if (!jobs->key)
        return CLAT_OK;
    if (jobs->kind != NODE_LIST || jobs->count == 0 || jobs->count > JOB_LIST_LIMIT)
        return status_set(CLAT_ERROR_USAGE,
            "%s:%d: jobs must be a list of 1 to %d jobs, each with 'key: value' lines, found %s",
            path, jobs->line, JOB_LIST_LIMIT,
            jobs->kind == NODE_LIST ? "one of another length" : yaml_kind_name(jobs));
    for (size_t i = 0; i < jobs->count && status == CLAT_OK; i++)
        status = read_entry(list, path, folder, &jobs->children[i]);
    return status;
}

enum clat_status job_list_read(struct job_list *list, const char *path)
{
    enum clat_status status;
    struct yaml_node root = {0}, jobs = {0};
    char *folder = NULL;
    TRY(job_path_folder(path, &folder));
    TRY(yaml_read(path, &root));
    jobs = take_jobs(&root);
    TRY(job_values_tree(&list->top, path, folder, &root));
    TRY(read_jobs(list, path, folder, &jobs));
out:
    yaml_free(&jobs);
    yaml_free(&root);
    free(folder);
    return status;
}

enum clat_status job_list_set(
    struct job_list *list, const char *key, const char *text, const char *where, bool append)
{
    enum clat_status status = job_values_set(&list->top, key, text, where, append);
    for (size_t i = 0; i < list->count && status == CLAT_OK; i++)
        status = job_values_set(&list->entries[i].values, key, text, where, append);
    return status;
}

enum clat_status job_list_fill(
    struct job_list *list, const char *key, const char *text, const char *where)
{
    enum clat_status status = CLAT_OK;
    int index = job_key_find(key);
    if (index < 0)
        return job_key_unknown(key, where);
    if (!list->top.value[index].where)
        status = job_values_set(&list->top, key, text, where, false);
    for (size_t i = 0; i < list->count && status == CLAT_OK; i++)
        if (!list->entries[i].values.value[index].where)
            status = job_values_set(&list->entries[i].values, key, text, where, false);
    return status;
}
