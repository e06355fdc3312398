/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args — the arguments of getAllRecordings(…), as OData writes them.  Private to the face module.
 *
 * Order is free, blanks may stand around names and values, a quote inside a text is doubled.  A
 * value may be an alias (@p, its value under @p in the query).  Microsoft's Kiota clients send a
 * broken kind of alias, quoted in the path and without its '@' in the query; that is understood
 * too.  An alias without a value leaves its argument out.  Dates may be quoted.
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
	bool       aliased;    /* some value stands in the query */
};

/*
 * `text`: what stands between the brackets, percent-decoded; `query`: as sent.
 * ERR_BAD_REQUEST: malformed, unknown or doubled; *why_out has the sentence.
 */
enum err parameters_read(struct str text, struct str query, struct arena *arena, struct parameters *parameters_out,
                         struct str *why_out) MUST_CHECK;
