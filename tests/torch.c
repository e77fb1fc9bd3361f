/* torch.c - torch's files: those that torch.save wrote (tests/tools/make_torch.py) against plain
 * twins, and one refusal per rule of the zip and pickle readers. SPDX-License-Identifier: MIT */
#include "check.h"
#include "forge.h"
#include "checkpoint/weights.h"

#include <stdio.h>
#include <string.h>

/* Every tensor of the twin is there with the same values. */
static void compare(const char *name, const char *twin_name, const char *format, size_t count)
{
    struct weights *weights = NULL, *twin = NULL;
    if (!CHECK_OK(weights_open_file(check_data(name), &weights)) ||
        !CHECK_OK(weights_open_file(check_data(twin_name), &twin)))
        return weights_close(weights);
    CHECK(strcmp(weights_format(weights), format) == 0, "%s: %s", name, weights_format(weights));
    CHECK(weights_count(weights) == count, "%s: %zu tensors", name, weights_count(weights));
    for (size_t i = 0; i < weights_count(twin); i++) {
        const struct weight *expected = weights_at(twin, i);
        const float *got, *want;
        size_t elements = 1;
        for (int axis = 0; axis < expected->rank; axis++)
            elements *= expected->shape[axis];
        if (CHECK_OK(
                weights_float(weights, expected->name, expected->rank, expected->shape, &got)) &&
            CHECK_OK(weights_float(twin, expected->name, expected->rank, expected->shape, &want)))
            CHECK(memcmp(got, want, elements * sizeof *got) == 0, "%s: %s", name, expected->name);
        weights_done(weights);
        weights_done(twin);
    }
    weights_close(weights);
    weights_close(twin);
}

static void written_by_torch(void)
{
    struct weights *weights;
    compare("torch/zip.pt", "torch/twin.safetensors", "torch zip", 13);
    compare("torch/no_crc.pt", "torch/twin.safetensors", "torch zip", 13);
    compare("torch/legacy.pt", "torch/twin.safetensors", "torch legacy", 13);
    compare("torch/lightning.ckpt", "torch/twin.safetensors", "torch zip", 13);
    compare("ldm-text2im-tiny/unet/diffusion_pytorch_model.bin",
        "ldm-text2im-tiny/unet/diffusion_pytorch_model.safetensors", "torch zip", 686);
    CHECK_FAILS(weights_open_file(check_data("torch/foreign.pt"), &weights), CLAT_ERROR_INPUT,
        "tensor 'weight': expected a tensor, found a call of posix.system");
    CHECK_FAILS(weights_open_file(check_data("torch/complex.pt"), &weights), CLAT_ERROR_INPUT,
        "torch.ComplexFloatStorage");
    CHECK_FAILS(weights_open_file(check_data("torch/list.pt"), &weights), CLAT_ERROR_INPUT,
        "a dictionary of tensors is expected");
}

/* ---- pickles -------------------------------------------------------------------------------- */

#define A FORGE_STORAGE("FloatStorage", "0", "6")

static void check_pickle(const char *words, const char *expected)
{
    struct forged_zip zip;
    struct weights *weights;
    const char *path = check_scratch("torch/pickle.pt");
    forge_torch(&zip, words);
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    if (!expected) {
        if (CHECK_OK(weights_open_file(path, &weights)))
            weights_close(weights);
        return;
    }
    CHECK_FAILS(weights_open_file(path, &weights), CLAT_ERROR_INPUT, expected);
    CHECK(strstr(status_text(), path), "the file is named: %s", status_text());
}

static void good_pickles(void)
{
    static const char *const cases[] = {
        forge_good_pickle,
        "P3 } .",
        "P2 @collections:OrderedDict ) R .",
        "P2 @collections:OrderedDict ] ( 'a'" FORGE_TENSOR(A, "0", "6 1t", "1 1t") "2t e 1t R .",
        "P2 } ( 'a'" FORGE_TENSOR(A, "6", "0 1t", "1 1t") "u .",         /* empty, at the end */
        "P2 } ( 'a'" FORGE_TENSOR(A, "5", ")", ")") "u .",               /* a scalar */
        "P2 } ( 'a'" FORGE_TENSOR(A, "5", "1 1 2t", "999 77 2t") "u .",  /* strides of ones */
        "P2 } ( 'a'" FORGE_TENSOR(A, "0", "3 1 3 3t", "1 5 1 3t") "u .", /* overlapping windows */
        "P2 } ( 'a' @torch._utils:_rebuild_tensor ( " A "0 6 1t 1 1t t R u .",
        "P2 } ( 'n' 3 'x' N 'l' ] u .", /* plain extras */
        "P2 } ( 'state_dict' } 'evil' @os:system ( 'true' t R 5 @builtins:eval u .",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_pickle(cases[i], NULL);
}

static void bad_pickles(void)
{
    static const struct {
        const char *words, *expected;
    } cases[] = {
        /* the machine */
        {"P2", "ends in the middle"},
        {"P4 } .", "protocol 2"},
        {"P2 .", "exactly one value"},
        {"P2 } } .", "exactly one value"},
        {"P2 ( } .", "exactly one value"},
        {"P2 } . .", "goes on after its end"},
        {"P2 t .", "a mark is needed"},
        {"P2 u .", "a mark is needed"},
        {"P2 1t .", "more values are needed"},
        {"P2 } ( 2t .", "more values are needed"},
        {"P2 } ( R .", "more values are needed"},
        {"P2 } ( 'a' u .", "a key without a value"},
        {"P2 ( 'a' 1 u .", "a container is needed"},
        {"P2 5 ( 'a' 1 u .", "no dictionary"},
        {"P2 ) ( 'a' 1 u .", "no dictionary"},
        {"P2 ] ( 'a' 1 u .", "no dictionary"},
        {"P2 } ( 1 e .", "no list"},
        {"P2 } 1 a .", "no list"},
        {"P2 h5 .", "never made"},
        {"P2 j4294967295 .", "never made"},
        {"P2 } r4294967295 .", "no writer would reach"},
        {"P2 } r3999999 .", "no writer would reach"},
        {"P2 q0 .", "stack is empty"},
        {"P2 } ( q0 .", "stack is empty"},
        {"P2 } } b .", NULL},
        {"P2 5 } b .", "no object"},
        {"P2 } 5 R .", "arguments of a call"},
        {"P2 5 ) R .", "is called that is no name"},
        {"P2 @collections:OrderedDict 5 1t R .", "OrderedDict"},
        {"P2 @collections:OrderedDict ] 5 a 1t R .", "no pairs"},
        {"P2 x8A x09 .", "more than 8 bytes"},
        {"P2 X xFF xFF xFF xFF .", "65536 bytes"},
        {"P2 X x01 x00 x00 x00 xFF .", "not UTF-8"},
        {"P2 c .", "module and name"},
        /* opcodes of other protocols and of attackers */
        {"P2 i .", "opcode 0x69"},
        {"P2 o .", "opcode 0x6f"},
        {"P2 x93 .", "opcode 0x93"},
        {"P2 x94 .", "opcode 0x94"},
        {"P2 x95 .", "opcode 0x95"},
        {"P2 x92 .", "opcode 0x92"},
        {"P2 x82 x01 .", "opcode 0x82"},
        {"P2 x8F .", "opcode 0x8f"},
        {"P2 } 0 .", "exactly one"},
        {"P2 } d .", "opcode 0x64"},
        {"P2 I .", "opcode 0x49"},
        {"P2 S .", "opcode 0x53"},
        {"P2 } x32 .", "opcode 0x32"},
        {"P2 ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( "
         "( ( "
         "( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( .",
            "64 marks"},
        /* what stands where a tensor should */
        {"P2 5 .", "dictionary of tensors"},
        {"P2 @os:system ( 'true' t R .", "dictionary of tensors"},
        {"P2 } ( 'a' @os:system ( 'true' t R u .",
            "'a': expected a tensor, found a call of os.system"},
        {"P2 } ( 'a' @builtins:eval ( '1' t x81 u .", "found a call of builtins.eval"},
        {"P2 } ( 'a' @os:system u .", "found the name os.system"},
        {"P2 } ( 'a' @os:system ) R ) R u .", "found a call of os.system"},
        {"P2 } ( 'a' @torch._utils:_rebuild_parameter ( @os:system ) R F } t R u .", "os.system"},
        {"P2 } ( 5" FORGE_TENSOR(A, "0", "6 1t", "1 1t") "u .", "name must be a string"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "6 1t", "1 1t") "'a'" FORGE_TENSOR(
             A, "0", "6 1t", "1 1t") "u .",
            "there twice"},
        {"P2 } ( 'state_dict' } ( 'a' @os:system ) R u u .", "'a': expected a tensor"},
        /* tensors */
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "7 1t", "1 1t") "u .", "lead out of its storage"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "1", "6 1t", "1 1t") "u .", "lead out of its storage"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "6 1t", "2 1t") "u .", "lead out of its storage"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "7", "0 1t", "1 1t") "u .", "lead out of its storage"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "6", ")", ")") "u .", "lead out of its storage"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "9223372036854775807", "2 1t", "1 1t") "u .", "lead out"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "3 1t", "9223372036854775807 1t") "u .", "lead out"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "-1", "6 1t", "1 1t") "u .", "storage offset"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "-6 1t", "1 1t") "u .", "8 sizes"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "6 1t", "-1 1t") "u .", "8 strides"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "6 1t", "1 1 2t") "u .", "as many strides"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "( 1 1 1 1 1 1 1 1 1 t", "1 1t") "u .", "8 sizes"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "'6' 1t", "1 1t") "u .", "8 sizes"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "4294967296 4294967296 2t", "0 0 2t") "u .", "2^31"},
        {"P2 } ( 'a'" FORGE_TENSOR(A, "0", "2147483648 2147483648 8 3t", "0 0 0 3t") "u .",
            "63 bits"},
        {"P2 } ( 'a' @torch._utils:_rebuild_tensor_v2 ( " A "0 6 1t t R u .", "4 to 7 arguments"},
        {"P2 } ( 'a' @torch._utils:_rebuild_tensor_v2 ) R u .", "4 to 7 arguments"},
        /* storages */
        {"P2 } ( 'a'" FORGE_TENSOR("5", "0", "6 1t", "1 1t") "u .", "without a storage"},
        {"P2 } ( 'a'" FORGE_TENSOR("5 Q", "0", "6 1t", "1 1t") "u .", "must be given as"},
        {"P2 } ( 'a'" FORGE_TENSOR("( 'module' 1 2 3 4 t Q", "0", "6 1t", "1 1t") "u .",
            "must be given"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "2", "6"), "0", "6 1t", "1 1t") "u .",
            "no member data/2"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "../0", "6"), "0", "6 1t", "1 1t") "u .",
            "must be digits"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "0", "7"), "0", "6 1t", "1 1t") "u .",
            "expected 7 elements of F32, found 24 bytes"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "0", "5"), "0", "5 1t", "1 1t") "u .",
            "expected 5 elements"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("DoubleStorage", "0", "6"), "0", "6 1t", "1 1t") "u .",
            "expected 6 elements of F64"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "0", "-1"), "0", "6 1t", "1 1t") "u .",
            "must be digits"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("FloatStorage", "0", "4611686018427387910"), "0", "6 1t", "1 1t") "u .",
            "expected 4611686018427387910"},
        {"P2 } ( 'a'" FORGE_TENSOR(
             FORGE_STORAGE("EvilStorage", "0", "6"), "0", "6 1t", "1 1t") "u .",
            "found the name torch.EvilStorage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_pickle(cases[i].words, cases[i].expected);
}

/* ---- zip archives --------------------------------------------------------------------------- */

/* One number of one record replaced. */
struct patch {
    enum { LOCAL, ENTRY, END64, LOCATOR, END } record;
    size_t member, at;
    int width;
    uint64_t value;
    const char *expected;
};

static size_t place(const struct forged_zip *zip, const struct patch *patch)
{
    const size_t places[] = {
        zip->local[patch->member], zip->entry[patch->member], zip->end64, zip->locator, zip->end};
    return places[patch->record] + patch->at;
}

static void bad_archives(void)
{
    static const struct patch patches[] = {
        {LOCAL, 1, 0, 4, 0, "no local header"},
        {LOCAL, 1, 6, 2, 0, "disagree about flags"},
        {LOCAL, 1, 8, 2, 8, "disagree about flags or method"},
        {LOCAL, 1, 14, 4, 1, "size or checksum"},
        {LOCAL, 1, 18, 4, 5, "size or checksum"},
        {LOCAL, 1, 26, 2, 5, "about the name"},
        {LOCAL, 1, 28, 2, 65535, "about the name"},
        {LOCAL, 1, 38, 1, 'B', "about the name"},
        {ENTRY, 1, 0, 4, 0, "directory entry"},
        {ENTRY, 1, 8, 2, 0x809, "encrypted"},
        {ENTRY, 1, 8, 2, 0x848, "encrypted"},
        {ENTRY, 1, 10, 2, 8, "compressed"},
        {ENTRY, 0, 16, 4, 1, "data.pkl has CRC-32"},
        {ENTRY, 1, 20, 4, 5, "size or place"},
        {ENTRY, 1, 24, 4, 0xFFFFFFFF, "extra field"},
        {ENTRY, 1, 28, 2, 65535, "longer than the directory"},
        {ENTRY, 1, 30, 2, 8, "extra field"},
        {ENTRY, 1, 34, 2, 1, "size or place"},
        {ENTRY, 1, 42, 4, 0, "about the name"},
        {ENTRY, 1, 42, 4, 0xFFFFFFF0, "size or place"},
        {ENTRY, 1, 46, 1, '/', "relative path"},
        {ENTRY, 1, 46, 1, '\\', "relative path"},
        {ENTRY, 1, 47, 1, 0, "control character"},
        {ENTRY, 1, 46, 8, 0x2F7869682F2E2E2F, "relative path"},
        {END64, 0, 0, 4, 0, "no zip64 end record"},
        {END64, 0, 4, 8, 45, "reach to its locator"},
        {END64, 0, 16, 4, 1, "several disks"},
        {END64, 0, 24, 8, 4, "several disks"},
        {END64, 0, 40, 8, 0xFFFFFFFFFFFFFFFF, "disagree"},
        {END64, 0, 48, 8, 0xFFFFFFFFFFFFFFFF, "disagree"},
        {END64, 0, 48, 8, 1, "disagree"},
        {LOCATOR, 0, 4, 4, 1, "several disks"},
        {LOCATOR, 0, 8, 8, 0xFFFFFFFFFFFFFFFF, "no zip64 end record"},
        {LOCATOR, 0, 8, 8, 0, "no zip64 end record"},
        {LOCATOR, 0, 16, 4, 2, "several disks"},
        {END, 0, 0, 4, 0, "no end record"},
        {END, 0, 4, 2, 1, "several disks"},
        {END, 0, 8, 2, 4, "several disks"},
        {END, 0, 12, 4, 1, "disagree"},
        {END, 0, 16, 4, 1, "disagree"},
        {END, 0, 20, 2, 1, "no end record"},
    };
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        struct forged_zip zip;
        struct weights *weights;
        const char *path = check_scratch("torch/zip.pt");
        forge_torch(&zip, forge_good_pickle);
        forge_set(&zip.bytes, place(&zip, &patches[i]), patches[i].width, patches[i].value);
        forge_save(&zip.bytes, path);
        forge_free(&zip.bytes);
        int status = weights_open_file(path, &weights);
        CHECK(status == CLAT_ERROR_INPUT && strstr(status_text(), patches[i].expected) &&
                  strstr(status_text(), path),
            "patch %zu: expected '%s', found %d '%s'", i, patches[i].expected, status,
            status_text());
        if (status == CLAT_OK)
            weights_close(weights);
    }
}

static void bad_members(const struct forge_member *members, size_t count, const char *expected)
{
    struct forged_zip zip;
    struct weights *weights;
    const char *path = check_scratch("torch/members.pt");
    forge_zip(&zip, members, count);
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    CHECK_FAILS(weights_open_file(path, &weights), CLAT_ERROR_INPUT, expected);
}

static void archives_with_wrong_members(void)
{
    const struct forge_member none[] = {{"model.ckpt", "", 0}};
    const struct forge_member twice[] = {{"data.pkl", "\x80\2}.", 4}, {"data.pkl", "\x80\2}.", 4}};
    const struct forge_member big[] = {{"data.pkl", "\x80\2}.", 4}, {"byteorder", "big", 3}};
    const struct forge_member up[] = {{"../data.pkl", "\x80\2}.", 4}};
    const struct forge_member here[] = {{"./data.pkl", "\x80\2}.", 4}};
    const struct forge_member empty[] = {{"/data.pkl", "\x80\2}.", 4}};
    bad_members(none, 1, "no data.pkl");
    bad_members(twice, 2, "same name");
    bad_members(big, 2, "little-endian");
    bad_members(up, 1, "'..'");
    bad_members(here, 1, "'..'");
    bad_members(empty, 1, "empty part");
}

/* The CRC of a storage is looked at when one of its tensors is asked for. */
static void damaged_storage(void)
{
    struct forged_zip zip;
    struct weights *weights;
    const float *values;
    const char *path = check_scratch("torch/damaged.pt");
    forge_torch(&zip, forge_good_pickle);
    zip.bytes.data[zip.data[FORGE_STORAGE_0] + 3] ^= 1;
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    CHECK_OK(weights_float(weights, "c", 1, (size_t[]){4}, &values));
    CHECK_FAILS(
        weights_float(weights, "a", 2, (size_t[]){2, 3}, &values), CLAT_ERROR_INPUT, "damaged");
    CHECK_FAILS(weights_float(weights, "b", 2, (size_t[]){3, 2}, &values), CLAT_ERROR_INPUT, "'b'");
    weights_close(weights);
}

static void views(void)
{
    struct forged_zip zip;
    struct weights *weights;
    const float *v = NULL;
    const char *path = check_scratch("torch/views.pt");
    forge_torch(&zip, forge_good_pickle);
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    if (CHECK_OK(weights_float(weights, "a", 2, (size_t[]){2, 3}, &v)))
        CHECK(v[0] == 1 && v[1] == 2 && v[5] == 6, "a");
    if (CHECK_OK(weights_float(weights, "b", 2, (size_t[]){3, 2}, &v)))
        CHECK(v[0] == 1 && v[1] == 4 && v[2] == 2 && v[5] == 6, "b is the transpose");
    if (CHECK_OK(weights_float(weights, "c", 1, (size_t[]){4}, &v)))
        CHECK(v[0] == 1 && v[3] == 4, "c");
    weights_close(weights);
}

/* Six stored elements that claim to be two thousand million. */
static void expanded_far(void)
{
    struct forged_zip zip;
    struct weights *weights;
    const float *values;
    const char *path = check_scratch("torch/expanded.pt");
    forge_torch(&zip, "P2 } ( 'a'" FORGE_TENSOR(A, "0", "2147483647 1t", "0 1t") "u .");
    forge_save(&zip.bytes, path);
    forge_free(&zip.bytes);
    if (!CHECK_OK(weights_open_file(path, &weights)))
        return;
    CHECK_FAILS(weights_float(weights, "a", 1, (size_t[]){2147483647}, &values), CLAT_ERROR_INPUT,
        "2147483647 elements are expanded");
    weights_close(weights);
}

int main(void)
{
    written_by_torch();
    good_pickles();
    bad_pickles();
    views();
    bad_archives();
    archives_with_wrong_members();
    damaged_storage();
    expanded_far();
    return check_result();
}
