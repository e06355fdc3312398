/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list — one engine for every collection: options, filter, order, pages, count, links.  Private to the graph module.
 *
 * A source gives the items of its collection in a fixed order, each with its rank: bytes that rise along that order
 * and never change while the item lives.  A nextLink holds the rank of the last item of its page, not how many there
 * were.  So a walk by nextLinks gives each item that lives through the whole walk exactly once, whatever changes
 * meanwhile.  With $orderby the link also holds the last item's key; this is then true of items that keep their key.
 *
 *   list_read · list_open · list_take, item by item, while it returns true · list_close
 *
 * A list remembers its first failure and does nothing more.
 */
#pragma once

#include "graph/call.h"
#include "graph/filter.h"
#include "graph/page.h"

struct kept; /* an item of an ordered list, until the page is made */

/* Reads an item again, when its turn in the order comes. */
typedef enum err list_get_fn(struct call *call, struct str id, struct arena *arena, struct item *item_out);

struct list {
	struct call           *call;
	const struct resource *resource;
	uint64_t               top, skip;
	uint32_t               select;
	const struct filter   *filter;  /* NULL: all */
	bool                   counted; /* $count=true */
	bool                   ordered, descending;
	size_t                 order; /* the row it is ordered by */
	list_get_fn           *get;   /* NULL: from the feed */

	/* Where the page begins: what the nextLink holds. */
	bool          goes_on; /* it is not the first page */
	struct cursor cursor;  /* the state of the feed when the link was made */
	struct str    from, from_key;
	struct str    first; /* the rank of the item that came first, before its turn; empty: none */

	/* The page. */
	bool          more;
	bool          first_taken; /* on this page */
	uint64_t      found;       /* items of the collection that the filter lets pass */
	struct str    last, last_key;
	struct page   page;
	enum err      err;
	struct arena *scratch; /* for one item at a time */
	struct arena *keep[2]; /* ordered: what is kept of the items, and room to move it */
	struct arena *table;   /* holds `kept` */
	struct kept  *kept;
	size_t        kept_count, kept_max, bytes, held;
	bool          kept_cut; /* more items were there than are kept */
};

/* Reads the options of the request and its nextLink, if there is one. */
enum err list_read(struct call *call, const struct resource *resource, struct list *list_out) MUST_CHECK;
/* Only the number of items is wanted, as the segment $count. */
bool list_is_count(const struct list *list);
/* The source begins with its first item, because all are counted or ordered.  Else it begins behind list->from. */
bool list_needs_all(const struct list *list);

/*
 * The source reads so many items, or bytes, before others come first; then list_pause().  A list whose work the page
 * bounds is read at once, also on a loop thread.
 */
#define LIST_SLICE_ITEMS 256u
#define LIST_SLICE_BYTES ((size_t)1 << 20)
/* AGAIN, or on a loop thread BLOCKS.  Nothing more if nobody waits for the list. */
enum err list_pause(struct list *list) MUST_CHECK;

/* Begins the page.  A list that was begun before begins again. */
void list_open(struct list *list, struct str context);
/* False: no more items are needed. */
bool list_take(struct list *list, const struct item *item, struct str rank);
/* The same for an item that comes first, before its turn.  Only on the first page of a list without an order. */
bool list_take_first(struct list *list, const struct item *item, struct str rank);
/* Writes what is left.  `state` is the feed's, for the nextLink; NULL: the list is of no feed. */
enum err list_close(struct list *list, const struct feed_state *state) MUST_CHECK;

void list_free(struct list *list); /* for AUTO(); fine if list_read() failed */

/*
 * list_link — the nextLink of a list, and back.
 *
 * The link has the options of the request as they were given, and a $skiptoken: a state token that says where the next
 * page begins.  It is sealed, belongs to the list of this owner, and is good only with the $filter and $orderby that
 * it was made with.  $select, $top and $count may change from page to page.
 */
/* Bytes of a key that an order compares; more do not fit into a link. */
#define LIST_KEY_MAX 384

/* ERR_BAD_TOKEN: no such token, or of another list. */
enum err   list_link_read(struct list *list) MUST_CHECK;
struct str list_link(const struct list *list, const struct feed_state *state);
