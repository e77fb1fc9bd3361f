/* json.c - what the strict reader takes and refuses, and numbers as text. SPDX-License-Identifier:
 * MIT */
#include "check.h"
#include "base/status.h"
#include "formats/json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct json_rules free_rules = {.depth = 8};
static const struct json_rules strict_rules = {.depth = 8, .plain_integers = true};

static struct json *parse(const char *text)
{
    struct json *document = NULL;
    CHECK_OK(json_parse(text, strlen(text), "file.json", &free_rules, &document));
    return document;
}

static void refused(void)
{
    static const struct {
        const char *text;
        bool strict;
        const char *words;
    } cases[] = {
        {"", false, "not JSON"},
        {"{", false, "not JSON"},
        {"{} x", false, "not JSON"},
        {"{\"a\":01}", false, "not JSON"},
        {"{\"a\":1,}", false, "not JSON"},
        {"{\"a\":NaN}", false, "not JSON"},
        {"{'a':1}", false, "not JSON"},
        {"{\"a\":\"\xC0\x80\"}", false, "not JSON"},
        {"{\"a\":\"\\ud800\"}", false, "not JSON"},
        {"{\"a\":1,\"a\":2}", false, "duplicate"},
        {"{\"o\":{\"a\":1,\"a\":2}}", false, "duplicate"},
        {"\xEF\xBB\xBF{}", false, "not JSON"},
        {"[]", false, "one JSON object, found an array"},
        {"{\"a\":[[[[[[[[1]]]]]]]]}", false, "more than 8 levels"},
        {"{\"a\":-0}", true, "plain non-negative integers, found '-'"},
        {"{\"a\":1e3}", true, "found 'e'"},
        {"{\"a\":1.5}", true, "found '.'"},
        {"{\"a\":true}", true, "found 't'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json *document;
        const struct json_rules *rules = cases[i].strict ? &strict_rules : &free_rules;
        CHECK_FAILS(json_parse(cases[i].text, strlen(cases[i].text), "file.json", rules, &document),
            CLAT_ERROR_INPUT, cases[i].words);
        CHECK(strstr(status_text(), "file.json"), "the file is named: %s", status_text());
    }
}

/* Brackets in strings do not count; the depth is that of the brackets open at once. */
static void depth(void)
{
    struct json *document;
    const char *text = "{\"[[[[[[[[[\\\"[[[[[\":[[],[],[[[[[[1]]]]]]]}";
    CHECK_OK(json_parse(text, strlen(text), "file.json", &strict_rules, &document));
    json_close(document);
}

static void members(void)
{
    struct json *document = parse("{\"i\":3,\"r\":0.5,\"s\":\"x\",\"b\":true,\"n\":null}");
    int i = 7;
    float r = 7;
    bool b = false;
    const char *s = "default";
    CHECK_OK(json_get_int(document, "absent", 0, 9, &i));
    CHECK_OK(json_get_int(document, "n", 0, 9, &i));
    CHECK(i == 7, "absent and null leave the default");
    CHECK_OK(json_get_int(document, "i", 0, 9, &i));
    CHECK_OK(json_get_float(document, "r", 0, 1, &r));
    CHECK_OK(json_get_bool(document, "b", &b));
    CHECK_OK(json_get_string(document, "s", &s));
    CHECK(i == 3 && r == 0.5f && b && strcmp(s, "x") == 0, "values");
    CHECK_OK(json_get_float(document, "i", 0, 9, &r));
    CHECK(r == 3, "an integer is a number");
    CHECK_FAILS(
        json_get_int(document, "i", 4, 9, &i), CLAT_ERROR_INPUT, "expected 4 to 9, found 3");
    CHECK_FAILS(
        json_get_int(document, "r", 0, 9, &i), CLAT_ERROR_INPUT, "'r': expected an integer");
    CHECK_FAILS(json_get_float(document, "r", 1, 2, &r), CLAT_ERROR_INPUT, "expected 1 to 2");
    CHECK_FAILS(json_get_bool(document, "s", &b), CLAT_ERROR_INPUT, "found a string");
    CHECK_FAILS(json_get_string(document, "b", &s), CLAT_ERROR_INPUT, "expected a string");
    json_close(document);
}

static void as_text(const char *json, const char *expected)
{
    char wrapped[128], *text = NULL;
    strcpy(wrapped, "{\"v\":");
    strcat(strcat(wrapped, json), "}");
    struct json *document = parse(wrapped);
    if (!document)
        return;
    CHECK_OK(json_text(json_member(json_root(document), "v"), &text));
    CHECK(text && strcmp(text, expected) == 0, "%s: expected %s, found %s", json, expected, text);
    free(text);
    json_close(document);
}

static void texts(void)
{
    as_text("null", "null");
    as_text("true", "true");
    as_text("12", "12");
    as_text("-3", "-3");
    as_text("0.00085", "0.00085");
    as_text("0.1", "0.1");
    as_text("0.30000000000000004", "0.30000000000000004");
    as_text("\"a b\"", "a b");
    as_text("[]", "[]");
    as_text("[1, 0.2, \"x\", null]", "[1, 0.2, \"x\", null]");
}

int main(void)
{
    refused();
    depth();
    members();
    texts();
    return check_result();
}
