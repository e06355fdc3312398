/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parameters — the parameters of getAllRecordings(…), as OData writes them.  Private to the graph module.
 *
 * They come in any order, with blanks around names and values.  Dates may be quoted.  A value may be an alias (@p, with
 * its value under @p in the query).  Microsoft's Kiota clients send a broken alias, quoted in the path and without its
 * '@' in the query; that works too.  An alias without a value leaves its parameter out.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct parameters {
	bool       has_organizer, has_start, has_end;
	struct str organizer; /* meetingOrganizerUserId, as text */
	int64_t    start_ns, end_ns;
	struct str start, end; /* as they were written, without quotes; for links */
	bool       aliased;    /* some value is in the query */
};

/*
 * `text`: between the brackets, percent-decoded; `query`: as sent.
 * ERR_BAD_REQUEST: malformed, unknown or given twice; *why_out has the sentence.
 */
enum err parameters_read(struct str text, struct str query, struct arena *arena, struct parameters *parameters_out,
                         struct str *why_out) MUST_CHECK;

/* literal — a text in OData's single quotes, where a quote inside is doubled. */
/* Takes the text off the front of *rest, which begins behind the opening quote.  False: there is no closing quote. */
bool literal_take(struct str *rest, struct arena *arena, struct str *text_out);
/* The whole of `text`: quoted, or as it is.  False: the quotes do not match. */
bool literal_read(struct str text, struct arena *arena, struct str *text_out);
