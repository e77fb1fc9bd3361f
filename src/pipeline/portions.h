/* portions.h - who makes which images of a job. SPDX-License-Identifier: MIT
 *
 * A member of the crew that is free takes as many of the images that wait as it makes while the
 * others make the rest, by the speed of its last share. The first share of devices that are alike
 * is an equal part, of others one image. A slow one takes none where the fastest would be done
 * with all in half the time that it needs for one. Not thread-safe: the crew has a lock. */
#ifndef CLATENT_PIPELINE_PORTIONS_H
#define CLATENT_PIPELINE_PORTIONS_H

#include "base/status.h"
#include "device/device.h"
#include <stdbool.h>

enum image_state { IMAGE_WAITS, IMAGE_TAKEN, IMAGE_MADE };

struct portions {
    int images;
    unsigned char *states; /* [images] enum image_state */
    unsigned char *takers; /* [images] of those that are taken */
    struct {
        bool works;   /* false: it has ended */
        double speed; /* images in a second; 0: not known yet */
    } members[DEVICES_LIMIT];
    int count;
    bool alike; /* equal devices */
};

enum clat_status portions_open(struct portions *portions, int images, int members, bool alike);
void portions_close(struct portions *portions);

/* The next images of a member, at most `limit` of them: *first and their number; 0: none now. */
int portions_take(struct portions *portions, int member, int limit, int *first);
/* True if nothing waits and nothing may come back. */
bool portions_are_done(const struct portions *portions);
/* What a member has taken and not made waits again. */
void portions_return(struct portions *portions, int member);
/* Members that still work. */
int portions_members(const struct portions *portions);

#endif
