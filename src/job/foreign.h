/* foreign.h - what other programs write into their images, in our words. SPDX-License-Identifier:
 * MIT
 *
 *     parameters           AUTOMATIC1111's web UI and its kin: prompt, "Negative prompt: ...", then
 *                          "Steps: 20, Sampler: Euler a, ..."; SwarmUI and Fooocus: JSON
 *     prompt, workflow     ComfyUI: a graph of nodes, as it was run and as it was drawn
 *     invokeai_metadata, sd-metadata, Dream    InvokeAI, newest first
 *
 * All of it is from strangers: it is read strictly, no file or command is ever taken from it, and
 * what is not understood is told, not guessed. */
#ifndef CLATENT_JOB_FOREIGN_H
#define CLATENT_JOB_FOREIGN_H

#include "formats/json.h"
#include "formats/png.h"
#include "job/values.h"

#define FOREIGN_LOSSES 32 /* told at most */

/* Zero-initialise; freed with foreign_free(), also after a failure. */
struct foreign {
    const char *program; /* "ComfyUI"; NULL: nobody's that is known */
    struct job_values values;
    char *sampler, *schedule; /* in the program's words; NULL: not told */
    char *losses[FOREIGN_LOSSES];
    size_t loss_count; /* sentences about what our keys do not say */
};

/* Fills *foreign from the texts of an image. A text that is damaged is a loss, not a failure. */
enum clat_status foreign_read(const struct png_facts *facts, struct foreign *foreign);
void foreign_free(struct foreign *foreign);

/* ---- for the files of this room ------------------------------------------------------------- */

/* The readers: `text` of a chunk. CLAT_ERROR_INPUT if it is not what the program writes. */
enum clat_status foreign_parameters(const char *text, struct foreign *foreign);
enum clat_status foreign_comfyui(const char *text, bool drawn, struct foreign *foreign);
enum clat_status foreign_invokeai(const char *text, struct foreign *foreign);
enum clat_status foreign_dream(const char *text, struct foreign *foreign);
enum clat_status foreign_flat(const char *program, const char *text, struct foreign *foreign);

/* Sets one of our keys; a value that the key does not take is a loss. */
enum clat_status foreign_set(struct foreign *foreign, const char *key, const char *text);
enum clat_status foreign_lose(struct foreign *foreign, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets `word` (sampler, schedule) if it is not set. */
enum clat_status foreign_word(char **word, const char *text);
/* Some words that several programs share, "cfg_scale" for guidance_scale; *known is false for
 * others. */
enum clat_status foreign_share(
    struct foreign *foreign, const char *word, const char *text, bool *known);
/* A JSON document of one object. */
enum clat_status foreign_parse(const char *text, struct json **document);

#endif
