/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk — every live item of one feed or of all, in the order of creation. Each page is one short snapshot, so writers
 * do not wait. An item that changes meanwhile still comes once.
 */
#pragma once

#include "content/content.h"
#include "store/store.h"

/* A result other than OK ends the walk and is its result. The views of the item live until the function returns. */
typedef enum err walk_fn(void *ctx, const struct store_feed *feed, const struct item *item);

enum err walk_feed(struct store *store, const struct store_feed *feed, walk_fn *each, void *ctx) MUST_CHECK;
/* Only feeds of that collection; 0: all feeds. */
enum err walk_feeds(struct store *store, uint8_t collection, walk_fn *each, void *ctx) MUST_CHECK;

/*
 * check_bodies — checks that the stored bodies are valid for their resource. It is the part of `store check` that the
 * store cannot do, because the store knows only bytes.
 */
/* Calls found() for each damaged body, with feed and item. Reads page by page, so no snapshot is held long. */
enum err check_bodies(struct store *store, store_fault_fn *found, void *ctx) MUST_CHECK;

/* content_refs — which files of the content folder the recordings of a store refer to. */
struct content_refs {
	uint8_t (*ids)[CONTENT_ID_BYTES]; /* sorted */
	size_t count, size;
};

/* Called for each recording with content. `feed` and `id` name the recording. */
typedef void content_ref_fn(void *ctx, const struct store_feed *feed, struct str id, const struct content_ref *ref);

/* `each` may be NULL. Close it also after a failure. */
enum err content_refs_open(struct store *store, content_ref_fn *each, void *ctx, struct content_refs *refs_out)
	MUST_CHECK;
void content_refs_close(struct content_refs *refs);
/* A content_needed_fn whose ctx is the refs. */
bool content_refs_has(void *refs, const uint8_t id[CONTENT_ID_BYTES]);
