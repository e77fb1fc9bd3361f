/* condition.h - what stands beside the noisy latents, task by task. SPDX-License-Identifier: MIT
 *
 * A condition comes in one of two ways: as context [rows][tokens][width], which the UNet's
 * cross-attention reads, or as channels [items][extra][h][w] behind the latents' own. Source:
 * spec of the models, arXiv 2112.10752, 3.3. */
#ifndef CLATENT_PIPELINE_CONDITION_H
#define CLATENT_PIPELINE_CONDITION_H

#include "pipeline/run.h"
#include "sampling/denoiser.h"

#define PROMPT_TOKENS 77 /* positions of a prompt, whatever the tokenizer's own limit says */
#define PROMPT_BATCH 4   /* prompts in one pass of the text encoder */
#define LAYOUT_TOKENS (3 * LAYOUT_BOXES + 2) /* class and two corners of each box, and the crop */

/* How a task is run; task.c has the table. */
struct task_row {
    const char *key;     /* of the job: what the images are made from; NULL: nothing */
    const char *with[2]; /* further keys that it takes */
    int steps;           /* num_inference_steps if the job has none */
    bool encodes;        /* an image goes through the autoencoder's encoder */
    /* Reads and checks what the job says: sets items, and height and width where the input decides
     * them (0 before). */
    enum clat_status (*settle)(struct run *run);
    /* Fills ids and context, or beside, for which there is room. NULL: nothing to do. */
    enum clat_status (*condition)(struct run *run);
    /* Last touches to image `index`: rgb [height][width][3] in 0..1. NULL: none. */
    void (*finish)(const struct run *run, int index, float *rgb);
};
/* The row of a model's task; CLAT_ERROR_INPUT if generate does not run it. */
enum clat_status task_find(const struct model *model, const struct task_row **row);

/* Refuses keys of other tasks and a lack of its own; then settle(). */
enum clat_status task_settle(struct run *run);
/* What item `item` of a job is called: its prompt, class, file; "" if images are made from nothing.
 */
const char *task_item(const struct model *model, const struct job *job, int item);
/* Room for the condition, then condition(). */
enum clat_status task_condition(struct run *run);

/* Text and layout go through one, as token ids. */
bool model_has_text_encoder(const struct model *model);
/* Positions of a context; 0 without cross-attention. */
int model_context_tokens(const struct model *model);
/* True if the model knows an unconditional context, which guidance needs. */
bool model_can_guide(const struct model *model);

/* condition_text.c */
enum clat_status text_condition(struct run *run);
/* run->ids through the text encoder into run->context. */
enum clat_status condition_encode_ids(struct run *run);
/* condition_class.c */
enum clat_status class_settle(struct run *run);
enum clat_status class_condition(struct run *run);
/* condition_layout.c */
enum clat_status layout_settle(struct run *run);
enum clat_status layout_condition(struct run *run);
/* condition_image.c */
enum clat_status enlarge_settle(struct run *run);
enum clat_status enlarge_condition(struct run *run);
/* condition_labels.c */
enum clat_status labels_settle(struct run *run);
enum clat_status labels_condition(struct run *run);
/* condition_mask.c */
enum clat_status inpaint_settle(struct run *run);
enum clat_status inpaint_condition(struct run *run);
void inpaint_finish(const struct run *run, int index, float *rgb);

/* class_labels.c: a class by its number, or by its name in the job's class_labels. `count`: how
 * many classes there are; 0: as many as there are lines. */
struct class_labels {
    char *text;   /* the file, cut into lines */
    char **lines; /* [count] */
    size_t count;
};
enum clat_status class_labels_read(const char *path, struct class_labels *labels);
void class_labels_free(struct class_labels *labels);
enum clat_status class_labels_find(const struct class_labels *labels, const char *where,
    const char *name, int classes, int *number);

#endif
