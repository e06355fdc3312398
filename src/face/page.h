/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page — the JSON of a collection: context, values, link.  Private to the face room.
 *
 * Bodies are joined, not parsed: an item's stored text goes into the page as it is, cut for
 * /v1.0.  Only a selection takes an item apart.
 */
#pragma once

#include "face/call.h"

struct page {
	struct buf  *buf;
	struct arena *arena;
	bool         beta;
	uint32_t     select;             /* bit per calendar_prop; 0: all */
	uint32_t     count;
};

/* Bytes after which a page takes no further item (it always takes its first). */
#define PAGE_BYTES_MAX ((size_t)8 << 20)

/* {"@odata.context":"<version url>/$metadata#<context>","value":[ */
void page_open(struct page *page, const struct call *call, struct str context, uint32_t select);
/* False, with nothing written, when the page is full. */
bool page_put_change(struct page *page, const struct item *item);        /* with @odata.type; a tombstone as @removed */
void page_put_entity(struct page *page, struct str entity_id_url, struct str body);      /* with @odata.id */
/* ],"<name>":"<link>"} ; no link when name is empty. */
void page_close(struct page *page, struct str link_name, struct str link);

/* One entity as a whole answer body. */
void page_single(const struct call *call, struct str context, struct str entity_id_url, struct str body, uint32_t select);
