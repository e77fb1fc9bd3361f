/* tuning.c - tables of tuned parameters: what is read, which row an op gets, that it heeds it.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "device/meter.h"
#include "device/tuning.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/op.h"
#include "selftest/tune_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct tuning *parsed(const char *text)
{
    struct tuning *tuning;
    CHECK_OK(tuning_new(&tuning));
    CHECK_OK(tuning_parse(tuning, "x", text));
    return tuning;
}

/* ---- reading and writing -------------------------------------------------------------------- */

static void check_round(void)
{
    static const char table[] =
        "A card | A driver 1.2 | linear | 320 1280 | engine=clblast | 12 15\n"
        "any gpu | * | conv | * 320 640 1 | variant=winograd_in_groups\n"
        "any | * | gemm | 64 * * | rows=8 parts=16\n"
        "any cpu | * | gemm_cpu | 64 320 320 | tile=12x1 row_block=4 depth=640\n"
        "any | Q | conv_tiled | 64 320 320 | own | 100 100\n"
        "any | * | attention | 4096 77 40 | rows=2\n"
        "any | * | attention_cpu | 4096 77 40 | keys=11 block=64\n";
    struct tuning *tuning = parsed(table);
    struct text text = {0};
    for (size_t i = 0; i < tuning_count(tuning); i++)
        CHECK_OK(tuning_print(&text, tuning_row(tuning, i)));
    CHECK(tuning_count(tuning) == 7 && strcmp(text.data, table) == 0, "%s", text.data);
    text_free(&text);
    tuning_free(tuning);
    tuning = parsed("# a remark\n\n  any|*|gemm|1 2 3|  parts=2   rows=1 |7 # so it is\r\n");
    CHECK(tuning_count(tuning) == 1, "%zu rows", tuning_count(tuning));
    const struct tuning_row *row = tuning_row(tuning, 0);
    CHECK(row->values[GEMM_ROWS] == 1 && row->values[GEMM_PARTS] == 2, "parameters");
    CHECK(row->microseconds == 7 && row->rule == 0 && row->sides[2] == 3, "numbers");
    tuning_free(tuning);
}

static void check_refused(void)
{
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"x", "x:1: expected device | driver | kernel"},
        {"\n\na|b|gemm|1 2 3|own|1|2", "x:3: expected device"},
        {"|b|gemm|1 2 3|own", "device: expected 1 to"},
        {"a||gemm|1 2 3|own", "driver: expected 1 to"},
        {"a|b|gemmm|1 2 3|own", "kernel: expected linear, conv, gemm"},
        {"a|b|gemm|1 2|own", "shape of gemm: expected 3 numbers, found 2"},
        {"a|b|gemm|1 2 3 4|own", "expected 3 numbers, found 4"},
        {"a|b|gemm|1 0 3|own", "in of gemm: expected * or a number above 0, found '0'"},
        {"a|b|gemm|1 -5 3|own", "found '-5'"},
        {"a|b|gemm|1 99999999999999999999 3|own", "above 0, found '9999"},
        {"a|b|gemm|1 2 3|", "parameters: expected NAME=VALUE or own, found nothing"},
        {"a|b|gemm|1 2 3|rows", "gemm has no parameter 'rows'"},
        {"a|b|gemm|1 2 3|columns=8", "gemm has no parameter 'columns'"},
        {"a|b|gemm|1 2 3|rows=5", "rows: expected one of 1 4 8, found '5'"},
        {"a|b|gemm|1 2 3|rows=1 4", "gemm has no parameter '4'"},
        {"a|b|gemm|1 2 3|parts=17", "parts: expected a number from 1 to 16, found '17'"},
        {"a|b|gemm|1 2 3|parts=0", "from 1 to 16, found '0'"},
        {"a|b|gemm|1 2 3|parts=1e1", "found '1e1'"},
        {"a|b|conv|1 2 3 1|variant=plain", "variant: expected one of tiled"},
        {"a|b|conv|1 2 3 1|variant=tiled direct=1", "conv has no parameter 'direct'"},
        {"a|b|gemm|1 2 3|own|-1", "microseconds: expected at most two numbers, found '-1'"},
        {"a|b|gemm|1 2 3|own|nan", "found 'nan'"},
        {"a|b|gemm|1 2 3|own|1 2 3", "found '3'"},
        {"a|b|gemm|1 2 3|own\n\xff|b|gemm|1 2 3|own", "expected text in UTF-8"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tuning *tuning = parsed("any | * | gemm | 1 2 3 | own\n");
        CHECK_FAILS(tuning_parse(tuning, "x", wrong[i].text), CLAT_ERROR_INPUT, wrong[i].words);
        CHECK(tuning_count(tuning) == 1, "rows of a wrong table stay");
        tuning_free(tuning);
    }
}

/* Damaged tables: refused or read, never more. */
static void check_damaged(void)
{
    static const char table[] = "any gpu | * | conv | * 320 640 1 | variant=tiled | 12.5 14\n"
                                "any | * | gemm | 64 * * | rows=8 parts=16\n";
    static const char letters[] = "|=#* \n019-ax.\t\x80";
    uint32_t random = 1;
    int read = 0;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof table];
        struct tuning *tuning;
        memcpy(text, table, sizeof text);
        for (int k = 0; k < 1 + i % 4; k++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % (sizeof table - 1)] = letters[random >> 24 & 15];
        }
        CHECK_OK(tuning_new(&tuning));
        enum clat_status status = tuning_parse(tuning, "x", text);
        CHECK(status == CLAT_OK || status == CLAT_ERROR_INPUT, "%d for %s", status, text);
        for (size_t r = 0; r < tuning_count(tuning); r++) {
            const struct tuning_row *row = tuning_row(tuning, r);
            CHECK(row->kind != TUNED_GEMM ||
                      (row->values[GEMM_PARTS] <= 16 && row->values[GEMM_ROWS] <= 3),
                "%s", text);
        }
        read += status == CLAT_OK;
        tuning_free(tuning);
    }
    CHECK(read > 100 && read < 19900, "%d of 20000 were read", read);
}

static void check_files(void)
{
    const char *path = check_scratch("tuning/clatent/tuning/a-card.tune");
    struct tuning *all = parsed("A card | D 1 | gemm | 64 320 320 | rows=8 | 5 6\n"
                                "A card | D 1 | gemm | 64 320 640 | rows=4 | 5 6\n");
    struct tuning *newer = parsed("A card | D 1 | gemm | 64 320 320 | rows=4 | 4 6\n"
                                  "A card | D 2 | gemm | 64 320 640 | rows=1 | 4 6\n");
    struct tuning *back;
    remove(path);
    CHECK_OK(tuning_save(path, tuning_row(all, 0), 2));
    CHECK_OK(tuning_save(path, tuning_row(newer, 0), 2));
    CHECK_OK(tuning_new(&back));
    CHECK_OK(tuning_read(path, back));
    CHECK(tuning_count(back) == 3, "%zu rows", tuning_count(back));
    CHECK(tuning_row(back, 0)->values[GEMM_ROWS] == 2 &&
              tuning_row(back, 2)->values[GEMM_ROWS] == 2 &&
              strcmp(tuning_row(back, 2)->driver, "D 1") == 0,
        "rows are not replaced as they should");
    tuning_free(back);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs("this is no table\n", file) >= 0 && fclose(file) == 0, "%s", path);
    CHECK_FAILS(tuning_save(path, tuning_row(all, 0), 2), CLAT_ERROR_INPUT,
        "a-card.tune:1: expected device");
    remove(path);
    tuning_free(all);
    tuning_free(newer);
}

/* ---- which row ------------------------------------------------------------------------------ */

static struct device *dry_device(bool gpu)
{
    struct device_facts facts = {.name = "GeForce RTX 3060",
        .platform = "NVIDIA CUDA",
        .driver = "550.163.01",
        .on_host = !gpu,
        .is_cpu = !gpu,
        .compute_units = 28,
        .has_half_storage = true,
        .global_memory = (size_t)8 << 30,
        .largest_buffer = (size_t)8 << 30,
        .local_memory = 32768,
        .work_group_limit = 256};
    struct device *device;
    CHECK_OK(device_open_dry(&facts, &device));
    return device;
}

/* The table that comes with the program: threads with few registers get smaller tiles. */
static void check_shipped(void)
{
    static const struct {
        const char *platform;
        int rows;
    } cases[] = {{"Intel(R) OpenCL HD Graphics", 4}, {"Intel(R) OpenCL Graphics", 4},
        {"Intel(R) OpenCL", 8}, {"NVIDIA CUDA", 8}};
    const struct group_product product = {TUNED_GEMM, 2, 4096, 320, 320, 20};
    const char *source = getenv("top_srcdir");
    char path[4096];
    snprintf(path, sizeof path, "%s/data/tuning/clatent.tune", source ? source : ".");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct device_facts facts = {.name = "a card", .compute_units = 24};
        struct device *device;
        struct tuning *tuning;
        snprintf(facts.platform, sizeof facts.platform, "%s", cases[i].platform);
        CHECK_OK(device_open_dry(&facts, &device));
        CHECK_OK(tuning_new(&tuning));
        CHECK_OK(tuning_read(path, tuning));
        device_set_tuning(device, tuning);
        CHECK(gemm_group_cut(device, &product).rows == cases[i].rows, "%s: not %d rows",
            cases[i].platform, cases[i].rows);
        device_set_tuning(device, NULL);
        device_close(device);
    }
}

static int parts_of(const struct device *device, int a, int b, int c)
{
    return tuning_find(device, TUNED_GEMM, TUNING_SHAPE(a, b, c))[GEMM_PARTS];
}

static void check_choice(void)
{
    struct device *device = dry_device(true);
    CHECK(parts_of(device, 64, 320, 320) == 0, "a row without a table");
    struct tuning *tuning = parsed("any gpu | * | gemm | * * * | parts=9\n"
                                   "any cpu | * | gemm | 64 320 320 | parts=10\n"
                                   "rtx 3060 | NVIDIA | gemm | 64 320 320 | parts=2\n"
                                   "RTX 3060 | NVIDIA CUDA 551 | gemm | 64 320 320 | parts=11\n"
                                   "RTX 3060 | * | gemm | 100 320 320 | parts=3\n"
                                   "RTX 3060 | * | gemm | 100 320 320 | parts=4\n"
                                   "RTX 3060 | * | gemm | 64 1280 * | parts=5\n"
                                   "RTX 4090 | * | gemm | 64 320 320 | parts=12\n");
    device_set_tuning(device, tuning);
    CHECK(parts_of(device, 64, 320, 320) == 2, "%d", parts_of(device, 64, 320, 320));
    CHECK(parts_of(device, 70, 320, 320) == 2, "the nearer one");
    CHECK(parts_of(device, 90, 320, 320) == 3, "the first of equals");
    CHECK(parts_of(device, 64, 320, 900) == 9, "too far: the class");
    CHECK(parts_of(device, 64, 1280, 5000) == 5, "an open side");
    CHECK(parts_of(device, 0, 320, 320) == 9, "a size that is not known");
    CHECK(tuning_find(device, TUNED_CONV_TILED, TUNING_SHAPE(64, 320, 320))[GEMM_PARTS] == 0,
        "another kernel");
    static const int forced[TUNING_PARAMETERS] = {[GEMM_PARTS] = 7};
    tuning_force(tuning, TUNED_GEMM, forced);
    CHECK(parts_of(device, 64, 320, 320) == 7, "not forced");
    device_set_tuning(device, NULL);
    device_close(device);
}

static void check_questions(void)
{
    struct device *device = dry_device(true);
    struct tuning *tuning = parsed("");
    const struct tuning_question *questions;
    struct linear linear;
    struct pool pool;
    struct tensor x, y;
    size_t count;
    device_set_tuning(device, tuning);
    tuning_watch(tuning, true);
    CHECK_OK(linear_load(device, NULL, NULL, 640, 320, ACTIVATION_NONE, &linear));
    CHECK_OK(pool_open(device, 0, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 2, 8, 8, 320, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 2, 8, 8, 640, &y));
    CHECK_OK(op_linear(&pool, &linear, &x, NULL, NULL, &y));
    CHECK_OK(op_linear(&pool, &linear, &x, NULL, NULL, &y));
    CHECK_OK(tuning_questions(tuning, &questions, &count));
    CHECK(count == 3, "%zu questions", count);
    CHECK(questions[0].kind == TUNED_LINEAR && questions[0].sides[2] == 0, "a layer is loaded");
    CHECK(questions[1].kind == TUNED_LINEAR && questions[1].sides[2] == 64, "and called");
    const struct tuning_question *last = &questions[2];
    CHECK(last->kind == TUNED_GEMM && last->times == 2 && last->sides[0] == 64 &&
              last->sides[1] == 320 && last->sides[2] == 640,
        "a shape of %d %d %d", last->sides[0], last->sides[1], last->sides[2]);
    pool_close(&pool);
    linear_free(device, &linear);
    device_set_tuning(device, NULL);
    device_close(device);
}

/* Every variant that may be chosen has a name that a row can give. */
static void check_names(void)
{
    const char *words = tuned_kinds[TUNED_CONV].parameters[CONV_VARIANT].words;
    for (int i = CONV_PLAIN + 1; i < CONV_VARIANTS; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s", conv_engine((enum conv_variant)i)->name);
        for (char *c = name; *c; c++)
            *c = *c == ' ' ? '_' : *c;
        CHECK(strstr(words, name), "no row can name %s", name);
    }
    for (int cpu = 0; cpu < 2; cpu++)
        for (int i = 1; tuning_word(TUNED_CONV, CONV_VARIANT, i)[0]; i++) {
            char row[128], name[48];
            struct device *device = dry_device(!cpu);
            snprintf(name, sizeof name, "%s", tuning_word(TUNED_CONV, CONV_VARIANT, i));
            snprintf(row, sizeof row, "any | * | conv | * * * * | variant=%s\n", name);
            device_set_tuning(device, parsed(row));
            enum conv_variant variant = conv_choose(device, 16, 64, 1, 256);
            for (char *c = name; *c; c++)
                *c = *c == '_' ? ' ' : *c;
            bool groups = strstr(name, "tiled") || strstr(name, "groups"),
                 unit = strstr(name, "unit");
            bool found = strcmp(conv_engine(variant)->name, name) == 0;
            CHECK(found == (!unit && groups == !cpu), "%s on a %s: %s", name, cpu ? "CPU" : "GPU",
                conv_engine(variant)->name);
            device_set_tuning(device, NULL);
            device_close(device);
        }
}

/* ---- on a device: the kernel that was launched ---------------------------------------------- */

static void check_kernel(struct device *device, bool cpu, const char *row, const char *words)
{
    struct linear linear;
    struct pool pool;
    struct tensor x, y;
    struct meter_row *rows;
    size_t count;
    float *weight = calloc(320 * 320, sizeof *weight);
    device_force_shape(device, cpu);
    device_set_tuning(device, parsed(row));
    CHECK_OK(linear_load(device, weight, NULL, 320, 320, ACTIVATION_NONE, &linear));
    CHECK_OK(pool_open(device, (size_t)8 << 20, &pool));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 16, 16, 320, &x));
    CHECK_OK(pool_take(&pool, POOL_FRONT, 1, 16, 16, 320, &y));
    CHECK_OK(meter_start(device));
    CHECK_OK(op_linear(&pool, &linear, &x, NULL, NULL, &y));
    CHECK_OK(meter_stop(device, &rows, &count));
    CHECK(
        count == 1 && strstr(rows[0].kernel, words), "%s: %s", words, count ? rows[0].kernel : "");
    free(rows);
    pool_close(&pool);
    linear_free(device, &linear);
    device_set_tuning(device, NULL);
    free(weight);
}

/* Weights as they are, for CLBlast, take fewer bytes than packed ones. */
static size_t weight_bytes(enum gemm_engine engine, bool half, const char *row)
{
    struct device *device = dry_device(true);
    struct linear linear;
    device_set_tuning(device, parsed(row));
    gemm_set_engine(device, engine);
    device_store_half(device, half);
    CHECK_OK(linear_load(device, NULL, NULL, 10, 3, ACTIVATION_NONE, &linear));
    size_t bytes = linear.weight.size;
    linear_free(device, &linear);
    device_set_tuning(device, NULL);
    device_close(device);
    return bytes;
}

static void check_engines(void)
{
    static const char clblast[] = "any | * | linear | * * | engine=clblast\n";
    static const char packed[] = "any | * | linear | * * | engine=packed\n";
    size_t rows = sizeof(float) * 10 * 3, panel = sizeof(float) * 64 * 3;
    size_t tuned = gemm_clblast_is_there() ? rows : panel;
    CHECK(weight_bytes(GEMM_AUTO, false, "") == panel, "not packed");
    CHECK(weight_bytes(GEMM_AUTO, false, clblast) == tuned, "a row for CLBlast");
    CHECK(weight_bytes(GEMM_OWN, false, clblast) == panel, "own, but CLBlast");
    CHECK(weight_bytes(GEMM_AUTO, true, clblast) == panel / 2, "half weights for CLBlast");
    CHECK(weight_bytes(GEMM_AUTO, false, packed) == panel, "packed");
}

/* ---- whatever a row may say, results are right ---------------------------------------------- */

static float *run_case(struct tune_stage *stage, const struct tune_case *shape)
{
    float *y = malloc(shape->size * sizeof *y);
    memset(y, 0xFF, shape->size * sizeof *y);
    CHECK_OK(tensor_write(stage->device, &stage->y, y));
    CHECK_OK(stage_load(stage, shape));
    CHECK_OK(stage_run(stage, shape));
    CHECK_OK(tensor_read(stage->device, &stage->y, y));
    stage_unload(stage);
    return y;
}

/* Each word, or the ends and some numbers between, of one parameter, the others left to the op. */
static void check_parameter(
    struct tune_stage *stage, const struct tune_case *shape, int parameter, const float *own)
{
    const struct tuned_parameter *p = &tuned_kinds[shape->kind].parameters[parameter];
    struct tuning *tuning = device_facts(stage->device)->tuning;
    for (int i = 0; i < 12; i++) {
        int values[TUNING_PARAMETERS] = {0};
        values[parameter] = i + 1;
        if (p->words && !tuning_word(shape->kind, parameter, i + 1)[0])
            break;
        if (!p->words)
            values[parameter] = i < 11 ? p->least + (p->most - p->least) / (1 << i) : p->least;
        tuning_force(tuning, shape->kind, values);
        float *y = run_case(stage, shape);
        double error = check_distance(y, own, shape->size);
        CHECK(error < 1.6e-5, "%s %d %d %d, %s %d: %.1e from its own choice",
            tuned_kinds[shape->kind].kernel, shape->sides[0], shape->sides[1], shape->sides[2],
            p->name, values[parameter], error);
        free(y);
    }
    tuning_force(tuning, shape->kind, NULL);
}

static void check_shape(struct device *device, const struct tuning_question *question, double limit)
{
    enum tuned kind = question->kind;
    enum tuned chooser = tuned_kinds[kind].sides[0][0] == 'p' ? TUNED_CONV : TUNED_LINEAR;
    tuning_force(device_facts(device)->tuning, chooser, case_chooser(kind));
    struct tune_case shape;
    struct tune_stage stage;
    double error;
    CHECK_OK(case_make(&shape, question));
    CHECK_OK(stage_open(&stage, &shape, device, (size_t)96 << 20));
    float *own = run_case(&stage, &shape);
    CHECK_OK(case_check(&shape, false, own, &error));
    CHECK(error < limit, "%s: %.1e from plain C", tuned_kinds[question->kind].kernel, error);
    for (int i = 0; i < TUNING_PARAMETERS && tuned_kinds[question->kind].parameters[i].name; i++)
        check_parameter(&stage, &shape, i, own);
    free(own);
    stage_close(&stage);
    case_free(&shape);
    tuning_force(device_facts(device)->tuning, chooser, NULL);
}

/* The last side of a linear layer is the rows it is called with. */
static void check_shapes(struct device *device, bool cpu)
{
    static const struct tuning_question cpu_shapes[] = {{TUNED_GEMM_CPU, {300, 1000, 100}, 1},
        {TUNED_GEMM_CPU, {7, 33, 65}, 1}, {TUNED_CONV, {144, 40, 33, 1}, 1},
        {TUNED_CONV, {35, 32, 16, 2}, 1}, {TUNED_ATTENTION_CPU, {50, 77, 40}, 1},
        {TUNED_ATTENTION_CPU, {9, 5, 16}, 1}};
    static const struct tuning_question group_shapes[] = {{TUNED_GEMM, {300, 500, 100}, 1},
        {TUNED_GEMM, {7, 33, 65}, 1}, {TUNED_LINEAR, {30, 50, 20}, 1},
        {TUNED_CONV, {144, 40, 33, 1}, 1}, {TUNED_CONV_TILED, {144, 40, 33}, 1},
        {TUNED_CONV_TILED, {35, 5, 7}, 1}, {TUNED_ATTENTION, {50, 77, 40}, 1},
        {TUNED_ATTENTION, {40, 33, 128}, 1}};
    if (!device_force_shape(device, cpu))
        return;
    device_set_tuning(device, parsed(""));
    for (size_t i = 0; cpu && i < sizeof cpu_shapes / sizeof *cpu_shapes; i++)
        check_shape(device, &cpu_shapes[i], 8e-6);
    for (size_t i = 0; !cpu && i < sizeof group_shapes / sizeof *group_shapes; i++)
        check_shape(device, &group_shapes[i], 8e-6);
    device_set_tuning(device, NULL);
}

/* Of a matrix unit, in plain OpenCL C: factors of half. */
static void check_matrix_shapes(struct device *device)
{
    static const struct tuning_question shapes[] = {{TUNED_GEMM_MATRIX, {150, 100, 256}, 1},
        {TUNED_GEMM_MATRIX, {9, 40, 64}, 1}, {TUNED_CONV_MATRIX, {144, 24, 128}, 1}};
    device_force_shape(device, false);
    device_set_tuning(device, parsed(""));
    device_force_unit(device, (struct group_unit){UNIT_MMA, false, true});
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(device, &shapes[i], 2e-3);
    device_allow_matrix_unit(device, false);
    device_set_tuning(device, NULL);
}

int main(void)
{
    struct device *device;
    check_round();
    check_refused();
    check_damaged();
    check_files();
    check_choice();
    check_shipped();
    check_questions();
    check_names();
    check_engines();
    if (device_open(NULL, &device) != CLAT_OK) {
        check_result();
        check_skip("%s", status_text());
    }
    check_kernel(device, false, "any | * | gemm | * * * | rows=1 parts=1", "gemm.product -DROWS=1");
    check_kernel(device, false, "any | * | gemm | * * * | rows=4 parts=1", "gemm.product -DROWS=4");
    if (device_force_shape(device, true))
        check_kernel(device, true, "any | * | gemm_cpu | * * * | tile=8x2", "-DROWS=8 -DVECTORS=2");
    check_shapes(device, true);
    check_shapes(device, false);
    check_matrix_shapes(device);
    device_close(device);
    return check_result();
}
