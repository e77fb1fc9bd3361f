/* pipeline.c - prompts and latents in, pictures out, against the reference pipeline; what does not
 * change a picture; what is refused. SPDX-License-Identifier: MIT */
#include "pipeline/pipeline.h"
#include "base/file.h"
#include "formats/npy.h"
#include "check.h"
#include "golden.h"
#include "witness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_LIMIT 1e-4 /* relative L2 distance along a whole run */

static struct device *device;
static struct weights *goldens;
static char *squirrel[] = {"A painting of a squirrel eating a burger"};

static struct job standard_job(uint64_t *seeds, size_t seed_count)
{
    return (struct job){.prompts = {squirrel, 1},
        .precision = "f32",
        .height = 64,
        .width = 128,
        .num_inference_steps = 3,
        .guidance_scale = 6,
        .strength = 1,
        .seeds = seeds,
        .seed_count = seed_count,
        .batch_size = 1};
}

/* ---- against the reference ------------------------------------------------------------------ */

/* At most one value in a thousand differs, and by one. */
static void check_bytes(const char *name, const float *rgb, const unsigned char *want, size_t count)
{
    size_t differ = 0, far = 0;
    for (size_t i = 0; i < count; i++) {
        int distance = abs((int)lrintf(rgb[i] * 255) - want[i]);
        differ += distance != 0;
        far += distance > 1;
    }
    CHECK(far == 0 && differ <= count / 1000, "%s: %zu of %zu differ, %zu by more than 1", name,
        differ, count, far);
}

static void check_latents(const struct record *record, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "pipe/%s/x", name);
    const struct weight *golden = golden_find(goldens, text);
    const float *want = golden_floats(goldens, text);
    size_t count = golden_count(golden) / golden->shape[0];
    for (size_t i = 0; i < golden->shape[0]; i++) {
        char label[32];
        snprintf(label, sizeof label, "latents.%zu", i);
        const float *got = record_trace(record, label, count);
        if (got)
            check_near(label, got, want + i * count, count, RUN_LIMIT);
    }
}

static void check_text(const struct record *record, bool guided)
{
    const unsigned char *ids = golden_find(goldens, "tok/ids")->data;
    size_t row = 77 * 40, rows = guided ? 2 : 1;
    CHECK(strcmp(record->traces[0].name, "token_ids") == 0 && record->traces[0].count == rows * 77,
        "ids come first");
    CHECK(memcmp(record->traces[0].ids + (rows - 1) * 77, ids + 2 * 77 * 4, 77 * 4) == 0,
        "token ids of the prompt");
    const float *embeddings = record_trace(record, "text_embeddings", rows * row);
    if (guided)
        check_near("uncond", embeddings, golden_floats(goldens, "pipe/uncond"), row, 3e-5);
    check_near("ctx", embeddings + (rows - 1) * row, golden_floats(goldens, "pipe/ctx"), row, 3e-5);
}

/* The golden run pipe/NAME: given latents, every step, the decoded picture, its bytes. */
static void check_run(
    const char *folder, const char *name, int steps, float guidance, const struct settings *options)
{
    struct record record = {0};
    uint64_t seed = 1;
    struct job job = standard_job(&seed, 1);
    size_t shape[] = {1, 4, 8, 16};
    char text[64];
    job.num_inference_steps = steps;
    job.guidance_scale = guidance;
    job.latents = strdup(check_scratch("golden-latents.npy"));
    if (options)
        job.scheduler_options = *options;
    CHECK_OK(npy_write(job.latents, golden_floats(goldens, "pipe/latents"), 4, shape));
    if (CHECK_OK(record_run(device, folder, NULL, &job, &record))) {
        check_text(&record, guidance != 1);
        check_latents(&record, name);
        snprintf(text, sizeof text, "pipe/%s/decoded", name);
        if (weights_find(goldens, text))
            check_near(text, record_trace(&record, "decoded", 3 * 64 * 128),
                golden_floats(goldens, text), 3 * 64 * 128, RUN_LIMIT);
        snprintf(text, sizeof text, "pipe/%s/image_u8", name);
        check_bytes(text, record.images[0].rgb, golden_find(goldens, text)->data, 64 * 128 * 3);
        CHECK(record.steps == steps && record.image_count == 1, "%d steps", record.steps);
        for (int i = PHASE_LOAD_TEXT; i <= PHASE_DECODE; i++) {
            bool encodes = i == PHASE_LOAD_ENCODER || i == PHASE_ENCODE_IMAGES;
            CHECK(encodes ? record.phases[i] == 0 : record.phases[i] >= 2,
                "phase %d was told %d times", i, record.phases[i]);
        }
    }
    record_free(&record);
    free(job.latents);
}

static void check_reference_runs(void)
{
    const char *folder = strdup(golden_layout("safetensors"));
    check_run(folder, "ddim_n3_g6.0", 3, 6, NULL);
    check_run(folder, "ddim_n10_g6.0", 10, 6, NULL);
    check_run(folder, "ddim_n10_g1.0", 10, 1, NULL);
    struct settings options = {0};
    CHECK_OK(settings_set(&options, "beta_schedule", "scaled_linear", "test"));
    CHECK_OK(settings_set(&options, "set_alpha_to_one", "false", "test"));
    CHECK_OK(settings_set(&options, "steps_offset", "1", "test"));
    check_run(folder, "ddim_compvis", 5, 6, &options);
    settings_free(&options);
    check_run(golden_layout("bin"), "ddim_n3_g6.0", 3, 6, NULL);
    free((char *)folder);
}

/* ---- what must not change a picture --------------------------------------------------------- */

static void check_same(const struct record *a, int i, const struct record *b, int j)
{
    CHECK(a->images[i].seed == b->images[j].seed, "seeds");
    check_near("latents", a->images[i].latents, b->images[j].latents, a->images[i].elements, 1e-6);
    check_near("picture", a->images[i].rgb, b->images[j].rgb, a->images[i].pixels, 1e-6);
}

/* Ten images are two groups; one from each, and one of a list of prompts, made alone. */
static void check_grouping(void)
{
    char *prompts[] = {squirrel[0], "castle"};
    uint64_t first = 40, alone;
    struct record all = {0}, one = {0};
    struct job job = standard_job(&first, 1);
    job.width = 72; /* latents of 8 x 9 */
    job.prompts = (struct texts){prompts, 2};
    job.batch_size = 5;
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &all));
    CHECK(
        all.image_count == 10 && all.steps == 6, "%d images, %d steps", all.image_count, all.steps);
    for (int i = 2; i < 10; i += 7) {
        struct job single = job;
        alone = first + (uint64_t)i;
        single.prompts = (struct texts){&prompts[i / 5], 1};
        single.batch_size = 1;
        single.seeds = &alone;
        CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &single, &one));
        if (all.image_count == 10 && one.image_count == 1)
            check_same(&all, i, &one, 0);
        record_free(&one);
    }
    CHECK(check_distance(all.images[0].rgb, all.images[1].rgb, all.images[0].pixels) > 1e-3,
        "two seeds give two pictures");
    record_free(&all);
}

static void check_seed_list(void)
{
    uint64_t list[] = {7, 41, 7}, second = 41;
    struct record all = {0}, one = {0};
    struct job job = standard_job(list, 3);
    job.batch_size = 3;
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &all));
    job.seeds = &second;
    job.seed_count = 1;
    job.batch_size = 1;
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &one));
    if (all.image_count == 3 && one.image_count == 1) {
        check_same(&all, 0, &all, 2);
        check_same(&all, 1, &one, 0);
    }
    record_free(&all);
    record_free(&one);
}

static void check_half_files(void)
{
    uint64_t seed = 3;
    struct record full = {0}, half = {0};
    struct job job = standard_job(&seed, 1);
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &full));
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), "fp16", &job, &half));
    if (full.image_count && half.image_count) {
        double distance =
            check_distance(half.images[0].rgb, full.images[0].rgb, full.images[0].pixels);
        CHECK(distance > 1e-6 && distance < 1e-2, "fp16 files: distance %g", distance);
    }
    record_free(&full);
    record_free(&half);
}

/* What is predicted is what is taken. */
static void check_memory(void)
{
    uint64_t seed = 3;
    struct record record = {0};
    struct job job = standard_job(&seed, 1);
    struct model *model;
    struct model_memory memory;
    size_t before = device_memory_used(device);
    device_memory_peak_reset(device);
    CHECK_OK(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &record));
    CHECK(device_memory_used(device) == before, "%zu bytes are left behind",
        device_memory_used(device) - before);
    size_t taken = device_memory_peak(device) - before;
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK_OK(model_memory(model, device_facts(device),
        &(struct memory_request){
            .height = 64, .width = 128, .images = 1, .timesteps = 3, .guided = true},
        &memory));
    CHECK(taken <= memory.peak && taken >= memory.peak / 10 * 9, "predicted %zu bytes, taken %zu",
        memory.peak, taken);
    model_close(model);
    record_free(&record);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void check_refused(
    const char *folder, const struct job *job, enum clat_status code, const char *words)
{
    struct record record = {0};
    CHECK_FAILS(record_run(device, folder, NULL, job, &record), code, words);
    CHECK(record.image_count == 0, "no image was made");
    record_free(&record);
}

/* A file of the model's folder in the build tree, written anew with one text put for another. */
static void edit(const char *folder, const char *name, const char *from, const char *to)
{
    char path[4096], *text;
    struct file_out out;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(file_read_text(path, 1 << 20, &text, NULL));
    char *place = strstr(text, from);
    if (CHECK(place != NULL, "%s has '%s'", name, from)) {
        unlink(path);
        CHECK_OK(file_out_open(path, &out));
        CHECK_OK(file_out_write(&out, text, (size_t)(place - text)));
        CHECK_OK(file_out_write(&out, to, strlen(to)));
        CHECK_OK(file_out_write(&out, place + strlen(from), strlen(place + strlen(from))));
        CHECK_OK(file_out_commit(&out));
    }
    free(text);
}

static void check_broken_model(
    const char *name, const char *from, const char *to, const char *words)
{
    uint64_t seed = 0;
    struct job job = standard_job(&seed, 1);
    char *folder = strdup(golden_layout("safetensors"));
    edit(folder, name, from, to);
    check_refused(folder, &job, CLAT_ERROR_INPUT, words);
    free(folder);
}

static void check_broken_models(void)
{
    check_broken_model("unet/config.json", "\"layers_per_block\": 2", "\"layers_per_block\": 3",
        "has no tensor 'down_blocks.0.resnets.2.norm1.weight'");
    check_broken_model("vqvae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 8",
        "the autoencoder has 8 latent channels, but the UNet takes 4");
    check_broken_model("unet/config.json", "\"cross_attention_dim\": 40",
        "\"cross_attention_dim\": 48", "the text encoder is 40 wide");
    check_broken_model("bert/config.json", "\"encoder_ffn_dim\": 160", "\"encoder_ffn_dim\": 168",
        "tensor 'model.layers.0.fc1.weight'");
    check_broken_model("model_index.json", "LDMTextToImagePipeline", "StableDiffusionPipeline",
        "'StableDiffusionPipeline' is not supported; clatent runs LDMTextToImagePipeline");
    check_broken_model("model_index.json", "AutoencoderKL", "VQModel",
        "expected class VQModel as in model_index.json, found AutoencoderKL");
}

static void check_bad_jobs(void)
{
    uint64_t seeds[2] = {0, 1};
    const char *folder = check_data("ldm-text2im-tiny");
    struct job job = standard_job(seeds, 1);
    job.height = 60;
    check_refused(folder, &job, CLAT_ERROR_USAGE, "height: expected a multiple of 8");
    job = standard_job(seeds, 2);
    check_refused(folder, &job, CLAT_ERROR_USAGE, "seeds for 1 images; give one, or one per image");
}

/* On a device of 1 GiB, however much the machine has. */
static void check_too_large(void)
{
    uint64_t seed = 0;
    struct device *whole = device;
    const char *set = getenv("CLATENT_TEST_DEVICE");
    struct job job = standard_job(&seed, 1);
    if (!set)
        setenv("CLATENT_TEST_DEVICE", "memory=1073741824", 1);
    if (CHECK_OK(device_open(NULL, &device))) {
        job.height = job.width = 16384;
        check_refused(check_data("ldm-text2im-tiny"), &job, CLAT_ERROR_MEMORY,
            "an image of 16384 x 16384 pixels needs");
        device_close(device);
    }
    device = whole;
    if (!set)
        unsetenv("CLATENT_TEST_DEVICE");
}

static void check_bad_latents(void)
{
    uint64_t seed = 0;
    size_t shape[] = {1, 4, 8, 16};
    float values[4 * 8 * 16] = {0};
    const char *folder = check_data("ldm-text2im-tiny");
    struct job job = standard_job(&seed, 1);
    job.latents = strdup(check_scratch("bad-latents.npy"));
    shape[3] = 15;
    CHECK_OK(npy_write(job.latents, values, 4, shape));
    check_refused(folder, &job, CLAT_ERROR_INPUT, "expected [1, 4, 8, 16] for 1 images");
    shape[3] = 16;
    values[77] = NAN;
    CHECK_OK(npy_write(job.latents, values, 4, shape));
    check_refused(folder, &job, CLAT_ERROR_CHECK, "the UNet, evaluation 0 at timestep 666");
    free(job.latents);
}

static void check_cancel(void)
{
    uint64_t seed = 0;
    struct job job = standard_job(&seed, 1);
    struct record record = {.cancel_after = 300};
    CHECK_FAILS(record_run(device, check_data("ldm-text2im-tiny"), NULL, &job, &record),
        CLAT_CANCELLED, "");
    CHECK(record.image_count == 0, "no image was made");
    record_free(&record);
    CHECK_OK(record_run(
        device, check_data("ldm-text2im-tiny"), NULL, &job, &record)); /* and the device goes on */
    record_free(&record);
}

/* ---- looking into a model ------------------------------------------------------------------- */

static void check_inspect(void)
{
    struct model *model;
    struct component_info info;
    CHECK_OK(model_open(check_data("ldm-text2im-tiny"), NULL, &model));
    CHECK(model_default_size(model) == 64, "default size %d", model_default_size(model));
    for (int i = 0; i < COMPONENTS; i++) {
        if (!CHECK_OK(model_inspect(model, (enum component)i, &info)))
            continue;
        size_t unused = i == COMPONENT_CONDITION ? 2 : 0; /* to_logits */
        CHECK(info.tensors - info.used == unused && info.fault_count == 0 && info.missing == 0,
            "%s: %zu tensors, %zu used, %zu faults", info.folder, info.tensors, info.used,
            info.fault_count);
        CHECK(strcmp(info.format, "safetensors") == 0 && strcmp(info.dtypes, "F32") == 0,
            "%s of %s", info.format, info.dtypes);
        CHECK(info.bytes == 4 * info.parameters, "%zu bytes, %zu parameters", info.bytes,
            info.parameters);
        component_info_free(&info);
    }
    model_close(model);
}

static void check_inspect_broken(void)
{
    struct model *model;
    struct component_info info;
    char *folder = strdup(golden_layout("safetensors"));
    edit(folder, "unet/config.json", "\"layers_per_block\": 2", "\"layers_per_block\": 3");
    CHECK_OK(model_open(folder, NULL, &model));
    if (CHECK_OK(model_inspect(model, COMPONENT_UNET, &info))) {
        CHECK(info.missing > 10 && info.fault_count > info.missing,
            "%zu missing tensors, %zu faults", info.missing, info.fault_count);
        component_info_free(&info);
    }
    model_close(model);
    free(folder);
}

int main(void)
{
    device = golden_device();
    golden_schedulers();
    goldens = golden_open(check_data("goldens/ldm-text2im-tiny.safetensors"));
    check_inspect();
    check_inspect_broken();
    check_reference_runs();
    check_grouping();
    check_seed_list();
    check_half_files();
    check_memory();
    check_broken_models();
    check_bad_jobs();
    check_too_large();
    check_bad_latents();
    check_cancel();
    weights_close(goldens);
    device_close(device);
    return check_result();
}
