/* crew.h - several devices work on the images of one job. SPDX-License-Identifier: MIT
 *
 * Each device has a thread, a context and the networks of its own; which images it makes is decided
 * while it works (portions.h), and never changes them: noise belongs to the image, and a row of the
 * network never sees another. All events come from the thread that called, images in their order.
 * The images of a device that fails go to the others. */
#ifndef CLATENT_PIPELINE_CREW_H
#define CLATENT_PIPELINE_CREW_H

#include "pipeline/run.h"

/* Samples, decodes and hands out all images of `run`, whose condition and start latents are there.
 */
enum clat_status crew_make_images(struct run *run, struct device *const *devices, size_t count);

/* True for failures that another device may not have. */
bool crew_can_replace(enum clat_status status);

#endif
