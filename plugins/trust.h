/* trust.h - who could have written a plugin. SPDX-License-Identifier: MIT */
#ifndef CLATENT_PLUGINS_TRUST_H
#define CLATENT_PLUGINS_TRUST_H

#include "base/status.h"

/* A file that may be loaded: absolute path, regular (no link), owner root or the user, not writable
 * by everybody, a whole shared object of this machine. Else CLAT_ERROR_NO_DEVICE and why. */
enum clat_status trust_file(const char *path);

/* A directory that nobody but root and the user can put files into, and all directories above it.
 * CLAT_ERROR_NO_DEVICE names the one that is not. For the compiled-in directory. */
enum clat_status trust_directory(const char *path);

/* A directory that the program named, which may be a build tree: root's or the user's, and not
 * writable by everybody. Groups and the directories above are the program's to know. */
enum clat_status trust_named_directory(const char *path);

#endif
