/* forge.h - model files made byte by byte, right or wrong. SPDX-License-Identifier: MIT */
#ifndef CLATENT_TESTS_FORGE_H
#define CLATENT_TESTS_FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes { /* zero-initialise; freed with forge_free */
    unsigned char *data;
    size_t size, capacity;
};
void forge_add(struct bytes *bytes, const void *data, size_t size);
void forge_number(struct bytes *bytes, int width, uint64_t value); /* little-endian */
void forge_set(struct bytes *bytes, size_t at, int width, uint64_t value);
void forge_free(struct bytes *bytes);
void forge_save(const struct bytes *bytes, const char *path);
void forge_load(struct bytes *bytes, const char *path);

/* u64 length, header, then `data` bytes 0, 1, 2... */
void forge_safetensors(struct bytes *bytes, const char *header, size_t data);

/* A pickle from words: 'text' is a string, @module:name a name, a number an integer, q5 h5 r70000
 * j70000 the memo, 1t 2t 3t tuples, T F true and false, P2 the protocol, xFF a byte; any other
 * single letter is that opcode. */
void forge_pickle(struct bytes *bytes, const char *words);

/* A zip archive as torch writes it: "archive/" before each name, flag 8 with zero local sizes, data
 * at multiples of 64, descriptors, zip64 end. The places of the records are kept for those who
 * break them. */
enum { FORGE_MEMBERS = 8 };
struct forge_member {
    const char *name;
    const void *data;
    size_t size;
};
struct forged_zip {
    struct bytes bytes;
    size_t local[FORGE_MEMBERS], data[FORGE_MEMBERS], entry[FORGE_MEMBERS];
    size_t end64, locator, end;
};
void forge_zip(struct forged_zip *zip, const struct forge_member *members, size_t count);

/* A torch archive with that pickle and storages 0 (24 bytes: 1, 2, ... 6 as F32) and 1 (8 bytes).
 */
enum { FORGE_PICKLE, FORGE_BYTEORDER, FORGE_STORAGE_0, FORGE_STORAGE_1, FORGE_VERSION };
void forge_torch(struct forged_zip *zip, const char *words);
/* The words of a good one: tensors a [2, 3] and b [3, 2] (its transpose) of storage 0, c [4] F16
 * of 1. */
extern const char forge_good_pickle[];
#define FORGE_TENSOR(storage, offset, size, stride)                                                \
    " @torch._utils:_rebuild_tensor_v2 ( " storage " " offset " " size " " stride                  \
    " F @collections:OrderedDict ) R t R "
#define FORGE_STORAGE(class, key, count)                                                           \
    " ( 'storage' @torch:" class " '" key "' 'cpu' " count " t Q "

#endif
