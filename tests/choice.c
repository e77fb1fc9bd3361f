/* choice.c - which device a word means. SPDX-License-Identifier: MIT
 *
 * PoCL is there twice, on a bus that the fault layer makes up, in the words of each vendor. */
#include "check.h"
#include "fault.h"
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct device_entry *entries;
static size_t count;

static void list(void)
{
    free(entries);
    CHECK_OK(device_list(&entries, &count));
}

/* The words choose `a` and `b`; -1: nothing. */
static void means(const char *const *words, size_t given, int a, int b)
{
    struct device_choice choice;
    size_t want = (size_t)(a >= 0) + (size_t)(b >= 0);
    const char *word = given ? words[0] : "";
    if (!CHECK_OK(device_choose(words, given, &choice)))
        return;
    CHECK(choice.count == want && (want < 1 || choice.index[0] == a) &&
              (want < 2 || choice.index[1] == b),
        "'%s' of %zu: %zu devices, the first is %d", word, given, choice.count, choice.index[0]);
}

static void is_refused(
    const char *const *words, size_t given, enum clat_status status, const char *why)
{
    struct device_choice choice;
    CHECK_FAILS(device_choose(words, given, &choice), status, why);
}

#define WORDS(...)                                                                                 \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

static void check_numbers(void)
{
    means(NULL, 0, 0, -1);
    means(WORDS("auto"), 0, -1);
    means(WORDS("1"), 1, -1);
    means(WORDS("1", "0"), 1, 0);
    means(WORDS("all"), 0, 1);
    is_refused(WORDS("1", "all"), CLAT_ERROR_USAGE, "'all' cannot stand in a list");
    is_refused(WORDS("auto", "1"), CLAT_ERROR_USAGE, "'auto' cannot stand in a list");
    is_refused(WORDS("1", "1"), CLAT_ERROR_USAGE, "named twice");
    is_refused(WORDS("99"), CLAT_ERROR_NO_DEVICE, "device '99' is none of those found: 0 (");
}

/* Both have this name: the sentence has both numbers. */
static void check_names(void)
{
    char part[16];
    snprintf(part, sizeof part, "%.8s", entries[0].facts.name);
    is_refused(WORDS(part), CLAT_ERROR_NO_DEVICE, "fits 2 devices, name one by its number: 0 (");
    CHECK(strstr(status_text(), "), 1 ("), "%s", status_text());
    is_refused(WORDS("voodoo"), CLAT_ERROR_NO_DEVICE, "device 'voodoo' is none of those found");
}

static void check_bus(const char *way, const char *first, const char *second)
{
    char word[32];
    fault_set("CLFAULT_PCI", "%s", way);
    list();
    CHECK(strcmp(entries[0].facts.pci, first) == 0 && strcmp(entries[1].facts.pci, second) == 0,
        "%s: at %s and %s", way, entries[0].facts.pci, entries[1].facts.pci);
    snprintf(word, sizeof word, "pci:%s", second);
    means(WORDS(word), 1, -1);
    snprintf(word, sizeof word, "pci:%s", second + 5);
    if (strncmp(second, "0000:", 5) == 0)
        means(WORDS(word), 1, -1);
    else
        is_refused(WORDS(word), CLAT_ERROR_NO_DEVICE, "none of those found");
    is_refused(WORDS("pci:0000:03:1f.7"), CLAT_ERROR_NO_DEVICE, second);
    fault_none();
}

static void check_scores(void)
{
    list();
    for (size_t i = 0; i < 2; i++) {
        int sum = 0;
        for (int j = 0; j < entries[i].score_fact_count; j++)
            sum += entries[i].score_facts[j].points;
        CHECK(entries[i].score == sum && sum > 1000, "score %d of %d", entries[i].score, sum);
        CHECK(entries[i].chosen == (i == 0), "device %zu is chosen: %d", i, entries[i].chosen);
    }
    int cpu = entries[0].score;
    fault_set("CLFAULT_LIMITS", "gpu=1 memory=1073741824");
    list();
    CHECK(entries[0].score > cpu && strstr(entries[0].score_facts[0].text, "GPU"),
        "a GPU of 1 GiB has %d, a CPU %d", entries[0].score, cpu);
    fault_none();
}

int main(void)
{
    fault_open();
    list();
    if (count < 2 || !entries[0].usable || !entries[1].usable || !entries[0].facts.on_host)
        check_skip("no two CPU devices");
    check_numbers();
    check_names();
    check_bus("khr", "0001:03:02.1", "0001:03:03.1");
    check_bus("amd", "0000:03:02.1", "0000:03:03.1");
    check_bus("nv", "0001:03:02.1", "0001:03:03.1");
    check_scores();
    free(entries);
    return check_result();
}
