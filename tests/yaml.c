/* yaml.c - what the YAML reader accepts, and the file:line of everything it refuses.
 * SPDX-License-Identifier: MIT */
#include "base/status.h"
#include "check.h"
#include "formats/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum clat_status parse(const char *text, struct yaml_node *root)
{
    return yaml_parse("job.yaml", text, strlen(text), root);
}

static void test_accepted(void)
{
    struct yaml_node root;
    CHECK_OK(parse("# a job\nprompt: [a, 'b: c', \"d\\u00e9\\n\"]\nsteps: 20\n"
                   "scheduler:\n  name: ddim\n  eta: 0.5\nempty:\nquoted: 'null'\n",
        &root));
    CHECK(root.kind == NODE_MAPPING && root.count == 5, "%zu entries", root.count);
    const struct yaml_node *prompt = &root.children[0], *scheduler = &root.children[2];
    CHECK(prompt->kind == NODE_LIST && prompt->count == 3 && prompt->line == 2, "line %d",
        prompt->line);
    CHECK(
        strcmp(prompt->children[1].text, "b: c") == 0 && !prompt->children[1].plain, "quoted text");
    CHECK(strcmp(prompt->children[2].text, "d\xC3\xA9\n") == 0, "escapes");
    CHECK(scheduler->count == 2 && strcmp(scheduler->children[1].key, "eta") == 0 &&
              scheduler->children[1].line == 6,
        "nested mapping");
    CHECK(
        root.children[1].plain && strcmp(root.children[1].text, "20") == 0, "a number stays text");
    CHECK(yaml_is_null(&root.children[3]) && !yaml_is_null(&root.children[4]), "null");
    yaml_free(&root);

    CHECK_OK(
        parse("{\"a\": [1, -2.5e3, true, null], \"b\\/\": \"\\\"\\\\\\t\", \"c\": {}}", &root));
    CHECK(root.count == 3 && root.children[0].count == 4, "JSON is YAML");
    CHECK(strcmp(root.children[1].key, "b/") == 0, "key %s", root.children[1].key);
    CHECK(strcmp(root.children[1].text, "\"\\\t") == 0, "text %s", root.children[1].text);
    yaml_free(&root);

    CHECK_OK(parse("# nothing\n", &root));
    CHECK(root.kind == NODE_MAPPING && root.count == 0, "a file of comments is an empty mapping");
    yaml_free(&root);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "job.yaml:3: key 'a' was given before, on line 1"},
        {"a: &x 1\n", "job.yaml:1: an anchor"},
        {"a: 1\nb: *x\n", "job.yaml:2: an alias"},
        {"a: &x [1]\nb: *x\n", "job.yaml:1: an anchor"},
        {"a: &x {b: 1}\n", "job.yaml:1: an anchor"},
        {"&x a: 1\n", "job.yaml:1: an anchor"},
        {"*x : 1\n", "job.yaml:1: an alias"},
        {"a: !!str 1\n", "job.yaml:1: a tag"},
        {"a: !!python/object:os.system {}\n", "job.yaml:1: a tag"},
        {"\n\na: 1\n<<: {b: 2}\n", "job.yaml:4: a merge key"},
        {"a: 1\n---\nb: 2\n", "a second document"},
        {"? [a, b]\n: 1\n", "job.yaml:1: a key must be a name"},
        {"a: [1, 2\n", "not valid YAML"},
        {"a: 'open\n", "not valid YAML"},
        {"a:\n\tb: 1\n", "job.yaml:2: not valid YAML"},
        {"a: \"\\0\"\n", "job.yaml:1: a NUL"},
        {"ok: 1\na: \xFF\xFE\n", "job.yaml:2: not UTF-8"},
        {"a: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "nested deeper than 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct yaml_node root;
        CHECK_FAILS(parse(cases[i].text, &root), CLAT_ERROR_USAGE, cases[i].message);
        yaml_free(&root);
    }
    struct yaml_node root;
    CHECK_FAILS(
        yaml_parse("job.yaml", "a: 1\nb: x\0y\n", 12, &root), CLAT_ERROR_USAGE, ":2: not UTF-8");
    yaml_free(&root);
    CHECK_FAILS(
        yaml_read("/nonexistent/job.yaml", &root), CLAT_ERROR_INPUT, "/nonexistent/job.yaml");
    yaml_free(&root);
}

/* One text of the given unit repeated, refused with the words. */
static void check_too_much(const char *unit, size_t times, const char *words)
{
    size_t size = strlen(unit);
    char *text = malloc(size * times + 1);
    struct yaml_node root;
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * size, unit, size);
    CHECK_FAILS(yaml_parse("big.yaml", text, size * times, &root), CLAT_ERROR_USAGE, words);
    yaml_free(&root);
    free(text);
}

int main(void)
{
    test_accepted();
    test_refused();
    check_too_much("- 1\n", 10001, "more than 10000 values");
    check_too_much("a", 70000, "at most 65536");
    check_too_much("# 34567\n", (1 << 17) + 1, "at most 1048576");
    check_too_much("[", 100000, "nested deeper");
    return check_result();
}
