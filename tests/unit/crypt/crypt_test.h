/* SPDX-License-Identifier: Apache-2.0 */
/* crypt_test — cmocka, and a clock and randomness that a test owns. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int64_t
set_clock_ns(void *ctx)
{
	return *(int64_t *)ctx * 1000000000;
}

/* A clock that shows the second it points at. */
static inline struct clock
clock_at(int64_t *second)
{
	return (struct clock){ second, set_clock_ns, set_clock_ns };
}

/* Not random at all: 0, 1, 2, … going on from call to call. */
static inline void
count_fill(void *ctx, void *bytes, size_t len)
{
	uint8_t *next = ctx, *at = bytes;

	while (len-- > 0)
		*at++ = (*next)++;
}

static inline struct entropy
counting_from(uint8_t *next)
{
	return (struct entropy){ next, count_fill };
}

static inline size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return len;
}
