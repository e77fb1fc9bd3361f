/* hub.c - the cache that huggingface_hub keeps, read only. SPDX-License-Identifier: MIT
 *
 * ROOT/models--ORG--NAME/refs/REV holds a commit id (40 hex digits),
 * ROOT/models--ORG--NAME/snapshots/COMMIT the files. ROOT is $HF_HUB_CACHE, $HF_HOME/hub,
 * $XDG_CACHE_HOME/huggingface/hub or
 * ~/.cache/huggingface/hub, the first that is set. Source: huggingface_hub, guide "Manage cache".
 */
#include "job/hub.h"
#include "base/file.h"
#include "base/text.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static const char *home_folder(void)
{
    const char *home = variable("HOME");
    const struct passwd *user = home ? NULL : getpwuid(getuid());
    return user ? user->pw_dir : home;
}

static enum clat_status find_root(struct text *root)
{
    const char *value;
    if ((value = variable("HF_HUB_CACHE")))
        return text_print(root, "%s", value);
    if ((value = variable("HF_HOME")))
        return text_print(root, "%s/hub", value);
    if ((value = variable("XDG_CACHE_HOME")) && *value == '/')
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

/* The commit of a branch or tag, from refs/REV; a commit names itself. */
static enum clat_status find_commit(
    const char *repository, const char *revision, const char *address, char commit[41])
{
    enum clat_status status = CLAT_OK;
    struct text path = {0};
    char *text = NULL;
    if (is_commit(revision)) {
        memcpy(commit, revision, 41);
        return CLAT_OK;
    }
    TRY(text_print(&path, "%s/refs/%s", repository, revision));
    if (!file_exists(path.data))
        FAIL(CLAT_ERROR_INPUT,
            "%s is not in the hub cache: there is no %s; fetch it with "
            "`hf download`, clatent never uses the network",
            address, path.data);
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

static enum clat_status check_address(const char *address, const char *revision, size_t size)
{
    const char *slash = memchr(address + 3, '/', size);
    bool one_slash = slash && !memchr(slash + 1, '/', size - (size_t)(slash + 1 - (address + 3)));
    if (one_slash && is_safe_name(address + 3, size, true) &&
        is_safe_name(revision, strlen(revision), true))
        return CLAT_OK;
    return status_set(
        CLAT_ERROR_USAGE, "model '%s' is not of the form hf:ORG/NAME or hf:ORG/NAME@REV", address);
}

enum clat_status hub_find(const char *address, char **folder)
{
    enum clat_status status = CLAT_OK;
    struct text path = {0};
    char commit[41];
    const char *name = address + 3, *at = strchr(name, '@');
    const char *revision = at ? at + 1 : "main";
    size_t size = at ? (size_t)(at - name) : strlen(name);
    *folder = NULL;
    TRY(check_address(address, revision, size));
    TRY(find_root(&path));
    TRY(add_repository(&path, name, size));
    TRY(find_commit(path.data, revision, address, commit));
    TRY(text_print(&path, "/snapshots/%s", commit));
    if (!file_is_directory(path.data))
        FAIL(CLAT_ERROR_INPUT, "%s is not in the hub cache: there is no folder %s", address,
            path.data);
    *folder = path.data;
    path.data = NULL;
out:
    text_free(&path);
    return status;
}
