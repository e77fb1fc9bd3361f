/* base.c - files, text, settings. SPDX-License-Identifier: MIT */
#include "check.h"
#include "base/file.h"
#include "base/option.h"
#include "base/text.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_and_read(void)
{
    struct file_out out;
    struct file_map map;
    const char *path = check_scratch("base/hello");
    unlink(path);
    CHECK_OK(file_out_open(path, &out));
    CHECK_OK(file_out_write(&out, "hello", 5));
    CHECK(!file_exists(path), "the name appears only on commit");
    CHECK_OK(file_out_commit(&out));
    CHECK_OK(file_map_open(path, &map));
    CHECK(map.size == 5 && memcmp(map.data, "hello", 5) == 0, "%zu bytes", map.size);
    CHECK(strcmp(map.path, path) == 0, "%s", map.path);
    file_map_forget(&map, 0, map.size);
    CHECK(map.data[4] == 'o', "forgotten pages come back from the file");
    file_map_close(&map);
    struct stat facts;
    mode_t mask = umask(0);
    umask(mask);
    CHECK(stat(path, &facts) == 0 && (facts.st_mode & 0777) == (0666 & ~mask), "mode %o",
        (unsigned)facts.st_mode);
    char *text;
    size_t size;
    CHECK_OK(file_read_text(path, 5, &text, &size));
    CHECK(size == 5 && strcmp(text, "hello") == 0, "'%s'", text);
    free(text);
    CHECK_FAILS(file_read_text(path, 4, &text, &size), CLAT_ERROR_INPUT, "at most 4");
}

static void never_over(void)
{
    struct file_out out;
    char *text;
    const char *path = check_scratch("base/new");
    unlink(path);
    for (int turn = 0; turn < 2; turn++) {
        CHECK_OK(file_out_open(path, &out));
        CHECK_OK(file_out_write(&out, turn ? "two" : "one", 3));
        if (turn)
            CHECK_FAILS(file_out_commit_new(&out), CLAT_ERROR_OUTPUT, "File exists");
        else
            CHECK_OK(file_out_commit_new(&out));
    }
    CHECK_OK(file_read_text(path, 5, &text, NULL));
    CHECK(strcmp(text, "one") == 0, "'%s'", text);
    free(text);
}

/* Entries of the scratch folder, to see that no temporary file stays. */
static int count_entries(const char *folder)
{
    int count = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        count += strstr(entry->d_name, ".clatent-") != NULL;
    if (directory)
        closedir(directory);
    return count;
}

static void aborted(void)
{
    struct file_out out, never = {0};
    const char *folder = check_scratch("base");
    const char *path = check_scratch("base/aborted");
    CHECK_OK(file_out_open(path, &out));
    CHECK(count_entries(folder) == 1, "%d temporary files", count_entries(folder));
    file_out_abort(&out);
    file_out_abort(&never);
    CHECK(!file_exists(path) && count_entries(folder) == 0, "the folder is clean");
    CHECK_OK(file_out_open(path, &out));
    file_out_abandon_all();
    CHECK(count_entries(folder) == 0, "the table of open files was walked");
    CHECK_FAILS(file_out_commit(&out), CLAT_ERROR_OUTPUT, path);
}

/* A disk that is full looks like a file-size limit here: the write fails in the middle. */
static void full_disk(void)
{
    struct file_out out;
    struct rlimit old, small;
    static const char block[1 << 16];
    const char *path = check_scratch("base/full");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 1000;
    CHECK_OK(file_out_open(path, &out));
    setrlimit(RLIMIT_FSIZE, &small);
    int status = file_out_write(&out, block, sizeof block);
    if (status == CLAT_OK)
        status = file_out_commit(&out);
    else
        file_out_abort(&out);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_FAILS(status, CLAT_ERROR_OUTPUT, path);
    CHECK(!file_exists(path) && count_entries(check_scratch("base")) == 0, "nothing is left");
}

static void refused_files(void)
{
    struct file_map map;
    struct file_out out;
    const char *folder = check_scratch("base/folder/x");
    const char *pipe_path = check_scratch("base/pipe");
    const char *link_path = check_scratch("base/link");
    mkfifo(pipe_path, 0666);
    unlink(link_path);
    CHECK(symlink("hello", link_path) == 0, "a link for the test");
    CHECK_FAILS(file_map_open(check_scratch("base/none"), &map), CLAT_ERROR_INPUT, "base/none");
    CHECK_FAILS(file_map_open(check_scratch("base"), &map), CLAT_ERROR_INPUT, "folder");
    CHECK_FAILS(file_map_open(pipe_path, &map), CLAT_ERROR_INPUT, "not a regular file");
    CHECK_FAILS(file_out_open(pipe_path, &out), CLAT_ERROR_OUTPUT, "not a regular file");
    CHECK_FAILS(file_out_open(link_path, &out), CLAT_ERROR_OUTPUT, "not a regular file");
    CHECK_FAILS(file_out_open(check_scratch("base/folder"), &out), CLAT_ERROR_OUTPUT, "folder");
    CHECK_FAILS(file_out_open("/nonexistent/x", &out), CLAT_ERROR_OUTPUT, "/nonexistent/x");
    CHECK_FAILS(file_out_open("", &out), CLAT_ERROR_OUTPUT, "empty");
    CHECK(!file_is_directory(folder) && file_is_directory(check_scratch("base")), "folders");
    char *joined;
    CHECK_OK(file_join("a/", "b", &joined));
    CHECK(strcmp(joined, "a/b") == 0, "%s", joined);
    free(joined);
}

static void empty_file(void)
{
    struct file_map map;
    struct file_out out;
    const char *path = check_scratch("base/empty");
    CHECK_OK(file_out_open(path, &out));
    CHECK_OK(file_out_commit(&out));
    CHECK_OK(file_map_open(path, &map));
    CHECK(map.size == 0 && map.data[0] == '\0', "size %zu", map.size);
    file_map_close(&map);
}

static void numbers(void)
{
    double x = 0;
    long long i = 0;
    uint64_t u = 0;
    CHECK(text_to_double("-1.5e-3", &x) && x == -1.5e-3, "exact value");
    CHECK(text_to_double("5.", &x) && x == 5, "exact value");
    CHECK(text_to_double(".5", &x) && x == 0.5, "exact value");
    const char *const not_numbers[] = {
        "", ".", "1e", "1,5", " 1", "1 ", "nan", "inf", "0x10", "1e999", "--1", "1.2.3", NULL};
    for (int k = 0; not_numbers[k]; k++)
        CHECK(!text_to_double(not_numbers[k], &x), "'%s' is no number", not_numbers[k]);
    CHECK(text_to_int("-7", -7, 9, &i) && i == -7, "exact value");
    CHECK(!text_to_int("10", -7, 9, &i) && !text_to_int("1.0", 0, 9, &i), "range and form");
    CHECK(!text_to_int("99999999999999999999", 0, 9, &i), "too long");
    CHECK(text_to_uint64("18446744073709551615", &u) && u == UINT64_MAX, "largest");
    CHECK(!text_to_uint64("18446744073709551616", &u) && !text_to_uint64("-1", &u) &&
              !text_to_uint64("+1", &u),
        "beyond uint64");
}

static void utf8(void)
{
    static const struct {
        const char *bytes;
        bool good;
    } cases[] = {{"", true}, {"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", true}, {"\x80", false},
        {"\xC0\xAF", false}, {"\xE0\x80\x80", false}, {"\xED\xA0\x80", false},
        {"\xF4\x90\x80\x80", false}, {"\xF5\x80\x80\x80", false}, {"\xE2\x82", false},
        {"\xF4\x8F\xBF\xBF", true}, {"\xEF\xBF\xBD", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(text_is_utf8(cases[i].bytes, strlen(cases[i].bytes)) == cases[i].good, "case %zu", i);
}

static void nearest(void)
{
    const char *const names[] = {"guidance_scale", "height", "width", "seed", NULL};
    const char *found = text_nearest("guidence_scale", names);
    CHECK(found && strcmp(found, "guidance_scale") == 0, "%s", found ? found : "nothing");
    found = text_nearest("sead", names);
    CHECK(found && strcmp(found, "seed") == 0, "%s", found ? found : "nothing");
    CHECK(!text_nearest("zzzzzzzz", names), "nothing is near");
    CHECK(text_ends_with("a.npy", ".npy") && !text_ends_with(".npy", ".npy") &&
              !text_ends_with("npy", ".npy") && !text_ends_with("a.npyz", ".npy"),
        "endings");
}

static void growing_text(void)
{
    struct text text = {0};
    for (int i = 0; i < 1000; i++)
        CHECK_OK(text_print(&text, "%d,", i));
    CHECK_OK(text_add(&text, "end", 3));
    CHECK(text.size == strlen(text.data) && text.size == 3893, "size %zu", text.size);
    text_free(&text);
}

static void settings(void)
{
    struct settings list = {0};
    CHECK_OK(settings_set(&list, "eta", "0.3", "job.yaml:1"));
    CHECK_OK(settings_set(&list, "steps", "50", "job.yaml:2"));
    CHECK_OK(settings_set(&list, "eta", "1", "--eta"));
    const struct setting *eta = settings_find(&list, "eta");
    CHECK(
        list.count == 2 && eta && strcmp(eta->value, "1") == 0 && strcmp(eta->where, "--eta") == 0,
        "the later one counts");
    CHECK(!settings_find(&list, "et"), "whole keys only");
    settings_free(&list);
    CHECK(!settings_find(&list, "eta"), "empty again");
}

int main(void)
{
    write_and_read();
    never_over();
    aborted();
    full_disk();
    refused_files();
    empty_file();
    numbers();
    utf8();
    nearest();
    growing_text();
    settings();
    return check_result();
}
