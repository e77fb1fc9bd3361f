/* condition.h - how prompts are fed to the networks. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PIPELINE_CONDITION_H
#define CLATENT_PIPELINE_CONDITION_H

#include "pipeline/run.h"

#define PROMPT_TOKENS 77 /* positions of a prompt, whatever the tokenizer's own limit says */
#define PROMPT_BATCH 4   /* prompts in one pass of the text encoder */

/* PROMPT_TOKENS, or fewer where the text encoder has no more positions. */
int model_prompt_tokens(const struct model *model);

#endif
