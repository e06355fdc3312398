/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_file — reads a secret from a file, or from a pipe that somebody may write to later.
 *
 * It reads a limited number of bytes within OAUTH_FILE_MS, and stops when the program is stopped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"

#define OAUTH_FILE_MS 60000

struct oauth_file {
	const char         *path;
	const struct clock *clock;
	bool (*stopped)(void *ctx); /* called ten times a second; may be NULL */
	void *stopped_ctx;
};

/* 0, or an errno: EFBIG for `size` bytes or more, ETIMEDOUT, ECANCELED when stopped.  *mode_out: the file's
 * permissions. */
int oauth_file_read(const struct oauth_file *file, char *bytes, size_t size, size_t *len_out, mode_t *mode_out);
