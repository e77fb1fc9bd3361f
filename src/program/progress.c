/* progress.c - how far a job is, on standard error. SPDX-License-Identifier: MIT */
#include "program/progress.h"
#include "program/json.h"
#include "program/picture.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DRAW_SECONDS 0.1
#define PLAIN_SECONDS 30.0

double progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum progress_form automatic_form(void)
{
    const char *terminal = getenv("TERM");
    bool is_dumb = !terminal || strcmp(terminal, "dumb") == 0;
    return isatty(STDERR_FILENO) && !is_dumb ? PROGRESS_BAR : PROGRESS_NONE;
}

void progress_start(struct progress *progress, const char *word)
{
    *progress = (struct progress){.drawn = progress_clock()};
    if (word && strcmp(word, "none") == 0)
        progress->form = PROGRESS_NONE;
    else if (word && strcmp(word, "json") == 0)
        progress->form = PROGRESS_JSON;
    else if (word && strcmp(word, "plain") == 0)
        progress->form = PROGRESS_PLAIN;
    else
        progress->form = automatic_form();
}

/* A new step: its time counts a fifth in the mean. */
static void measure_step(struct progress *progress, const struct clat_progress *now)
{
    double clock = progress_clock(), seconds = clock - progress->stepped;
    if (now->step > progress->last_step && progress->last_step > 0) {
        seconds /= now->step - progress->last_step;
        progress->step_seconds =
            progress->step_seconds > 0 ? 0.8 * progress->step_seconds + 0.2 * seconds : seconds;
    }
    double work = now->fraction - progress->last_fraction;
    if (work > 0 && progress->last_fraction > 0) {
        double whole = (clock - progress->stepped) / work;
        progress->work_seconds =
            progress->work_seconds > 0 ? 0.8 * progress->work_seconds + 0.2 * whole : whole;
    }
    progress->last_fraction = now->fraction;
    progress->last_step = now->step;
    progress->stepped = clock;
}

/* Of all work, at the pace of the last steps. */
static double seconds_left(const struct progress *progress, const struct clat_progress *now)
{
    return (1 - now->fraction) * progress->work_seconds;
}

static void describe_sampling(
    const struct progress *progress, const struct clat_progress *now, char *line, size_t size)
{
    char images[64] = "", speed[64] = "";
    double seconds = progress->step_seconds;
    if (now->images > 1 && now->count > 1)
        snprintf(images, sizeof images, "images %d-%d/%d, ", now->first_image + 1,
            now->first_image + now->count, now->images);
    else if (now->images > 1)
        snprintf(images, sizeof images, "image %d/%d, ", now->first_image + 1, now->images);
    if (seconds > 0) {
        int left = (int)(seconds_left(progress, now) + 0.5);
        snprintf(speed, sizeof speed, ", %.3g %s, ETA %d:%02d", seconds < 1 ? 1 / seconds : seconds,
            seconds < 1 ? "it/s" : "s/it", left / 60, left % 60);
    }
    snprintf(line, size, "%ssampling, step %d/%d%s", images, now->step, now->steps, speed);
}

static void describe_build(const struct clat_progress *now, char *line, size_t size)
{
    if (now->total > 0)
        snprintf(line, size, "building kernels %d/%d, first run only", now->done, now->total);
    else
        snprintf(line, size, "building kernels %d, first run only", now->done);
}

static void describe(
    const struct progress *progress, const struct clat_progress *now, char *line, size_t size)
{
    if (now->steps > 0)
        describe_sampling(progress, now, line, size);
    else if (strcmp(now->phase, "building kernels") == 0)
        describe_build(now, line, size);
    else if (now->total > 0)
        snprintf(line, size, "%s %d %%", now->phase, (int)(100.0 * now->done / now->total));
    else
        snprintf(line, size, "%s", now->phase);
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

/* Over the old line; spaces instead of escape codes take away what was longer. */
static void draw_bar(struct progress *progress, const char *line)
{
    int limit = terminal_width(), width = (int)strlen(line);
    if (width > limit)
        width = limit;
    int rest = progress->width > width ? progress->width - width : 0;
    if (width + rest > limit)
        rest = limit - width;
    fprintf(stderr, "\r%.*s%*s", width, line, rest, "");
    fflush(stderr);
    progress->width = width;
}

static void clear_line(struct progress *progress)
{
    if (progress->width > 0)
        fprintf(stderr, "\r%*s\r", progress->width, "");
    progress->width = 0;
}

void progress_clear(struct progress *progress)
{
    clear_line(progress);
    progress->picture = 0;
}

static void preview_json(const struct clat_preview *preview)
{
    struct json json = {.stream = stderr};
    json_begin(&json, NULL, '{');
    json_string(&json, "event", "preview");
    json_uint(&json, "image", (uint64_t)preview->index);
    json_uint(&json, "step", (uint64_t)preview->step);
    json_uint(&json, "steps", (uint64_t)preview->steps);
    json_string(&json, "path", preview->path);
    json_end(&json);
}

/* Of images that are sampled together the first. */
void progress_picture(struct progress *progress, const struct clat_preview *preview)
{
    struct picture picture = {preview->height, preview->width, preview->rgb};
    if (progress->form == PROGRESS_JSON)
        preview_json(preview);
    if (progress->form != PROGRESS_BAR || preview->nth > 0)
        return;
    clear_line(progress);
    progress->picture = picture_draw(&picture, progress->picture);
    progress->drawn = 0;
}

static void show_json(const struct progress *progress, const struct clat_progress *now)
{
    struct json json = {.stream = stderr};
    json_begin(&json, NULL, '{');
    json_string(&json, "event", "progress");
    json_string(&json, "phase", now->phase);
    if (now->steps > 0) {
        json_uint(&json, "step", (uint64_t)now->step);
        json_uint(&json, "steps", (uint64_t)now->steps);
        json_real(&json, "fraction", now->fraction);
        json_uint(&json, "first_image", (uint64_t)now->first_image);
        json_uint(&json, "count", (uint64_t)now->count);
        json_uint(&json, "images", (uint64_t)now->images);
        bool known = progress->step_seconds > 0;
        json_real(&json, "seconds_per_step", known ? progress->step_seconds : NAN);
        json_real(
            &json, "eta_seconds", progress->work_seconds > 0 ? seconds_left(progress, now) : NAN);
    } else {
        json_uint(&json, "done", (uint64_t)now->done);
        json_uint(&json, "total", (uint64_t)now->total);
    }
    json_end(&json);
}

/* Plain lines: the sampling at every tenth, but not more than one a second; anything that takes
 * long every 30 seconds. */
static bool plain_is_due(struct progress *progress, const struct clat_progress *now, double age)
{
    int tenth = (int)(10 * now->fraction + 1e-9);
    bool is_due = age >= PLAIN_SECONDS || (now->steps > 0 && tenth > progress->tenth && age >= 1);
    if (is_due && now->steps > 0)
        progress->tenth = tenth;
    return is_due;
}

void progress_show(void *user, const struct clat_progress *now)
{
    struct progress *progress = user;
    char line[256];
    if (progress->form == PROGRESS_NONE)
        return;
    if (now->steps > 0)
        measure_step(progress, now);
    double clock = progress_clock(), age = clock - progress->drawn;
    bool is_new = strcmp(now->phase, progress->phase) != 0;
    bool is_due = progress->form == PROGRESS_PLAIN ? plain_is_due(progress, now, age)
                                                   : is_new || age >= DRAW_SECONDS;
    is_due = is_due || (progress->form == PROGRESS_JSON && now->steps > 0);
    snprintf(progress->phase, sizeof progress->phase, "%s", now->phase);
    if (!is_due)
        return;
    progress->drawn = clock;
    describe(progress, now, line, sizeof line);
    if (progress->form == PROGRESS_JSON)
        show_json(progress, now);
    else if (progress->form == PROGRESS_BAR)
        draw_bar(progress, line);
    else
        fprintf(stderr, "clatent: %s\n", line);
}
