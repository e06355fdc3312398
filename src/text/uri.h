/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri — the parts of a request target (RFC 3986), decoded once.
 *
 * A percent sign must be followed by two hex digits; a decoded NUL, other control byte,
 * or invalid UTF-8 is refused.  In a query and in a form, '+' is a blank and %2B is a plus, and
 * pairs are divided by '&'.  In a path, '+' stands for itself.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Decodes into the arena (or gives the input back when there is nothing to decode). ERR_BAD_REQUEST as above. */
enum err uri_decode(struct str text, struct arena *arena, struct str *text_out) MUST_CHECK;

/* The same of a part of a query or form. */
enum err uri_decode_form(struct str text, struct arena *arena, struct str *text_out) MUST_CHECK;

struct uri_pair {
	struct str name;      /* decoded, '+' as a blank */
	struct str value;     /* the same; empty without a '=' */
	bool       has_value; /* a '=' was there */
};

/* Takes the next pair off *rest (empty pairs are passed over).  False at the end. */
enum err uri_take_pair(struct str *rest, struct arena *arena, struct uri_pair *pair_out, bool *more_out) MUST_CHECK;

/* Everything but unreserved characters and those in `keep` becomes %XX. */
struct str uri_encode(struct str text, const char *keep, struct arena *arena);

/* As OData wants it between single quotes: those in the text are doubled. */
struct str uri_double_quotes(struct str text, struct arena *arena);

/* An absolute http(s) URL in parts; views into `text`.  False if it is not one, or has userinfo or a fragment. */
struct uri_parts {
	struct str scheme;    /* "http" or "https", lower case demanded */
	struct str authority; /* host[:port] */
	struct str host;      /* without brackets for IPv6 */
	uint16_t   port;      /* 80 or 443 when not written */
	struct str path;      /* "" or starts with '/' */
	struct str query;     /* after '?', or empty */
};
bool uri_split(struct str text, struct uri_parts *parts_out);

/* Is it this very machine: localhost, ::1 or 127.a.b.c?  A host without brackets; names are not looked up. */
bool uri_host_is_loopback(struct str host);

bool utf8_valid(struct str text);
bool utf8_is_clean(struct str text); /* and without control bytes of ASCII */
