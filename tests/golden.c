/* golden.c - reference values, and networks compared with them. SPDX-License-Identifier: MIT */
#include "golden.h"
#include "check.h"
#include "plugins/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(enum clat_status status, const char *what)
{
    if (status == CLAT_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, status_text());
    exit(1);
}

struct weights *golden_open(const char *path)
{
    struct weights *goldens;
    must(weights_open_file(path, &goldens), path);
    return goldens;
}

const struct weight *golden_find(struct weights *goldens, const char *name)
{
    const struct weight *weight = weights_find(goldens, name);
    if (!weight) {
        fprintf(stderr, "no golden '%s'\n", name);
        exit(1);
    }
    return weight;
}

const float *golden_floats(struct weights *goldens, const char *name)
{
    const struct weight *weight = golden_find(goldens, name);
    const float *values;
    must(weights_float(goldens, name, weight->rank, weight->shape, &values), name);
    return values;
}

size_t golden_count(const struct weight *weight)
{
    size_t count = 1;
    for (int axis = 0; axis < weight->rank; axis++)
        count *= weight->shape[axis];
    return count;
}

struct device *golden_device(void)
{
    struct device *device;
    enum clat_status status = device_open(NULL, &device);
    if (status == CLAT_ERROR_NO_DEVICE)
        check_skip("no OpenCL device: %s", status_text());
    must(status, "device");
    return device;
}

void golden_schedulers(void)
{
    const char *top = getenv("top_builddir");
    char *here = realpath(top ? top : ".", NULL), folder[4096];
    snprintf(folder, sizeof folder, "%s/schedulers/.libs", here ? here : "");
    must(plugins_add_directory(folder), folder);
    free(here);
}

/* Goldens are planes (NCHW) where they are pictures, rows where they are tokens. */
enum clat_status golden_compare(void *user, const char *name, const struct tensor *tensor)
{
    struct golden_tap *tap = user;
    char full[256];
    snprintf(full, sizeof full, "%s%s", tap->prefix, name);
    const struct weight *golden = weights_find(tap->goldens, full);
    if (!golden)
        return CLAT_OK;
    size_t count = golden_count(golden);
    if (!CHECK(count == tensor_elements(tensor), "%s: %zu values, expected %zu", full,
            tensor_elements(tensor), count))
        return CLAT_OK;
    float *values = malloc(count * sizeof *values);
    CHECK_OK(golden->rank == 4 ? tensor_read_nchw(tap->device, tensor, values)
                               : tensor_read(tap->device, tensor, values));
    check_near(full, values, golden_floats(tap->goldens, full), count, GOLDEN_LIMIT);
    tap->compared++;
    free(values);
    return CLAT_OK;
}

void golden_model_open(struct golden_model *opened, const char *folder, const char *variant,
    enum component component, struct device *device)
{
    *opened = (struct golden_model){.loader.device = device};
    must(model_open(folder, variant, &opened->model), folder);
    must(model_weights(opened->model, component, &opened->loader.weights), folder);
}

void golden_model_close(struct golden_model *opened)
{
    weights_close(opened->loader.weights);
    loader_close(&opened->loader);
    model_close(opened->model);
}

static void link_file(const char *model, const char *folder, const char *name)
{
    char target[4096], link[4096], here[2048] = "";
    if (model[0] != '/' && !getcwd(here, sizeof here - 1))
        exit(1);
    snprintf(target, sizeof target, "%s%s%s/%s", here, *here ? "/" : "", model, name);
    snprintf(link, sizeof link, "%s/%s", folder, name);
    for (char *slash = strchr(link + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(link, 0777);
        *slash = '/';
    }
    unlink(link);
    if (symlink(target, link) != 0) {
        perror(link);
        exit(1);
    }
}

const char *golden_layout(const char *ending)
{
    static const char *const shared[] = {"model_index.json", "bert/config.json", "unet/config.json",
        "vqvae/config.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.txt"};
    static const char *const stems[] = {
        "unet/diffusion_pytorch_model", "vqvae/diffusion_pytorch_model"};
    const char *model = check_data("ldm-text2im-tiny");
    char name[64];
    snprintf(name, sizeof name, "layout-%s-%d", ending, (int)getpid());
    const char *folder = check_scratch(name);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        link_file(model, folder, shared[i]);
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        snprintf(name, sizeof name, "%s.%s", stems[i], ending);
        link_file(model, folder, name);
    }
    snprintf(name, sizeof name, "bert/%s.%s",
        strcmp(ending, "bin") == 0 ? "pytorch_model" : "model", ending);
    link_file(model, folder, name);
    return folder;
}
