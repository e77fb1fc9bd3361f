/* child.c - a plugin tried out in a process of its own. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "contract/child.h"
#include "contract/checks.h"
#include "contract/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRAPPED 100 /* exit code after a trap that was reported */

/* ---- the child ------------------------------------------------------------------------------ */

/* Standard output and error become a file of no name: what a plugin prints is noticed by its size.
 */
static void keep_quiet(void)
{
    FILE *sink = tmpfile();
    if (!sink)
        return;
    dup2(fileno(sink), STDOUT_FILENO);
    dup2(fileno(sink), STDERR_FILENO);
}

static _Noreturn void be_child(const char *path, int out)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    keep_quiet();
    report_open(out);
    guard_catch(report_trap, TRAPPED);
    checks_run(path);
    report_finished();
    _exit(0);
}

/* ---- the parent ----------------------------------------------------------------------------- */

static long long now(void) /* in milliseconds */
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

/* Lines as they come, until the child's end (true) or the deadline. */
static bool listen_to(int in, long long deadline, struct findings *findings)
{
    char line[REPORT_LINE];
    size_t size = 0;
    for (;;) {
        long long left = deadline - now();
        struct pollfd poller = {.fd = in, .events = POLLIN};
        if (left <= 0 || poll(&poller, 1, (int)left) == 0)
            return false;
        char c;
        ssize_t got = read(in, &c, 1);
        if (got == 0 || (got < 0 && errno != EINTR))
            return true;
        if (got == 1 && c == '\n') {
            line[size] = '\0';
            findings_read(findings, line);
            size = 0;
        } else if (got == 1 && size + 1 < sizeof line)
            line[size++] = c;
    }
}

/* How the child ended, where it did not say so itself. A crash while loading is a refusal: the
 * product would crash as well. */
static void add_end(struct findings *findings, int state, bool in_time, int seconds)
{
    enum verdict verdict =
        findings_have(findings, VERDICT_PASSED) ? VERDICT_FAILED : VERDICT_REFUSED;
    const char *doing = findings->doing, *check = findings->check;
    if (!in_time)
        findings_add(
            findings, verdict, check, "did not return within %d seconds (%s)", seconds, doing);
    else if (WIFSIGNALED(state))
        findings_add(
            findings, verdict, check, "crashed: %s (%s)", strsignal(WTERMSIG(state)), doing);
    else if (WEXITSTATUS(state) == TRAPPED)
        findings_explain(findings);
    else if (!findings->finished)
        findings_add(findings, verdict, check, "ended the process with exit code %d (%s)",
            WEXITSTATUS(state), doing);
}

bool child_check(const char *path, int seconds, struct findings *findings)
{
    int ends[2], state = 0;
    memset(findings, 0, sizeof *findings);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        be_child(path, ends[1]);
    close(ends[1]);
    if (child > 0) {
        bool in_time = listen_to(ends[0], now() + seconds * 1000LL, findings);
        if (!in_time)
            kill(child, SIGKILL);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR)
            ;
        add_end(findings, state, in_time, seconds);
    }
    close(ends[0]);
    return child > 0;
}
