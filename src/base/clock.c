/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

static int64_t
read_clock(clockid_t id)
{
	struct timespec now;

	MUST(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t
wall_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t
mono_ns(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

static void
fill(void *ctx, void *bytes, size_t len)
{
	char *at = bytes;

	(void)ctx;
	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		MUST(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

const struct clock   clock_system = { NULL, wall_ns, mono_ns };
const struct entropy entropy_system = { NULL, fill };
