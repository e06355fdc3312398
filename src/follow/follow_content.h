/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_content — fetches what a recording's `recordingContentUrl` points to into a folder.
 *
 * A file is named after its item's id, with nothing in the name that a path could mean anything by; until it
 * is whole it ends in ".part", and a later run goes on with it if the far end still has the same bytes
 * (by ETag).  How each stands is kept in the replica: `waiting` (404: it will come), `payment` (402),
 * `refused`, `partial` (cut), `done`.  The bearer goes to the scope's origin alone; a redirect is
 * followed up to three times, over https, without it.
 */
#pragma once

#include "follow/follow.h"
#include "follow/follow_curl.h"

struct follow_content_conf {
	const char                 *dir;         /* made if it is missing, mode 0700 */
	struct follow_curl         *curl;
	const struct follow_bearer *bearer;      /* may be NULL */
	const struct clock         *clock;
	bool                      (*stopped)(void *ctx);
	void                       *stopped_ctx;
	/* Told of each refusal; `why` is a sentence.  May be NULL. */
	void                      (*refused)(void *ctx, struct str id, const char *why);
	void                       *refused_ctx;
};

struct follow_content_tally {
	uint64_t fetched, bytes, waiting, payment, refused, partial;
};

/* Everything of the scope that is not done yet.  ERR_IO: the folder or a file; why_out (512 bytes) says which. */
enum err follow_content(const struct follow_content_conf *conf, struct replica *replica, int64_t sid,
                        struct follow_content_tally *tally_out, char why_out[512]) MUST_CHECK;
