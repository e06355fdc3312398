/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads — what is true of a feed, for readers that find nothing new: they need not ask the database.
 * Private to the SQLite engine, and used only in the process that writes the store.
 *
 * A mark may be told from here only while it is the committed one.  Each slot has a moment, a counter
 * that is even while no commit that concerns the slot is under way.  A reader notes the moment before its
 * snapshot begins and keeps what it read under it; the writer makes the moments of all feeds a commit
 * changes odd before COMMIT and even again after it, before anybody is told.  So:
 *
 *   - what is kept under the present, even moment is the newest committed state: any commit since
 *     would have moved the moment;
 *   - from before COMMIT until after it nothing is told from here, so nobody is told the old state
 *     after somebody else has seen the new one.
 *
 * Feeds share slots by hash; a feed that lost its slot costs a look into the database, nothing more.
 * Reading takes no lock.
 */
#pragma once

#include "store/store.h"

struct head_cache;

struct head_cache *head_cache_open(void);
void               head_cache_close(struct head_cache **cache);

/* The feed's mark, for a reader of the present epoch; false when it must be read. */
bool head_cache_find(struct head_cache *cache, const struct store_feed *feed, struct feed_state *state_out);
/* Taken before the snapshot begins that head_cache_keep() tells of. */
uint64_t head_cache_moment(struct head_cache *cache, const struct store_feed *feed);
void     head_cache_keep(struct head_cache *cache, const struct store_feed *feed, uint64_t moment,
                         const struct feed_state *state);

/* By the holder of the turn: this feed's row changes with the next commit. */
void head_cache_touch(struct head_cache *cache, const struct store_feed *feed);
void head_cache_commit_begins(struct head_cache *cache);
void head_cache_commit_ended(struct head_cache *cache); /* well or badly */
