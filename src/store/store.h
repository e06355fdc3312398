/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store — items, the order in which they last changed, and kv entries.
 *
 * A feed is one collection of one owner in one tenant, whose changes are tracked.  The store keeps each item of it
 * once, at the item's latest change.  Writing an item moves it to the end of the order; a scan returns each once.
 *
 *   Law 1  seq is commit order, per feed, without gaps from 1.  Once a reader can see seq N of a feed, no later commit
 *          adds a seq at or below N.
 *   Law 2  A removed item keeps its row (a tombstone) until a purge raises purged_through of the feed past it, in the
 *          same transaction.  Nothing else deletes a row, except dropping the whole feed.  The next feed of that name
 *          gets a new generation.
 *   Law 3  The epoch rises when history may have been cut (a restore, an older copy of the file).  For each feed the
 *          store keeps the base: its head at that moment.
 *   Law 4  Commit returns after the data is durable.  Many commits may share one sync.  In a group (store_group.h)
 *          only the group's own commit makes its transactions durable, all at once.
 *   Law 5  A feed's change times never go back, whatever the clock does.
 *   Law 6  An item keeps `made`, the seq of the put that created it.  Created again after a removal, it gets a new one.
 *
 * To the store a body is bytes.  Besides its id an item may have a `key`, a second name that is indexed and need not be
 * unique (a calendar's name in lower case, a recording's meeting).  A feed may have one default item (the default
 * calendar).  A kv entry is a small value with a name in a namespace: users, keys, settings.
 *
 * Threads: a store may be shared; a scan or a transaction may not.  Writers wait for the write lock in store_begin();
 * readers never wait for writers.  Transactions and scans are sticky: after the first failure every call does nothing
 * and returns false, and the closing call returns the error.  store_why() has the sentence.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/guid.h"
#include "base/log.h"
#include "base/str.h"
#include "store/store_view.h"

#define STORE_ID_MAX   1024 /* bytes of an item id */
#define STORE_KEY_MAX  1024 /* bytes of an item's second key */
#define STORE_BODY_MAX ((size_t)2 << 20)
#define STORE_KV_MAX   ((size_t)64 << 10)
#define STORE_TO_HEAD  UINT64_MAX /* for store_range.until */

struct store;
struct store_txn;
struct store_scan;

#define STORE_FOLLOWED 255 /* the collection of all followed feeds: store/store_followed.h */

struct store_feed { /* names a feed; compared whole, always */
	struct guid tenant, owner;
	uint8_t     collection; /* resource.number */
};

enum item_life { ITEM_LIVE, ITEM_REMOVED };
struct store_member; /* store/store_followed.h */
/* Why an item of a followed feed is gone: its source did not name it, said "changed", said "deleted". */
enum item_removal { ITEM_UNNAMED, ITEM_CHANGED, ITEM_DELETED };

struct item {
	struct str        id;
	struct str        key;  /* second key; empty for none */
	struct str        body; /* empty unless live */
	uint64_t          seq, made;
	int64_t           changed_ms; /* wall clock at commit, never going back within a feed */
	enum item_life    life;
	enum item_removal removal; /* of a removed item of a followed feed */
	/* Only in scans of followed feeds: the row is not the item, but this member of it.  NULL: it is the item. */
	const struct store_member *member;
};

struct feed_state {         /* the state of a feed in one snapshot */
	bool        exists; /* all else is zero if not */
	struct guid generation;
	uint32_t    epoch;             /* the store's */
	uint64_t    head;              /* newest seq */
	uint64_t    purged_through;    /* tombstones at or below it may be gone */
	int64_t     purged_through_ms; /* change time of the newest purged tombstone */
	uint64_t    base;              /* least head at an epoch change after the range's epoch; or UINT64_MAX */
	uint64_t    live, tombstones;  /* counts; only when walking feeds, and in a scan by_made or by_id */
};

/* ---- opening -------------------------------------------------------------------------------- */

enum store_access {
	STORE_SERVE, /* read and write: takes the lock, checks the rollback guard */
	STORE_LOOK   /* read only, beside any writer; begin gives ERR_NOT_ALLOWED */
};

struct store_conf {
	struct str               url; /* sqlite:PATH, postgresql://…, or memory: for a throw-away file of its own */
	enum store_access        access;
	bool                     create;     /* make it if it is missing (STORE_SERVE only) */
	uint32_t                 page_bytes; /* of a new file's pages; 0: 4096, good for single reads and writes */
	bool                     scratch; /* a throw-away file: no sync, no lock, no rollback guard; removed at close */
	const struct store_view *views; /* ended by one without a name; NULL: the file's own stay (STORE_SERVE only) */
	const struct clock      *clock;
	const struct entropy    *entropy;
	const struct log        *log; /* may be NULL */
};

/*
 * ERR_NOT_FOUND no such file · ERR_LOCKED another process writes it · ERR_CORRUPT damaged ·
 * ERR_FOREIGN not ours or newer than this program · ERR_BAD_REQUEST unknown scheme · ERR_BUSY no answer · ERR_IO.
 * why_out (512 bytes) gets the sentence; with ERR_LOCKED it names the holder.
 */
enum err store_open(const struct store_conf *conf, struct store **store_out, char why_out[512]) MUST_CHECK;
void     store_close(struct store **store);
/* The path of a sqlite: URL ("" for the others). The files beside the store get their names from it. */
enum err   store_url_path(struct str url, struct arena *arena, const char **path_out) MUST_CHECK;
bool       store_url_is_shared(struct str url); /* a database that several servers may have open at once */
struct str store_memory_url(const struct store *store, struct arena *arena); /* sqlite:FILE of a memory: store, or "" */
struct guid store_id(const struct store *store);
uint32_t    store_epoch(const struct store *store);
/*
 * A feed's number; others may share it.  `changed` is called on the committing thread, which must not wait in it, for
 * the number of each feed in a commit.  NULL: no more, and no call is under way.  Reading engines call it never.
 */
#define STORE_TOPICS ((uint32_t)1 << 15)
typedef void store_changed_fn(void *ctx, uint32_t topic);
uint32_t     store_feed_topic(const struct store_feed *feed);
void         store_watch(struct store *store, store_changed_fn *changed, void *ctx);
/* Another number after every kv change that a process commits, so a cache can see whether anything changed. */
uint64_t store_kv_generation(const struct store *store);

/* ---- reading: each call is one snapshot ------------------------------------------------------ */

struct store_range {
	uint64_t   after, until; /* (after, until]; until may be STORE_TO_HEAD */
	uint32_t   epoch;        /* the epoch the reader knows; for feed_state.base */
	uint32_t   limit;        /* rows at most, look-ahead row included */
	bool       live_only;    /* an initial round: tombstones are not read */
	bool       bodies_only;  /* of a live item only seq and body are wanted: it is cheaper; members are whole */
	bool       by_made;      /* live items in the order of their creation: `after` is a number `made` */
	bool       by_id;        /* only followed feeds: live items in the order of their ids, after `after_id` */
	struct str after_id;     /* it and the key stay where they are until the scan is closed */
	struct str key;          /* not by_made: only live items with that second key; empty: all */
};

/*
 * One snapshot: the feed's state, then its rows in order of seq or of `made`.  Never NULL.  An item's views live until
 * the next call on the scan.  Of a feed that does not exist there are no rows.  Close it before bytes go to a network.
 */
struct store_scan *store_scan_open(struct store *store, const struct store_feed *feed, const struct store_range *range,
                                   struct arena *arena);
const struct feed_state *store_scan_state(const struct store_scan *scan);
bool                     store_scan_failed(const struct store_scan *scan);
bool                     store_scan_next(struct store_scan *scan, struct item *item_out);
enum err                 store_scan_close(struct store_scan **scan) MUST_CHECK; /* NULL inside is OK */
void                     store_scan_abort(struct store_scan **scan);            /* for AUTO() */

/* Point reads: ERR_NOT_FOUND for a missing or removed item (or feed). Views are in the arena. */
enum err store_get(struct store *store, const struct store_feed *feed, struct str id, struct arena *arena,
                   struct item *item_out) MUST_CHECK;
enum err store_get_default(struct store *store, const struct store_feed *feed, struct arena *arena,
                           struct item *item_out) MUST_CHECK;
/* Newest seq changed at or before that moment (exact by Law 5); 0 if none.  state_out is of the same snapshot. */
enum err store_seq_at(struct store *store, const struct store_feed *feed, int64_t moment_ms,
                      struct feed_state *state_out, uint64_t *seq_out) MUST_CHECK;

enum err store_get_kv(struct store *store, const char *ns, struct str name, struct arena *arena, struct str *value_out)
	MUST_CHECK;
/* The first entry of the namespace whose name is bytewise above `after`; ERR_NOT_FOUND at the end. */
enum err store_next_kv(struct store *store, const char *ns, struct str after, struct arena *arena, struct str *name_out,
                       struct str *value_out) MUST_CHECK;
/* Feeds in a fixed order; *after starts zeroed. ERR_NOT_FOUND at the end. */
enum err store_next_feed(struct store *store, const struct store_feed *after, struct store_feed *feed_out,
                         struct feed_state *state_out) MUST_CHECK;

/* ---- writing ---------------------------------------------------------------------------------- */

struct store_op { /* idempotency key: a repeated op changes nothing, and store_was_done() is true */
	struct guid id;
};

/*
 * Never NULL. Waits for the write lock. `op` may be NULL. Reads inside see the transaction's own writes. Their views
 * are in `arena`, which may be reset in between: the transaction keeps nothing there. Inside a transaction, do not
 * wait for anything that a thread in store_begin() or store_commit() may hold.
 */
struct store_txn *store_begin(struct store *store, const struct store_op *op, struct arena *arena);
bool              store_was_done(const struct store_txn *txn); /* this op was committed before: just commit */

bool store_txn_state(struct store_txn *txn, const struct store_feed *feed, struct feed_state *state_out);
bool store_txn_get(struct store_txn *txn, const struct store_feed *feed, struct str id, struct item *item_out);
bool store_txn_get_default(struct store_txn *txn, const struct store_feed *feed, struct item *item_out);
bool store_txn_find(struct store_txn *txn, const struct store_feed *feed, struct str key, struct item *item_out);
/* The first live item above that seq.  Its views are in `into`, so that a caller that walks the feed can reset it. */
bool store_txn_next(struct store_txn *txn, const struct store_feed *feed, uint64_t after_seq, struct arena *into,
                    struct item *item_out);
bool store_txn_get_kv(struct store_txn *txn, const char *ns, struct str name, struct str *value_out);
/* As store_next_kv(); false at the end.  Its views are in `into`. */
bool store_txn_next_kv(struct store_txn *txn, const char *ns, struct str after, struct arena *into,
                       struct str *name_out, struct str *value_out);

/* Makes the feed if it is missing. The next put or remove gets feed_state.head + 1. */
void store_put(struct store_txn *txn, const struct store_feed *feed, const struct item *item); /* id, key, body */
/* Changes a live item in place: no new seq, and readers get no change. */
void store_rewrite(struct store_txn *txn, const struct store_feed *feed, const struct item *item);
/* A live item becomes a tombstone at the end of the order.  False: there is no such item, which is no failure. */
bool store_remove(struct store_txn *txn, const struct store_feed *feed, struct str id);
void store_set_default(struct store_txn *txn, const struct store_feed *feed,
                       struct str id); /* empty: no default item */
/*
 * Purges at most `max` tombstones changed at or before `until_ms`, oldest first, and raises purged_through.
 * *purged_out is their number; fewer than max means that none is left.
 */
void store_purge(struct store_txn *txn, const struct store_feed *feed, int64_t until_ms, uint32_t max,
                 uint32_t *purged_out);
void store_drop_feed(struct store_txn *txn, const struct store_feed *feed);
void store_put_kv(struct store_txn *txn, const char *ns, struct str name, struct str value);
void store_remove_kv(struct store_txn *txn, const char *ns, struct str name);
/* Deletes ops older than that. */
void store_forget_ops(struct store_txn *txn, int64_t before_ms);

/*
 * Ends it. OK: durable. ERR_FULL, ERR_BUSY, ERR_IO: nothing of it is stored. ERR_UNSURE: a sync failed, or nobody
 * answers, so it may or may not be stored; a store in a file then takes no writes (ERR_IO) until it is opened again.
 * An error set with store_fail() is returned unchanged, and everything is rolled back.
 */
enum err store_commit(struct store_txn **txn) MUST_CHECK;
void     store_abort(struct store_txn **txn); /* rolls back; for AUTO(); NULL is fine */
/* The caller's own error (a failed precondition): the transaction can now only end. */
void     store_fail(struct store_txn *txn, enum err err);
enum err store_txn_err(const struct store_txn *txn);

/* ---- the store as a whole --------------------------------------------------------------------- */

struct store_info {
	struct str  engine; /* "sqlite", "memory", "postgresql" */
	struct guid id;
	uint32_t    schema, epoch;
	uint64_t    feeds, items, tombstones, kv;
	uint64_t    file_bytes, wal_bytes;
	uint64_t    commits, syncs; /* by this process */
};
enum err store_get_info(struct store *store, struct store_info *info_out) MUST_CHECK;

/* Checks everything: the engine's own check, then the laws (no gaps, counts, indexes). Calls found() once per fault. */
typedef void store_fault_fn(void *ctx, struct str sentence);
enum err     store_check(struct store *store, store_fault_fn *found, void *ctx) MUST_CHECK;
/* A copy of one snapshot, while writers go on. The file appears when it is complete and durable. */
enum err store_backup(struct store *store, const char *path, char why_out[512]) MUST_CHECK;
/* Replaces the store at url (which nobody may have open) by a copy, and raises the epoch. */
enum err store_restore(const struct store_conf *conf, const char *path, char why_out[512]) MUST_CHECK;
bool     store_is_moved(const struct store *store); /* its file was renamed, or replaced or deleted: then writes fail */
/* Why the last call that failed with ERR_IO, ERR_FULL or ERR_CORRUPT failed; for the log. */
struct str store_why(struct store *store, struct arena *arena);
