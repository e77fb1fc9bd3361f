/* layout.c - boxes from YAML, their JSON, and what is refused. SPDX-License-Identifier: MIT */
#include "job/layout.h"
#include "check.h"
#include "job/values.h"

#include <string.h>

static void test_read(void)
{
    struct layout layout;
    struct text json = {0};
    CHECK_OK(layout_read("[{class: 14, x: 0.1, y: 0.2, w: 0.3, h: 0.6},\n"
                         " {h: 1, w: 1, y: 0, x: 0, class: \"Tree \\\"a\\\"\", "
                         "flags: [group_of, inside]}, {class: 0, x: 0.7, y: 0.9, w: 0.3, h: 0.1, "
                         "flags: occluded}]",
        "here", &layout));
    CHECK(layout.count == 3, "%zu boxes", layout.count);
    CHECK(strcmp(layout.boxes[0].class, "14") == 0 && layout.boxes[0].h == 0.6, "numbers");
    CHECK(layout.boxes[1].flags == (LAYOUT_GROUP_OF | LAYOUT_INSIDE), "flags");
    CHECK(layout.boxes[2].flags == LAYOUT_OCCLUDED, "one flag");
    CHECK_OK(layout_text(&layout, &json));
    CHECK(strcmp(json.data,
              "[{\"class\": \"14\", \"x\": 0.1, \"y\": 0.2, \"w\": 0.3, \"h\": 0.6}, "
              "{\"class\": \"Tree \\\"a\\\"\", \"x\": 0, \"y\": 0, \"w\": 1, \"h\": 1, "
              "\"flags\": [\"group_of\", \"inside\"]}, {\"class\": \"0\", \"x\": 0.7, \"y\": 0.9, "
              "\"w\": 0.3, \"h\": 0.1, \"flags\": [\"occluded\"]}]") == 0,
        "%s", json.data);
    struct layout again;
    CHECK_OK(layout_read(json.data, "again", &again));
    CHECK(memcmp(&layout, &again, sizeof layout) == 0, "the JSON says the same");
    text_free(&json);
}

#define GOOD "x: 0, y: 0, w: 1, h: 1"

static void test_refused(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"[]", "here: layout: expected 1 to 30 boxes, found 0"},
        {"[1]", "here: layout: box 1: expected {class: ..., x: ...}, found"},
        {"[{class: 1, " GOOD "}, {class: 2, x: 0, y: 0, w: 1}]", "box 2 has no h"},
        {"[{" GOOD "}]", "box 1 has no class"},
        {"[{class: '', " GOOD "}]", "box 1: class must be"},
        {"[{class: [1], " GOOD "}]", "box 1: class must be"},
        {"[{class: 1, x: -0.1, y: 0, w: 1, h: 1}]", "box 1: x must be a number from 0 to 1, found"},
        {"[{class: 1, x: 0, y: .nan, w: 1, h: 1}]", "box 1: y must be"},
        {"[{class: 1, x: 0, y: 0, w: 1.5, h: 1}]", "box 1: w must be"},
        {"[{class: 1, x: 0, y: 0, w: 0, h: 1}]", "box 1 is empty"},
        {"[{class: 1, x: 0.5, y: 0, w: 0.6, h: 1}]", "box 1 reaches out of the image: x + w = 1.1"},
        {"[{class: 1, " GOOD ", z: 1}]", "box 1: unknown key 'z'"},
        {"[{clas: 1, " GOOD "}]", "unknown key 'clas', did you mean 'class'?"},
        {"[{class: 1, " GOOD ", flags: [small]}]", "flags are group_of, occluded, depiction"},
        {"[{class: 1, " GOOD ", flags: [[occluded]]}]", "flags are"},
        {"[{class: 1", "here"},
        {"no-such-file.yaml", "no-such-file.yaml"},
    };
    struct layout layout;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum clat_status status = layout_read(cases[i].text, "here", &layout);
        CHECK_FAILS(status, status == CLAT_ERROR_INPUT ? status : CLAT_ERROR_USAGE, cases[i].words);
    }
}

static void test_many(void)
{
    struct text text = {0};
    struct layout layout;
    text_print(&text, "[");
    for (int i = 0; i < 31; i++)
        text_print(&text, "%s{class: 1, " GOOD "}", i ? ", " : "");
    text_print(&text, "]");
    CHECK_FAILS(layout_read(text.data, "here", &layout), CLAT_ERROR_USAGE,
        "expected 1 to 30 boxes, found 31");
    text_free(&text);
}

/* In a job file boxes stand as they are; on a command line too, or as the name of a file. */
static void test_job(void)
{
    static const char yaml[] = "layout:\n  - {class: 3, " GOOD "}\n";
    struct job_values values = {0};
    const struct job_value *value = &values.value[job_key_find("layout")];
    CHECK_OK(job_values_parse(&values, "job.yaml", yaml, strlen(yaml)));
    CHECK(value->count == 1 && strncmp(value->items[0], "[{\"class\": \"3\"", 14) == 0, "file");
    CHECK_OK(job_values_set(&values, "layout", "[{class: 4, " GOOD "}]", "--layout", false));
    CHECK(value->count == 1 && strncmp(value->items[0], "[{\"class\": \"4\"", 14) == 0, "option");
    CHECK_OK(job_values_set(&values, "layout", "boxes.yaml", "--layout", false));
    CHECK(strcmp(value->items[0], "boxes.yaml") == 0, "%s", value->items[0]);
    job_values_free(&values);
}

int main(void)
{
    test_read();
    test_refused();
    test_many();
    test_job();
    return check_result();
}
