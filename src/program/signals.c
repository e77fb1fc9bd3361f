/* signals.c - Ctrl-C and its like. SPDX-License-Identifier: MIT */
#include "program/signals.h"
#include "clatent.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    if (caught) {
        clat_abandon_files();
        _exit(128 + number);
    }
    caught = number;
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

void signals_end(void)
{
    if (!caught)
        return;
    signal(caught, SIG_DFL);
    raise(caught);
}
