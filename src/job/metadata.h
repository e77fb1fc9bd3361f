/* metadata.h - what an image tells about how it was made. SPDX-License-Identifier: MIT
 *
 * `clatent` (our JSON: version, device and the job of this one image, which the job reader reads
 * back), `parameters` (the text that AUTOMATIC1111's web UI introduced and most programs show), and
 * an XMP mark of IPTC's that the picture comes from a trained model. */
#ifndef CLATENT_JOB_METADATA_H
#define CLATENT_JOB_METADATA_H

#include "base/text.h"
#include "job/values.h"

#define METADATA_KEY "clatent"
#define METADATA_PARAMETERS_KEY "parameters"
#define METADATA_XMP_KEY "XML:com.adobe.xmp"

/* {"version": ..., "device": ..., "job": {...}}, the recorded keys only. */
enum clat_status metadata_json(
    const struct job_values *values, const char *device, struct text *out);
/* Its part "job" alone: {"prompt": ..., ...} */
enum clat_status metadata_job(const struct job_values *values, struct text *out);
/* Reads that JSON; *version is freed by the caller. Fails with CLAT_ERROR_INPUT. */
enum clat_status metadata_parse(
    const char *name, const char *json, struct job_values *values, char **version);

/* Prompt, then one line "Steps: 20, Sampler: ddim, ..."; model is the name to show. */
enum clat_status metadata_parameters(
    const struct job_values *values, const char *model, struct text *out);
/* The mark; `composite`: made over a picture that was there. */
enum clat_status metadata_xmp(bool composite, struct text *out);

#endif
