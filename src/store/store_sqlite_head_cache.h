/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head_cache — the states of feeds in memory, so that readers who find nothing new need no database.
 * Private to the SQLite engine, and used only in the process that writes the store.
 *
 * A state may be returned from here only while it is the committed one.  Each slot has a moment: a counter
 * that is even while no commit that concerns the slot is running.  A reader reads the moment before its
 * snapshot begins, and stores what it read in the snapshot under that moment.  The writer makes the moments of
 * all feeds that a commit changes odd before COMMIT, and even again after it, before any writer gets its result.  So:
 *
 *   - a state stored under the present, even moment is the newest committed one: any commit since
 *     would have changed the moment;
 *   - from before COMMIT until after it no state is returned from here, so no reader gets the old state
 *     after another has seen the new one.
 *
 * Feeds share slots by hash.  A feed that lost its slot costs a read of the database, nothing more.
 * Reading takes no lock.
 */
#pragma once

#include "store/store.h"

struct head_cache;

struct head_cache *head_cache_open(void);
/* store_watch() */
void head_cache_watch(struct head_cache *cache, store_changed_fn *changed, void *ctx);
void head_cache_close(struct head_cache **cache);

/* The feed's state, for a reader of the present epoch; false when the database must be read. */
bool head_cache_find(struct head_cache *cache, const struct store_feed *feed, struct feed_state *state_out);
/* The moment to give to head_cache_keep(), read before the snapshot begins. */
uint64_t head_cache_moment(struct head_cache *cache, const struct store_feed *feed);
void     head_cache_keep(struct head_cache *cache, const struct store_feed *feed, uint64_t moment,
                         const struct feed_state *state);

/* By the holder of the write lock: the next commit changes this feed's row. */
void head_cache_touch(struct head_cache *cache, const struct store_feed *feed);
void head_cache_commit_begins(struct head_cache *cache);
void head_cache_commit_ended(struct head_cache *cache); /* whether it succeeded or failed */
/* Calls the watcher for the feeds of that commit: when all else that it changed, rights too, can be seen. */
void head_cache_report(struct head_cache *cache);
