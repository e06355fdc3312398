/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the model, and what they answer to readers and transactions alike. */
#include "model/store_mem.h"

#include <stdlib.h>

void *
mem_take(size_t size)
{
	void *at = calloc(1, size);

	MUST(at != NULL);
	return at;
}

/* The place of the first row not below the key; *is_there says whether it is equal. */
size_t
mem_table_find(const struct table *table, order_fn *order, const void *key, bool *is_there)
{
	size_t low = 0, high = table->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order(key, table->rows[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	*is_there = low < table->len && order(key, table->rows[low]) == 0;
	return low;
}

void
mem_table_insert(struct table *table, size_t row_key, void *row)
{
	if (table->len == table->size) {
		table->size = table->size ? table->size * 2 : 8;
		table->rows = realloc(table->rows, table->size * sizeof(*table->rows));
		MUST(table->rows != NULL);
	}
	memmove(table->rows + row_key + 1, table->rows + row_key, (table->len - row_key) * sizeof(*table->rows));
	table->rows[row_key] = row;
	table->len++;
}

void
mem_table_append(struct table *table, void *row)
{
	mem_table_insert(table, table->len, row);
}

void *
mem_table_drop(struct table *table, size_t row_key)
{
	void *row = table->rows[row_key];

	table->len--;
	memmove(table->rows + row_key, table->rows + row_key + 1, (table->len - row_key) * sizeof(*table->rows));
	return row;
}

struct table
mem_table_copy(const struct table *table)
{
	struct table copy = { .len = table->len, .size = table->len };

	if (table->len) {
		copy.rows = mem_take(table->len * sizeof(*copy.rows));
		memcpy(copy.rows, table->rows, table->len * sizeof(*copy.rows));
	}
	return copy;
}

void
mem_free_rows(struct table *table)
{
	for (size_t i = 0; i < table->len; i++)
		free(table->rows[i]);
	free(table->rows);
}

void
mem_free_feeds(struct table *table)
{
	for (size_t i = 0; i < table->len; i++) {
		struct feed *feed = table->rows[i];

		free(feed->by_id.rows);
		free(feed->by_seq.rows);
		free(feed);
	}
	free(table->rows);
}

static int
order_guid(const struct guid *a, const struct guid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

int
mem_order_feed(const void *key, const void *row)
{
	const struct store_feed *a = key, *b = &((const struct feed *)row)->name;
	int                      order = order_guid(&a->tenant, &b->tenant);

	if (order == 0)
		order = order_guid(&a->owner, &b->owner);
	return order != 0 ? order : (a->collection > b->collection) - (a->collection < b->collection);
}

int
mem_order_id(const void *key, const void *row)
{
	return str_cmp(*(const struct str *)key, ((const struct row *)row)->id);
}

int
mem_order_seq(const void *key, const void *row)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct row *)row)->seq;

	return (a > b) - (a < b);
}

int
mem_order_kv(const void *key, const void *row)
{
	const struct kv *a = key, *b = row;
	int              order = strcmp(a->ns, b->ns);

	return order != 0 ? order : str_cmp(a->name, b->name);
}

int
mem_order_op(const void *key, const void *row)
{
	return order_guid(key, &((const struct op_row *)row)->id);
}

struct feed *
mem_feed(const struct tables *tables, const struct store_feed *name)
{
	bool   is_there;
	size_t row_key = mem_table_find(&tables->feeds, mem_order_feed, name, &is_there);

	return is_there ? tables->feeds.rows[row_key] : NULL;
}

const struct row *
mem_row(const struct feed *feed, struct str id)
{
	bool   is_there;
	size_t row_key = mem_table_find(&feed->by_id, mem_order_id, &id, &is_there);

	return is_there ? feed->by_id.rows[row_key] : NULL;
}

/* The place in by_seq of the first row above seq. */
size_t
mem_row_key_after(const struct feed *feed, uint64_t seq)
{
	bool   is_there;
	size_t row_key = mem_table_find(&feed->by_seq, mem_order_seq, &seq, &is_there);

	return is_there ? row_key + 1 : row_key;
}

struct feed_state
mem_state_of(const struct feed *feed)
{
	struct feed_state state = { 0 };

	if (!feed)
		return state;
	state = feed->state;
	state.exists = true;
	state.base = UINT64_MAX; /* one epoch only, so no change of it */
	state.live = state.tombstones = 0;
	return state;
}

struct item
mem_copy_row(const struct row *row, struct arena *arena)
{
	return (struct item){
		.id = arena_copy(arena, row->id),
		.key = arena_copy(arena, row->key),
		.body = arena_copy(arena, row->body),
		.seq = row->seq,
		.made = row->life == ITEM_LIVE ? row->made : 0,
		.changed_ms = row->changed_ms,
		.life = row->life,
	};
}

enum err
mem_get_from(const struct tables *tables, const struct store_feed *name, struct str id, struct arena *arena,
             struct item *out)
{
	const struct feed *feed = mem_feed(tables, name);
	const struct row  *row = feed ? mem_row(feed, id) : NULL;

	if (!row || row->life != ITEM_LIVE)
		return ERR_NOT_FOUND;
	*out = mem_copy_row(row, arena);
	return OK;
}

enum err
mem_get_default_from(const struct tables *tables, const struct store_feed *name, struct arena *arena, struct item *out)
{
	const struct feed *feed = mem_feed(tables, name);

	if (!feed || !feed->default_row)
		return ERR_NOT_FOUND;
	*out = mem_copy_row(feed->default_row, arena);
	return OK;
}

bool
mem_find_in(const struct feed *feed, struct str key, struct arena *arena, struct item *item_out)
{
	for (size_t i = 0; i < feed->by_seq.len; i++) {
		const struct row *row = feed->by_seq.rows[i];

		if (row->life == ITEM_LIVE && str_eq(row->key, key)) {
			*item_out = mem_copy_row(row, arena);
			return true;
		}
	}
	return false;
}

enum err
mem_get_kv_from(const struct tables *tables, const char *ns, struct str name, struct arena *arena, struct str *out)
{
	struct kv key = { .ns = ns, .name = name };
	bool      is_there;
	size_t    row_key = mem_table_find(&tables->kvs, mem_order_kv, &key, &is_there);

	if (!is_there)
		return ERR_NOT_FOUND;
	*out = arena_copy(arena, ((const struct kv *)tables->kvs.rows[row_key])->value);
	return OK;
}

enum err
mem_next_kv_from(const struct tables *tables, const char *ns, struct str after, struct arena *arena,
                 struct str *name_out, struct str *value_out)
{
	struct kv        key = { .ns = ns, .name = after };
	const struct kv *kv;
	bool             is_there;
	size_t           row_key = mem_table_find(&tables->kvs, mem_order_kv, &key, &is_there) + (is_there ? 1 : 0);

	kv = row_key < tables->kvs.len ? tables->kvs.rows[row_key] : NULL;
	if (!kv || strcmp(kv->ns, ns) != 0)
		return ERR_NOT_FOUND;
	*name_out = arena_copy(arena, kv->name);
	*value_out = arena_copy(arena, kv->value);
	return OK;
}
