/* jpeg.c - photographs through libjpeg. SPDX-License-Identifier: MIT
 *
 * libjpeg leaves a damaged file by longjmp from its error routine; everything that must be freed is
 * in one struct that lives outside of the jump. What it would only warn of, missing data filled up
 * with gray, is an error here. A file of few bytes may ask for many passes over a large image: more
 * than a real one has are refused. */
#include "config.h"

#include "formats/jpeg.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool jpeg_is(const unsigned char *data, size_t size)
{
    return size > 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF;
}

#ifdef HAVE_JPEG

#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>

#define SCAN_LIMIT 100
#define MARKER_EXIF (JPEG_APP0 + 1)

struct reader {
    struct jpeg_decompress_struct file;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf way_out;
    char sentence[JMSG_LENGTH_MAX];
    struct png_pixels pixels;
    int orientation;
};

static struct reader *reader_of(j_common_ptr file)
{
    return file->client_data;
}

static void on_error(j_common_ptr file)
{
    struct reader *reader = reader_of(file);
    file->err->format_message(file, reader->sentence);
    longjmp(reader->way_out, 1);
}

/* Level -1 is a warning. */
static void on_message(j_common_ptr file, int level)
{
    int code = file->err->msg_code;
    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
        on_error(file);
}

static void on_progress(j_common_ptr file)
{
    const struct reader *reader = reader_of(file);
    if (reader->file.input_scan_number > SCAN_LIMIT)
        ERREXIT(file, JERR_BAD_PROGRESSION);
}

static enum clat_status check_size(const char *name, const struct jpeg_decompress_struct *file)
{
    if (file->image_width <= PNG_SIDE_LIMIT && file->image_height <= PNG_SIDE_LIMIT &&
        (uint64_t)file->image_width * file->image_height <= PNG_PIXEL_LIMIT)
        return CLAT_OK;
    return status_set(CLAT_ERROR_INPUT,
        "%s: %u x %u pixels; sides of 1 to %d and %u pixels are allowed", name, file->image_width,
        file->image_height, PNG_SIDE_LIMIT, PNG_PIXEL_LIMIT);
}

static int find_orientation(const struct jpeg_decompress_struct *file)
{
    const struct jpeg_marker_struct *marker = file->marker_list;
    while (marker && marker->marker != MARKER_EXIF)
        marker = marker->next;
    return marker ? exif_orientation(marker->data, marker->data_length) : 1;
}

/* What libjpeg does; it may leave by the way out. */
static enum clat_status read_rows(
    const char *name, struct reader *reader, const unsigned char *data, size_t size, bool gray)
{
    enum clat_status status;
    struct jpeg_decompress_struct *file = &reader->file;
    struct png_pixels *pixels = &reader->pixels;
    jpeg_create_decompress(file);
    file->progress = &reader->progress;
    reader->progress.progress_monitor = on_progress;
    jpeg_mem_src(file, data, (unsigned long)size);
    jpeg_save_markers(file, MARKER_EXIF, 0xFFFF);
    jpeg_read_header(file, TRUE);
    TRY(check_size(name, file));
    reader->orientation = find_orientation(file);
    file->out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(file);
    pixels->width = (int)file->output_width;
    pixels->height = (int)file->output_height;
    pixels->channels = file->output_components;
    TRY(memory_new(
        (size_t)pixels->width * (size_t)pixels->height, (size_t)pixels->channels, &pixels->values));
    while (file->output_scanline < file->output_height) {
        JSAMPROW row = pixels->values + (size_t)file->output_scanline * (size_t)pixels->width *
                                            (size_t)pixels->channels;
        jpeg_read_scanlines(file, &row, 1);
    }
    jpeg_finish_decompress(file);
out:
    return status;
}

enum clat_status jpeg_decode(const char *name, const unsigned char *data, size_t size,
    enum png_form form, struct png_pixels *pixels)
{
    enum clat_status status;
    struct reader *reader = NULL;
    if (form == PNG_LABELS)
        return status_set(
            CLAT_ERROR_INPUT, "%s: numbers of labels are not exact in a JPEG file; use PNG", name);
    TRY(memory_new(1, sizeof *reader, &reader));
    reader->file.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    reader->file.client_data = reader;
    if (setjmp(reader->way_out) == 0)
        status = read_rows(name, reader, data, size, form == PNG_GRAY);
    else
        status =
            status_set(CLAT_ERROR_INPUT, "%s: not a good JPEG file: %s", name, reader->sentence);
    TRY(status);
    TRY(exif_turn(reader->orientation, &reader->pixels));
    *pixels = reader->pixels;
    reader->pixels.values = NULL;
out:
    if (reader) {
        jpeg_destroy_decompress(&reader->file);
        free(reader->pixels.values);
    }
    free(reader);
    return status;
}

#else

enum clat_status jpeg_decode(const char *name, const unsigned char *data, size_t size,
    enum png_form form, struct png_pixels *pixels)
{
    (void)data, (void)size, (void)form, (void)pixels;
    return status_set(CLAT_ERROR_INPUT,
        "%s: a JPEG file, which this program was built without; convert it to PNG", name);
}

#endif
