/* tuning.c - which row of a tuning table an op gets. SPDX-License-Identifier: MIT */
#include "device/tuning.h"
#include "base/memory.h"
#include "device/opencl.h"
#include "device/quirk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FARTHEST 1.0 /* of a shape from its row: a factor of two in all */
#define CLASS_COST 4 /* of a row for a class of devices */
#define ANY_COST 0.5 /* of a side that a row leaves open */

struct tuning {
    struct tuning_row *rows;
    unsigned char *fits; /* [count] enum fit */
    size_t count, room, fit_room;
    const int *forced[TUNED_KINDS];
    bool watches;
    struct tuning_question *questions;
    size_t question_count, question_room;
    enum clat_status status; /* of noting questions */
};

enum fit { FITS_NOT, FITS_CLASS, FITS_NAME };

enum clat_status tuning_new(struct tuning **tuning)
{
    return memory_new(1, sizeof **tuning, tuning);
}

void tuning_free(struct tuning *tuning)
{
    if (!tuning)
        return;
    free(tuning->rows);
    free(tuning->fits);
    free(tuning->questions);
    free(tuning);
}

enum clat_status tuning_add(struct tuning *tuning, const struct tuning_row *row)
{
    enum clat_status status;
    TRY(memory_grow(&tuning->rows, &tuning->room, tuning->count, sizeof *tuning->rows));
    TRY(memory_grow(&tuning->fits, &tuning->fit_room, tuning->count, sizeof *tuning->fits));
    tuning->fits[tuning->count] = FITS_NOT;
    tuning->rows[tuning->count++] = *row;
out:
    return status;
}

void tuning_cut(struct tuning *tuning, size_t count)
{
    tuning->count = count < tuning->count ? count : tuning->count;
}

size_t tuning_count(const struct tuning *tuning)
{
    return tuning->count;
}

const struct tuning_row *tuning_row(const struct tuning *tuning, size_t index)
{
    return &tuning->rows[index];
}

/* ---- devices -------------------------------------------------------------------------------- */

static enum fit fit_of(const struct tuning_row *row, const struct device_facts *facts)
{
    char driver[sizeof facts->platform + sizeof facts->driver + 1];
    tuning_driver(facts, driver, sizeof driver);
    if (strcmp(row->driver, "*") != 0 && strncmp(driver, row->driver, strlen(row->driver)) != 0)
        return FITS_NOT;
    if (strcmp(row->device, "any") == 0)
        return FITS_CLASS;
    if (strcmp(row->device, "any gpu") == 0)
        return facts->on_host ? FITS_NOT : FITS_CLASS;
    if (strcmp(row->device, "any cpu") == 0)
        return facts->on_host ? FITS_CLASS : FITS_NOT;
    return quirk_contains(facts->name, row->device) ? FITS_NAME : FITS_NOT;
}

void tuning_fit(struct tuning *tuning, const struct device_facts *facts)
{
    for (size_t i = 0; i < tuning->count; i++)
        tuning->fits[i] = (unsigned char)fit_of(&tuning->rows[i], facts);
}

void device_set_tuning(struct device *device, struct tuning *tuning)
{
    tuning_free(device->facts.tuning);
    device->facts.tuning = tuning;
    if (tuning)
        tuning_fit(tuning, &device->facts);
}

/* ---- shapes --------------------------------------------------------------------------------- */

/* How badly a row suits the shape; infinity: not at all. */
static double cost_of(const struct tuning_row *row, const int sides[TUNING_SIDES])
{
    double distance = 0, open = 0;
    for (int i = 0; i < TUNING_SIDES && tuned_kinds[row->kind].sides[i]; i++)
        if (row->sides[i] == 0)
            open += ANY_COST;
        else if (sides[i] > 0)
            distance += fabs(log2((double)sides[i] / row->sides[i]));
        else
            return INFINITY;
    return distance <= FARTHEST ? distance + open : INFINITY;
}

static const struct tuning_row *find_row(
    const struct tuning *tuning, enum tuned kind, const int sides[TUNING_SIDES])
{
    const struct tuning_row *best = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < tuning->count; i++) {
        if (tuning->rows[i].kind != kind || tuning->fits[i] == FITS_NOT)
            continue;
        double cost = cost_of(&tuning->rows[i], sides);
        cost += tuning->fits[i] == FITS_CLASS ? CLASS_COST : 0;
        if (cost < least) {
            least = cost;
            best = &tuning->rows[i];
        }
    }
    return best;
}

/* ---- questions ------------------------------------------------------------------------------ */

static void note_question(struct tuning *tuning, enum tuned kind, const int sides[TUNING_SIDES])
{
    for (size_t i = 0; i < tuning->question_count; i++) {
        struct tuning_question *old = &tuning->questions[i];
        if (old->kind == kind && memcmp(old->sides, sides, sizeof old->sides) == 0) {
            old->times++;
            return;
        }
    }
    if (tuning->status == CLAT_OK)
        tuning->status = memory_grow(&tuning->questions, &tuning->question_room,
            tuning->question_count, sizeof *tuning->questions);
    if (tuning->status != CLAT_OK)
        return;
    struct tuning_question *question = &tuning->questions[tuning->question_count++];
    *question = (struct tuning_question){.kind = kind, .times = 1};
    memcpy(question->sides, sides, sizeof question->sides);
}

void tuning_note(const struct device *device, enum tuned kind, const int sides[TUNING_SIDES])
{
    struct tuning *tuning = device->facts.tuning;
    if (tuning && tuning->watches)
        note_question(tuning, kind, sides);
}

const int *tuning_find(const struct device *device, enum tuned kind, const int sides[TUNING_SIDES])
{
    static const int nothing[TUNING_PARAMETERS];
    struct tuning *tuning = device->facts.tuning;
    if (!tuning)
        return nothing;
    tuning_note(device, kind, sides);
    if (device->facts.generic)
        return nothing;
    if (tuning->forced[kind])
        return tuning->forced[kind];
    const struct tuning_row *row = find_row(tuning, kind, sides);
    return row ? row->values : nothing;
}

void tuning_force(struct tuning *tuning, enum tuned kind, const int *values)
{
    tuning->forced[kind] = values;
}

void tuning_watch(struct tuning *tuning, bool watch)
{
    tuning->watches = watch;
}

enum clat_status tuning_questions(
    const struct tuning *tuning, const struct tuning_question **questions, size_t *count)
{
    *questions = tuning->questions;
    *count = tuning->question_count;
    return tuning->status == CLAT_OK
               ? CLAT_OK
               : status_set(tuning->status, "no host memory for the shapes of a model");
}
