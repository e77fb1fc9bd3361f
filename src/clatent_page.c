/* clatent_page.c - a sweep's axes as rows, columns and blocks of a sheet. SPDX-License-Identifier:
 * MIT
 *
 * One axis: a block for each value. More: the first are the rows, the second the columns, and a
 * block stands for each combination of the others. */
#include "clatent_page.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/png.h"
#include "job/key.h"
#include "job/metadata.h"
#include "job/output.h"

#include <stdlib.h>
#include <string.h>

#define ACROSS 8 /* blocks of one image that stand in one row */

void page_begin(struct page *page, const struct job *job)
{
    *page = (struct page){.path = job->sheet,
        .overwrite = job->overwrite || job->resume,
        .ai_mark = job->ai_mark,
        .composite = job_is_composite(job),
        .metadata = job->metadata};
}

void page_count(struct page *page, int height, int width)
{
    page->count++;
    page->height = height > page->height ? height : page->height;
    page->width = width > page->width ? width : page->width;
}

/* ---- labels --------------------------------------------------------------------------------- */

/* "steps 20"; of a text that speaks for itself, only that. */
static enum clat_status label_value(const struct sweep_axis *axis, size_t index, struct text *out)
{
    const struct job_key *key = &job_keys[axis->key];
    if (key->kind == KEY_TEXTS || key->kind == KEY_SCHEDULER)
        return text_print(out, "%s", axis->items[index]);
    return text_print(out, "%s %s", key->alias ? key->alias : key->name, axis->items[index]);
}

static enum clat_status label_axis(const struct sweep_axis *axis, char ***labels)
{
    enum clat_status status;
    struct text text = {0};
    TRY(memory_new(axis->count, sizeof **labels, labels));
    for (size_t i = 0; i < axis->count; i++) {
        TRY(label_value(axis, i, &text));
        (*labels)[i] = text.data;
        text = (struct text){0};
    }
out:
    text_free(&text);
    return status;
}

/* All values of combination `number` of the axes from `first` on. */
static enum clat_status label_rest(
    const struct job_part *part, size_t first, size_t number, char **label)
{
    enum clat_status status = CLAT_OK;
    size_t index[SWEEP_AXES];
    struct text text = {0};
    for (size_t i = part->axis_count; i-- > first; number /= part->axes[i].count)
        index[i] = number % part->axes[i].count;
    for (size_t i = first; i < part->axis_count; i++) {
        TRY(text_print(&text, "%s", i > first ? ", " : ""));
        TRY(label_value(&part->axes[i], index[i], &text));
    }
    *label = text.data;
    text = (struct text){0};
out:
    text_free(&text);
    return status;
}

static enum clat_status label_blocks(struct page *page, size_t first)
{
    enum clat_status status;
    TRY(memory_new(page->plan.blocks, sizeof *page->plan.block_labels, &page->plan.block_labels));
    for (size_t i = 0; i < page->plan.blocks; i++)
        TRY(label_rest(page->part, first, i, &page->plan.block_labels[i]));
out:
    return status;
}

static enum clat_status plan_sweep(struct page *page)
{
    enum clat_status status = CLAT_OK;
    const struct job_part *part = page->part;
    struct sheet_plan *plan = &page->plan;
    size_t first = part->axis_count > 1 ? 2 : 0;
    *plan = (struct sheet_plan){.height = page->height,
        .width = page->width,
        .rows = first ? part->axes[0].count : 1,
        .columns = first ? part->axes[1].count : 1,
        .blocks = 1,
        .across = 1};
    for (size_t i = first; i < part->axis_count; i++)
        plan->blocks *= part->axes[i].count;
    while (plan->across * plan->across * plan->columns < plan->blocks * plan->rows)
        plan->across++;
    if (!first && plan->blocks <= ACROSS)
        plan->across = plan->blocks;
    if (plan->across > plan->blocks)
        plan->across = plan->blocks;
    if (first) {
        TRY(label_axis(&part->axes[0], &plan->row_labels));
        TRY(label_axis(&part->axes[1], &plan->column_labels));
    }
    if (plan->blocks > 1 || !first)
        TRY(label_blocks(page, first));
out:
    return status;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/* Numbers of a sweep count its last axis first, cells its columns. */
static size_t cell_of(const struct page *page, size_t number)
{
    const struct sheet_plan *plan = &page->plan;
    if (!page->part || page->part->axis_count < 2)
        return number;
    size_t block = number % plan->blocks, rest = number / plan->blocks;
    size_t column = rest % plan->columns, row = rest / plan->columns;
    return (block * plan->rows + row) * plan->columns + column;
}

void page_put(struct page *page, size_t number, const float *rgb, int height, int width)
{
    sheet_put(&page->sheet, cell_of(page, number), rgb, height, width);
}

void page_put_bytes(
    struct page *page, size_t number, const unsigned char *rgb, int height, int width)
{
    sheet_put_bytes(&page->sheet, cell_of(page, number), rgb, height, width);
}

/* ---- the file ------------------------------------------------------------------------------- */

enum clat_status page_check(struct page *page)
{
    enum clat_status status;
    if (file_exists(page->path) && !page->overwrite)
        return status_set(CLAT_ERROR_OUTPUT, "'%s' exists; --overwrite replaces it", page->path);
    TRY(output_check_folder(page->path));
    if (page->part)
        TRY(plan_sweep(page));
    else
        page->plan = sheet_plan_plain(page->count, page->height, page->width);
    TRY(sheet_check(&page->plan, page->path));
out:
    return status;
}

enum clat_status page_open(struct page *page)
{
    return sheet_open(&page->plan, page->path, &page->sheet);
}

/* "contact sheet of 6 images: prompt (a, b) x steps (10, 20, 30)" */
static enum clat_status describe(const struct page *page, struct text *out)
{
    enum clat_status status;
    TRY(text_print(out, "contact sheet of %zu images", page->count));
    for (size_t i = 0; page->part && i < page->part->axis_count; i++) {
        const struct sweep_axis *axis = &page->part->axes[i];
        TRY(text_print(out, "%s%s (", i ? " x " : ": ", job_keys[axis->key].name));
        for (size_t j = 0; j < axis->count; j++)
            TRY(text_print(out, "%s%s", j ? ", " : "", axis->items[j]));
        TRY(text_print(out, ")"));
    }
out:
    return status;
}

static enum clat_status write_file(const struct page *page, const struct text *file)
{
    enum clat_status status;
    struct file_out out = {0};
    TRY(file_out_open(page->path, &out));
    TRY(file_out_write(&out, file->data, file->size));
    TRY(page->overwrite ? file_out_commit(&out) : file_out_commit_new(&out));
out:
    file_out_abort(&out);
    return status;
}

enum clat_status page_write(const struct page *page)
{
    enum clat_status status = CLAT_OK;
    struct text description = {0}, xmp = {0}, file = {0};
    char words[] = "Description", mark[] = METADATA_XMP_KEY;
    struct png_text texts[2];
    size_t count = 0;
    if (page->metadata) {
        TRY(describe(page, &description));
        texts[count++] = (struct png_text){words, description.data};
    }
    if (page->ai_mark) {
        TRY(metadata_xmp(page->composite, &xmp));
        texts[count++] = (struct png_text){mark, xmp.data};
    }
    TRY(png_encode_bytes(
        page->sheet.rgb, page->sheet.height, page->sheet.width, texts, count, &file));
    TRY(write_file(page, &file));
out:
    text_free(&description);
    text_free(&xmp);
    text_free(&file);
    return status;
}

static void free_labels(char **labels, size_t count)
{
    for (size_t i = 0; labels && i < count; i++)
        free(labels[i]);
    free(labels);
}

void page_close(struct page *page)
{
    sheet_close(&page->sheet);
    free_labels(page->plan.row_labels, page->plan.rows);
    free_labels(page->plan.column_labels, page->plan.columns);
    free_labels(page->plan.block_labels, page->plan.blocks);
    *page = (struct page){.path = NULL};
}
