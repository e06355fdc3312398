/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept — which form of an answer the client can take: Accept, $format, Accept-Encoding.
 * Private to the face module.
 *
 * The best of what is offered is chosen (RFC 9110, 12.5.1); a range that cannot be understood is
 * passed over.  When nothing is left the answer is 406.  $format counts more than Accept.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "http/http.h"

/* OData's levels of control information. */
enum metadata_level { METADATA_MINIMAL, METADATA_NONE, METADATA_FULL };

/* What a call's answer is made of. */
enum media_type { MEDIA_JSON, MEDIA_XML, MEDIA_ANY };

struct accept {
	enum metadata_level level;
	bool                ieee754; /* IEEE754Compatible=true: echoed; there is no 64-bit number to quote */
};

/* False: the list has nothing of that form. An empty list takes anything. */
bool accept_parse(struct str list, enum media_type media, struct accept *accept_out);
/* Does the list of content codings take gzip? */
bool accept_gzip(struct str list);

struct call;

/* Reads Accept and $format into call->accept; refuses with 406. */
enum err accept_read(struct call *call, enum media_type media) MUST_CHECK;
