/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query — the options of a request: the part after the '?', and Prefer.  Private to the face module.
 *
 * A name is decoded, loses one leading '$', and is compared in any letter case.  An option given
 * twice, in whatever spelling, is refused; an unknown one is refused with '$' and ignored without.
 * deltatoken and skiptoken are one option: the token tells its kind itself.
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

struct query {
	bool       given[OPTION_KINDS];
	struct str value[OPTION_KINDS]; /* decoded */
	uint32_t   page_size;           /* Prefer: odata.maxpagesize, 1..1000; 0 if not asked */
	bool       track_changes;       /* Prefer: odata.track-changes */
	bool       minimal, whole;      /* Prefer: return=minimal, return=representation */
	bool       immutable_ids;       /* Prefer: IdType="ImmutableId" */
	bool       removals;            /* Prefer: tidemark.removals (of recordings; ours) */
};

struct call;

/* Reads options and preferences into call->query; refuses doubled and unknown ones. */
enum err query_read(struct call *call) MUST_CHECK;
/* Refuses every option given that is not among `allowed` (ended by OPTION_KINDS). */
enum err query_allow(struct call *call, const enum option *allowed, const char *where, const char *advice) MUST_CHECK;
/* A whole number option within min..max, or `otherwise` if it was not given. */
enum err query_number(struct call *call, enum option option, uint64_t min, uint64_t max, uint64_t otherwise,
                      uint64_t *value_out) MUST_CHECK;
