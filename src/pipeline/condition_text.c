/* condition_text.c - prompts to token ids to text embeddings. SPDX-License-Identifier: MIT
 *
 * The rows are the unconditional prompt "" (if guidance wants it), then every prompt. The encoder
 * is loaded, run over them a few at a time, and released. The boxes of a layout go the same way
 * once they are token ids. */
#include "base/file.h"
#include "base/memory.h"
#include "pipeline/condition.h"
#include "pipeline/keep.h"
#include "text/wordpiece.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD_BYTES ((size_t)128 << 20) /* of embeddings for later jobs, at one time */

static enum clat_status open_tokenizer(const struct model *model, struct wordpiece **tokenizer)
{
    enum clat_status status;
    char *vocabulary = NULL;
    const struct tokenizer_config *config = &model->tokenizer;
    bool strip = config->strip_accents < 0 ? config->do_lower_case : config->strip_accents > 0;
    if (!model->tokenizer_folder)
        FAIL(CLAT_ERROR_INPUT,
            "'%s' has no vocabulary: put the vocab.txt of bert-base-uncased beside it",
            model->folder);
    TRY(file_join(model->tokenizer_folder, "vocab.txt", &vocabulary));
    TRY(wordpiece_open(
        vocabulary, config->do_lower_case, strip, config->tokenize_chinese_chars, tokenizer));
    if (wordpiece_size(*tokenizer) > (size_t)model->text_encoder.vocab_size)
        FAIL(CLAT_ERROR_INPUT, "'%s' has %zu tokens, but the text encoder's vocab_size is %d",
            vocabulary, wordpiece_size(*tokenizer), model->text_encoder.vocab_size);
out:
    free(vocabulary);
    return status;
}

static enum clat_status tokenise(struct run *run, const char **texts)
{
    enum clat_status status;
    struct wordpiece *tokenizer = NULL;
    size_t tokens = (size_t)run->tokens;
    TRY(open_tokenizer(run->model, &tokenizer));
    for (int row = 0; row < run->rows; row++)
        TRY(wordpiece_encode(
            tokenizer, texts[row], run->tokens, run->ids + (size_t)row * tokens, NULL));
out:
    wordpiece_close(tokenizer);
    return status;
}

/* Rows first .. first+count through the encoder. */
static enum clat_status encode_rows(struct run *run, struct weights *weights,
    const struct ldmbert *bert, struct pool *pool, int first, int count)
{
    enum clat_status status;
    size_t row = (size_t)run->tokens * (size_t)run->context_width;
    float *values = run->context + (size_t)first * row;
    struct pool_mark mark = pool_mark(pool);
    struct tensor x, y;
    TRY(ldmbert_embed(weights, &bert->config, run->ids + (size_t)first * (size_t)run->tokens, count,
        run->tokens, values));
    TRY(pool_take(pool, POOL_FRONT, count, 1, run->tokens, run->context_width, &x));
    TRY(pool_take(pool, POOL_FRONT, count, 1, run->tokens, run->context_width, &y));
    TRY(tensor_write(run->device, &x, values));
    TRY(ldmbert_forward(&(struct forward){.pool = pool}, bert, &x, &y));
    TRY(tensor_read(run->device, &y, values));
    TRY(check_finite(values, (size_t)count * row, "the text encoder"));
out:
    pool_release(pool, POOL_FRONT, mark);
    return status;
}

static enum clat_status encode(struct run *run, struct weights *weights, const struct ldmbert *bert)
{
    enum clat_status status;
    struct device *dry = NULL;
    struct pool pool = {0};
    size_t bytes;
    int batch = run->rows < PROMPT_BATCH ? run->rows : PROMPT_BATCH;
    TRY(device_open_dry(device_facts(run->device), &dry));
    TRY(ldmbert_measure(bert, dry, batch, run->tokens, &bytes));
    TRY(pool_open(run->device, bytes, &pool));
    run_phase(run, PHASE_ENCODE, 0, run->rows);
    for (int first = 0; first < run->rows; first += batch) {
        int left = run->rows - first, count = left < batch ? left : batch;
        TRY(encode_rows(run, weights, bert, &pool, first, count));
        run_phase(run, PHASE_ENCODE, first + count, run->rows);
    }
out:
    pool_close(&pool);
    device_close(dry);
    return status;
}

static enum clat_status load_and_encode(struct run *run)
{
    enum clat_status status;
    struct loading loading = {0};
    struct ldmbert bert = {0};
    run_make_room(run, run->memory.text_weights + run->memory.text_activations);
    TRY(loading_open(
        &loading, run, COMPONENT_CONDITION, PHASE_LOAD_TEXT, run->memory.text_tensors));
    TRY(ldmbert_load(&loading.loader, &run->model->text_encoder, &bert));
    TRY(encode(run, loading.loader.weights, &bert));
out:
    ldmbert_free(run->device, &bert);
    loading_close(&loading);
    return status;
}

enum clat_status condition_encode_ids(struct run *run)
{
    enum clat_status status;
    size_t shape[] = {(size_t)run->rows, (size_t)run->tokens, (size_t)run->context_width};
    TRY(run_trace(run, "token_ids", 2, shape, NULL, run->ids));
    do
        status = load_and_encode(run);
    while (run_recovers(run, &status));
    if (status == CLAT_OK)
        TRY(run_trace(run, "text_embeddings", 3, shape, run->context, NULL));
out:
    return status;
}

/* ---- prompts of a job ----------------------------------------------------------------------- */

/* The run's own rows. */
static enum clat_status list_texts(const struct run *run, const char ***texts)
{
    enum clat_status status;
    int guided = run->guided ? 1 : 0;
    TRY(memory_new((size_t)run->rows, sizeof **texts, texts));
    for (int row = 0; row < run->rows; row++)
        (*texts)[row] = row < guided ? "" : run->job->prompts.items[row - guided];
out:
    return status;
}

/* True if all of them were encoded for an earlier job; then they are the context. */
static bool find_all(struct run *run, const char **texts)
{
    size_t row = (size_t)run->tokens * (size_t)run->context_width;
    for (int i = 0; i < run->rows; i++) {
        const float *values = keep_find(run, texts[i]);
        if (!values)
            return false;
        memcpy(run->context + (size_t)i * row, values, row * sizeof *values);
    }
    return true;
}

/* Texts of later jobs, behind the run's own, with room for their ids and embeddings. */
static enum clat_status add_expected(struct run *run, const char ***texts)
{
    enum clat_status status = CLAT_OK;
    size_t row = (size_t)run->tokens * (size_t)run->context_width;
    size_t most = AHEAD_BYTES / (row * sizeof(float)), count = (size_t)run->rows;
    const char *text;
    while (count < most + (size_t)run->rows && (text = keep_next_expected(run))) {
        void *grown = realloc(*texts, (count + 1) * sizeof **texts);
        if (!grown)
            FAIL(CLAT_ERROR_MEMORY, "no host memory for prompts");
        *texts = grown;
        (*texts)[count++] = text;
    }
    free(run->ids);
    free(run->context);
    run->ids = NULL;
    run->context = NULL;
    TRY(memory_new(count * (size_t)run->tokens, sizeof *run->ids, &run->ids));
    TRY(memory_new(count * row, sizeof *run->context, &run->context));
    run->rows = (int)count;
out:
    return status;
}

static enum clat_status keep_all(struct run *run, const char **texts)
{
    enum clat_status status = CLAT_OK;
    size_t row = (size_t)run->tokens * (size_t)run->context_width;
    for (int i = 0; i < run->rows && status == CLAT_OK; i++)
        status = keep_add(run, texts[i], run->context + (size_t)i * row);
    return status;
}

/* With jobs to come, their prompts go through the encoder too while it is there. */
enum clat_status text_condition(struct run *run)
{
    enum clat_status status;
    const char **texts = NULL;
    int rows = run->rows;
    bool ahead = run->store && !run->events->trace;
    TRY(list_texts(run, &texts));
    if (ahead && find_all(run, texts))
        goto out;
    if (ahead)
        TRY(add_expected(run, &texts));
    TRY(tokenise(run, texts));
    TRY(condition_encode_ids(run));
    if (ahead)
        TRY(keep_all(run, texts));
out:
    run->rows = rows;
    free(texts);
    return status;
}
