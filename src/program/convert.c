/* convert.c - any model as a folder of diffusers. SPDX-License-Identifier: MIT */
#include "program/arguments.h"
#include "program/program.h"
#include "program/session.h"

#include <string.h>

struct request {
    const char *model, *folder, *type; /* type NULL: f32 */
    bool quiet;
};

/* --type TYPE, --type=TYPE, --quiet and the two folders. */
static enum clat_status read_request(int count, char **arguments, struct request *request)
{
    bool options = true;
    for (int i = 0; i < count; i++) {
        const char *word = arguments[i];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && (strcmp(word, "--quiet") == 0 || strcmp(word, "-q") == 0))
            request->quiet = true;
        else if (options && strncmp(word, "--type=", 7) == 0)
            request->type = word + 7;
        else if (options && strcmp(word, "--type") == 0 && i + 1 < count)
            request->type = arguments[++i];
        else if (options && word[0] == '-' && word[1])
            return complain(CLAT_ERROR_USAGE, "convert has no option '%s'", word);
        else if (!request->model)
            request->model = word;
        else if (!request->folder)
            request->folder = word;
        else
            return complain(CLAT_ERROR_USAGE, "convert takes a model and a folder");
    }
    if (!request->folder)
        return complain(CLAT_ERROR_USAGE, "convert takes a model and a folder to write");
    return CLAT_OK;
}

enum clat_status convert_run(int count, char **arguments)
{
    struct session session = {.quiet = false};
    struct request request = {.model = NULL};
    struct clat_options options = session_options(&session);
    struct clat_context *context = NULL;
    enum clat_status status = read_request(count, arguments, &request);
    if (status != CLAT_OK)
        return status;
    session.quiet = request.quiet;
    progress_start(&session.progress, request.quiet ? "none" : "auto");
    status = context_open_configured(&options, &context);
    if (status == CLAT_OK)
        status = session_end(
            &session, clat_convert(context, request.model, request.folder, request.type));
    clat_close(context);
    return status;
}
