/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept — which media type, metadata level and encoding the client accepts: Accept, $format, Accept-Encoding.
 * Private to the graph module.
 *
 * The best type on offer is chosen (RFC 9110, 12.5.1).  A range that cannot be parsed is ignored.  When nothing is
 * left the answer is 406.  $format overrides Accept.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "http/http.h"

/* OData's levels of control information. */
enum metadata_level { METADATA_MINIMAL, METADATA_NONE, METADATA_FULL };

/* The type of a call's answer. */
enum media_type { MEDIA_JSON, MEDIA_XML, MEDIA_ANY, MEDIA_EVENTS };

struct accept {
	enum metadata_level level;
	bool                events; /* a stream of pages (waiting.h), in place of one; only of delta calls */
	bool ieee754; /* IEEE754Compatible=true: repeated in Content-Type; no answer has a 64-bit number to quote */
};

/* False: the list does not accept that type.  An empty list accepts everything. */
bool accept_parse(struct str list, enum media_type media, struct accept *accept_out);
/* Does the list of content codings accept gzip? */
bool accept_gzip(struct str list);

struct call;

/* Reads Accept and $format into call->accept; else 406. */
enum err accept_read(struct call *call, enum media_type media) MUST_CHECK;
