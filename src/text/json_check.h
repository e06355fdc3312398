/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_check — is this JSON?  The rules of json_read(), kept without making a tree.
 *
 * For large text that is only taken apart by json_span.h afterwards.  What differs: the caller
 * gives the limit of bytes, the number of values has none but that, an object may have
 * JSON_MEMBERS_MAX members, and a number may have any size, since nobody turns it into one.
 * Needs some twenty kilobytes, whatever the text.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_MEMBERS_MAX 1024

/* ERR_BAD_REQUEST, ERR_TOO_LARGE.  why_out (may be NULL) gets a sentence from `arena`. */
enum err json_check(struct str text, size_t bytes_max, struct arena *arena, struct str *why_out) MUST_CHECK;

/*
 * Somebody who watches the pass: told each value that stands in at least one and at most `depth` containers, when its
 * end is found, so what is inside a value comes before it.  `name` is as written between the quotes, empty in an array.
 * What was told means nothing if the check fails.
 *
 * With `spoiled`, a value in at least `spoils_from` containers that keeps JSON's grammar, but not our rules (\u0000, half
 * a surrogate pair, a doubled name, too many members, nesting over JSON_DEPTH_MAX up to 256) does not end the pass: it is
 * called with the reason, before the value that holds it is told.
 */
struct json_watch {
	void  *ctx;
	size_t depth;
	void (*told)(void *ctx, size_t depth, struct str name, struct str value);
	size_t spoils_from;
	void (*spoiled)(void *ctx, const char *what);    /* NULL: every fault ends the pass */
};
enum err json_check_watched(struct str text, size_t bytes_max, const struct json_watch *watch, struct arena *arena,
                            struct str *why_out) MUST_CHECK;
