/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, reading, and the store as a whole. */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/store_backend.h"
#include "store/store_followed.h"

#define MEMORY_FILE "store.db"

struct store_scan {
	struct store     *store;
	void             *inner;
	enum err          err;
	bool              ended;
	struct feed_state state;
};

/* ---- opening -------------------------------------------------------------------------------- */

/* The message has only the scheme: the rest may hold a password. */
enum err
store_parse_url(struct str url, const struct store_backend **backend_out, struct str *path_out, char why_out[512])
{
	static const struct store_backend *const engines[] = { &store_sqlite, &store_pg };
	size_t                                   colon = str_find(url, ':');
	struct str                               scheme = str_first(url, colon);

	if (str_eq(scheme, STR("postgres")))
		scheme = STR("postgresql");
	for (size_t i = 0; colon < url.len && i < COUNT_OF(engines); i++)
		if (store_is_in_memory(url) || str_eq(scheme, str_from_c(engines[i]->scheme))) {
			*backend_out = engines[i];
			*path_out = str_skip(url, colon + 1);
			return OK;
		}
	str_printf(why_out, 512,
	           "the store URL '%.*s' is not understood; known are sqlite:PATH, postgresql://… and memory:",
	           STR_ARG(str_cut(scheme, 200)));
	return ERR_BAD_REQUEST;
}

bool
store_url_is_shared(struct str url)
{
	const struct store_backend *backend;
	struct str                  path;
	char                        why[512];

	return store_parse_url(url, &backend, &path, why) == OK && !backend->is_moved;
}

enum err
store_open_on(const struct store_backend *backend, const struct store_conf *conf, struct str path,
              struct store **store_out, char why_out[512])
{
	struct store *store = handle_new(sizeof(*store));
	enum err      err;

	MUST(conf->clock && conf->entropy);
	why_out[0] = '\0';
	store->backend = backend;
	store->access = conf->access;
	err = backend->open(conf, path, &store->engine, why_out);
	if (err != OK) {
		free(store);
		return err;
	}
	*store_out = store;
	return OK;
}

/* A throw-away file in a folder of its own. It begins empty, so a reader finds an empty store. */
static enum err
open_in_memory(const struct store_backend *backend, const struct store_conf *conf, struct store **store_out,
               char why_out[512])
{
	struct store_conf  scratch = *conf;
	struct scratch_dir dir;
	char               path[sizeof(dir.path) + 16];
	int                len;
	enum err           err;

	TRY(scratch_dir_open(SCRATCH_IN_MEMORY, &dir, why_out));
	len = snprintf(path, sizeof(path), "%s/" MEMORY_FILE, dir.path);
	scratch.access = STORE_SERVE;
	scratch.create = scratch.scratch = true;
	err = store_open_on(backend, &scratch, str_of(path, (size_t)len), store_out, why_out);
	if (err != OK) {
		scratch_dir_close(&dir);
		return err;
	}
	(*store_out)->access = conf->access;
	(*store_out)->dir = dir;
	return OK;
}

enum err
store_open(const struct store_conf *conf, struct store **store_out, char why_out[512])
{
	const struct store_backend *backend;
	struct str                  path;

	TRY(store_parse_url(conf->url, &backend, &path, why_out));
	if (store_is_in_memory(conf->url))
		return open_in_memory(backend, conf, store_out, why_out);
	return store_open_on(backend, conf, path, store_out, why_out);
}

void
store_close(struct store **store)
{
	if (!*store)
		return;
	MUST(atomic_load(&(*store)->in_use) == 0);
	(*store)->backend->close((*store)->engine);
	scratch_dir_close(&(*store)->dir);
	free(*store);
	*store = NULL;
}

enum err
store_url_path(struct str url, struct arena *arena, const char **path_out)
{
	const struct store_backend *backend;
	struct str                  path;
	char                        why[512];

	TRY(store_parse_url(url, &backend, &path, why));
	if (!store_is_in_memory(url) && (path.len == 0 || memchr(path.at, '\0', path.len)))
		return ERR_BAD_REQUEST;
	if (!backend->is_moved)
		path = STR_EMPTY;
	*path_out = arena_c(arena, path);
	return OK;
}

struct str
store_memory_url(const struct store *store, struct arena *arena)
{
	if (!store->dir.path[0])
		return STR_EMPTY;
	return arena_printf(arena, "sqlite:%s/" MEMORY_FILE, store->dir.path);
}

struct guid
store_id(const struct store *store)
{
	return store->backend->id(store->engine);
}

uint32_t
store_epoch(const struct store *store)
{
	return store->backend->epoch(store->engine);
}

uint64_t
store_kv_generation(const struct store *store)
{
	return store->backend->kv_generation(store->engine);
}

bool
store_is_moved(const struct store *store)
{
	return store->backend->is_moved && store->backend->is_moved(store->engine);
}

void
store_watch(struct store *store, store_changed_fn *changed, void *ctx)
{
	if (store->backend->watch)
		store->backend->watch(store->engine, changed, ctx);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct store_scan *
store_scan_open(struct store *store, const struct store_feed *feed, const struct store_range *range,
                struct arena *arena)
{
	struct store_scan *scan = handle_new(sizeof(*scan));

	scan->store = store;
	atomic_fetch_add(&store->in_use, 1);
	scan->err = store->backend->reads->scan_open(store->engine, feed, range, arena, &scan->inner, &scan->state);
	return scan;
}

const struct feed_state *
store_scan_state(const struct store_scan *scan)
{
	return &scan->state;
}

bool
store_scan_failed(const struct store_scan *scan)
{
	return scan->err != OK;
}

bool
store_scan_next(struct store_scan *scan, struct item *item_out)
{
	enum err err;

	if (scan->err != OK || scan->ended)
		return false;
	err = scan->store->backend->reads->scan_next(scan->inner, item_out);
	if (err == OK)
		return true;
	scan->ended = true;
	if (err != ERR_NOT_FOUND)
		scan->err = err;
	return false;
}

enum err
store_scan_close(struct store_scan **scan)
{
	struct store_scan *closing = *scan;
	enum err           err;

	if (!closing)
		return OK;
	*scan = NULL;
	err = closing->err;
	if (closing->inner)
		closing->store->backend->reads->scan_close(closing->inner);
	atomic_fetch_sub(&closing->store->in_use, 1);
	free(closing);
	return err;
}

void
store_scan_abort(struct store_scan **scan)
{
	enum err ignored = store_scan_close(scan);

	(void)ignored;
}

enum err
store_get(struct store *store, const struct store_feed *feed, struct str id, struct arena *arena, struct item *item_out)
{
	if (!store_names_item(id))
		return ERR_NOT_FOUND;
	return store->backend->reads->get(store->engine, feed, id, arena, item_out);
}

enum err
store_get_default(struct store *store, const struct store_feed *feed, struct arena *arena, struct item *item_out)
{
	return store->backend->reads->get_default(store->engine, feed, arena, item_out);
}

enum err
store_seq_at(struct store *store, const struct store_feed *feed, int64_t moment_ms, struct feed_state *state_out,
             uint64_t *seq_out)
{
	return store->backend->reads->seq_at(store->engine, feed, moment_ms, state_out, seq_out);
}

enum err
store_get_kv(struct store *store, const char *ns, struct str name, struct arena *arena, struct str *value_out)
{
	if (!store_names_kv(ns, name))
		return ERR_NOT_FOUND;
	return store->backend->reads->get_kv(store->engine, ns, name, arena, value_out);
}

enum err
store_next_kv(struct store *store, const char *ns, struct str after, struct arena *arena, struct str *name_out,
              struct str *value_out)
{
	MUST(ns && ns[0]);
	return store->backend->reads->next_kv(store->engine, ns, after, arena, name_out, value_out);
}

enum err
store_next_feed(struct store *store, const struct store_feed *after, struct store_feed *feed_out,
                struct feed_state *state_out)
{
	return store->backend->reads->next_feed(store->engine, after, feed_out, state_out);
}

/* ---- followed feeds: not every engine has them -------------------------------------------------- */

enum err
store_get_followed(struct store *store, struct str name, struct arena *arena, struct store_followed *out)
{
	const struct store_reads *reads = store->backend->reads;

	return reads->get_followed ? reads->get_followed(store->engine, name, arena, out) : ERR_NOT_FOUND;
}

enum err
store_next_followed(struct store *store, const struct store_feed *after, struct store_feed *feed_out,
                    struct feed_state *state_out)
{
	const struct store_reads *reads = store->backend->reads;
	struct store_feed         from = { .collection = STORE_FOLLOWED };

	if (after->collection == STORE_FOLLOWED)
		from = *after;
	return reads->next_followed ? reads->next_followed(store->engine, &from, feed_out, state_out) : ERR_NOT_FOUND;
}

enum err
store_next_member(struct store *store, const struct store_feed *feed, struct str id, const struct store_member *after,
                  struct arena *arena, struct store_member *out)
{
	const struct store_reads *reads = store->backend->reads;

	return reads->next_member && store_names_item(id)
	               ? reads->next_member(store->engine, feed, id, after, arena, out)
	               : ERR_NOT_FOUND;
}

enum err
store_get_content_file(struct store *store, const struct store_feed *feed, struct str id, struct arena *arena,
                       struct str *file_out)
{
	const struct store_reads *reads = store->backend->reads;

	return reads->get_content_file && store_names_item(id)
	               ? reads->get_content_file(store->engine, feed, id, arena, file_out)
	               : ERR_NOT_FOUND;
}

/* ---- the store as a whole ------------------------------------------------------------------- */

enum err
store_get_info(struct store *store, struct store_info *info_out)
{
	TRY(store->backend->info(store->engine, info_out));
	info_out->engine = str_from_c(store->dir.path[0] ? "memory" : store->backend->scheme);
	return OK;
}

enum err
store_check(struct store *store, store_fault_fn *found, void *ctx)
{
	return store->backend->check(store->engine, found, ctx);
}

enum err
store_backup(struct store *store, const char *path, char why_out[512])
{
	why_out[0] = '\0';
	if (store->dir.path[0]) {
		str_printf(why_out, 512, "a memory: store cannot be backed up; it has no file");
		return ERR_FOREIGN;
	}
	return store->backend->backup(store->engine, path, why_out);
}

enum err
store_restore(const struct store_conf *conf, const char *path, char why_out[512])
{
	const struct store_backend *backend;
	struct str                  store_path;

	why_out[0] = '\0';
	TRY(store_parse_url(conf->url, &backend, &store_path, why_out));
	if (store_is_in_memory(conf->url)) {
		str_printf(why_out, 512, "a memory: store cannot be restored; it has no file");
		return ERR_FOREIGN;
	}
	return backend->restore(conf, store_path, path, why_out);
}

struct str
store_why(struct store *store, struct arena *arena)
{
	return store->backend->why(store->engine, arena);
}
