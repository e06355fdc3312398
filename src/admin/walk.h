/* SPDX-License-Identifier: Apache-2.0 */
/* walk — every live item of one feed or of all, page by page: a page is one short snapshot, so writers go on beside it. */
#pragma once

#include "store/store.h"

/* An answer that is not OK ends the walk and is its result.  The item's views live until the function returns. */
typedef enum err walk_fn(void *ctx, const struct store_feed *feed, const struct item *item);

enum err walk_feed(struct store *store, const struct store_feed *feed, walk_fn *each, void *ctx) MUST_CHECK;
/* Feeds of that collection alone; 0 for all. */
enum err walk_feeds(struct store *store, uint8_t collection, walk_fn *each, void *ctx) MUST_CHECK;
