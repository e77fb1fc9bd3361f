/* bench_stage.c - one network of a model, run when asked: for bench_peers.py.
 * SPDX-License-Identifier: MIT
 *
 *     bench_stage MODEL text|unet|decode BATCH [HEIGHT WIDTH]
 *
 * Says "ready"; each line on standard input is answered with the seconds of one run. */
#include "pipeline/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(enum clat_status status)
{
    if (status == CLAT_OK)
        return;
    fprintf(stderr, "bench_stage: %s\n", status_text());
    exit(1);
}

static const char *stage_name(const char *word)
{
    if (strcmp(word, "text") == 0)
        return "text_encoder";
    return strcmp(word, "decode") == 0 ? "decoder" : "unet";
}

int main(int count, char **arguments)
{
    struct device *device;
    struct model *model;
    struct bench_subject *subject;
    char line[64];
    double seconds;
    if (count != 4 && count != 6) {
        fputs("bench_stage MODEL text|unet|decode BATCH [HEIGHT WIDTH]\n", stderr);
        return 2;
    }
    struct bench_stage stage = {.name = stage_name(arguments[2]), .batch = atoi(arguments[3])};
    require(device_open(NULL, &device));
    require(model_open(arguments[1], NULL, &model));
    require(bench_open(device, model, count == 6 ? atoi(arguments[4]) : 0,
        count == 6 ? atoi(arguments[5]) : 0, &stage, &subject));
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        require(bench_once(subject, &seconds));
        printf("%.6f\n", seconds);
        fflush(stdout);
    }
    bench_close(subject);
    model_close(model);
    device_close(device);
    return 0;
}
