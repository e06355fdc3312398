/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page — the JSON of a collection: context, values, link.  Private to the face room.
 *
 * Bodies are joined, not parsed: an item's stored text goes into the page as it is, cut for
 * /v1.0.  Only a selection takes an item apart.
 */
#pragma once

#include "face/call.h"

struct page;

/* What a page must know about the kind of thing it lists. */
struct page_resource {
	const char *type;                /* "#microsoft.graph.calendar" */
	/* The members of a live item without the braces; `first` tells whether a comma must go before. */
	void (*put_members)(struct page *page, const struct item *item, bool first);
};

struct page {
	struct buf   *buf;
	struct arena *arena;
	const struct page_resource *resource;
	bool          beta;
	uint32_t      select;            /* bit per calendar_prop; 0: all */
	const struct call *full;         /* odata.metadata=full was asked for, by this call; else NULL */
	uint32_t      count;
	size_t                      taken;       /* bytes of the bodies so far */
	bool          counted;           /* @odata.count is wanted: */
	uint64_t      total;
	struct str    content_root;      /* of recordings: "https://host/v1.0/users/{id}/onlineMeetings/" */
	bool          damaged;           /* an item could not be read */
};

/* Bytes after which a page takes no further item (it always takes its first). */
#define PAGE_BYTES_MAX ((size_t)1 << 20)

/* {"@odata.context":"<version url>/$metadata#<context>","value":[ */
void page_open(struct page *page, const struct call *call, struct str context, uint32_t select);
/* False, with nothing written, when the page is full. */
bool page_put_change(struct page *page, const struct item *item);        /* with @odata.type; a tombstone as @removed */
void page_put_entity(struct page *page, struct str entity_id_url, struct str body);      /* with @odata.id */
/* ],"<name>":"<link>"} ; no link when name is empty. */
void page_close(struct page *page, struct str link_name, struct str link);

/*
 * Recordings: the same with the head in Graph's other order (context, link, count, value), which needs to know
 * what the items will be.  So the items are written first, and page_close_recordings() puts the head before them.
 */
void     page_open_recordings(struct page *page, const struct call *call);
enum err page_close_recordings(struct page *page, const struct call *call, struct str context, struct str link_name,
                               struct str link) MUST_CHECK;

/* One entity as a whole answer body. */
void page_single(const struct call *call, struct str context, struct str entity_id_url, struct str body, uint32_t select);
enum err page_single_recording(const struct call *call, struct str context, const struct item *item) MUST_CHECK;
/* Where a recording's content is. */
struct str page_content_url(const struct call *call, const struct item *item);
