/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand — $expand=singleValueExtendedProperties($filter=id eq '…' or id eq '…').  Private to the graph module.
 *
 * There is nothing else to expand.
 */
#pragma once

#include "graph/call.h"
#include "resource/values.h"

#define EXPAND_MAX 32 /* ids of one request */

struct expand {
	struct str ids[EXPAND_MAX];
	size_t     count;
};

/* Reads the option into call->expand, which stays NULL without it. */
enum err expand_read(struct call *call) MUST_CHECK;
/* The member with its comma, for an item that has one of the properties. */
void expand_put(struct buf *buf, const struct expand *expand, const struct values *values, struct arena *arena);
