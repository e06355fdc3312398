/* SPDX-License-Identifier: Apache-2.0 */
/* entity — what all answers about items share: URLs, contexts, the selection.  Private to the graph module. */
#pragma once

#include "graph/call.h"
#include "resource/resource.h"
#include "resource/values.h"

/* The URL of one of the owner's items: https://host/v1.0/ and the descriptor's item_path. */
struct str entity_url(const struct call *call, const char *path, const struct item *item);
/* users('{oid}')/{set}{tail}, for @odata.context */
struct str entity_context(const struct call *call, const char *set, const char *tail);
/*
 * $select as a bit per row of the resource, the id always among them; 0: all.  Of a followed feed as the names in
 * call->selected: any of a resource without rows, else those of rows.
 */
enum err entity_select(struct call *call, const struct resource *resource, uint32_t *select_out) MUST_CHECK;

/* The selection as bytes of a state token, and back.  False: these are not such bytes. */
struct str entity_write_options(const struct call *call, uint32_t select);
bool       entity_read_options(struct call *call, struct str bytes, uint32_t *select_out);
/* "$select=id,name"; empty for all. */
struct str entity_select_option(const struct call *call, uint32_t select);

/*
 * expand — $expand=singleValueExtendedProperties($filter=id eq '…' or id eq '…').
 *
 * There is nothing else to expand.
 */
#define EXPAND_MAX 32 /* ids of one request */

struct expand {
	struct str ids[EXPAND_MAX];
	size_t     count;
};

/* Reads the option into call->expand, which stays NULL without it. */
enum err expand_read(struct call *call) MUST_CHECK;
/* The member with its comma, for an item that has one of the properties. */
void expand_put(struct buf *buf, const struct expand *expand, const struct values *values, struct arena *arena);
