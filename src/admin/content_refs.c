/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "admin/walk.h"
#include "resource/resource.h"

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

struct gathering {
	content_ref_fn      *each;
	void                *ctx;
	struct content_refs *refs;
};

static enum err
take_item(void *ctx, const struct store_feed *feed, const struct item *item)
{
	struct gathering  *gathering = ctx;
	struct content_ref ref;
	enum err           err = resource_of_feed(feed)->content_of(item->body, &ref);

	if (err != OK) /* of an item that cannot be read nobody knows what it needs */
		return err == ERR_NOT_FOUND ? OK : err;
	add(gathering->refs, &ref);
	if (gathering->each)
		gathering->each(gathering->ctx, feed, item->id, &ref);
	return OK;
}

enum err
content_refs_open(struct store *store, content_ref_fn *each, void *ctx, struct content_refs *refs_out)
{
	struct gathering gathering = { each, ctx, refs_out };

	*refs_out = (struct content_refs){ 0 };
	for (const struct resource *const *resource = resources; *resource; resource++)
		if ((*resource)->content_of)
			TRY(walk_feeds(store, (*resource)->number, take_item, &gathering));
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
