/* net_unet.c - the UNet against the reference: whole, block by block, odd sizes, every file layout.
 * SPDX-License-Identifier: MIT */
#include "networks/timestep.h"
#include "networks/unet.h"
#include "check.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct device *device;
static struct weights *goldens;

static enum clat_status watch(void *user, const char *name, const struct tensor *tensor);

/* One forward pass of the tensors in [n, c, h, w] order; output has the size of the input. */
static void forward(struct unet *unet, const struct weight *shape, const float *sample,
    const float *context, double timestep, float *output, struct golden_tap *tap)
{
    int n = (int)shape->shape[0], h = (int)shape->shape[2], w = (int)shape->shape[3];
    struct device *dry;
    struct pool pool;
    struct tensor x, y, prompt;
    size_t bytes;
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(unet_measure(unet, dry, n, h, w, 77, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    struct forward run = {.pool = &pool, .tap = tap ? watch : NULL, .user = tap};
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, unet->config.in_channels, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, h, w, unet->config.out_channels, &y));
    CHECK_OK(pool_take(&pool, POOL_FRONT, n, 1, 77, unet->config.cross_attention_dim, &prompt));
    CHECK_OK(tensor_write(device, &prompt, context));
    CHECK_OK(unet_set_prompt(&run, unet, &prompt));
    CHECK_OK(tensor_write_nchw(device, &x, sample));
    struct pool_mark before = pool_mark(&pool);
    CHECK_OK(unet_forward(&run, unet, &x, timestep, &y));
    struct pool_mark after = pool_mark(&pool);
    CHECK(before.front == after.front && before.back == after.back, "the pool is as before");
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    CHECK_OK(tensor_read_nchw(device, &y, output));
    pool_close(&pool);
    device_close(dry);
}

/* Goldens unet/INDEX/in, ctx, out at a timestep. */
static void check_case(
    struct unet *unet, int index, double timestep, const char *want, struct golden_tap *tap)
{
    char in[32], context[32], out[32];
    snprintf(in, sizeof in, "unet/%d/in", index);
    snprintf(context, sizeof context, "unet/%d/ctx", index);
    snprintf(out, sizeof out, "unet/%d/out", index);
    const struct weight *shape = golden_find(goldens, in);
    float *output = malloc(golden_count(shape) * sizeof *output);
    forward(unet, shape, golden_floats(goldens, in), golden_floats(goldens, context), timestep,
        output, tap);
    check_near(want ? want : out, output, golden_floats(goldens, want ? want : out),
        golden_count(shape), GOLDEN_LIMIT);
    free(output);
}

/* Blocks that our forward pass has no tensor of its own for: conv_norm_out is folded into conv_out,
 * time_embedding leaves its product with the SiLU that follows. */
static int count_traced(void)
{
    int count = 0;
    for (size_t i = 0; i < weights_count(goldens); i++) {
        const char *name = weights_at(goldens, i)->name;
        count += strncmp(name, "act/unet.", 9) == 0 && strcmp(name + 9, "conv_norm_out") != 0 &&
                 strcmp(name + 9, "time_embedding") != 0;
    }
    return count;
}

/* Sees silu(time_embedding), passes the rest on. */
static enum clat_status watch(void *user, const char *name, const struct tensor *tensor)
{
    struct golden_tap *tap = user;
    if (strcmp(name, "silu(time_embedding)") == 0) {
        const struct weight *golden = golden_find(tap->goldens, "act/unet.time_embedding");
        const float *embedding = golden_floats(tap->goldens, "act/unet.time_embedding");
        size_t count = golden_count(golden);
        float got[1024], want[1024];
        for (size_t i = 0; i < count; i++)
            want[i] = embedding[i] / (1 + expf(-embedding[i]));
        CHECK_OK(tensor_read(tap->device, tensor, got));
        check_near(name, got, want, count, GOLDEN_LIMIT);
    }
    return golden_compare(user, name, tensor);
}

static void check_layout(const char *folder, bool traced)
{
    struct golden_model opened;
    struct unet unet;
    struct golden_tap tap = {device, goldens, "act/unet.", 0};
    golden_model_open(&opened, folder, NULL, COMPONENT_UNET, device);
    if (CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet))) {
        check_case(&unet, 0, 981, NULL, traced ? &tap : NULL);
        if (traced)
            CHECK(tap.compared == count_traced(), "%d of %d blocks were compared", tap.compared,
                count_traced());
        check_case(&unet, 1, 1, NULL, NULL);      /* two different rows */
        check_case(&unet, 2, 500, NULL, NULL);    /* 9 x 7: every level odd */
        check_case(&unet, 3, 427.25, NULL, NULL); /* 12 x 5 */
        check_case(&unet, 4, 0, NULL, NULL);
    }
    unet_free(device, &unet);
    golden_model_close(&opened);
}

/* Weights of a half-precision file lose nothing when they are kept as half. */
static void check_half_file(bool half)
{
    struct golden_model opened;
    device_store_half(device, half);
    struct unet unet;
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), "fp16", COMPONENT_UNET, device);
    if (CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet)))
        check_case(&unet, 0, 981, "fp16_file/unet_out", NULL);
    unet_free(device, &unet);
    device_store_half(device, false);
    golden_model_close(&opened);
}

/* What a forward pass of a model of tests/data/odd needs. */
struct odd {
    struct unet unet;
    struct weights *weights, *values; /* x, out, classes, perhaps encoder_hidden_states */
    struct forward run;
    struct pool pool;
    struct tensor x, y;
};

static void set_inputs(struct odd *odd)
{
    const char *name = "encoder_hidden_states";
    const int32_t *classes = (const int32_t *)golden_find(odd->values, "classes")->data;
    const int32_t none[] = {0, 5};
    struct pool_mark mark = pool_mark(&odd->pool);
    CHECK_OK(tensor_write_nchw(device, &odd->x, golden_floats(odd->values, "x")));
    CHECK_FAILS(unet_set_classes(&odd->run, &odd->unet, odd->weights, none, 2), CLAT_ERROR_INPUT,
        "there is no class 5: the model has the classes 0 to 4");
    CHECK(pool_mark(&odd->pool).front == mark.front, "nothing is kept");
    if (odd->unet.config.cross_attention_dim) {
        struct tensor context;
        CHECK_OK(pool_take(&odd->pool, POOL_FRONT, 2, 1, 3, 12, &context));
        CHECK_OK(tensor_write(device, &context, golden_floats(odd->values, name)));
        CHECK_OK(unet_set_prompt(&odd->run, &odd->unet, &context));
    }
    CHECK_OK(unet_set_classes(&odd->run, &odd->unet, odd->weights, classes, 2));
}

/* A size that cannot be halved and doubled again. */
static void check_cut(const struct odd *odd)
{
    struct tensor cut = odd->x;
    cut.h = 5;
    if (odd->unet.config.resnet_samplers)
        CHECK_FAILS(unet_forward(&odd->run, &odd->unet, &cut, 1, &odd->y), CLAT_ERROR_INPUT,
            "multiples of 2, not 5 x 10");
}

static void run_odd(struct odd *odd, double timestep)
{
    const struct weight *shape = golden_find(odd->values, "x");
    int h = (int)shape->shape[2], w = (int)shape->shape[3];
    struct device *dry;
    size_t bytes, count = golden_count(golden_find(odd->values, "out"));
    float *output = malloc(count * sizeof *output);
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(unet_measure(&odd->unet, dry, 2, h, w, 3, 0, &bytes));
    CHECK_OK(pool_open(device, bytes, &odd->pool));
    CHECK_OK(pool_take(&odd->pool, POOL_FRONT, 2, h, w, odd->unet.config.in_channels, &odd->x));
    CHECK_OK(pool_take(&odd->pool, POOL_FRONT, 2, h, w, odd->unet.config.out_channels, &odd->y));
    odd->run = (struct forward){.pool = &odd->pool};
    set_inputs(odd);
    CHECK_OK(unet_forward(&odd->run, &odd->unet, &odd->x, timestep, &odd->y));
    CHECK(odd->pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, odd->pool.peak);
    check_cut(odd);
    CHECK_OK(tensor_read_nchw(device, &odd->y, output));
    check_near("odd", output, golden_floats(odd->values, "out"), count, GOLDEN_LIMIT);
    free(output);
    pool_close(&odd->pool);
    device_close(dry);
}

/* The choices that no published model makes (tests/tools/make_odd.py). */
static void check_odd(
    const char *folder, const char *goldens_path, const char *config_path, double timestep)
{
    struct odd odd;
    struct unet_config config;
    struct loader loader = {.device = device};
    CHECK_OK(weights_open_component(folder, "diffusion_pytorch_model", NULL, &odd.weights));
    odd.values = golden_open(goldens_path);
    loader.weights = odd.weights;
    CHECK_OK(config_read_unet(config_path, &config));
    if (CHECK_OK(unet_load(&loader, &config, &odd.unet)))
        run_odd(&odd, timestep);
    unet_free(device, &odd.unet);
    loader_close(&loader);
    weights_close(odd.weights);
    weights_close(odd.values);
}

static void check_odd_models(void)
{
    char folder[4096], values[4200], config[4200];
    static const struct {
        const char *name;
        double timestep;
    } odd[] = {{"odd/plain", 420}, {"odd/condition", 33.5}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(folder, sizeof folder, "%s", check_data(odd[i].name));
        snprintf(values, sizeof values, "%s/goldens.safetensors", folder);
        snprintf(config, sizeof config, "%s/config.json", folder);
        check_odd(folder, values, config, odd[i].timestep);
    }
}

/* Values of spec: dim 320, t = 981. */
static void check_timestep(void)
{
    static const struct {
        int index;
        float value;
    } known[] = {{0, 0.6799572f}, {1, -0.7984300f}, {2, 0.5780882f}, {3, -0.6747031f},
        {159, 0.9946059f}, {160, 0.7332518f}, {161, 0.6020876f}, {162, 0.8159743f},
        {163, 0.7380892f}, {319, 0.1037259f}};
    float values[321];
    timestep_embed(981, 320, true, 0, values);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK(fabsf(values[known[i].index] - known[i].value) < 3e-5f, "[%d] = %.7g, want %.7g",
            known[i].index, (double)values[known[i].index], (double)known[i].value);
    float sine_first = values[160];
    timestep_embed(981, 321, false, 0, values);
    CHECK(
        values[0] == sine_first, "sines first: %g, want %g", (double)values[0], (double)sine_first);
    CHECK(values[320] == 0, "an odd width ends with 0");
}

/* A row does not depend on the rows beside it. */
static void check_rows_are_independent(void)
{
    struct golden_model opened;
    struct unet unet;
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_UNET, device);
    CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet));
    struct weight three = {.shape = {3, 4, 16, 16}}, one = {.shape = {1, 4, 16, 16}};
    size_t image = 4 * 16 * 16, row = 77 * 40;
    float *sample = malloc(3 * image * sizeof *sample),
          *context = malloc(3 * row * sizeof *context);
    float *together = malloc(3 * image * sizeof *together), *alone = malloc(image * sizeof *alone);
    check_random(sample, 3 * image, 1);
    check_random(context, 3 * row, 2);
    forward(&unet, &three, sample, context, 300, together, NULL);
    for (size_t i = 0; i < 3; i++) {
        forward(&unet, &one, sample + i * image, context + i * row, 300, alone, NULL);
        check_near("alone or beside others", together + i * image, alone, image, 1e-6);
    }
    free(sample);
    free(context);
    free(together);
    free(alone);
    unet_free(device, &unet);
    golden_model_close(&opened);
}

/* The prediction at a timestep, and the work that it took. */
static double predict(const struct forward *run, const struct unet *unet, const struct tensor *x,
    double timestep, const struct tensor *y, float *output)
{
    double before = device_work(device);
    CHECK_OK(unet_forward(run, unet, x, timestep, y));
    CHECK_OK(tensor_read(device, y, output));
    return device_work(device) - before;
}

/* Planned timesteps, whose part was computed before, give what others give, with less work. */
static void compare_planned(struct unet *unet, struct pool *pool)
{
    enum { PLANNED = UNET_TIMESTEPS + 2, COUNT = 2 * 8 * 8 * 4 };
    struct forward run = {.pool = pool};
    struct tensor x, y, context;
    float values[COUNT], want[COUNT], got[COUNT], *prompt = calloc(2 * 77 * 40, sizeof *prompt);
    double timesteps[PLANNED];
    for (int i = 0; i < PLANNED; i++)
        timesteps[i] = 999 - 3.5 * i;
    check_random(values, COUNT, 1);
    CHECK_OK(pool_take(pool, POOL_FRONT, 2, 8, 8, 4, &x));
    CHECK_OK(pool_take(pool, POOL_FRONT, 2, 8, 8, 4, &y));
    CHECK_OK(pool_take(pool, POOL_FRONT, 2, 1, 77, 40, &context));
    CHECK_OK(tensor_write(device, &x, values));
    CHECK_OK(tensor_write(device, &context, prompt));
    CHECK_OK(unet_set_prompt(&run, unet, &context));
    for (int i = 0; i < PLANNED; i += PLANNED / 2 - 1) { /* the first, one more, one too late */
        CHECK_OK(unet_set_timesteps(&run, unet, NULL, 0));
        double all = predict(&run, unet, &x, timesteps[i], &y, want);
        struct pool_mark mark = pool_mark(pool);
        CHECK_OK(unet_set_timesteps(&run, unet, timesteps, PLANNED));
        double rest = predict(&run, unet, &x, timesteps[i], &y, got);
        check_near("planned", got, want, COUNT, 1e-6);
        CHECK((rest < all) == (i < UNET_TIMESTEPS), "timestep %d: %g of %g", i, rest, all);
        pool_release(pool, POOL_FRONT, mark);
    }
    free(prompt);
}

static void check_planned(void)
{
    struct golden_model opened;
    struct unet unet;
    struct device *dry;
    struct pool pool;
    size_t bytes;
    golden_model_open(&opened, check_data("ldm-text2im-tiny"), NULL, COMPONENT_UNET, device);
    CHECK_OK(unet_load(&opened.loader, &opened.model->unet, &unet));
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(unet_measure(&unet, dry, 2, 8, 8, 77, UNET_TIMESTEPS, &bytes));
    CHECK_OK(pool_open(device, bytes, &pool));
    compare_planned(&unet, &pool);
    CHECK(pool.peak == bytes, "measured %zu bytes, taken %zu", bytes, pool.peak);
    pool_close(&pool);
    device_close(dry);
    unet_free(device, &unet);
    golden_model_close(&opened);
}

int main(void)
{
    device = golden_device();
    goldens = golden_open(check_data("goldens/ldm-text2im-tiny.safetensors"));
    check_timestep();
    check_layout(golden_layout("safetensors"), true);
    check_layout(golden_layout("bin"), false);
    check_half_file(false);
    check_half_file(true);
    check_odd_models();
    check_rows_are_independent();
    check_planned();
    device_force_shape(device, false); /* the portable kernels, which GPUs run */
    check_layout(golden_layout("safetensors"), true);
    check_half_file(true);
    check_odd_models();
    check_rows_are_independent();
    check_planned();
    weights_close(goldens);
    device_close(device);
    return check_result();
}
