/* fault.h - makes OpenCL fail within a test. SPDX-License-Identifier: MIT
 *
 * The layer of fault_layer.c, loaded into this process. Its rules stand in environment variables,
 * which it reads when it is reset. */
#ifndef CLATENT_TESTS_FAULT_H
#define CLATENT_TESTS_FAULT_H

struct fault_layer {
    void (*reset)(void);                /* rules are read again, counts begin anew */
    int (*calls)(const char *function); /* since then; "any": of all that can fail */
    int (*faults)(void);                /* that were made */
    int (*references)(void);            /* to OpenCL objects, held now */
};

/* To be called before anything of OpenCL. Leaves with 77 where the loader knows no layers. */
const struct fault_layer *fault_open(void);

/* Sets one of the variables, removes the others, and resets. */
void fault_set(const char *variable, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fault_also(const char *variable, const char *value); /* and this one */
void fault_none(void);                                    /* removes all */

#endif
