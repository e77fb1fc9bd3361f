/* choose.c - which device is meant: by score, number, PCI address or name. SPDX-License-Identifier:
 * MIT */
#include "device/platform.h"
#include "device/quirk.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "1 (NAME: why it is not used)", or the name of a platform that has none. */
static int describe_one(const struct device_entry *entry, char *text, size_t size)
{
    if (entry->index < 0)
        return snprintf(text, size, "%.80s (%.120s)", entry->facts.platform, entry->reason);
    return snprintf(text, size, "%d (%.80s%s%s%s%.120s)", entry->index, entry->facts.name,
        entry->facts.pci[0] ? ", pci:" : "", entry->facts.pci, entry->usable ? "" : ": ",
        entry->usable ? "" : entry->reason);
}

/* All, or those that are marked in `only`, for messages. */
static void describe(const struct found *found, const bool *only, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < found->count && at + 2 < size; i++) {
        if (only && !only[i])
            continue;
        if (at)
            at += (size_t)sprintf(text + at, ", ");
        int written = describe_one(&found->entries[i], text + at, size - at);
        at += written > 0 ? (size_t)written : 0;
    }
}

/* ---- auto ----------------------------------------------------------------------------------- */

enum clat_status choose_best(const struct found *found, size_t *chosen)
{
    char list[1024];
    bool any = false;
    for (size_t i = 0; i < found->count; i++) {
        const struct device_entry *entry = &found->entries[i];
        if (entry->usable && (!any || entry->score > found->entries[*chosen].score)) {
            *chosen = i;
            any = true;
        }
    }
    if (any)
        return CLAT_OK;
    if (found->count == 0)
        return status_set(CLAT_ERROR_NO_DEVICE,
            "no OpenCL driver was found; install one (for a CPU: pocl-opencl-icd)");
    describe(found, NULL, list, sizeof list);
    return status_set(CLAT_ERROR_NO_DEVICE, "no usable OpenCL device; found %s", list);
}

/* The best of those that are not better than the device in use; of equals, the later in the list.
 */
static enum clat_status choose_next(const struct found *found, cl_device_id used, size_t *chosen)
{
    size_t now = 0;
    bool any = false;
    while (now < found->count && found->ids[now] != used)
        now++;
    for (size_t i = 0; now < found->count && i < found->count; i++) {
        const struct device_entry *entry = &found->entries[i], *in_use = &found->entries[now];
        bool later = entry->score < in_use->score || (entry->score == in_use->score && i > now);
        if (entry->usable && later && (!any || entry->score > found->entries[*chosen].score)) {
            *chosen = i;
            any = true;
        }
    }
    return any ? CLAT_OK : status_set(CLAT_ERROR_NO_DEVICE, "there is no other usable device");
}

/* ---- by a word ------------------------------------------------------------------------------ */

/* Which entries a word means. */
static bool fits(const struct device_entry *entry, const char *word)
{
    long long index;
    if (entry->index < 0)
        return false;
    if (strncmp(word, "pci:", 4) == 0)
        return pci_is(entry->facts.pci, word + 4);
    if (text_to_int(word, 0, 1000000, &index))
        return entry->index == index;
    return quirk_contains(entry->facts.name, word);
}

static enum clat_status no_fit(const struct found *found, const char *word)
{
    char list[1024];
    describe(found, NULL, list, sizeof list);
    return status_set(CLAT_ERROR_NO_DEVICE, "device '%.100s' is none of those found: %s", word,
        list[0] ? list : "no OpenCL driver");
}

static enum clat_status choose_word(const struct found *found, const char *word, size_t *chosen)
{
    enum clat_status status = CLAT_OK;
    char list[1024];
    bool *fitting = NULL;
    int count = 0;
    TRY(memory_new(found->count + 1, sizeof *fitting, &fitting));
    for (size_t i = 0; i < found->count; i++)
        if ((fitting[i] = fits(&found->entries[i], word))) {
            *chosen = i;
            count++;
        }
    if (count == 0)
        TRY(no_fit(found, word));
    describe(found, fitting, list, sizeof list);
    if (count > 1)
        FAIL(CLAT_ERROR_NO_DEVICE, "device '%.100s' fits %d devices, name one by its number: %s",
            word, count, list);
    const struct device_entry *entry = &found->entries[*chosen];
    if (!entry->usable)
        FAIL(CLAT_ERROR_NO_DEVICE, "device %d (%s) cannot be used: %s", entry->index,
            entry->facts.name, entry->reason);
out:
    free(fitting);
    return status;
}

static bool is_auto(const char *word)
{
    return !word || !word[0] || strcmp(word, "auto") == 0;
}

static enum clat_status choose(const struct found *found, const char *word, size_t *chosen)
{
    *chosen = 0;
    return is_auto(word) ? choose_best(found, chosen) : choose_word(found, word, chosen);
}

/* ---- several -------------------------------------------------------------------------------- */

/* The same card through another driver, and further drivers of the host's CPU, are left out. */
static bool is_double(const struct device_entry *a, const struct device_entry *b)
{
    if (a->facts.pci[0] && strcmp(a->facts.pci, b->facts.pci) == 0)
        return true;
    return a->facts.on_host && b->facts.on_host &&
           strcmp(a->facts.platform, b->facts.platform) != 0;
}

/* Of the kind of the best one, each piece of hardware with its best driver. */
static bool is_one_of_all(const struct found *found, size_t best, size_t i)
{
    const struct device_entry *entry = &found->entries[i];
    if (!entry->usable || entry->facts.on_host != found->entries[best].facts.on_host)
        return false;
    for (size_t j = 0; j < found->count; j++) {
        const struct device_entry *other = &found->entries[j];
        bool better = other->score > entry->score || (other->score == entry->score && j < i);
        if (j != i && other->usable && better && is_double(entry, other))
            return false;
    }
    return true;
}

static enum clat_status take_all(const struct found *found, struct device_choice *choice)
{
    size_t best;
    enum clat_status status;
    TRY(choose_best(found, &best));
    for (size_t i = 0; i < found->count && choice->count < DEVICES_LIMIT; i++)
        if (is_one_of_all(found, best, i))
            choice->index[choice->count++] = found->entries[i].index;
out:
    return status;
}

static enum clat_status take_one(
    const struct found *found, const char *word, struct device_choice *choice)
{
    size_t chosen;
    enum clat_status status;
    TRY(choose(found, word, &chosen));
    int index = found->entries[chosen].index;
    for (size_t i = 0; i < choice->count; i++)
        if (choice->index[i] == index)
            FAIL(CLAT_ERROR_USAGE, "device: '%.100s' is device %d, which is named twice", word,
                index);
    if (choice->count == DEVICES_LIMIT)
        FAIL(CLAT_ERROR_USAGE, "device: at most %d devices work on one job", DEVICES_LIMIT);
    choice->index[choice->count++] = index;
out:
    return status;
}

enum clat_status device_choose(const char *const *words, size_t count, struct device_choice *choice)
{
    struct found found;
    enum clat_status status;
    choice->count = 0;
    TRY(found_open(&found));
    if (count == 0)
        TRY(take_one(&found, NULL, choice));
    if (count == 1 && strcmp(words[0], "all") == 0) {
        TRY(take_all(&found, choice));
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        if (count > 1 && (is_auto(words[i]) || strcmp(words[i], "all") == 0))
            FAIL(CLAT_ERROR_USAGE, "device: '%s' cannot stand in a list", words[i]);
        TRY(take_one(&found, words[i], choice));
    }
out:
    found_free(&found);
    return status;
}

/* ---- for device.c --------------------------------------------------------------------------- */

static void take(const struct found *found, size_t chosen, cl_device_id *id,
    struct device_facts *facts, unsigned *quirks)
{
    *id = found->ids[chosen];
    *facts = found->entries[chosen].facts;
    *quirks = quirk_find(facts, NULL);
}

enum clat_status platform_choose(
    const char *selector, cl_device_id *id, struct device_facts *facts, unsigned *quirks)
{
    size_t chosen;
    struct found found;
    enum clat_status status;
    TRY(found_open(&found));
    TRY(choose(&found, selector, &chosen));
    take(&found, chosen, id, facts, quirks);
out:
    found_free(&found);
    return status;
}

enum clat_status platform_next(cl_device_id *id, struct device_facts *facts, unsigned *quirks)
{
    size_t chosen = 0;
    struct found found;
    enum clat_status status;
    TRY(found_open(&found));
    TRY(choose_next(&found, *id, &chosen));
    take(&found, chosen, id, facts, quirks);
out:
    found_free(&found);
    return status;
}
