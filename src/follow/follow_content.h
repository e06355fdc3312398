/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_content — fetches what a recording's `recordingContentUrl` points to into a folder.
 *
 * A file is named after its item's id, with nothing in the name that a path could mean anything by.  How each stands is
 * kept in the replica: `waiting` (404: it will come), `payment` (402), `refused`, `partial` (cut), `done`.
 *
 * Until a file is whole its name ends in ".part".  What it holds is recorded in the replica after it is on the disk: how many
 * bytes, of how many, of which version (strong ETag), from which URL, and their SHA-256.  A later run goes on only with
 * bytes that are still exactly those, and only if the remote still has that version; in doubt it begins from zero.  So a
 * file of any other name is one whole version, byte for byte.  One process at a time writes a part file (flock).
 *
 * The bearer goes to the scope's origin alone.  A redirect is followed up to three times, without it, never from https to
 * http, and only where follow_link.h lets the scope's server lead.  What is wrong with one item does not keep the next waiting.
 */
#pragma once

#include "follow/follow.h"
#include "fetch/fetch_save.h"

struct follow_content_conf {
	const char                *dir; /* made if it is missing, mode 0700 */
	struct fetch              *fetch;
	const struct fetch_bearer *bearer; /* may be NULL */
	const struct clock        *clock;
	int64_t                    size_max;    /* bytes of one file */
	int64_t                    time_max_ms; /* for one file in one run; the next goes on with it */
	bool (*stopped)(void *ctx);
	void *stopped_ctx;
	/* Called for each item that is refused or came in part only; `why` is a sentence.  May be NULL. */
	void (*refused)(void *ctx, struct str id, bool is_partial, const char *why);
	void *refused_ctx;
};

struct follow_content_tally {
	uint64_t fetched, bytes, waiting, payment, refused, partial;
};

/* Everything of the scope that is not done yet.  ERR_IO: the folder; why_out (512 bytes) says what.  Else the replica. */
enum err follow_content(const struct follow_content_conf *conf, struct replica *replica, int64_t sid,
                        struct follow_content_tally *tally_out, char why_out[512]) MUST_CHECK;
