/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope_cache — what store_get_followed() gives, in memory, so that a request for a served scope needs no database.
 * Private to the SQLite engine, and used only in the process that writes the store.
 *
 * All that the answers say is written by replicas, so every commit of a replica counts as one that changes all scopes.
 * The moment is a counter, odd while such a commit runs. A reader reads it before its snapshot begins, and keeps under
 * it what it read; an answer counts only while that even moment is the present one. So no reader gets an old answer
 * after another has seen the new one, and after the commit nobody does (store_sqlite_head_cache.h does the same).
 *
 * Scopes share slots by hash, and one with very long texts is not kept; both cost a read of the database, nothing more.
 * Reading takes no lock.
 */
#pragma once

#include "store/store_followed.h"

struct scope_cache;

struct scope_cache *scope_cache_open(void);
void                scope_cache_close(struct scope_cache **cache);

/* False when the database must be read. The texts are in the arena. */
bool     scope_cache_find(struct scope_cache *cache, struct str name, struct arena *arena, struct store_followed *out);
uint64_t scope_cache_moment(struct scope_cache *cache);
void     scope_cache_keep(struct scope_cache *cache, uint64_t moment, const struct store_followed *followed);

/* By the holder of the write lock, around the commit of a replica, whether it succeeds or fails. */
void scope_cache_commit_begins(struct scope_cache *cache);
void scope_cache_commit_ended(struct scope_cache *cache);
