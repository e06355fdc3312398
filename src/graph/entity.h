/* SPDX-License-Identifier: Apache-2.0 */
/* entity — what all answers about items share: URLs, contexts, the selection.  Private to the graph module. */
#pragma once

#include "graph/call.h"
#include "resource/resource.h"

/* The URL of one of the owner's items: https://host/v1.0/ and the descriptor's item_path. */
struct str entity_url(const struct call *call, const char *path, const struct item *item);
/* users('{oid}')/{set}{tail}, for @odata.context */
struct str entity_context(const struct call *call, const char *set, const char *tail);
/* $select as a bit per row of the resource, the id always among them; 0: all. */
enum err entity_select(struct call *call, const struct resource *resource, uint32_t *select_out) MUST_CHECK;

/* The selection as bytes of a state token, and back.  False: these are not such bytes. */
struct str entity_write_options(uint32_t select, struct arena *arena);
bool       entity_read_options(struct str bytes, uint32_t *select_out);
/* "$select=id,name"; empty for all. */
struct str entity_select_option(const struct resource *resource, uint32_t select, struct arena *arena);
