/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_skim — shortens JSON while it arrives, so that a page fits whose items are too large.
 *
 * What is left is JSON if the whole was: a list of objects keeps its objects, and each of them its members.  Containers
 * inside such an object are empty, and its strings are cut after FETCH_SKIM_TEXT bytes.
 */
#pragma once

#include "base/buf.h"

#define FETCH_SKIM_TEXT ((size_t)4 << 10)
#define FETCH_SKIM_MAX  ((size_t)256 << 20) /* bytes that are read of one answer */

struct fetch_skim {
	unsigned depth; /* open containers */
	bool     in_string;
	unsigned escape;   /* bytes left of an escape */
	size_t   text_len; /* of the string, up to now */
	bool     is_cut;   /* the rest of the string is left out */
};

void fetch_skim_put(struct fetch_skim *skim, struct str bytes, struct buf *out);
