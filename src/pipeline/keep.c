/* keep.c - see keep.h. SPDX-License-Identifier: MIT */
#include "pipeline/keep.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EMBEDDING_LIMIT ((size_t)256 << 20) /* bytes of embeddings */

struct embedding {
    char *text;
    float *values;
};
struct expected {
    const struct model *model;
    const char *text; /* the job's */
    bool given;       /* it was handed out */
};

struct pipeline_store {
    char key[320];         /* what the networks were loaded for; "": nothing is here */
    struct device *device; /* where they are */
    struct unet unet;
    struct autoencoder decoder;
    size_t bytes; /* of both */
    struct embedding *embeddings;
    size_t count, capacity;
    size_t embedding_bytes; /* of all */
    struct expected *expected;
    size_t expected_count, expected_capacity;
};

enum clat_status pipeline_store_new(struct pipeline_store **store)
{
    return memory_new(1, sizeof **store, store);
}

enum clat_status pipeline_store_expect(
    struct pipeline_store *store, const struct model *model, const char *prompt)
{
    enum clat_status status;
    TRY(memory_grow(&store->expected, &store->expected_capacity, store->expected_count,
        sizeof *store->expected));
    store->expected[store->expected_count++] = (struct expected){model, prompt, false};
out:
    return status;
}

static void forget_embeddings(struct pipeline_store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        free(store->embeddings[i].text);
        free(store->embeddings[i].values);
    }
    store->count = 0;
    store->embedding_bytes = 0;
}

void pipeline_store_clear(struct pipeline_store *store)
{
    if (store->device) {
        unet_free(store->device, &store->unet);
        autoencoder_free(store->device, &store->decoder);
    }
    forget_embeddings(store);
    store->key[0] = '\0';
    store->device = NULL;
    store->bytes = 0;
}

void pipeline_store_free(struct pipeline_store *store)
{
    if (!store)
        return;
    pipeline_store_clear(store);
    free(store->embeddings);
    free(store->expected);
    free(store);
}

/* ---- networks ------------------------------------------------------------------------------- */

static const char *word(const char *given)
{
    return given ? given : "";
}

/* All that a loaded network and an embedding depend on. */
static void make_key(const struct run *run, char *key, size_t size)
{
    const struct job *job = run->job;
    snprintf(key, size, "%p %p %d %d %d %s %s %s %s", (const void *)run->model,
        (const void *)run->device, run->h, run->w, device_stores_half(run->device),
        word(job->precision), word(job->gemm), word(job->kernels),
        word(job->float32_matmul_precision));
}

enum clat_status keep_take(struct run *run)
{
    struct pipeline_store *store = run->store;
    char key[sizeof store->key];
    if (!store)
        return CLAT_OK;
    make_key(run, key, sizeof key);
    if (strcmp(key, store->key) != 0)
        pipeline_store_clear(store);
    snprintf(store->key, sizeof store->key, "%s", key);
    run->unet = store->unet;
    run->decoder = store->decoder;
    run->kept = store->bytes;
    store->unet = (struct unet){.conv_in = {.in = 0}};
    store->decoder = (struct autoencoder){.encodes = false};
    store->device = NULL;
    store->bytes = 0;
    return CLAT_OK;
}

void keep_put(struct run *run)
{
    struct pipeline_store *store = run->store;
    const struct rungs *rungs = &run->rungs;
    char key[sizeof store->key];
    if (!store || !run->keeps || rungs->apart || rungs->bands || rungs->streams || rungs->exact ||
        rungs->budget)
        return;
    make_key(run, key, sizeof key);
    if (strcmp(key, store->key) != 0)
        return;
    store->unet = run->unet;
    store->decoder = run->decoder;
    store->device = run->device;
    store->bytes = device_memory_used(run->device);
    run->unet = (struct unet){.conv_in = {.in = 0}};
    run->decoder = (struct autoencoder){.encodes = false};
}

/* ---- embeddings ----------------------------------------------------------------------------- */

static size_t row_bytes(const struct run *run)
{
    return (size_t)run->tokens * (size_t)run->context_width * sizeof(float);
}

const float *keep_find(const struct run *run, const char *text)
{
    const struct pipeline_store *store = run->store;
    for (size_t i = 0; store && i < store->count; i++)
        if (strcmp(store->embeddings[i].text, text) == 0)
            return store->embeddings[i].values;
    return NULL;
}

enum clat_status keep_add(struct run *run, const char *text, const float *values)
{
    enum clat_status status = CLAT_OK;
    struct pipeline_store *store = run->store;
    struct embedding made = {NULL, NULL};
    if (store->embedding_bytes + row_bytes(run) > EMBEDDING_LIMIT || keep_find(run, text))
        return CLAT_OK;
    TRY(memory_grow(&store->embeddings, &store->capacity, store->count, sizeof *store->embeddings));
    TRY(memory_new(1, row_bytes(run), &made.values));
    TRY(memory_string(text, &made.text));
    memcpy(made.values, values, row_bytes(run));
    store->embeddings[store->count++] = made;
    store->embedding_bytes += row_bytes(run);
    made = (struct embedding){NULL, NULL};
out:
    free(made.values);
    return status;
}

const char *keep_next_expected(struct run *run)
{
    struct pipeline_store *store = run->store;
    for (size_t i = 0; i < store->expected_count; i++) {
        struct expected *next = &store->expected[i];
        if (next->given || next->model != run->model)
            continue;
        next->given = true;
        if (!keep_find(run, next->text))
            return next->text;
    }
    return NULL;
}
