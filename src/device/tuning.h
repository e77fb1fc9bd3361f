/* tuning.h - parameters of kernels that were found by timing, as rows of text.
 * SPDX-License-Identifier: MIT
 *
 *     # device | platform and driver | kernel | shape | parameters | microseconds, of the rule
 *     NVIDIA GeForce RTX 3060 | NVIDIA CUDA 550.163.01 | gemm | 1024 320 1280 | rows=8 parts=2 |
 * 231 260 any gpu | * | attention | * * 160 | rows=2
 *
 * A row fits a device if it names it (part of the name, any case; `any gpu`, `any cpu`, `any`), and
 * if platform and driver begin so; it is meant for a shape (`*`: any number), and serves for others
 * not far from it. What no row says, an op chooses by its own rule. Rows are strangers' data: what
 * they may say is in a table, numbers are checked, and every choice that they leave gives right
 * results; only the order of sums may differ. Sides of shapes are those of one image, since how
 * many share a call must not change any.
 *
 * Nearest: sum over the sides that the row gives of |log2(asked / given)|, which may be 1 at most;
 * a row of this device comes before one of its class, an exact shape before others, the first
 * before the next. */
#ifndef CLATENT_DEVICE_TUNING_H
#define CLATENT_DEVICE_TUNING_H

#include "base/text.h"
#include "device/device.h"

enum tuned {
    TUNED_LINEAR,      /* how a layer's weights are packed, and what multiplies them */
    TUNED_CONV,        /* the variant of a convolution */
    TUNED_GEMM,        /* products in work-groups */
    TUNED_GEMM_CPU,    /* products on a CPU */
    TUNED_GEMM_MATRIX, /* products on the matrix unit of sub-groups */
    TUNED_CONV_TILED,  /* convolutions as products in work-groups */
    TUNED_CONV_MATRIX, /* the same on a matrix unit */
    TUNED_ATTENTION,   /* in work-groups */
    TUNED_ATTENTION_CPU,
    TUNED_KINDS
};
enum { TUNING_SIDES = 4, TUNING_PARAMETERS = 4 };

/* Places of parameters among the values of a row. */
enum { LINEAR_ENGINE };
enum { ENGINE_PACKED = 1, ENGINE_UNIT, ENGINE_CLBLAST }; /* its words */
enum { CONV_VARIANT };
enum { GEMM_ROWS, GEMM_PARTS };
enum { MATRIX_TILE, MATRIX_PANELS, MATRIX_PARTS };
enum { GEMM_CPU_TILE, GEMM_CPU_ROW_BLOCK, GEMM_CPU_DEPTH };
enum { ATTENTION_ROWS };
enum { ATTENTION_CPU_KEYS, ATTENTION_CPU_BLOCK };

struct tuned_parameter {
    const char *name;
    const char *words; /* what it may be, with spaces; NULL: a number */
    int least, most;   /* of a number */
};
struct tuned_kind {
    const char *kernel;              /* its name in rows: files of cl/, or an op */
    const char *sides[TUNING_SIDES]; /* what the numbers of a shape are; NULL: no more */
    struct tuned_parameter parameters[TUNING_PARAMETERS];
};
extern const struct tuned_kind tuned_kinds[TUNED_KINDS];

struct tuning_row {
    char device[128], driver[128];
    enum tuned kind;
    int sides[TUNING_SIDES];       /* 0: any, and those that the kind has not */
    int values[TUNING_PARAMETERS]; /* a number, or which of the words counted from 1; 0: own rule */
    double microseconds, rule;     /* as timed, and with the op's own choice; 0: not told */
};

/* ---- asking: tuning.c ----------------------------------------------------------------------- */

struct tuning;
#define TUNING_SHAPE(...) ((const int[TUNING_SIDES]){__VA_ARGS__})

/* The values of the row that suits best, all 0 if none does. Never NULL. */
const int *tuning_find(const struct device *device, enum tuned kind, const int sides[TUNING_SIDES]);
/* The word that a value of tuning_find() stands for; "" for 0. Kept until the next call. */
const char *tuning_word(enum tuned kind, int parameter, int value);
/* That word as a number; 0 for 0. */
int tuning_number(enum tuned kind, int parameter, int value);

/* The rows that are in a device's table, given to it and freed with it; NULL: none. */
void device_set_tuning(struct device *device, struct tuning *tuning);

enum clat_status tuning_new(struct tuning **tuning);
void tuning_free(struct tuning *tuning); /* NULL is allowed */
enum clat_status tuning_add(struct tuning *tuning, const struct tuning_row *row);
/* Forgets all rows but the first `count`. */
void tuning_cut(struct tuning *tuning, size_t count);
size_t tuning_count(const struct tuning *tuning);
const struct tuning_row *tuning_row(const struct tuning *tuning, size_t index);
/* Makes tuning_find() heed only the rows for that device. */
void tuning_fit(struct tuning *tuning, const struct device_facts *facts);

/* For the tuner: these values instead of any row, for that kind; NULL: rows again. */
void tuning_force(struct tuning *tuning, enum tuned kind, const int *values);
/* A shape that was asked for while the tuning watched, and how often. */
struct tuning_question {
    enum tuned kind;
    int sides[TUNING_SIDES];
    int times;
};
void tuning_watch(struct tuning *tuning, bool watch);
/* A shape that no row is wanted for, told to a tuning that watches. */
void tuning_note(const struct device *device, enum tuned kind, const int sides[TUNING_SIDES]);
/* What was asked; in the order of the first time. Fails if there was no memory to note it. */
enum clat_status tuning_questions(
    const struct tuning *tuning, const struct tuning_question **questions, size_t *count);

/* ---- text: tuning_text.c -------------------------------------------------------------------- */

/* Adds all rows of a text; `name` is for the sentence of CLAT_ERROR_INPUT, "NAME:LINE: ...", after
 * which none were added. */
enum clat_status tuning_parse(struct tuning *tuning, const char *name, const char *text);
/* The row as a line, with its newline. */
enum clat_status tuning_print(struct text *text, const struct tuning_row *row);
/* "rows=8 parts=2", or "own". */
enum clat_status tuning_print_values(struct text *text, const struct tuning_row *row);
enum clat_status tuning_print_sides(struct text *text, const struct tuning_row *row);
/* "PLATFORM DRIVER", as rows have it. */
void tuning_driver(const struct device_facts *facts, char *text, size_t size);

/* ---- files: tuning_file.c ------------------------------------------------------------------- */

#define TUNING_FILE_LIMIT ((size_t)1 << 20) /* bytes */

/* Gives the device the rows of all files *.tune in the user's folder
 * ($XDG_DATA_HOME/clatent/tuning or ~/.local/share/...), then in data_folder/tuning (NULL: none).
 * A file that is wrong is left out, and its sentence told to `warn`. CLATENT_TUNING=off: an empty
 * table. */
enum clat_status tuning_load(struct device *device, const char *data_folder,
    void (*warn)(void *user, const char *sentence), void *user);

/* The file in the user's folder where rows of that device belong, freed by the caller.
 * CLAT_ERROR_OUTPUT if there is no home. */
enum clat_status tuning_path(const struct device_facts *facts, char **path);
/* Writes rows there, in place of those with the same device, driver, kernel and shape; all others
 * stay. A file that is there and wrong is not overwritten: CLAT_ERROR_INPUT. */
enum clat_status tuning_save(const char *path, const struct tuning_row *rows, size_t count);
/* The lines that a table begins with. */
extern const char tuning_head[];
/* All rows of one file. */
enum clat_status tuning_read(const char *path, struct tuning *tuning);

#endif
