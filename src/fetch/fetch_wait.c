/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_wait.h"

#include "text/date.h"

#define OWN_FIRST_MS 250
#define OWN_MAX_MS   60000

static int64_t
bounded(int64_t ms)
{
	if (ms < 1)
		return 1;
	return ms < FETCH_WAIT_MAX_MS ? ms : FETCH_WAIT_MAX_MS;
}

/* The digits after the point, in milliseconds. */
static bool
read_fraction(struct str digits, int64_t *ms_out)
{
	uint64_t ignored;

	*ms_out = 0;
	for (size_t i = 0; i < 3; i++)
		*ms_out = *ms_out * 10 + (i < digits.len ? digits.at[i] - '0' : 0);
	return str_to_u64(digits, &ignored);
}

int64_t
fetch_wait_requested(struct str field, int64_t wall_ns)
{
	struct str text = str_trim(field);
	size_t     point = str_find(text, '.');
	uint64_t   seconds;
	int64_t    fraction_ms = 0, date_ns;

	if (point > 0 && str_is_within(str_first(text, point), '0', '9')) {
		if (!str_to_u64(str_first(text, point), &seconds)) /* too many digits */
			return FETCH_WAIT_MAX_MS;
		if (point < text.len && !read_fraction(str_skip(text, point + 1), &fraction_ms))
			return -1;
		return bounded((int64_t)seconds * 1000 + fraction_ms);
	}
	if (!date_parse_http(text, &date_ns))
		return -1;
	return date_ns <= wall_ns ? 1 : bounded((date_ns - wall_ns) / 1000000 + 1);
}

int64_t
fetch_wait_now(struct str date, int64_t wall_ns)
{
	int64_t date_ns;

	return date_parse_http(str_trim(date), &date_ns) ? date_ns : wall_ns;
}

int64_t
fetch_wait_own(unsigned tries)
{
	int64_t ms = OWN_FIRST_MS;

	while (tries-- > 1 && ms < OWN_MAX_MS)
		ms *= 2;
	return ms < OWN_MAX_MS ? ms : OWN_MAX_MS;
}

int64_t
fetch_wait_jitter(int64_t ms, const struct entropy *entropy)
{
	uint32_t chance;

	entropy_fill(entropy, &chance, sizeof(chance));
	return ms + (int64_t)(chance % (uint64_t)(ms / 4 + 1));
}
