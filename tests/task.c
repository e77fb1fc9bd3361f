/* task.c - what each task takes of a job, and what it makes of it before any work.
 * SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include "check.h"
#include "formats/npy.h"
#include "pipeline/condition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A model of a task without files: what settling looks at. */
static struct model make_model(enum task task)
{
    struct model model = {.folder = (char *)"x",
        .task = task,
        .text_encoder = {.vocab_size = 8192, .max_position_embeddings = 92},
        .class_embedder = {.classes = 1001, .width = 4},
        .rescaler = {.stages = 2, .in_channels = 182, .out_channels = 3},
        .unet = {.levels = 4, .in_channels = 3, .out_channels = 3, .sample_size = 64},
        .autoencoder = {.latent_channels = 3, .levels = 3},
        .latent_scale = 4};
    return model;
}

static char *one_class[] = {(char *)"7"};
static char *prompt[] = {(char *)"a circle"};

static void check_task(enum task task, const struct job *job, const char *words)
{
    struct model model = make_model(task);
    struct run run = {.model = &model, .job = job};
    if (words)
        CHECK_FAILS(task_settle(&run), CLAT_ERROR_USAGE, words);
    else
        CHECK_OK(task_settle(&run));
    free(run.inputs.classes);
}

static void test_keys(void)
{
    struct job job = {.batch_size = 1, .guidance_scale = 1};
    check_task(TASK_UNCONDITIONAL, &job, NULL);
    check_task(
        TASK_TEXT_TO_IMAGE, &job, "no prompt was given (--prompt, or prompt: in a job file)");
    check_task(TASK_CLASS_CONDITIONAL, &job, "no class was given");
    check_task(TASK_SUPER_RESOLUTION, &job, "no image was given");
    check_task(TASK_INPAINTING, &job, "no image was given");
    check_task(TASK_SEMANTIC_SYNTHESIS, &job, "no label_map was given");
    check_task(TASK_LAYOUT_TO_IMAGE, &job, "no layout was given");
    job.prompts = (struct texts){prompt, 1};
    check_task(TASK_TEXT_TO_IMAGE, &job, NULL);
    check_task(TASK_UNCONDITIONAL, &job, "prompt: the model is for unconditional, which takes no");
    check_task(TASK_SUPER_RESOLUTION, &job,
        "prompt: the model is for super_resolution, which takes "
        "image");
}

static void test_guidance(void)
{
    struct job job = {.batch_size = 1, .guidance_scale = 3, .classes = {one_class, 1}};
    struct model model = make_model(TASK_CLASS_CONDITIONAL);
    struct run run = {.model = &model, .job = &job};
    CHECK_OK(task_settle(&run));
    CHECK(run.guided && run.items == 1 && run.inputs.classes[0] == 7, "guided");
    free(run.inputs.classes);
    run.inputs.classes = NULL;
    model.class_embedder.classes = 1000;
    CHECK_FAILS(task_settle(&run), CLAT_ERROR_USAGE, "without an unconditional class");
    job.classes.count = 0;
    model = make_model(TASK_UNCONDITIONAL);
    CHECK_FAILS(task_settle(&run), CLAT_ERROR_USAGE, "guidance_scale: expected 1");
}

/* ---- classes -------------------------------------------------------------------------------- */

static void test_labels(void)
{
    const char *path = check_scratch("labels.txt");
    struct class_labels labels;
    FILE *file = fopen(path, "w");
    int number = -1;
    fputs(
        "n01440764 tench, Tinca tinca\r\ngoldfish\n\n/m/01s55n Suitcase\nnurse shark, nurse", file);
    fclose(file);
    CHECK_OK(class_labels_read(path, &labels));
    CHECK(labels.count == 5, "%zu lines", labels.count);
    static const struct {
        const char *name;
        int number;
    } good[] = {{"n01440764", 0}, {"Tinca Tinca", 0}, {"tench", 0}, {"GOLDFISH", 1},
        {"/m/01s55n", 3}, {"suitcase", 3}, {"nurse", 4}, {"nurse shark", 4},
        {"nurse shark, nurse", 4}, {"2", 2}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_OK(class_labels_find(&labels, "class", good[i].name, 5, &number));
        CHECK(number == good[i].number, "%s is %d", good[i].name, number);
    }
    CHECK_FAILS(class_labels_find(&labels, "class", "shark", 5, &number), CLAT_ERROR_USAGE,
        "class: class_labels has no class 'shark' among its 5 lines");
    CHECK_FAILS(class_labels_find(&labels, "class", "5", 5, &number), CLAT_ERROR_USAGE,
        "class: expected a class from 0 to 4, found '5'");
    CHECK_FAILS(
        class_labels_find(&labels, "class", "nurse", 4, &number), CLAT_ERROR_USAGE, "no class");
    class_labels_free(&labels);
    CHECK_FAILS(class_labels_find(&labels, "class", "tench", 5, &number), CLAT_ERROR_USAGE,
        "class: 'tench' is no number, and there are no names");
    CHECK_FAILS(
        class_labels_read(check_scratch("absent.txt"), &labels), CLAT_ERROR_INPUT, "absent");
}

/* ---- layouts -------------------------------------------------------------------------------- */

/* Worked out by hand from the formula: s = 90, token(x, y) = round(89 y) 90 + round(89 x). */
static void test_layout(void)
{
    char text[] =
        "[{class: 14, x: 0, y: 0, w: 1, h: 1}, {class: 3, x: 0.5, y: 0.25, w: 0.25, h: 0.5}]";
    struct job job = {.batch_size = 1, .guidance_scale = 1, .layout = text};
    struct model model = make_model(TASK_LAYOUT_TO_IMAGE);
    struct run run = {.model = &model, .job = &job};
    CHECK_OK(task_settle(&run));
    const int32_t *ids = run.inputs.layout_tokens;
    /* 89 x 0.5 = 44.5 rounds to 44; 89 x 0.25 = 22.25; 89 x 0.75 = 66.75 */
    const int32_t want[] = {14, 0, 8099, 3, 22 * 90 + 44, 67 * 90 + 67, 8191};
    CHECK(memcmp(ids, want, sizeof want) == 0, "%d %d %d, %d %d %d, %d", ids[0], ids[1], ids[2],
        ids[3], ids[4], ids[5], ids[6]);
    CHECK(ids[89] == 8191 && ids[90] == 0 && ids[91] == 8099, "the rest and the crop");
    char named[] = "[{class: Tree, x: 0, y: 0, w: 1, h: 1}]";
    job.layout = named;
    CHECK_FAILS(task_settle(&run), CLAT_ERROR_USAGE, "layout: box 1: 'Tree' is no number");
    char flagged[] = "[{class: 1, x: 0, y: 0, w: 1, h: 1, flags: inside}]";
    job.layout = flagged;
    CHECK_FAILS(task_settle(&run), CLAT_ERROR_USAGE, "layout: box 1: flags need class_labels");
    const char *path = check_scratch("three.txt");
    FILE *file = fopen(path, "w");
    fputs("Man\nTree\nDog\n", file);
    fclose(file);
    job.class_labels = (char *)path;
    CHECK_OK(task_settle(&run));
    CHECK(ids[0] == 1 + 3 * LAYOUT_INSIDE, "class 1 of 3 inside is %d", ids[0]);
    job.layout = named;
    CHECK_OK(task_settle(&run));
    CHECK(ids[0] == 1, "Tree is %d", ids[0]);
}

/* ---- pictures ------------------------------------------------------------------------------- */

static char *write_png(const char *name, int height, int width, float first)
{
    struct text file = {0};
    char *path = strdup(check_scratch(name));
    float *rgb = calloc((size_t)height * (size_t)width * 3, sizeof *rgb);
    rgb[0] = rgb[1] = rgb[2] = first;
    CHECK_OK(png_encode(rgb, height, width, NULL, 0, &file));
    FILE *stream = fopen(path, "wb");
    fwrite(file.data, 1, file.size, stream);
    fclose(stream);
    text_free(&file);
    free(rgb);
    return path;
}

static void check_enlarge(char **paths, size_t count, const char *words)
{
    struct job job = {.batch_size = 1, .guidance_scale = 1, .images = {paths, count}};
    struct model model = make_model(TASK_SUPER_RESOLUTION);
    struct run run = {.model = &model, .job = &job};
    if (words)
        CHECK_FAILS(task_settle(&run), CLAT_ERROR_INPUT, words);
    else if (CHECK_OK(task_settle(&run)))
        CHECK(run.height == 128 && run.width == 256 && run.items == (int)count &&
                  run.inputs.images.values[0] == 1 && run.inputs.images.values[1] == -1,
            "%d x %d from %d", run.width, run.height, run.items);
    pictures_free(&run.inputs.images);
}

static void test_enlarge(void)
{
    char *good = write_png("good.png", 32, 64, 1), *small = write_png("small.png", 31, 64, 1);
    char *other = write_png("other.png", 64, 64, 1);
    char *both[] = {good, good}, *mixed[] = {good, other};
    check_enlarge(both, 2, NULL);
    check_enlarge(&small, 1, "expected at least 32 x 32 pixels, found 64 x 31");
    check_enlarge(mixed, 2, "has 64 x 64 pixels, but those before have 64 x 32");
    float values[2 * 3 * 4 * 4] = {0.5f};
    char *tensor = strdup(check_scratch("t.npy"));
    CHECK_OK(npy_write(tensor, values, 4, (size_t[]){2, 3, 4, 4}));
    struct job job = {.batch_size = 1, .guidance_scale = 1, .images = {&tensor, 1}};
    struct model model = make_model(TASK_SUPER_RESOLUTION);
    struct run run = {.model = &model, .job = &job};
    CHECK_OK(task_settle(&run));
    CHECK(run.items == 2 && run.height == 16 && run.inputs.images.values[0] == 0.5f, "a tensor");
    pictures_free(&run.inputs.images);
    values[5] = INFINITY;
    CHECK_OK(npy_write(tensor, values, 4, (size_t[]){2, 3, 4, 4}));
    check_enlarge(&tensor, 1, "value 5 of 96 is not a finite number");
    CHECK_OK(npy_write(tensor, values, 4, (size_t[]){2, 1, 4, 4}));
    check_enlarge(
        &tensor, 1, "expected an array [N, 3, height, width], found 4 axes, the second of 1");
    free(tensor);
    free(good);
    free(small);
    free(other);
}

static void check_inpaint(char *image, char *mask, const char *words)
{
    struct job job = {
        .batch_size = 1, .guidance_scale = 1, .images = {&image, 1}, .masks = {&mask, 1}};
    struct model model = make_model(TASK_INPAINTING);
    struct run run = {.model = &model, .job = &job};
    if (words)
        CHECK_FAILS(task_settle(&run), CLAT_ERROR_INPUT, words);
    else if (CHECK_OK(task_settle(&run)))
        CHECK(run.inputs.masks.values[0] == 1 && run.inputs.masks.values[1] == 0, "a mask");
    pictures_free(&run.inputs.images);
    pictures_free(&run.inputs.masks);
}

static void test_inpaint(void)
{
    char *image = write_png("image.png", 32, 64, 1), *mask = write_png("mask.png", 32, 64, 0.51f);
    char *odd = write_png("odd.png", 36, 64, 1), *large = write_png("large.png", 64, 64, 1);
    check_inpaint(image, mask, NULL);
    check_inpaint(image, large, "mask: expected the image's 64 x 32 pixels, found 64 x 64");
    check_inpaint(
        odd, mask, "image: inpainting needs sides that are multiples of 32, found 64 x 36");
    free(image);
    free(mask);
    free(odd);
    free(large);
}

int main(void)
{
    test_keys();
    test_guidance();
    test_labels();
    test_layout();
    test_enlarge();
    test_inpaint();
    return check_result();
}
