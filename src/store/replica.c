/* SPDX-License-Identifier: Apache-2.0 */
/* What is followed: the contract.  The engine of the store does the work (replica_backend.h). */
#include "store/replica_backend.h"

static struct replica_common *
common_of(struct replica *replica)
{
	return (struct replica_common *)replica;
}

static const struct replica_reads *
reads_of(struct replica *replica)
{
	return common_of(replica)->backend->reads;
}

static const struct replica_backend *
writes_of(struct replica *replica)
{
	struct replica_common *common = common_of(replica);

	MUST(common->store->access == STORE_SERVE && !common->is_reading);
	return common->backend;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

static enum err
open_on(struct store *store, bool is_joined, struct replica **replica_out, char why_out[512])
{
	const struct replica_backend   *backend = store->backend->replica;
	AUTO(arena_close) struct arena *arena = arena_open(1024);
	struct replica                 *replica;
	enum err                        err = backend->open(store->engine, store->access, is_joined, &replica);

	*common_of(replica) = (struct replica_common){ .backend = backend, .store = store, .is_joined = is_joined };
	atomic_fetch_add(&store->in_use, 1);
	if (err == OK) {
		*replica_out = replica;
		return OK;
	}
	str_printf(why_out, 512, "%.*s", STR_ARG(replica_why(replica, arena)));
	replica_close(&replica);
	return err;
}

enum err
replica_join(struct store *store, struct replica **replica_out, char why_out[512])
{
	MUST(store->access == STORE_SERVE);
	if (!store->backend->replica) {
		str_printf(why_out, 512, "a store of this kind (%s:) does not keep what is followed",
		           store->backend->scheme);
		return ERR_BAD_REQUEST;
	}
	return open_on(store, true, replica_out, why_out);
}

enum err
replica_open(const struct store_conf *conf, struct replica **replica_out, char why_out[512])
{
	const struct store_backend *backend;
	struct store               *store;
	struct str                  path;

	why_out[0] = '\0';
	TRY(store_parse_url(conf->url, &backend, &path, why_out));
	if (!backend->replica || store_is_in_memory(conf->url)) {
		str_printf(why_out, 512,
		           "what is followed is kept in a file: the store must be sqlite:PATH, not '%.*s:'",
		           STR_ARG(str_cut(str_first(conf->url, str_find(conf->url, ':')), 200)));
		return ERR_BAD_REQUEST;
	}
	TRY(store_open_on(backend, conf, path, &store, why_out));
	return open_on(store, false, replica_out, why_out);
}

void
replica_close(struct replica **replica)
{
	struct replica_common closing;

	if (!*replica)
		return;
	if (common_of(*replica)->in_page)
		replica_give_up_page(*replica);
	replica_end_read(*replica);
	closing = *common_of(*replica);
	closing.backend->close(*replica);
	atomic_fetch_sub(&closing.store->in_use, 1);
	if (!closing.is_joined)
		store_close(&closing.store);
	*replica = NULL;
}

struct str
replica_why(struct replica *replica, struct arena *arena)
{
	return store_why(common_of(replica)->store, arena);
}

/* ---- scopes ------------------------------------------------------------------------------------ */

static enum err
find(struct replica *replica, struct replica_which which, struct arena *arena, struct replica_scope *out)
{
	return common_of(replica)->backend->scopes->find(replica, &which, arena, out);
}

enum err
replica_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out)
{
	MUST(scope->name.len > 0 && scope->name.len <= REPLICA_NAME_MAX && scope->url.len <= REPLICA_LINK_MAX);
	return writes_of(replica)->scopes->add(replica, scope, sid_out);
}

enum err
replica_point_scope(struct replica *replica, int64_t sid, const struct replica_scope *scope)
{
	MUST(scope->url.len <= REPLICA_LINK_MAX);
	return writes_of(replica)->scopes->point(replica, sid, scope);
}

enum err
replica_forget_scope(struct replica *replica, int64_t sid, bool *done_out)
{
	*done_out = false;
	return writes_of(replica)->scopes->forget(replica, sid, done_out);
}

/* clang-format off */
enum err replica_get_scope(struct replica *replica, int64_t sid, struct arena *arena, struct replica_scope *out)
{ return find(replica, (struct replica_which){ .by = REPLICA_BY_SID, .number = sid }, arena, out); }
enum err replica_next_scope(struct replica *replica, int64_t after_sid, struct arena *arena, struct replica_scope *out)
{ return find(replica, (struct replica_which){ .by = REPLICA_AFTER_SID, .number = after_sid }, arena, out); }
enum err replica_find_scope(struct replica *replica, struct str name, struct arena *arena, struct replica_scope *out)
{ return find(replica, (struct replica_which){ .by = REPLICA_BY_NAME, .text = name }, arena, out); }
enum err replica_find_url(struct replica *replica, struct str url, struct arena *arena, struct replica_scope *out)
{ return replica_find_owned(replica, url, 0, arena, out); }
enum err replica_find_owned(struct replica *replica, struct str url, unsigned n, struct arena *arena,
                            struct replica_scope *out)
{ return find(replica, (struct replica_which){ .by = REPLICA_BY_URL, .number = n, .text = url }, arena, out); }
enum err replica_get_asking(struct replica *replica, int64_t sid, struct arena *arena, struct replica_asking *out)
{ return common_of(replica)->backend->scopes->get_asking(replica, sid, arena, out); }
/* clang-format on */

/* ---- what one commit sets ---------------------------------------------------------------------- */

static enum err
set(struct replica *replica, struct replica_value value)
{
	return writes_of(replica)->scopes->set(replica, &value);
}
#define SET(what, whose, ...) set(replica, (struct replica_value){ .set = (what), .of = (whose), __VA_ARGS__ })

enum err
replica_rename_scope(struct replica *replica, int64_t sid, struct str name)
{
	MUST(name.len > 0 && name.len <= REPLICA_NAME_MAX);
	return SET(REPLICA_SET_NAME, sid, .text = name);
}

enum err
replica_set_rule(struct replica *replica, int64_t sid, struct str rule, struct str resource)
{
	MUST(rule.len <= REPLICA_RULE_MAX && resource.len <= REPLICA_NAME_MAX);
	return SET(REPLICA_SET_RULE, sid, .text = rule, .more = resource);
}

enum err
replica_set_owner(struct replica *replica, int64_t sid, struct str owner)
{
	MUST(owner.len <= REPLICA_OWNER_MAX);
	return SET(REPLICA_SET_OWNER, sid, .text = owner);
}

enum err
replica_set_prefer(struct replica *replica, int64_t sid, struct str prefer)
{
	MUST(prefer.len <= REPLICA_PREFER_MAX);
	return SET(REPLICA_SET_PREFER, sid, .text = prefer);
}

/* clang-format off */
enum err replica_set_updates(struct replica *replica, int64_t sid, enum replica_updates updates)
{ return SET(REPLICA_SET_UPDATES, sid, .number = updates); }
enum err replica_note_fault(struct replica *replica, int64_t sid, struct str fault, int64_t at_ms)
{ return SET(REPLICA_SET_FAULT, sid, .text = str_cut(fault, REPLICA_FAULT_MAX), .number = at_ms); }
enum err replica_note_pause(struct replica *replica, int64_t sid, int64_t ms)
{ return SET(REPLICA_ADD_PAUSE, sid, .number = ms); }
enum err replica_set_page_size(struct replica *replica, int64_t sid, uint32_t page_size)
{ return SET(REPLICA_SET_PAGE_SIZE, sid, .number = page_size); }
enum err replica_ack(struct replica *replica, int64_t sid, uint64_t n)
{ return SET(REPLICA_SET_ACKED, sid, .number = (int64_t)n); }
enum err replica_mark_printed(struct replica *replica, int64_t sid, uint64_t n)
{ return SET(REPLICA_SET_PRINTED, sid, .number = (int64_t)n); }
enum err replica_put_content(struct replica *replica, int64_t sid, struct str id, const struct replica_content *content)
{ return SET(REPLICA_SET_CONTENT, sid, .text = id, .number = content->state, .more = content->part); }
enum err replica_retried_dead_letter(struct replica *replica, int64_t lid, struct str reason)
{ return SET(REPLICA_SET_RETRIED, lid, .text = reason); }
enum err replica_drop_dead_letter(struct replica *replica, int64_t lid)
{ return SET(REPLICA_DROP_LETTER, lid, .number = 0); }
/* clang-format on */

/* ---- a round ----------------------------------------------------------------------------------- */

enum err
replica_begin_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link, int64_t at_ms)
{
	MUST(link.len > 0 && link.len <= REPLICA_LINK_MAX);
	return writes_of(replica)->rounds->begin(replica, sid, kind, link, at_ms);
}

enum err
replica_drop_round(struct replica *replica, int64_t sid)
{
	return writes_of(replica)->rounds->drop(replica, sid);
}

void
replica_begin_page(struct replica *replica, int64_t sid)
{
	const struct replica_rounds *rounds = writes_of(replica)->rounds;
	struct replica_common       *common = common_of(replica);

	MUST(!common->in_page);
	common->in_page = true;
	common->page_err = rounds->begin_page(replica, sid);
}

static struct replica_common *
page_of(struct replica *replica)
{
	MUST(common_of(replica)->in_page);
	return common_of(replica);
}
#define PUT(what, ...) \
	do { \
		struct replica_common *page = page_of(replica); \
\
		if (page->page_err == OK) \
			page->page_err = page->backend->rounds->what(replica, __VA_ARGS__); \
	} while (0)

void
replica_put_item(struct replica *replica, struct str id, enum replica_life life, struct str body)
{
	MUST(id.len > 0 && id.len <= STORE_ID_MAX && body.len <= STORE_BODY_MAX);
	PUT(put_item, id, life, body);
}

void
replica_put_shown(struct replica *replica, struct str shown)
{
	MUST(shown.len <= STORE_BODY_MAX);
	PUT(put_shown, shown);
}

void
replica_put_relation(struct replica *replica, struct str id, const struct replica_relation *relation)
{
	MUST(relation->relation.len > 0 && relation->member.len > 0);
	PUT(put_relation, id, relation);
}

void
replica_put_dead_letter(struct replica *replica, struct str id, struct str reason, struct str raw)
{
	MUST(raw.len <= STORE_BODY_MAX);
	PUT(put_dead_letter, id, reason, raw);
}

enum err
replica_end_page(struct replica *replica, struct str link, bool last)
{
	struct replica_common *page = page_of(replica);

	MUST(link.len > 0 && link.len <= REPLICA_LINK_MAX);
	if (page->page_err != OK) {
		replica_give_up_page(replica);
		return page->page_err;
	}
	page->in_page = false;
	return page->backend->rounds->end_page(replica, link, last);
}

void
replica_give_up_page(struct replica *replica)
{
	struct replica_common *page = page_of(replica);

	page->in_page = false;
	page->backend->rounds->undo_page(replica);
}

void
replica_limit_commits(struct replica *replica, uint32_t rows)
{
	MUST(rows > 0);
	common_of(replica)->backend->limit_commits(replica, rows);
}

enum err
replica_settle(struct replica *replica, int64_t sid, const struct replica_merger *merger,
               const struct replica_guard *guard, int64_t at_ms, struct replica_tally *tally_out, bool *done_out)
{
	enum err err;

	*done_out = false;
	*tally_out = (struct replica_tally){ 0 };
	err = writes_of(replica)->settle(replica, sid, merger, guard, at_ms, tally_out, done_out);
	if (err == ERR_NOT_ALLOWED)
		TRY(replica_drop_round(replica, sid));
	return err;
}

enum err
replica_sweep(struct replica *replica, bool *done_out)
{
	*done_out = false;
	return writes_of(replica)->sweep(replica, done_out);
}

enum err
replica_trim(struct replica *replica, const struct replica_keep *keep, bool *done_out)
{
	*done_out = false;
	return writes_of(replica)->trim(replica, keep, done_out);
}

/* ---- reading ----------------------------------------------------------------------------------- */

enum err
replica_begin_read(struct replica *replica)
{
	MUST(!common_of(replica)->is_reading);
	TRY(reads_of(replica)->begin(replica));
	common_of(replica)->is_reading = true;
	return OK;
}

void
replica_end_read(struct replica *replica)
{
	reads_of(replica)->end(replica, common_of(replica)->is_reading);
	common_of(replica)->is_reading = false;
}

/* A caller may read on from what was returned last, whose views end. */
static struct str
keep(struct str text, char *kept, size_t max)
{
	MUST(text.len <= max);
	if (text.len > 0)
		memcpy(kept, text.at, text.len);
	return str_of(kept, text.len);
}

enum err
replica_next_member(struct replica *replica, int64_t sid, const struct replica_member *after,
                    struct replica_member *out)
{
	char                        id[STORE_ID_MAX], relation[REPLICA_NAME_MAX], member[STORE_ID_MAX];
	const struct replica_member kept = { .id = keep(after->id, id, sizeof(id)),
		                             .relation = keep(after->relation, relation, sizeof(relation)),
		                             .member = keep(after->member, member, sizeof(member)) };

	return reads_of(replica)->next_member(replica, sid, &kept, out);
}

enum err
replica_next_moved(struct replica *replica, uint64_t n, const struct replica_moved *after, struct replica_moved *out)
{
	char                       relation[REPLICA_NAME_MAX], member[STORE_ID_MAX];
	const struct replica_moved kept = { .relation = keep(after->relation, relation, sizeof(relation)),
		                            .member = keep(after->member, member, sizeof(member)),
		                            .is_removed = after->is_removed };

	return reads_of(replica)->next_moved(replica, n, &kept, out);
}

enum err
replica_next_item(struct replica *replica, int64_t sid, struct str after_id, struct str *id_out, struct str *body_out)
{
	char id[STORE_ID_MAX];

	return reads_of(replica)->next_item(replica, sid, keep(after_id, id, sizeof(id)), id_out, body_out);
}

/* clang-format off */
enum err replica_head(struct replica *replica, uint64_t *n_out)
{ return reads_of(replica)->head(replica, n_out); }
enum err replica_next_change(struct replica *replica, int64_t sid, uint64_t after_n, struct replica_change *out)
{ return reads_of(replica)->next_change(replica, sid, after_n, out); }
enum err replica_find_lost(struct replica *replica, int64_t sid, uint64_t after_n, enum replica_marks marks,
                           struct replica_lost *out)
{ return reads_of(replica)->find_lost(replica, sid, after_n, marks, out); }
enum err replica_has_item(struct replica *replica, int64_t sid, struct str id, bool *has_out)
{ return reads_of(replica)->has_item(replica, sid, id, has_out); }
enum err replica_next_dead_letter(struct replica *replica, int64_t sid, int64_t after_lid, struct arena *arena,
                                  struct replica_dead_letter *out)
{ return reads_of(replica)->next_dead_letter(replica, sid, after_lid, arena, out); }
enum err replica_get_content(struct replica *replica, int64_t sid, struct str id, struct arena *arena,
                             struct replica_content *out)
{ return reads_of(replica)->get_content(replica, sid, id, arena, out); }
/* clang-format on */
