/* config_embedder.c - the json files of CompVis' embedders, as `clatent convert` writes them.
 * SPDX-License-Identifier: MIT */
#include "checkpoint/config.h"
#include "checkpoint/field.h"
#include "formats/json.h"

static enum clat_status open_class(const char *path, const char *class, struct json **document)
{
    enum clat_status status;
    TRY(json_open(path, CONFIG_BYTES, document));
    TRY(field_expect_string(*document, "_class_name", class));
out:
    return status;
}

/* Zero means that a key that is needed was absent. */
static enum clat_status need(const struct json *document, const char *key, int value)
{
    if (value == 0)
        return status_set(CLAT_ERROR_INPUT, "'%s': key '%s' is missing", json_file(document), key);
    return CLAT_OK;
}

enum clat_status config_read_class_embedder(const char *path, struct class_embedder_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = (struct class_embedder_config){0};
    TRY(open_class(path, "ClassEmbedder", &document));
    TRY(json_get_int(document, "classes", 1, 1 << 24, &config->classes));
    TRY(json_get_int(document, "width", 1, CONFIG_CHANNELS, &config->width));
    TRY(need(document, "classes", config->classes));
    TRY(need(document, "width", config->width));
out:
    json_close(document);
    return status;
}

enum clat_status config_read_rescaler(const char *path, struct spatial_rescaler_config *config)
{
    struct json *document = NULL;
    enum clat_status status;
    *config = (struct spatial_rescaler_config){0};
    TRY(open_class(path, "SpatialRescaler", &document));
    TRY(json_get_int(document, "stages", 1, 8, &config->stages));
    TRY(json_get_int(document, "in_channels", 1, 1024, &config->in_channels));
    TRY(json_get_int(document, "out_channels", 0, 1024, &config->out_channels));
    TRY(json_get_bool(document, "bias", &config->bias));
    TRY(need(document, "stages", config->stages));
    TRY(need(document, "in_channels", config->in_channels));
out:
    json_close(document);
    return status;
}
