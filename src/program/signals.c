/* signals.c - Ctrl-C and its like. SPDX-License-Identifier: MIT
 *
 * The first signal asks the library to stop, which it does between two launches. Where it cannot,
 * inside a driver that is building kernels for the first time, a timer ends the program before a
 * second is over; a second signal does so at once. No half-written file is left either way. After
 * a failure of the device its driver may hang while the program ends: the timer helps there too. */
#include "program/signals.h"
#include "clatent.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE 800000 /* microseconds for the library to stop by itself */

static volatile sig_atomic_t caught;
static volatile sig_atomic_t exit_code; /* that the program ends with if a driver does not let it */

/* Ends as the signal would have ended us, so that the shell sees it. */
static void leave(void)
{
    clat_abandon_files();
    signal(caught, SIG_DFL);
    raise(caught);
}

/* A timer for the end of the program. */
static void set_patience(void)
{
    const struct itimerval patience = {.it_value = {.tv_usec = PATIENCE}};
    setitimer(ITIMER_REAL, &patience, NULL);
}

static void on_signal(int number)
{
    if (caught) {
        clat_abandon_files();
        _exit(128 + number);
    }
    caught = number;
    set_patience();
}

static void on_alarm(int number)
{
    (void)number;
    if (caught)
        leave();
    clat_abandon_files();
    _exit(exit_code);
}

/* A signal that is ignored on entry (nohup) stays ignored. */
static void catch_one(int number)
{
    struct sigaction old, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void signals_catch(void)
{
    catch_one(SIGINT);
    catch_one(SIGTERM);
    catch_one(SIGHUP);
    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN);
#endif
}

int signals_stop(void *user)
{
    (void)user;
    return caught != 0;
}

void signals_end(int status)
{
    if (caught)
        leave();
    exit_code = status;
    if (status == CLAT_ERROR_DEVICE)
        set_patience();
}
