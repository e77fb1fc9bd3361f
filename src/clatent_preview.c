/* clatent_preview.c - previews into a file, and to the caller. SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/memory.h"
#include "clatent_output.h"
#include "formats/png.h"
#include "job/metadata.h"

#include <stdlib.h>

/* [h][w][3] to [height][width][3]: each pixel the value between the centres of its four neighbours,
 * so that an image's few squares look like one. */
static void enlarge(int h, int w, const float *from, int height, int width, float *to)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float v = ((float)y + 0.5f) * (float)h / (float)height - 0.5f;
            float u = ((float)x + 0.5f) * (float)w / (float)width - 0.5f;
            v = v < 0 ? 0 : v;
            u = u < 0 ? 0 : u;
            int i = (int)v, j = (int)u, i2 = i + 1 < h ? i + 1 : i, j2 = j + 1 < w ? j + 1 : j;
            float a = v - (float)i, b = u - (float)j;
            for (int c = 0; c < 3; c++) {
                float above = (1 - b) * from[3 * (i * w + j) + c] + b * from[3 * (i * w + j2) + c];
                float below =
                    (1 - b) * from[3 * (i2 * w + j) + c] + b * from[3 * (i2 * w + j2) + c];
                to[3 * ((size_t)y * (size_t)width + (size_t)x) + (size_t)c] =
                    (1 - a) * above + a * below;
            }
        }
}

/* Replaces what was there; it too says that a model made it. */
static enum clat_status write_preview(const struct output *output, const char *path, int h, int w,
    const float *rgb, int height, int width)
{
    enum clat_status status;
    struct text xmp = {0}, file = {0};
    struct file_out out = {0};
    char keyword[] = METADATA_XMP_KEY;
    float *large = NULL;
    TRY(memory_new((size_t)height * (size_t)width * 3, sizeof *large, &large));
    enlarge(h, w, rgb, height, width, large);
    TRY(metadata_xmp(job_is_composite(output->job), &xmp));
    struct png_text text = {keyword, xmp.data};
    TRY(png_encode(large, height, width, &text, output->job->ai_mark, &file));
    TRY(file_out_open(path, &out));
    TRY(file_out_write(&out, file.data, file.size));
    TRY(file_out_commit(&out));
out:
    file_out_abort(&out);
    free(large);
    text_free(&xmp);
    text_free(&file);
    return status;
}

/* Of images that would share a name, the first has it. A preview that cannot be written is no
 * reason to stop. */
static char *write_file(struct output *output, const struct output_image *image, int nth, int h,
    int w, const float *rgb)
{
    char *path = NULL;
    const char *pattern = output->job->preview_output;
    if (!pattern || output->preview_failed || (nth > 0 && !output_is_per_image(pattern)))
        return NULL;
    enum clat_status status =
        output_expand(output, pattern, image, output->first_index + (size_t)image->index, &path);
    if (status == CLAT_OK)
        status = write_preview(output, path, h, w, rgb, image->height, image->width);
    if (status == CLAT_OK)
        return path;
    context_log(output->context, "warning: no previews: %s", status_text());
    output->preview_failed = true;
    free(path);
    return NULL;
}

void output_preview(struct output *output, const struct output_image *image, int nth, int step,
    int steps, int h, int w, const float *rgb)
{
    const struct clat_options *options = &output->context->options;
    char *path = write_file(output, image, nth, h, w, rgb);
    struct clat_preview preview = {image->index, nth, step, steps, h, w, rgb, path};
    if (options->preview)
        options->preview(options->user, &preview);
    free(path);
}
