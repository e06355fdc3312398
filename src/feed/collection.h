/* SPDX-License-Identifier: Apache-2.0 */
/* collection — the kinds of feed there are; the number is stored and never changes its meaning. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "store/store.h"

enum collection {
	COLLECTION_CALENDARS = 1,
	COLLECTION_RECORDINGS = 2
};

const char *collection_name(enum collection collection);                 /* "calendars" */

/* "users/<guid>/calendars": how JSON Lines name a feed. */
bool       feed_name_parse(struct str name, struct guid *owner_out, enum collection *collection_out);
struct str feed_name(const struct store_feed *feed, struct arena *arena);
