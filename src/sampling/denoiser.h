/* denoiser.h - the guided prediction that samplers ask for. SPDX-License-Identifier: MIT
 *
 * Classifier-free guidance (Ho and Salimans 2022): e = e_u + scale (e_c - e_u), one UNet pass over
 * the rows [unconditional..., conditional...]. With a scale of exactly 1 the conditional rows
 * alone.
 *
 * Beside the sample a network may see further channels: a small image, a masked one. They stand
 * behind the sample's in every row, and are never scaled with it. */
#ifndef CLATENT_SAMPLING_DENOISER_H
#define CLATENT_SAMPLING_DENOISER_H

#include "networks/unet.h"

struct denoiser {
    struct forward run;
    const struct unet *unet;
    struct tensor sample, output; /* [rows][h][w][in_channels], [out_channels] on the device */
    int images, rows;             /* rows = images, or twice as many if guided */
    size_t elements;              /* out_channels*h*w of one image: sample and prediction */
    size_t beside_elements;       /* of the further channels; 0: none */
    const float *beside;          /* [images][beside_elements], the caller's, for evaluate */
    bool unscaled, scaled_beside; /* compat: a divisor is forgotten, or also divides `beside` */
    float guidance;
    float *input, *predicted; /* [rows][elements + beside_elements], [rows][elements] */
    int evaluations;          /* so far */
    /* Shown every guided prediction, [images][elements]; or NULL. */
    enum clat_status (*evaluated)(void *user, int index, const float *prediction);
    void *user;
};

/* True if this scale asks for unconditional rows. */
bool guidance_is_on(float scale);

/* context [rows][tokens][cross_attention_dim] on the host: for guided sampling `images`
 * unconditional rows, then `images` conditional ones; NULL without cross-attention. Takes from the
 * pool's front, which the caller releases; the pool must hold what unet_measure says for `rows`. */
enum clat_status denoiser_open(struct denoiser *denoiser, struct pool *pool, struct unet *unet,
    int images, int h, int w, float guidance, const float *context, int tokens);
void denoiser_close(struct denoiser *denoiser);

/* The `evaluate` of struct sampler_host; user is the denoiser. A value that is not finite is
 * CLAT_ERROR_CHECK. */
enum clat_status denoiser_evaluate(
    void *denoiser, const float *sample, float divisor, double timestep, float *output);

/* The rows that the network sees, into denoiser->input. */
void denoiser_fill(struct denoiser *denoiser, const float *sample, float divisor);

/* CLAT_ERROR_CHECK, naming `what`, if any of the values is not finite. */
enum clat_status check_finite(const float *values, size_t count, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

#endif
