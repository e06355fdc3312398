/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/content_refs.h"

#include <stdlib.h>

#include "resource/resource.h"

#define PAGE 1000

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, CONTENT_ID_BYTES);
}

static void
add(struct content_refs *refs, const struct content_ref *ref)
{
	if (refs->count == refs->size) {
		refs->size = refs->size ? refs->size * 2 : 256;
		refs->ids = reallocarray(refs->ids, refs->size, sizeof(*refs->ids));
		MUST(refs->ids);
	}
	memcpy(refs->ids[refs->count++], ref->id, CONTENT_ID_BYTES);
}

struct walk {
	struct store        *store;
	content_ref_fn      *each;
	void                *ctx;
	struct content_refs *refs;
};

/* One page in one short snapshot. */
static enum err
take_page(const struct walk *walk, const struct store_feed *feed, uint64_t *after, bool *more_out)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 20);
	struct store_range       range = { .after = *after, .until = STORE_TO_HEAD, .limit = PAGE, .live_only = true };
	struct store_scan       *scan = store_scan_open(walk->store, feed, &range, arena);
	struct content_ref       ref;
	struct item              item;
	unsigned                 count = 0;
	enum err                 err;

	while (store_scan_next(scan, &item)) {
		*after = item.seq;
		count++;
		err = resource_of_feed(feed)->content_of(item.body, &ref);
		/* Of an item that cannot be read nobody knows what it needs. */
		if (err == ERR_CORRUPT) {
			store_scan_abort(&scan);
			return ERR_CORRUPT;
		}
		if (err != OK)
			continue;
		add(walk->refs, &ref);
		if (walk->each)
			walk->each(walk->ctx, feed, item.id, &ref);
	}
	*more_out = count == PAGE;
	return store_scan_close(&scan);
}

enum err
content_refs_open(struct store *store, content_ref_fn *each, void *ctx, struct content_refs *refs_out)
{
	struct walk       walk = { store, each, ctx, refs_out };
	struct store_feed feed = { 0 }, next;
	struct store_mark mark;
	enum err          err;

	*refs_out = (struct content_refs){ 0 };
	while ((err = store_next_feed(store, &feed, &next, &mark)) == OK) {
		uint64_t after = 0;
		bool     more = resource_of_feed(&next)->content_of != NULL;

		feed = next;
		while (more)
			TRY(take_page(&walk, &feed, &after, &more));
	}
	if (err != ERR_NOT_FOUND)
		return err;
	if (refs_out->count > 0)
		qsort(refs_out->ids, refs_out->count, sizeof(*refs_out->ids), compare);
	return OK;
}

void
content_refs_close(struct content_refs *refs)
{
	free(refs->ids);
	*refs = (struct content_refs){ 0 };
}

bool
content_refs_has(void *refs, const uint8_t id[CONTENT_ID_BYTES])
{
	const struct content_refs *known = refs;

	return known->count > 0 && bsearch(id, known->ids, known->count, sizeof(*known->ids), compare) != NULL;
}
