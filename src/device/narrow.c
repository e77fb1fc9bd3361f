/* narrow.c - see narrow.h. SPDX-License-Identifier: MIT */
#include "config.h" /* _GNU_SOURCE, before any system header */
#include "device/narrow.h"
#include "device/group_unit.h"
#include "device/pace.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum clat_status read_limit(struct narrowing *narrowing, const char *word, const char *value)
{
    const struct {
        const char *name;
        size_t *limit;
    } limits[] = {{"local_memory", &narrowing->local_memory},
        {"work_group", &narrowing->work_group}, {"memory", &narrowing->memory},
        {"launch", &narrowing->launch}};
    uint64_t number;
    if (strcmp(word, "launch") == 0 && strcmp(value, "measured") == 0) {
        narrowing->launch = PACE_MEASURED;
        return CLAT_OK;
    }
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (strcmp(word, limits[i].name) == 0) {
            if (!text_to_uint64(value, &number) || number == 0 || number > SIZE_MAX)
                return status_set(CLAT_ERROR_USAGE,
                    "CLATENT_TEST_DEVICE: %s: expected a number above 0, found '%.40s'", word,
                    value);
            *limits[i].limit = (size_t)number;
            return CLAT_OK;
        }
    return status_set(CLAT_ERROR_USAGE,
        "CLATENT_TEST_DEVICE: expected gpu, forbidden, unit=NAME, local_memory=N, work_group=N, "
        "memory=N or launch=N, found '%.40s'",
        word);
}

static enum clat_status read_unit(struct narrowing *narrowing, const char *name)
{
    narrowing->unit = unit_named(name);
    if (narrowing->unit != UNIT_NONE)
        return CLAT_OK;
    return status_set(
        CLAT_ERROR_USAGE, "CLATENT_TEST_DEVICE: there is no matrix unit '%.40s'", name);
}

static enum clat_status read_word(struct narrowing *narrowing, char *word)
{
    char *equals = strchr(word, '=');
    if (equals)
        *equals = '\0';
    else if (strcmp(word, "gpu") == 0)
        narrowing->gpu = true;
    else if (strcmp(word, "forbidden") == 0)
        narrowing->forbidden = true;
    else
        return read_limit(narrowing, word, "");
    if (equals && strcmp(word, "unit") == 0)
        return read_unit(narrowing, equals + 1);
    return equals ? read_limit(narrowing, word, equals + 1) : CLAT_OK;
}

enum clat_status narrow_read(struct narrowing *narrowing)
{
    const char *value = secure_getenv("CLATENT_TEST_DEVICE");
    char words[256], *rest = words;
    enum clat_status status = CLAT_OK;
    *narrowing =
        (struct narrowing){.local_memory = SIZE_MAX, .work_group = SIZE_MAX, .memory = SIZE_MAX};
    if (!value || !value[0])
        return CLAT_OK;
    snprintf(words, sizeof words, "%s", value);
    for (char *word; status == CLAT_OK && (word = strsep(&rest, ",")) != NULL;)
        status = read_word(narrowing, word);
    return status;
}

static void lower(size_t *fact, size_t limit)
{
    if (*fact > limit)
        *fact = limit;
}

void narrow_facts(const struct narrowing *narrowing, struct device_facts *facts)
{
    if (narrowing->gpu) {
        facts->is_cpu = facts->on_host = false;
        facts->groups_only = true;
    }
    if (narrowing->unit != UNIT_NONE)
        facts->unit_expected = (struct group_unit){.kind = narrowing->unit, .emulated = true};
    lower(&facts->local_memory, narrowing->local_memory);
    lower(&facts->work_group_limit, narrowing->work_group);
    lower(&facts->global_memory, narrowing->memory);
    lower(&facts->largest_buffer, narrowing->memory);
    if (narrowing->launch)
        facts->launch_groups = narrowing->launch;
}
