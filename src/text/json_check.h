/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_check — is this JSON?  The only strict reader; json_read() makes its tree from what this reports.
 *
 * Refused with ERR_BAD_REQUEST (RFC 8259 leaves several of these to the reader): doubled member names, more
 * than JSON_MEMBERS_MAX members in an object, nesting over JSON_DEPTH_MAX, invalid UTF-8, lone surrogates,
 * \u0000, a byte order mark, bytes after the value, NaN and its kin.  Longer than bytes_max: ERR_TOO_LARGE.
 * A number may have any size, since none is converted here.  Needs some twenty kilobytes of memory,
 * the names of the objects that are open, and a copy of each name that is written with escapes.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX   32
#define JSON_MEMBERS_MAX 1024

/* Two of the reasons that `spoiled` gets. */
#define JSON_NUL_FAULT  "\\u0000 is not accepted"
#define JSON_HALF_FAULT "an escape stands for no character"

/* ERR_BAD_REQUEST, ERR_TOO_LARGE.  why_out (may be NULL) gets a sentence from `arena`. */
enum err json_check(struct str text, size_t bytes_max, struct arena *arena, struct str *why_out) MUST_CHECK;

/*
 * A watch gets each value in at most `depth` containers (none: only the value of the whole text) when its end is found,
 * so values inside a value come before it.  `name` is as written between the quotes, empty for a value that is no
 * member.  If the check fails, ignore what was reported.
 *
 * With `spoiled`, a value in at least `spoils_from` containers that keeps JSON's grammar but not our rules (\u0000,
 * half a surrogate pair, a doubled name, too many members, nesting over JSON_DEPTH_MAX up to 256) does not end the
 * pass: `spoiled` is called with the reason, before the value that holds it is reported.
 */
struct json_watch {
	void  *ctx;
	size_t depth;
	void (*emit)(void *ctx, size_t depth, struct str name, struct str value);
	size_t spoils_from;
	void (*spoiled)(void *ctx, const char *what); /* NULL: every fault ends the pass */
};
enum err json_check_watched(struct str text, size_t bytes_max, const struct json_watch *watch, struct arena *arena,
                            struct str *why_out) MUST_CHECK;
