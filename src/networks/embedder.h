/* embedder.h - conditions that are not text: a class, a map of labels, boxes.
 * SPDX-License-Identifier: MIT
 *
 * All of it is little arithmetic over tables of the checkpoint and runs on the host. CompVis'
 * names: ClassEmbedder, SpatialRescaler, and the tokens that its BERTEmbedder reads in
 * layout-to-image (ldmbert.h runs that). Source: arXiv 2112.10752, 4.3 and E.2; the tokens: Jahn et
 * al. 2021. */
#ifndef CLATENT_NETWORKS_EMBEDDER_H
#define CLATENT_NETWORKS_EMBEDDER_H

#include "checkpoint/config.h"
#include "networks/loader.h"

/* Looks the tensors up, as the load functions of networks do. */
enum clat_status class_embedder_check(
    struct loader *loader, const struct class_embedder_config *config);
enum clat_status spatial_rescaler_check(
    struct loader *loader, const struct spatial_rescaler_config *config);

/* Rows of the table [classes][width] called `name`, straight from the mapped file: values
 * [n][width]. A class that the table does not have is CLAT_ERROR_INPUT. */
enum clat_status class_rows(struct weights *weights, const char *name, int count, int width,
    const int32_t *classes, int n, float *values);

/* values [n][width]: the context of one token for each class. */
enum clat_status class_embed(struct weights *weights, const struct class_embedder_config *config,
    const int32_t *classes, int n, float *values);

/* Channels that the rescaler gives. */
int spatial_rescaler_channels(const struct spatial_rescaler_config *config);
/* labels [h][w], each below in_channels, as one-hot channels, scaled down and mapped: values
 * [channels][h >> stages][w >> stages], what is concatenated to the latents. h and w must be
 * multiples of 2^stages. */
enum clat_status label_map_embed(struct weights *weights,
    const struct spatial_rescaler_config *config, const int32_t *labels, int h, int w,
    float *values);

/* An object of a layout: its corner and size as parts of the picture, 0..1. */
struct layout_box {
    int category; /* from 0 */
    double x, y, width, height;
    bool group, occluded, depiction, inside;
};
/* How many boxes `length` tokens can hold: three for each, and two for the part of the picture that
 * is seen (all of it). */
int layout_capacity(int length);
/* tokens [length], ids below `vocabulary`: category and flags, upper left and lower right corner of
 * each box, corners counted on a grid. `categories`: how many there are. */
enum clat_status layout_tokens(const struct layout_box *boxes, int count, int categories,
    int vocabulary, int length, int32_t *tokens);

#endif
