/* hub.c - the cache that huggingface_hub keeps, read only. SPDX-License-Identifier: MIT
 *
 * ROOT/models--ORG--NAME/refs/REV holds a commit id (40 hex digits),
 * ROOT/models--ORG--NAME/snapshots/COMMIT the files. ROOT is $HF_HUB_CACHE, $HF_HOME/hub,
 * $XDG_CACHE_HOME/huggingface/hub or
 * ~/.cache/huggingface/hub, the first that is set (and not relative, of XDG's). Source:
 * huggingface_hub, guide "Manage cache".
 */
#include "job/hub.h"
#include "base/file.h"
#include "base/home.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

bool hub_is_address(const char *model)
{
    return strncmp(model, "hf:", 3) == 0;
}

/* Letters, digits, '-', '_' and '.', and '/' between; no part empty or made of dots. */
static bool is_safe_name(const char *name, size_t size, bool slashes)
{
    bool only_dots = true;
    for (size_t i = 0; i <= size; i++) {
        char c = i < size ? name[i] : '/';
        if (c == '/') {
            if (only_dots || (!slashes && i < size))
                return false;
            only_dots = true;
        } else if (!strchr(
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", c)) {
            return false;
        } else if (c != '.') {
            only_dots = false;
        }
    }
    return true;
}

static enum clat_status find_root(struct text *root)
{
    const char *value;
    if ((value = home_variable("HF_HUB_CACHE")))
        return text_print(root, "%s", value);
    if ((value = home_variable("HF_HOME")))
        return text_print(root, "%s/hub", value);
    if ((value = home_variable("XDG_CACHE_HOME")) && *value == '/')
        return text_print(root, "%s/huggingface/hub", value);
    if ((value = home_folder()))
        return text_print(root, "%s/.cache/huggingface/hub", value);
    return status_set(CLAT_ERROR_INPUT, "no home folder, so no hub cache; set HF_HUB_CACHE");
}

/* ORG/NAME -> ROOT/models--ORG--NAME */
static enum clat_status add_repository(struct text *path, const char *name, size_t size)
{
    enum clat_status status = text_print(path, "/models--");
    for (size_t i = 0; i < size && status == CLAT_OK; i++)
        status = name[i] == '/' ? text_add(path, "--", 2) : text_add(path, name + i, 1);
    return status;
}

static bool is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* The parts of hf:ORG/NAME[@REV][:FILE]. */
struct address {
    const char *text;             /* the whole of it */
    char *name, *revision, *file; /* NULL: there is none */
};

static void address_free(struct address *address)
{
    free(address->name);
    free(address->revision);
    free(address->file);
}

/* ":FILE" or "@REV" behind a name, cut off it. */
static enum clat_status cut(char *name, char mark, char **part)
{
    char *at = strchr(name, mark);
    if (!at)
        return CLAT_OK;
    *at = '\0';
    return memory_string(at + 1, part);
}

static bool is_safe_part(const char *part)
{
    return !part || is_safe_name(part, strlen(part), true);
}

static enum clat_status read_address(const char *text, struct address *address)
{
    enum clat_status status;
    *address = (struct address){.text = text};
    TRY(memory_string(text + 3, &address->name));
    TRY(cut(address->name, ':', &address->file));
    TRY(cut(address->name, '@', &address->revision));
    const char *slash = strchr(address->name, '/');
    if (!slash || strchr(slash + 1, '/') || !is_safe_part(address->name) ||
        !is_safe_part(address->revision) || !is_safe_part(address->file))
        FAIL(CLAT_ERROR_USAGE,
            "model '%s' is not of the form hf:ORG/NAME, hf:ORG/NAME@REV or hf:ORG/NAME:FILE", text);
out:
    return status;
}

/* Says what is not there, and the command that fetches it. */
static enum clat_status is_missing(const struct address *address, const char *path)
{
    return status_set(CLAT_ERROR_INPUT,
        "%s is not in the hub cache: there is no %s; clatent never uses the network, fetch it "
        "with: "
        "hf download %s%s%s%s%s",
        address->text, path, address->name, address->file ? " " : "",
        address->file ? address->file : "", address->revision ? " --revision " : "",
        address->revision ? address->revision : "");
}

/* The commit of a branch or tag, from refs/REV; a commit names itself. */
static enum clat_status find_commit(
    const char *repository, const struct address *address, char commit[41])
{
    enum clat_status status = CLAT_OK;
    const char *revision = address->revision ? address->revision : "main";
    struct text path = {0};
    char *text = NULL;
    if (is_commit(revision)) {
        memcpy(commit, revision, 41);
        return CLAT_OK;
    }
    TRY(text_print(&path, "%s/refs/%s", repository, revision));
    if (!file_exists(path.data)) {
        status = is_missing(address, path.data);
        goto out;
    }
    TRY(file_read_text(path.data, 256, &text, NULL));
    text[strcspn(text, " \r\n\t")] = '\0';
    if (!is_commit(text))
        FAIL(CLAT_ERROR_INPUT, "%s: expected a commit id of 40 hex digits", path.data);
    memcpy(commit, text, 41);
out:
    text_free(&path);
    free(text);
    return status;
}

enum clat_status hub_find(const char *text, char **found)
{
    enum clat_status status;
    struct text path = {0};
    struct address address;
    char commit[41];
    *found = NULL;
    TRY(read_address(text, &address));
    TRY(find_root(&path));
    TRY(add_repository(&path, address.name, strlen(address.name)));
    TRY(find_commit(path.data, &address, commit));
    TRY(text_print(&path, "/snapshots/%s", commit));
    if (address.file)
        TRY(text_print(&path, "/%s", address.file));
    if (address.file ? !file_exists(path.data) : !file_is_directory(path.data)) {
        status = is_missing(&address, path.data);
        goto out;
    }
    *found = path.data;
    path.data = NULL;
out:
    text_free(&path);
    address_free(&address);
    return status;
}
