/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model's insides: what the store's engine must do, in the fewest ideas that are fast enough for tests.
 *
 * The whole store is three sorted tables of pointers (feeds, notes, ops).  Rows never change once
 * they can be seen.  A transaction works on a copy of the three tables, copies a feed's own two
 * tables when it first writes to that feed, and puts its tables in the place of the old ones at
 * commit, under the write lock; so readers see whole transactions and wait for no writer's work.
 * `born` are rows an abort must free, `dead` rows a commit must free; a row may be both.
 */
#pragma once

#include <pthread.h>

#include "store/store_backend.h"

struct row { /* an item */
	uint64_t       seq, made;
	int64_t        changed_ms;
	enum item_life life;
	struct str     id, key, body; /* views into bytes */
	char           bytes[];
};

struct kv {
	const char *ns;
	struct str  name, value;
	char        bytes[];
};

struct op_row {
	struct guid id;
	int64_t     at_ms;
};

struct table { /* sorted pointers */
	void **rows;
	size_t len, size;
};

struct feed {
	struct store_feed name;
	struct feed_state state; /* epoch: of the last write */
	int64_t           last_ms;
	const struct row *default_row;
	struct table      by_id, by_seq;
	bool              is_copy; /* made by the transaction under way */
};

struct tables {
	struct table feeds, kvs, ops;
};

struct mem {
	const struct clock   *clock;
	const struct entropy *entropy;
	struct guid           id;
	pthread_rwlock_t      lock; /* over now, generation, commits */
	struct tables         now;
	uint64_t              generation, commits;
	pthread_mutex_t       write_mutex; /* writers are served in the order they came */
	pthread_cond_t        write_freed;
	uint64_t              writing_next, writing_now;
};

struct txn {
	struct mem   *mem;
	struct arena *arena;
	struct tables now;
	struct table  born, dead; /* rows of all kinds: one malloc each */
	struct table  born_feeds, dead_feeds;
	uint64_t      kv_changed;
};

struct scan {
	struct arena *arena;
	struct item  *items;
	size_t        len, next;
};

/* ---- tables --------------------------------------------------------------------------------- */

/* <0, 0, >0 as the key stands before, at or behind the row. */
typedef int order_fn(const void *key, const void *row);

order_fn mem_order_feed; /* key: struct store_feed */
order_fn mem_order_id;   /* key: struct str */
order_fn mem_order_seq;  /* key: uint64_t */
order_fn mem_order_kv;   /* key: struct note */
order_fn mem_order_op;   /* key: struct guid */

void *mem_take(size_t size); /* zeroed; never NULL */

/* The place of the first row not below the key; *is_there_out says whether it is equal. */
size_t       mem_table_find(const struct table *table, order_fn *order, const void *key, bool *is_there_out);
void         mem_table_insert(struct table *table, size_t row_key, void *row);
void         mem_table_append(struct table *table, void *row);
void        *mem_table_drop(struct table *table, size_t row_key);
struct table mem_table_copy(const struct table *table);
void         mem_free_rows(struct table *table);
void         mem_free_feeds(struct table *table);

/* ---- what a set of tables answers, whoever asks ---------------------------------------------- */

struct feed      *mem_feed(const struct tables *tables, const struct store_feed *name);
const struct row *mem_row(const struct feed *feed, struct str id); /* live or not; NULL */
struct feed_state mem_state_of(const struct feed *feed);
struct item       mem_copy_row(const struct row *row, struct arena *arena);
size_t            mem_row_key_after(const struct feed *feed, uint64_t seq); /* in by_seq: the first row above seq */

enum err mem_get_from(const struct tables *tables, const struct store_feed *name, struct str id, struct arena *arena,
                      struct item *out) MUST_CHECK;
enum err mem_get_default_from(const struct tables *tables, const struct store_feed *name, struct arena *arena,
                              struct item *out) MUST_CHECK;
enum err mem_get_kv_from(const struct tables *tables, const char *ns, struct str name, struct arena *arena,
                         struct str *out) MUST_CHECK;
enum err mem_next_kv_from(const struct tables *tables, const char *ns, struct str after, struct arena *arena,
                          struct str *name_out, struct str *value_out) MUST_CHECK;
bool     mem_find_in(const struct feed *feed, struct str key, struct arena *arena, struct item *item_out);

extern const struct store_writes mem_writes;
