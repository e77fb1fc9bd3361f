/* device.c - list, open, buffers, launches, faults, cancelling, and the cache of built programs.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "device/cache.h"
#include "device/launch.h"
#include "device/prepare.h"
#include "device/program.h"
#include "device/quirk.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- without a device ----------------------------------------------------------------------- */

static void check_dry(void)
{
    struct device *device;
    struct buffer buffer, other;
    struct kernel *kernel;
    CHECK_OK(device_open_dry(NULL, &device));
    CHECK(device_is_dry(device) && device_facts(device)->is_cpu, "not dry");
    CHECK_OK(buffer_new(device, 1000, &buffer));
    CHECK_OK(buffer_new(device, (size_t)1 << 50, &other));
    CHECK(!buffer.memory && device_memory_used(device) == ((size_t)1 << 50) + 1000, "%zu bytes",
        device_memory_used(device));
    buffer_free(device, &other);
    CHECK(device_memory_used(device) == 1000, "%zu", device_memory_used(device));
    CHECK(
        device_memory_peak(device) == ((size_t)1 << 50) + 1000, "%zu", device_memory_peak(device));
    device_memory_peak_reset(device);
    CHECK(device_memory_peak(device) == 1000, "%zu", device_memory_peak(device));
    CHECK_OK(kernel_find(device, "no such file", "nor function", "", &kernel));
    CHECK_OK(launch(device, kernel, grid1(1000, 64), ARG_INT(1)));
    device_count_work(device, 5);
    device_count_work(device, 7);
    CHECK(device_work(device) == 12, "%g", device_work(device));
    CHECK_OK(device_finish(device));
    buffer_free(device, &buffer);
    device_close(device);
    device_close(NULL);
}

static void check_quirks(void)
{
    struct device_facts facts = {.platform = "Clover", .name = "AMD something"};
    const struct quirk *unusable;
    CHECK(quirk_find(&facts, &unusable) & QUIRK_UNUSABLE, "Clover is used");
    CHECK(unusable && strstr(unusable->effect, "rusticl"), "no row");
    facts = (struct device_facts){
        .platform = "rusticl", .name = "llvmpipe (LLVM 15.0.6, 256 bits)", .driver = "22.3.6"};
    CHECK(quirk_find(&facts, &unusable) & QUIRK_UNUSABLE, "an old llvmpipe is used");
    snprintf(facts.driver, sizeof facts.driver, "25.0.7-2+deb13u1");
    CHECK(quirk_find(&facts, &unusable) == QUIRK_SECOND_CHOICE && !unusable, "a newer one is not");
    snprintf(facts.platform, sizeof facts.platform, "portable computing LANGUAGE");
    CHECK(quirk_find(&facts, &unusable) == (QUIRK_NO_OWN_CACHE | QUIRK_BUILDS_AT_LAUNCH |
                                               QUIRK_IN_PROCESS | QUIRK_PREFETCHES) &&
              !unusable,
        "PoCL");
    snprintf(facts.platform, sizeof facts.platform, "Some other platform");
    CHECK(quirk_find(&facts, &unusable) == 0 && !unusable, "unknown platform");
    for (const struct quirk *row = quirk_rows; row->symptom; row++)
        CHECK(row->effect && row->source && (row->platform || row->device), "row %d",
            (int)(row - quirk_rows));
}

static void check_grids(void)
{
    struct grid a = grid1(65, 64), b = grid2(1, 5, 16, 4), c = grid3(8, 3, 2, 8, 2, 1);
    CHECK(a.dimensions == 1 && a.global[0] == 128 && a.local[0] == 64, "%zu", a.global[0]);
    CHECK(b.dimensions == 2 && b.global[0] == 16 && b.global[1] == 8, "%zu", b.global[1]);
    CHECK(c.dimensions == 3 && c.global[1] == 4 && c.global[2] == 2, "%zu", c.global[1]);
}

static void check_expansion(void)
{
    struct text text = {0};
    CHECK_OK(source_expand("norm", &text));
    CHECK(text.data && strstr(text.data, "group_fold") && strstr(text.data, "exp_bounded"),
        "the text lacks its parts");
    CHECK(text.data && !strstr(text.data, "#include"), "an include is left");
    CHECK_FAILS(source_expand("nothing", &text), CLAT_ERROR_INTERNAL, "cl/nothing.cl");
    text_free(&text);
}

/* ---- the cache ------------------------------------------------------------------------------ */

static const char *cache_folder(void)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/clatent/kernels", getenv("XDG_CACHE_HOME"));
    return path;
}

/* Relative names are no cache folder, and a test run by hand has a relative build folder. */
static void use_cache_of_our_own(void)
{
    char path[4096];
    const char *scratch = check_scratch("device-cache/x");
    mkdir(scratch, 0700);
    setenv("XDG_CACHE_HOME", realpath(scratch, path) ? path : "/nonexistent", 1);
}

/* The only entry of the folder, or "" if there are none or several. */
static const char *only_entry(void)
{
    static char path[8192];
    int count = 0;
    DIR *list = opendir(cache_folder());
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list))
        if (entry->d_name[0] != '.' && count++ == 0)
            snprintf(path, sizeof path, "%s/%s", cache_folder(), entry->d_name);
    if (list)
        closedir(list);
    return count == 1 ? path : "";
}

static void empty_folder(void)
{
    char path[8192];
    DIR *list = opendir(cache_folder());
    for (struct dirent *entry = list ? readdir(list) : NULL; entry; entry = readdir(list)) {
        snprintf(path, sizeof path, "%s/%s", cache_folder(), entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (list)
        closedir(list);
}

/* True if `key` gives `word`. */
static bool holds(const struct text *key, const char *word)
{
    unsigned char *value;
    size_t size;
    if (!cache_load(key, &value, &size))
        return false;
    bool same = size == strlen(word) && memcmp(value, word, size) == 0;
    free(value);
    return same;
}

static void store(const struct text *key, const char *word)
{
    cache_store(key, (const unsigned char *)word, strlen(word));
}

/* Changes the byte at `offset` (from the end if negative) of the only entry. */
static void damage(long offset)
{
    FILE *file = fopen(only_entry(), "r+");
    CHECK(file, "no single entry to damage");
    if (!file)
        return;
    fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void check_damage(const struct text *key)
{
    static const long offsets[] = {0, 24, 32, 40, 56, -1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        empty_folder();
        store(key, "value");
        damage(offsets[i]);
        CHECK(!holds(key, "value"), "damage at %ld was not seen", offsets[i]);
        CHECK(!*only_entry(), "the damaged entry (at %ld) was left", offsets[i]);
    }
    store(key, "value");
    CHECK(truncate(only_entry(), 70) == 0, "truncate");
    CHECK(!holds(key, "value"), "a cut entry was used");
}

static void check_hostile(const struct text *key)
{
    char aside[8300], entry[8192];
    empty_folder();
    store(key, "value");
    snprintf(entry, sizeof entry, "%s", only_entry());
    CHECK(
        chmod(entry, 0666) == 0 && !holds(key, "value"), "an entry that others can write was used");
    store(key, "value");
    snprintf(aside, sizeof aside, "%s/.aside", cache_folder());
    unlink(aside);
    CHECK(link(entry, aside) == 0 && !holds(key, "value"), "an entry with two names was used");
    CHECK(symlink(aside, entry) == 0 && !holds(key, "value"), "a symbolic link was followed");
    unlink(entry);
    unlink(aside);
    CHECK(mkfifo(entry, 0600) == 0 && !holds(key, "value"), "a pipe was read");
    unlink(entry);
    store(key, "value");
    CHECK(holds(key, "value"), "not kept");
    CHECK(chmod(cache_folder(), 0777) == 0 && !holds(key, "value"),
        "a folder that others can write was used");
    chmod(cache_folder(), 0700);
    CHECK(holds(key, "value"), "not kept");
}

static void check_cache(void)
{
    struct text key = {0}, other = {0};
    text_print(&key, "one key");
    text_print(&other, "another key");
    empty_folder();
    CHECK(!holds(&key, ""), "an empty cache has it");
    store(&key, "value");
    CHECK(holds(&key, "value") && !holds(&other, "value"), "not kept, or under another key");
    store(&key, "");
    CHECK(holds(&key, ""), "an empty value");
    cache_remove(&key);
    CHECK(!holds(&key, ""), "not removed");
    check_damage(&key);
    check_hostile(&key);
    empty_folder();
    text_free(&key);
    text_free(&other);
}

/* ---- with a device -------------------------------------------------------------------------- */

static void check_list(void)
{
    struct device_entry *entries;
    size_t count;
    CHECK_OK(device_list(&entries, &count));
    CHECK(count > 0, "open found a device, the list is empty");
    for (size_t i = 0; i < count; i++)
        CHECK(entries[i].facts.name[0] && entries[i].reason[0] &&
                  (!entries[i].usable || entries[i].index >= 0),
            "entry %zu: '%s' '%s'", i, entries[i].facts.name, entries[i].reason);
    free(entries);
}

static void check_selectors(const char *name)
{
    struct device *device;
    char part[256];
    size_t length = strlen(name);
    CHECK_FAILS(device_open("no such device", &device), CLAT_ERROR_NO_DEVICE, name);
    CHECK(!device, "a device after a failure");
    CHECK_FAILS(device_open("999", &device), CLAT_ERROR_NO_DEVICE, "is none of those found");
    CHECK_OK(device_open("auto", &device));
    device_close(device);
    snprintf(part, sizeof part, "%.*s", (int)(length > 3 ? length - 1 : length), name);
    for (char *at = part; *at; at++) /* case does not matter */
        *at = *at >= 'a' && *at <= 'z' ? *at - 32 : *at;
    if (device_open(part, &device) == CLAT_OK)
        device_close(device);
    else
        CHECK_FAILS(device_open(part, &device), CLAT_ERROR_NO_DEVICE, "name one by its number");
}

struct pattern {
    size_t size;
    unsigned char byte;
};

static void fill_pattern(void *user, void *mapped)
{
    const struct pattern *pattern = user;
    memset(mapped, pattern->byte, pattern->size);
}

static void check_buffers(struct device *device)
{
    const struct device_facts *facts = device_facts(device);
    size_t before = device_memory_used(device);
    struct buffer buffer, empty;
    struct pattern pattern = {1000, 0x3C};
    float values[250];
    CHECK_OK(buffer_new(device, 1000, &buffer));
    CHECK_OK(buffer_fill(device, &buffer, fill_pattern, &pattern));
    struct tensor tensor = {buffer.memory, 0, 1, 1, 1, 250, 250};
    CHECK_OK(tensor_read(device, &tensor, values));
    CHECK(
        ((unsigned char *)values)[0] == 0x3C && ((unsigned char *)values)[999] == 0x3C, "content");
    CHECK_OK(buffer_new(device, 0, &empty));
    buffer_free(device, &empty);
    buffer_free(device, &buffer);
    buffer_free(device, &buffer);
    CHECK(device_memory_used(device) == before, "%zu", device_memory_used(device));
    CHECK_FAILS(
        buffer_new(device, facts->largest_buffer + 1, &buffer), CLAT_ERROR_MEMORY, "its largest");
    CHECK(!buffer.memory && buffer.size == 0, "a buffer after a failure");
    CHECK_FAILS(buffer_new(device, SIZE_MAX, &buffer), CLAT_ERROR_MEMORY, "bytes");
}

/* What the system has given this process, in bytes. */
static size_t resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Freed weights must leave the process, or the next network does not fit. */
static void check_memory_returns(struct device *device)
{
    enum { COUNT = 16, SIZE = 3 << 20 };
    struct buffer buffers[COUNT];
    struct pattern pattern = {SIZE, 1};
    size_t before = resident();
    if (!device_facts(device)->on_host || before == 0)
        return;
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(buffer_new(device, SIZE, &buffers[i]));
        CHECK_OK(buffer_fill(device, &buffers[i], fill_pattern, &pattern));
    }
    CHECK_OK(device_finish(device));
    size_t full = resident();
    for (int i = 0; i < COUNT; i++)
        if (i != COUNT / 2) /* one stays: what is freed around it must go nevertheless */
            buffer_free(device, &buffers[i]);
    size_t after = resident();
    buffer_free(device, &buffers[COUNT / 2]);
    CHECK(full < before + (size_t)COUNT * SIZE / 2 || after < full - (size_t)(COUNT - 2) * SIZE,
        "resident: %zu before, %zu full, %zu after", before, full, after);
}

static bool cancel_now(void *user)
{
    return *(bool *)user;
}

static void check_launches(struct device *device, struct pool *pool)
{
    struct kernel *kernel, *same;
    struct tensor x, y;
    float value = 1.5f;
    bool cancelled = false;
    CHECK_OK(pool_take(pool, POOL_FRONT, 1, 1, 1, 1, &x));
    CHECK_OK(pool_take(pool, POOL_FRONT, 1, 1, 1, 1, &y));
    CHECK_OK(tensor_write(device, &x, &value));
    CHECK_OK(kernel_find(device, "elementwise", "affine_rows", "", &kernel));
    CHECK_OK(kernel_find(device, "elementwise", "affine_rows", "", &same));
    CHECK(kernel == same, "the kernel was made twice");
    struct argument arguments[] = {ARG_TENSOR(&x), ARG_INT(1), ARG_FLOAT(1), ARG_FLOAT(1),
        ARG_TENSOR(&y), ARG_INT(1), ARG_INT(1), ARG_INT(1)};
    for (int i = 0; i < 50; i++) { /* more than may be in flight */
        arguments[3].float_value = (float)i;
        CHECK_OK(launch_array(device, kernel, grid2(1, 1, 64, 4), arguments, 8));
    }
    CHECK_OK(tensor_read(device, &y, &value));
    CHECK(value == 50.5f, "%g", (double)value);
    CHECK_FAILS(launch(device, kernel, grid2(1, 1, 64, 4), ARG_TENSOR(&x)), CLAT_ERROR_INTERNAL,
        "affine_rows in cl/elementwise.cl takes 10 arguments, 2 were given");
    CHECK_FAILS(launch_array(device, kernel, grid1(1, 1), arguments, 8), CLAT_ERROR_DEVICE,
        "kernel affine_rows in cl/elementwise.cl with work-groups of 1,");
    device_on_cancel(device, cancel_now, &cancelled);
    CHECK_OK(launch_array(device, kernel, grid2(1, 1, 64, 4), arguments, 8));
    cancelled = true;
    CHECK_FAILS(
        launch_array(device, kernel, grid2(1, 1, 64, 4), arguments, 8), CLAT_CANCELLED, "stopped");
    device_on_cancel(device, NULL, NULL);
    CHECK_OK(device_finish(device));
}

static void check_build_faults(struct device *device)
{
    struct kernel *kernel;
    cl_program program;
    CHECK_FAILS(kernel_find(device, "elementwise", "no_such_kernel", "", &kernel),
        CLAT_ERROR_DEVICE,
        "kernel no_such_kernel of cl/elementwise.cl failed: CL_INVALID_KERNEL_NAME");
    CHECK_FAILS(kernel_find(device, "nothing", "f", "", &kernel), CLAT_ERROR_INTERNAL,
        "kernel f: there is no kernel file cl/nothing.cl");
    CHECK_FAILS(
        program_build(device, "broken", "-DA=1", "__kernel void f() { this is wrong; }", &program),
        CLAT_ERROR_DEVICE, "cl/broken.cl with options '-cl-std=CL1.2");
    CHECK(!strchr(status_text(), '\n'), "several lines");
    char options[2048] = "";
    memset(options, ' ', sizeof options - 1);
    CHECK_FAILS(kernel_find(device, "resample", "resize_nearest", options, &kernel),
        CLAT_ERROR_INTERNAL, "build options of 20");
    CHECK(!program, "a program after a failure");
}

/* Facts that are smaller than a kernel needs refuse it. */
static void check_limits(struct device *device)
{
    struct kernel *kernel;
    struct device_facts facts = device->facts;
    struct argument none = ARG_BUFFER(NULL);
    device->facts.local_memory = 16;
    CHECK_FAILS(kernel_find(device, "norm", "layer_norm", "", &kernel), CLAT_ERROR_DEVICE,
        "bytes of local memory, the device has 16");
    device->facts.local_memory = 32768;
    device->facts.work_group_limit = 63;
    if (CHECK_OK(kernel_find(device, "norm", "layer_norm", "", &kernel)))
        CHECK_FAILS(launch_array(device, kernel, grid1(64, 64), &none, 1), CLAT_ERROR_DEVICE,
            "needs work-groups of 64, the device allows 63");
    device->facts = facts;
}

/* The variable of narrow.h, which the user of these tests may have set. */
static void check_narrowing(void)
{
    static const char *const wrong[][2] = {{"small", "expected gpu, forbidden"},
        {"gpu,memory=", "memory: expected a number above 0, found ''"},
        {"work_group=12x", "found '12x'"}, {"gpu=1", "found 'gpu'"}, {"gpu,,", "found ''"}};
    const char *word = getenv("CLATENT_TEST_DEVICE");
    char *before = word ? strdup(word) : NULL;
    struct device *device;
    struct device_entry *entries;
    struct buffer buffer;
    size_t count;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("CLATENT_TEST_DEVICE", wrong[i][0], 1);
        CHECK_FAILS(device_list(&entries, &count), CLAT_ERROR_USAGE, wrong[i][1]);
    }
    setenv(
        "CLATENT_TEST_DEVICE", "forbidden,gpu,local_memory=32768,work_group=256,memory=1000000", 1);
    if (CHECK_OK(device_open(NULL, &device))) {
        const struct device_facts *facts = device_facts(device);
        CHECK(facts->local_memory == 32768 && facts->work_group_limit == 256 &&
                  facts->largest_buffer == 1000000 && facts->global_memory == 1000000,
            "not narrowed");
        CHECK(!facts->is_cpu && !facts->on_host && !device_force_shape(device, true), "no GPU");
        CHECK_OK(buffer_new(device, 900000, &buffer));
        CHECK_FAILS(buffer_new(device, 200000, &(struct buffer){0}), CLAT_ERROR_MEMORY,
            "that the device has");
        buffer_free(device, &buffer);
        device_close(device);
    }
    if (before)
        setenv("CLATENT_TEST_DEVICE", before, 1);
    else
        unsetenv("CLATENT_TEST_DEVICE");
    free(before);
}

static void note_build(void *user, const char *program, int n, int total)
{
    *(int *)user = n;
    CHECK(!total || n <= total, "program %d of %d", n, total);
    CHECK(strcmp(program, "resample") == 0 || strcmp(program, "elementwise") == 0, "'%s'", program);
}

/* Opens the device anew and gets one kernel; how many programs were built and how many cached? */
static void count_builds(int *built, int *hits)
{
    struct device *device;
    struct kernel *kernel;
    *built = *hits = 0;
    CHECK_OK(device_open(NULL, &device));
    if (!device)
        return;
    device_on_build(device, note_build, built);
    CHECK_OK(kernel_find(device, "resample", "resize_nearest", "-DTEST=1", &kernel));
    CHECK_OK(kernel_find(device, "resample", "resize_nearest_cpu", "-DTEST=1", &kernel));
    *hits = device->cache_hits;
    device_close(device);
}

/* CLATENT_CACHE=on in the environment would be a user's doing; a test sets it. */
static void check_program_cache(void)
{
    int built, hits;
    setenv("CLATENT_CACHE", "on", 1);
    empty_folder();
    count_builds(&built, &hits);
    CHECK(built == 1 && hits == 0, "first time: %d built, %d cached", built, hits);
    if (!*only_entry()) { /* a driver without binaries */
        unsetenv("CLATENT_CACHE");
        return;
    }
    count_builds(&built, &hits);
    CHECK(built == 0 && hits == 1, "second time: %d built, %d cached", built, hits);
    damage(-10);
    count_builds(&built, &hits);
    CHECK(built == 1 && hits == 0, "damaged: %d built, %d cached", built, hits);
    setenv("CLATENT_CACHE", "off", 1);
    count_builds(&built, &hits);
    CHECK(built == 1 && hits == 0, "off: %d built, %d cached", built, hits);
    unsetenv("CLATENT_CACHE");
    empty_folder();
}

/* What affine_rows_cpu would do: y = 2x + 1. */
static enum clat_status double_rows(
    struct device *device, const struct tensor *x, const struct tensor *y)
{
    struct kernel *kernel;
    enum clat_status status;
    TRY(kernel_find(device, "elementwise", "affine_rows_cpu", "-DTEST=3", &kernel));
    TRY(launch(device, kernel, grid_jobs(device), ARG_TENSOR(x), ARG_INT(1), ARG_FLOAT(2),
        ARG_FLOAT(1), ARG_TENSOR(y), ARG_INT(1), ARG_INT(1), ARG_INT(1), ARG_INT(1),
        ARG_BUFFER(device_counter(device))));
out:
    return status;
}

/* A driver that compiles at launches gets the kernels of a dry run before they are needed. The
 * second one cannot be built: it is for the launch that needs it to say so. */
static void check_preparation(struct device *device, struct pool *pool)
{
    struct device *dry;
    struct kernel *kernel;
    struct tensor x = {.n = 1, .h = 1, .w = 1, .c = 1, .stride = 1}, y = x;
    float value = 1.5f;
    int built = 0, first;
    unsigned quirks = device->quirks;
    size_t used = device_memory_used(device);
    CHECK_OK(device_open_dry(device_facts(device), &dry));
    CHECK_OK(double_rows(dry, &x, &y));
    CHECK_OK(kernel_find(dry, "no such file", "nor function", "", &kernel));
    CHECK_OK(launch(dry, kernel, grid_jobs(dry), ARG_BUFFER(device_counter(dry))));
    device_on_build(device, note_build, &built);
    device->quirks |= QUIRK_BUILDS_AT_LAUNCH;
    device_prepare(device, dry);
    device_close(dry);
    CHECK(device->preparation && built == 0, "%d built", built);
    CHECK(device->builds_ahead > device->builds || device->cache_hits,
        "%d programs are expected, %d built", device->builds_ahead, device->builds);
    while (device->preparation)
        device_prepare_next(device);
    first = built;
    CHECK(first > 0 || device->cache_hits, "nothing is built");
    CHECK(device_memory_used(device) == used, "%zu bytes kept", device_memory_used(device) - used);
    CHECK_OK(pool_take(pool, POOL_FRONT, 1, 1, 1, 1, &x));
    CHECK_OK(pool_take(pool, POOL_FRONT, 1, 1, 1, 1, &y));
    CHECK_OK(tensor_write(device, &x, &value));
    CHECK_OK(double_rows(device, &x, &y));
    CHECK_OK(tensor_read(device, &y, &value));
    CHECK(value == 4 && built == first, "%g, %d more are built", (double)value, built - first);
    device->quirks = quirks;
    device_on_build(device, NULL, NULL);
}

int main(void)
{
    struct device *device;
    struct pool pool;
    use_cache_of_our_own();
    check_dry();
    check_quirks();
    check_grids();
    check_expansion();
    check_cache();
    if (device_open(NULL, &device) != CLAT_OK)
        check_skip("%s", status_text());
    check_list();
    check_selectors(device_facts(device)->name);
    CHECK_OK(pool_open(device, 1 << 16, &pool));
    check_buffers(device);
    check_memory_returns(device);
    check_launches(device, &pool);
    check_limits(device);
    check_narrowing();
    check_build_faults(device);
    check_preparation(device, &pool);
    check_program_cache();
    pool_close(&pool);
    device_close(device);
    return check_result();
}
