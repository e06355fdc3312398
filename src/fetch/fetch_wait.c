/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_wait.h"

#include "text/date.h"

#define OWN_FIRST_MS 250
#define OWN_MAX_MS   60000
#define SECONDS_MAX  (FETCH_ASKED_MAX_MS / 1000)

static int64_t
bounded(int64_t ms)
{
	if (ms < 1)
		return 1;
	return ms < FETCH_ASKED_MAX_MS ? ms : FETCH_ASKED_MAX_MS;
}

/* The digits after the point, in milliseconds. */
static bool
read_fraction(struct str digits, int64_t *ms_out)
{
	int64_t  ms = 0, weight = 100;
	uint64_t ignored;

	if (digits.len == 0 || !str_to_u64(digits, &ignored))
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		ms += (digits.at[i] - '0') * weight;
		weight /= 10;
	}
	*ms_out = ms;
	return true;
}

/* A number of any length still counts as a number. */
static bool
is_more_than_fits(struct str digits)
{
	uint64_t ignored;

	if (digits.len < 12 || str_to_u64(digits, &ignored))
		return false;
	for (size_t i = 0; i < digits.len; i++)
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return false;
	return true;
}

int64_t
fetch_wait_asked(struct str field, int64_t wall_ns)
{
	struct str text = str_trim(field), whole;
	uint64_t   seconds;
	int64_t    fraction_ms = 0, date_ns;
	size_t     point = str_find(text, '.');

	whole = str_first(text, point);
	if (is_more_than_fits(whole))
		return FETCH_ASKED_MAX_MS;
	if (str_to_u64(whole, &seconds)) {
		if (point < text.len && !read_fraction(str_skip(text, point + 1), &fraction_ms))
			return -1;
		return (int64_t)seconds > SECONDS_MAX ? FETCH_ASKED_MAX_MS
		                                      : bounded((int64_t)seconds * 1000 + fraction_ms);
	}
	if (!date_parse_http(text, &date_ns))
		return -1;
	return date_ns <= wall_ns ? 1 : bounded((date_ns - wall_ns) / 1000000 + 1);
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
