/* SPDX-License-Identifier: Apache-2.0 */
#include "model/store_mem.h"

#include <stdlib.h>

#include "model/model.h"

/* ---- opening -------------------------------------------------------------------------------- */

static enum err
mem_open(const struct store_conf *conf, struct str path, void **engine_out, char why_out[512])
{
	struct mem *mem = mem_take(sizeof(*mem));

	(void)path;
	(void)why_out;
	mem->clock = conf->clock;
	mem->entropy = conf->entropy;
	mem->id = guid_random(conf->entropy);
	MUST(pthread_rwlock_init(&mem->lock, NULL) == 0);
	MUST(pthread_mutex_init(&mem->write_mutex, NULL) == 0);
	MUST(pthread_cond_init(&mem->write_freed, NULL) == 0);
	*engine_out = mem;
	return OK;
}

static void
mem_close(void *engine)
{
	struct mem *mem = engine;

	for (size_t i = 0; i < mem->now.feeds.len; i++) {
		struct feed *feed = mem->now.feeds.rows[i];

		for (size_t j = 0; j < feed->by_id.len; j++)
			free(feed->by_id.rows[j]);
	}
	mem_free_feeds(&mem->now.feeds);
	mem_free_rows(&mem->now.kvs);
	mem_free_rows(&mem->now.ops);
	(void)pthread_rwlock_destroy(&mem->lock);
	(void)pthread_mutex_destroy(&mem->write_mutex);
	(void)pthread_cond_destroy(&mem->write_freed);
	free(mem);
}

static struct guid
mem_id(const void *engine)
{
	return ((const struct mem *)engine)->id;
}

static uint32_t
mem_epoch(const void *engine)
{
	(void)engine;
	return 1; /* there is no way to restore one */
}

static void
lock_read(struct mem *mem)
{
	MUST(pthread_rwlock_rdlock(&mem->lock) == 0);
}

static void
unlock(struct mem *mem)
{
	MUST(pthread_rwlock_unlock(&mem->lock) == 0);
}

static uint64_t
mem_kv_generation(const void *engine)
{
	struct mem *mem = (struct mem *)(uintptr_t)engine;
	uint64_t    generation;

	lock_read(mem);
	generation = mem->generation;
	unlock(mem);
	return generation;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int
by_made(const void *a, const void *b)
{
	const struct item *left = a, *right = b;

	return (left->made > right->made) - (left->made < right->made);
}

/* The live items above range->after in the order of their creation, and of them the first. */
static size_t
copy_made(const struct feed *feed, const struct store_range *range, struct scan *scan)
{
	size_t count = 0;

	scan->items = arena_take(scan->arena, (feed->by_seq.len + 1) * sizeof(*scan->items));
	for (size_t i = 0; i < feed->by_seq.len; i++) {
		const struct row *row = feed->by_seq.rows[i];

		if (row->life == ITEM_LIVE && row->made > range->after)
			scan->items[count++] = mem_copy_row(row, scan->arena);
	}
	qsort(scan->items, count, sizeof(*scan->items), by_made);
	return count < range->limit ? count : range->limit;
}

static size_t
copy_range(const struct feed *feed, const struct store_range *range, struct scan *scan)
{
	size_t count = 0;

	for (size_t i = mem_row_key_after(feed, range->after); i < feed->by_seq.len && count < range->limit; i++) {
		const struct row *row = feed->by_seq.rows[i];

		if (row->seq > range->until)
			break;
		if ((range->live_only || range->key.len > 0) && row->life != ITEM_LIVE)
			continue;
		if (range->key.len > 0 && !str_eq(row->key, range->key))
			continue;
		if (scan->items)
			scan->items[count] = mem_copy_row(row, scan->arena);
		count++;
	}
	return count;
}

static enum err
mem_scan_open(void *engine, const struct store_feed *name, const struct store_range *range, struct arena *arena,
              void **scan_out, struct feed_state *state_out)
{
	struct mem        *mem = engine;
	struct scan       *scan = mem_take(sizeof(*scan));
	const struct feed *feed;

	(void)arena; /* the whole range is copied, which may be more than the arena's limit */
	scan->arena = arena_open(SIZE_MAX / 2);
	lock_read(mem);
	feed = mem_feed(&mem->now, name);
	*state_out = mem_state_of(feed);
	if (feed && range->by_made) {
		state_out->live = feed->state.live;
		state_out->tombstones = feed->state.tombstones;
		scan->len = copy_made(feed, range, scan);
	} else if (feed) {
		scan->len = copy_range(feed, range, scan);
		scan->items = arena_take(scan->arena, scan->len * sizeof(*scan->items));
		scan->len = copy_range(feed, range, scan);
	}
	unlock(mem);
	*scan_out = scan;
	return OK;
}

static enum err
mem_scan_next(void *inner, struct item *item_out)
{
	struct scan *scan = inner;

	if (scan->next == scan->len)
		return ERR_NOT_FOUND;
	*item_out = scan->items[scan->next++];
	return OK;
}

static void
mem_scan_close(void *inner)
{
	struct scan *scan = inner;

	arena_close(&scan->arena);
	free(scan);
}

static enum err
mem_get(void *engine, const struct store_feed *feed, struct str id, struct arena *arena, struct item *out)
{
	struct mem *mem = engine;
	enum err    err;

	lock_read(mem);
	err = mem_get_from(&mem->now, feed, id, arena, out);
	unlock(mem);
	return err;
}

static enum err
mem_get_default(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	struct mem *mem = engine;
	enum err    err;

	lock_read(mem);
	err = mem_get_default_from(&mem->now, feed, arena, out);
	unlock(mem);
	return err;
}

static uint64_t
seq_at(const struct feed *feed, int64_t moment_ms)
{
	uint64_t seq = 0;

	if (feed->state.purged_through > 0 && feed->state.purged_through_ms <= moment_ms)
		seq = feed->state.purged_through;
	for (size_t i = feed->by_seq.len; i > 0; i--) {
		const struct row *row = feed->by_seq.rows[i - 1];

		if (row->changed_ms <= moment_ms)
			return row->seq > seq ? row->seq : seq;
	}
	return seq;
}

static enum err
mem_seq_at(void *engine, const struct store_feed *name, int64_t moment_ms, struct feed_state *state_out,
           uint64_t *seq_out)
{
	struct mem        *mem = engine;
	const struct feed *feed;

	lock_read(mem);
	feed = mem_feed(&mem->now, name);
	*state_out = mem_state_of(feed);
	*seq_out = feed ? seq_at(feed, moment_ms) : 0;
	unlock(mem);
	return OK;
}

static enum err
mem_get_kv(void *engine, const char *ns, struct str name, struct arena *arena, struct str *out)
{
	struct mem *mem = engine;
	enum err    err;

	lock_read(mem);
	err = mem_get_kv_from(&mem->now, ns, name, arena, out);
	unlock(mem);
	return err;
}

static enum err
mem_next_kv(void *engine, const char *ns, struct str after, struct arena *arena, struct str *name_out,
            struct str *value_out)
{
	struct mem *mem = engine;
	enum err    err;

	lock_read(mem);
	err = mem_next_kv_from(&mem->now, ns, after, arena, name_out, value_out);
	unlock(mem);
	return err;
}

static enum err
mem_next_feed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct feed_state *state_out)
{
	struct mem        *mem = engine;
	const struct feed *feed = NULL;
	bool               is_there;
	size_t             row_key;

	lock_read(mem);
	row_key = mem_table_find(&mem->now.feeds, mem_order_feed, after, &is_there) + (is_there ? 1 : 0);
	if (row_key < mem->now.feeds.len) {
		feed = mem->now.feeds.rows[row_key];
		*feed_out = feed->name;
		*state_out = mem_state_of(feed);
		state_out->live = feed->state.live;
		state_out->tombstones = feed->state.tombstones;
	}
	unlock(mem);
	return feed ? OK : ERR_NOT_FOUND;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum err
mem_info(void *engine, struct store_info *info_out)
{
	struct mem       *mem = engine;
	struct store_info info = { .id = mem->id, .schema = 1, .epoch = 1 };

	lock_read(mem);
	info.feeds = mem->now.feeds.len;
	info.kv = mem->now.kvs.len;
	info.commits = mem->commits;
	for (size_t i = 0; i < mem->now.feeds.len; i++) {
		const struct feed *feed = mem->now.feeds.rows[i];

		info.items += feed->state.live;
		info.tombstones += feed->state.tombstones;
	}
	unlock(mem);
	*info_out = info;
	return OK;
}

static bool
is_lawful(const struct feed *feed)
{
	uint64_t seq = 0, counted[2] = { 0, 0 };
	int64_t  changed_ms = INT64_MIN;

	for (size_t i = 0; i < feed->by_seq.len; i++) {
		const struct row *row = feed->by_seq.rows[i];

		if (row->seq <= seq || row->seq > feed->state.head || row->changed_ms < changed_ms)
			return false;
		if (row->life == ITEM_LIVE && (row->made == 0 || row->made > row->seq))
			return false;
		if (mem_row(feed, row->id) != row ||
		    (row->life == ITEM_REMOVED && row->seq <= feed->state.purged_through))
			return false;
		seq = row->seq;
		changed_ms = row->changed_ms;
		counted[row->life]++;
	}
	return feed->by_id.len == feed->by_seq.len && feed->state.purged_through <= feed->state.head &&
	       counted[ITEM_LIVE] == feed->state.live && counted[ITEM_REMOVED] == feed->state.tombstones;
}

static enum err
mem_check(void *engine, store_fault_fn *found, void *ctx)
{
	struct mem *mem = engine;

	lock_read(mem);
	for (size_t i = 0; i < mem->now.feeds.len; i++)
		if (!is_lawful(mem->now.feeds.rows[i]))
			found(ctx, STR("a feed of the model breaks the laws of the store"));
	unlock(mem);
	return OK;
}

/* A model has no file: no test copies one. */
static enum err
mem_backup(void *engine, const char *path, char why_out[512])
{
	(void)engine;
	(void)path;
	(void)why_out;
	return ERR_FOREIGN;
}

static enum err
mem_restore(const struct store_conf *conf, struct str path, const char *copy_path, char why_out[512])
{
	(void)conf;
	(void)path;
	(void)copy_path;
	(void)why_out;
	return ERR_FOREIGN;
}

static struct str
mem_why(void *engine, struct arena *arena)
{
	(void)engine;
	(void)arena;
	return STR_EMPTY;
}

static const struct store_reads reads = {
	.scan_open = mem_scan_open,
	.scan_next = mem_scan_next,
	.scan_close = mem_scan_close,
	.get = mem_get,
	.get_default = mem_get_default,
	.seq_at = mem_seq_at,
	.get_kv = mem_get_kv,
	.next_kv = mem_next_kv,
	.next_feed = mem_next_feed,
};

static const struct store_backend model = {
	.scheme = "model",
	.open = mem_open,
	.close = mem_close,
	.id = mem_id,
	.epoch = mem_epoch,
	.kv_generation = mem_kv_generation,
	.reads = &reads,
	.writes = &mem_writes,
	.info = mem_info,
	.check = mem_check,
	.backup = mem_backup,
	.restore = mem_restore,
	.why = mem_why,
};

enum err
model_open(const struct store_conf *conf, struct store **store_out)
{
	char why[512];

	return store_open_on(&model, conf, STR_EMPTY, store_out, why);
}
