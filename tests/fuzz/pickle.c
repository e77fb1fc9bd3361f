/* pickle.c - fuzz target: pickles; torch's file of before 1.6 and Paddle's, which are made of them.
 * SPDX-License-Identifier: MIT */
#include "formats/paddle.h"
#include "formats/pickle.h"
#include "formats/torch.h"
#include "formats/torch_state.h"
#include "fuzz.h"
#include "tensors.h"

static void read_pickle(const struct file_map *map, enum pickle_writer writer)
{
    struct pickle pickle = {0};
    char text[256];
    if (pickle_read(map->data, map->size, map->path, "pickle", writer, &pickle) == CLAT_OK) {
        cell_describe(pickle.root, text, sizeof text);
        (void)cell_find(pickle.root, "state_dict");
    }
    pickle_free(&pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "fuzz";
    const struct file_map map = {.data = data, .size = size, .path = path};
    struct weight_list list = {0};
    enum clat_status status = CLAT_ERROR_INPUT;
    read_pickle(&map, PICKLE_TORCH);
    if (torch_is_legacy(&map))
        status = torch_read_legacy(&map, &list);
    else if (paddle_is(&map))
        status = paddle_read(&map, &list);
    if (status == CLAT_OK)
        tensors_use(&map, &list);
    else
        weight_list_free(&list);
    return 0;
}
