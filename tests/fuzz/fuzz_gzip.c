/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gzip — a packed body: it is unpacked within its limit or refused; what is unpacked is the same within a larger
 * limit, too large within a smaller one, and comes back after it is packed again.
 */
#include "text/gzip.h"

#define LIMIT ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)4 << 20);
	struct str                      packed = str_of((const char *)data, size), text = STR("untouched"), again, back;

	if (size > LIMIT)
		return 0;
	if (gzip_unpack(packed, LIMIT, arena, &text) != OK) {
		MUST(str_eq(text, STR("untouched")));
		return 0;
	}
	MUST(text.len <= LIMIT);
	MUST(gzip_unpack(packed, LIMIT * 2, arena, &again) == OK && str_eq(text, again));
	MUST(text.len == 0 || gzip_unpack(packed, text.len - 1, arena, &again) == ERR_TOO_LARGE);
	if (gzip_pack(text, arena, &again))
		MUST(gzip_unpack(again, LIMIT, arena, &back) == OK && str_eq(text, back));
	return 0;
}
