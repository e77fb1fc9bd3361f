/* bench.h - how long each stage of a model takes. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PIPELINE_BENCH_H
#define CLATENT_PIPELINE_BENCH_H

#include "device/meter.h"
#include "pipeline/model.h"

struct bench_stage {
    const char *name; /* "text_encoder", "unet", "decoder" */
    int batch;
    int runs;
    double load_seconds; /* reading, converting and packing its weights */
    double seconds;      /* median of the runs */
    double flop;         /* of one run */
    size_t weights;      /* bytes on the device */
    size_t activations;  /* bytes on the device */
    size_t op_count;
    struct meter_row *ops; /* [op_count] of one run more, most seconds first */
};

enum { BENCH_STAGES = 3 };

/* Loads each component in turn (one at a time), runs it `runs` times on random input after one run
 * to warm up: the text encoder with one full prompt, the UNet with a batch of 2 (one guided image),
 * the decoder with one image; `count` are the stages that the model has. height and width in
 * pixels, 0: the model's default. The stages are given to bench_free(), also after a failure. */
enum clat_status bench_model(struct device *device, const struct model *model, int height,
    int width, int runs, struct bench_stage stages[BENCH_STAGES], int *count);
void bench_free(struct bench_stage *stages, int count);

/* One network alone, loaded for stage->name and stage->batch and run when asked; what loading tells
 * is written into the stage. bench_close(NULL) is allowed. */
struct bench_subject;
enum clat_status bench_open(struct device *device, const struct model *model, int height, int width,
    struct bench_stage *stage, struct bench_subject **subject);
enum clat_status bench_once(struct bench_subject *subject, double *seconds);
void bench_close(struct bench_subject *subject);

#endif
