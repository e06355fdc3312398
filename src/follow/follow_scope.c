/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_scope.h"

#include "resource/scope_name.h"

#define NAMES_MAX 100000u

bool
follow_scope_is_new(const struct replica_scope *scope)
{
	return scope->rounds == 0 && scope->round_pages == 0;
}

enum err
follow_scope_forget(struct replica *replica, int64_t sid)
{
	bool done = false;

	while (!done)
		TRY(replica_forget_scope(replica, sid, &done));
	return OK;
}

/* "calendars"; if another URL has that name, "calendars-2", and so on.  The name ends with the next arena_reset(). */
static enum err
make_up_name(const struct follow_scope *wanted, struct str resource, struct str *name_out)
{
	struct replica_scope other;
	struct str           name;
	enum err             err;

	for (unsigned i = 1; i < NAMES_MAX; i++) {
		arena_reset(wanted->arena);
		name = i == 1 ? resource : arena_printf(wanted->arena, "%.*s-%u", STR_ARG(resource), i);
		err = replica_find_scope(wanted->replica, name, wanted->arena, &other);
		if (err != OK && err != ERR_NOT_FOUND)
			return err;
		if (err == ERR_NOT_FOUND || follow_scope_is_new(&other)) {
			*name_out = name;
			return OK;
		}
	}
	return ERR_CONFLICT;
}

static enum err
conflict(const struct follow_scope *wanted, struct str name, char why_out[512])
{
	struct replica_scope other;
	struct str           url = STR_EMPTY;

	if (replica_find_scope(wanted->replica, name, wanted->arena, &other) == OK)
		url = str_cut(other.url, 200);
	str_printf(why_out, 512,
	           "the scope \"%.*s\" follows another URL, %.*s; give this one another name, or see `tidemark "
	           "scope rename` and `tidemark scope forget`",
	           STR_ARG(str_cut(name, 100)), STR_ARG(url));
	return ERR_CONFLICT;
}

static enum err
make(const struct follow_scope *wanted, struct str name, int64_t *sid_out, char why_out[512])
{
	struct replica_scope scope = { .name = name,
		                       .url = wanted->url,
		                       .resource = scope_name_of_url(wanted->url),
		                       .from_now = wanted->from_now };
	struct replica_scope other;
	enum err             err;

	if (name.len == 0)
		TRY(make_up_name(wanted, scope.resource, &scope.name));
	err = replica_find_scope(wanted->replica, scope.name, wanted->arena, &other);
	if (err == OK && follow_scope_is_new(&other))
		TRY(follow_scope_forget(wanted->replica, other.sid));
	else if (err == OK)
		return conflict(wanted, name, why_out);
	else if (err != ERR_NOT_FOUND)
		return err;
	return replica_add_scope(wanted->replica, &scope, sid_out);
}

/* The scope is new: this run's name and from_now count, not those of the run that made it. */
static enum err
change(const struct follow_scope *wanted, const struct replica_scope *scope, int64_t *sid_out, char why_out[512])
{
	struct replica_scope changed = { .url = scope->url, .resource = scope->resource, .from_now = wanted->from_now };
	enum err             err;

	/* Without a round it may be the rest of a scope whose forgetting was interrupted. */
	if (scope->phase == REPLICA_IDLE) {
		TRY(follow_scope_forget(wanted->replica, scope->sid));
		return make(wanted, wanted->name.len > 0 ? wanted->name : scope->name, sid_out, why_out);
	}
	if (changed.from_now != scope->from_now)
		TRY(replica_point_scope(wanted->replica, scope->sid, &changed));
	err = wanted->name.len > 0 ? replica_rename_scope(wanted->replica, scope->sid, wanted->name) : OK;
	return err == ERR_CONFLICT ? conflict(wanted, wanted->name, why_out) : err;
}

enum err
follow_scope_find(const struct follow_scope *wanted, int64_t *sid_out, char why_out[512])
{
	struct replica_scope scope;
	enum err             err = replica_find_url(wanted->replica, wanted->url, wanted->arena, &scope);

	if (err == ERR_NOT_FOUND)
		return make(wanted, wanted->name, sid_out, why_out);
	TRY(err);
	*sid_out = scope.sid;
	if (follow_scope_is_new(&scope))
		return change(wanted, &scope, sid_out, why_out);
	if (wanted->name.len > 0 && !str_eq(wanted->name, scope.name)) {
		str_printf(why_out, 512,
		           "this URL is already followed as the scope \"%.*s\"; `tidemark scope rename` gives "
		           "it another name",
		           STR_ARG(scope.name));
		return ERR_CONFLICT;
	}
	return OK;
}
