/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page — the JSON of a collection or of one item: context, values, link.  Private to the graph module.
 *
 * Bodies are not parsed: the pieces of an item's stored text are copied into the page.  An item is taken apart only for
 * a selection, for full metadata, and if its body is older than the newest property.  A damaged body makes the buffer
 * of the answer fail with ERR_CORRUPT.
 */
#pragma once

#include "graph/call.h"
#include "resource/resource.h"

struct page {
	const struct call     *call;
	const struct resource *resource;
	struct buf            *buf;
	struct str             context;
	uint32_t               select; /* bit per row of the resource; 0: all */
	bool                   full;   /* odata.metadata=full */
	uint32_t               count;
	size_t                 taken;   /* bytes of the bodies so far */
	bool                   counted; /* write @odata.count: */
	uint64_t               total;
	struct str open_id, relation; /* of a followed item, whose object is still open; and its open array */
};

/* A page with this many bytes of bodies takes no further item.  It always takes its first. */
#define PAGE_BYTES_MAX ((size_t)1 << 20)

/*
 * {"@odata.context":"<version url>/$metadata#<context>","value":[ … ],"<name>":"<link>"} ; no link when name is empty.
 * Recordings have Graph's order for them: context, link, count, value.  Then the items are written first, and
 * page_close() puts the rest before them; without page->counted the count is that of the page.
 */
void page_open(struct page *page, const struct call *call, const struct resource *resource, struct str context,
               uint32_t select);
/* False, with nothing written, when the page is full. */
bool page_put_change(struct page *page, const struct item *item); /* with @odata.type; a tombstone as @removed */
bool page_put_entity(struct page *page, const struct item *item); /* with @odata.id; a recording as a change */
void page_close(struct page *page, struct str link_name, struct str link);

/* One item as a whole answer body. */
void page_single(const struct call *call, const struct resource *resource, struct str context, const struct item *item,
                 uint32_t select);
