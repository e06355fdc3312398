/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page — the JSON of a collection or of one item: context, values, link.  Private to the face module.
 *
 * Bodies are joined, not parsed: an item's stored text goes into the page in the pieces its resource names.  Only a
 * selection, full metadata and bodies from before the newest property take an item apart.  A damaged body makes the
 * answer's buffer fail with ERR_CORRUPT.
 */
#pragma once

#include "graph/call.h"
#include "resource/resource.h"

struct page {
	const struct call     *call;
	const struct resource *resource;
	struct buf            *buf;
	uint32_t               select; /* bit per row of the resource; 0: all */
	bool                   full;   /* odata.metadata=full was asked for */
	uint32_t               count;
	size_t                 taken;   /* bytes of the bodies so far */
	bool                   counted; /* @odata.count is wanted: */
	uint64_t               total;
};

/* Bytes after which a page takes no further item (it always takes its first). */
#define PAGE_BYTES_MAX ((size_t)1 << 20)

/* {"@odata.context":"<version url>/$metadata#<context>","value":[ */
void page_open(struct page *page, const struct call *call, const struct resource *resource, struct str context,
               uint32_t select);
/* False, with nothing written, when the page is full. */
bool page_put_change(struct page *page, const struct item *item); /* with @odata.type; a tombstone as @removed */
void page_put_entity(struct page *page, const struct item *item); /* with @odata.id */
/* ],"<name>":"<link>"} ; no link when name is empty. */
void page_close(struct page *page, struct str link_name, struct str link);

/*
 * The same with the head in the order Graph has for recordings (context, link, count, value), which needs to know what
 * the items will be.  So the items are written first, and page_close_counted() puts the head before them.
 */
void     page_open_counted(struct page *page, const struct call *call, const struct resource *resource);
enum err page_close_counted(struct page *page, struct str context, struct str link_name, struct str link) MUST_CHECK;

/* One item as a whole answer body. */
void page_single(const struct call *call, const struct resource *resource, struct str context, const struct item *item,
                 uint32_t select);
