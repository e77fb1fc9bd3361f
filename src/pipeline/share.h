/* share.h - who makes which images of a job. SPDX-License-Identifier: MIT
 *
 * A member of the crew that is free takes as many of the images that wait as it makes while the
 * others make the rest, by the speed of its last share. The first share of devices that are alike
 * is an equal part, of others one image. A slow one takes none where the fastest would be done
 * with all in half the time that it needs for one. Not thread-safe: the crew has a lock. */
#ifndef CLATENT_PIPELINE_SHARE_H
#define CLATENT_PIPELINE_SHARE_H

#include "base/status.h"
#include "device/device.h"
#include <stdbool.h>

enum image_state { IMAGE_WAITS, IMAGE_TAKEN, IMAGE_MADE };

struct shares {
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

enum clat_status shares_open(struct shares *shares, int images, int members, bool alike);
void shares_close(struct shares *shares);

/* The next images of a member, at most `limit` of them: *first and their number; 0: none now. */
int shares_take(struct shares *shares, int member, int limit, int *first);
/* True if nothing waits and nothing may come back. */
bool shares_are_done(const struct shares *shares);
/* What a member has taken and not made waits again. */
void shares_return(struct shares *shares, int member);
/* Members that still work. */
int shares_members(const struct shares *shares);

#endif
