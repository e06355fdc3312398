/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_file — a secret out of a file, which may as well be a pipe that somebody has yet to write to.
 *
 * Bounded in bytes and in time, and given up as soon as somebody wants us gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define OAUTH_FILE_MS 60000

struct oauth_file {
	const char         *path;
	const struct clock *clock;
	bool (*stopped)(void *ctx); /* asked ten times a second; may be NULL */
	void *stopped_ctx;
};

/* Opens it without waiting for a writer; -1 and errno if that fails. */
int oauth_file_open(const struct oauth_file *file);
/* 0, or an errno: EFBIG if there are `size` bytes or more, ETIMEDOUT, ECANCELED when stopped. */
int oauth_file_read(const struct oauth_file *file, int fd, char *bytes, size_t size, size_t *len_out);
