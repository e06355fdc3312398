/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query — the options of a request: the part after the '?', and Prefer.  Private to the graph module.
 *
 * A name is decoded and compared without its leading '$' and in any letter case.  An option that is given twice is an
 * error.  An unknown option is an error if it begins with '$', else it is ignored.  deltatoken and skiptoken are one
 * option, because the token itself says its kind.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "http/http.h"

enum option {
	OPTION_SELECT,
	OPTION_TOP,
	OPTION_SKIP,
	OPTION_COUNT,
	OPTION_EXPAND,
	OPTION_FILTER,
	OPTION_ORDERBY,
	OPTION_SEARCH,
	OPTION_FORMAT,
	OPTION_TOKEN,
	OPTION_KINDS
};

const char *option_name(enum option option); /* "$select"; "$deltatoken" for the token */

#define PAGE_SIZE_MAX     1000
#define PAGE_SIZE_DEFAULT 200

#define QUERY_WAIT_MAX_S 60

struct query {
	bool       given[OPTION_KINDS];
	struct str value[OPTION_KINDS]; /* decoded */
	uint32_t   page_size;           /* Prefer: odata.maxpagesize, 1..1000; 0: not given */
	bool       track_changes;       /* Prefer: odata.track-changes */
	bool       minimal, whole;      /* Prefer: return=minimal, return=representation */
	bool       immutable_ids;       /* Prefer: IdType="ImmutableId" */
	bool       removals;            /* Prefer: tidemark.removals (of recordings; ours) */
	uint32_t   max_age_s;           /* Prefer: tidemark.max-age, at least 1; 0: not given (ours) */
	uint32_t   wait_s;              /* Prefer: wait, at most QUERY_WAIT_MAX_S; 0: not given */
};

/* The name and the value of "name=value" in a header field, the value without its quotes. */
struct str query_split(struct str text, struct str *value_out);

struct call;

/* Reads options and preferences into call->query. */
enum err query_read(struct call *call) MUST_CHECK;
/* An error if an option is given that is not among `allowed` (ended by OPTION_KINDS). */
enum err query_allow(struct call *call, const enum option *allowed, const char *where, const char *advice) MUST_CHECK;
/* An option that is a whole number from min to max; `otherwise` if it is not given. */
enum err query_number(struct call *call, enum option option, uint64_t min, uint64_t max, uint64_t otherwise,
                      uint64_t *value_out) MUST_CHECK;
