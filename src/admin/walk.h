/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk — every live item of one feed or of all, in the order of creation. Each page is one short snapshot, so writers
 * do not wait. An item that changes meanwhile still comes once.
 */
#pragma once

#include "store/store.h"

/* A result other than OK ends the walk and is its result. The views of the item live until the function returns. */
typedef enum err walk_fn(void *ctx, const struct store_feed *feed, const struct item *item);

enum err walk_feed(struct store *store, const struct store_feed *feed, walk_fn *each, void *ctx) MUST_CHECK;
/* Only feeds of that collection; 0: all feeds. */
enum err walk_feeds(struct store *store, uint8_t collection, walk_fn *each, void *ctx) MUST_CHECK;
