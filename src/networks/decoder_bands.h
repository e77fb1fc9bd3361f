/* decoder_bands.h - decoding a large picture in bands of rows. SPDX-License-Identifier: MIT
 *
 * Memory is that of the largest hidden tensor behind a resnet and a few bands, instead of two and a
 * half of the largest one before a resnet: a fifth of it for VQ-f4. What is computed is the same:
 * the statistics of every norm are of the whole image, and attention sees all of it. It costs
 * some 1.6 times the arithmetic, for what is not kept is computed again. */
#ifndef CLATENT_NETWORKS_DECODER_BANDS_H
#define CLATENT_NETWORKS_DECODER_BANDS_H

#include "networks/autoencoder.h"

/* Middle, levels and end of the decoder: z [1][h][w][..] is the input of conv_in, image
 * [1][h*f][w*f][3]. */
enum clat_status decoder_bands_forward(const struct forward *run, const struct autoencoder *decoder,
    const struct tensor *z, const struct tensor *image);

#endif
