/* clatent_page.h - a contact sheet while its images come in. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PAGE_H
#define CLATENT_PAGE_H

#include "formats/sheet.h"
#include "job/expand.h"
#include "job/job.h"

/* Zero-initialise; freed with page_close(). */
struct page {
    const char *path;
    bool overwrite, ai_mark, metadata;
    bool composite;              /* job_is_composite() */
    size_t count;                /* images on it */
    int height, width;           /* of the largest, in pixels */
    const struct job_part *part; /* the sweep that it shows; NULL: images in their order */
    struct sheet_plan plan;      /* its labels are owned */
    struct sheet sheet;
};

/* Path and marks of a job's sheet. */
void page_begin(struct page *page, const struct job *job);
/* Counts an image in. */
void page_count(struct page *page, int height, int width);
/* When all are counted: lays it out, and fails if it cannot be written or is too large. */
enum clat_status page_check(struct page *page);
/* The paper, with labels. */
enum clat_status page_open(struct page *page);
/* An image by its number on the sheet, as floats in 0..1, or as bytes. */
void page_put(struct page *page, size_t number, const float *rgb, int height, int width);
void page_put_bytes(
    struct page *page, size_t number, const unsigned char *rgb, int height, int width);
enum clat_status page_write(const struct page *page);
void page_close(struct page *page);

#endif
