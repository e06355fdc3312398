/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_scope.h"

#include "follow/follow.h"
#include "resource/family.h"

#define NAMES_MAX     100000u
#define NAMES_SHOWN   200 /* bytes, and one name more */
#define ONE_ARENA_MAX ((size_t)256 << 10)

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

/* ---- rules ------------------------------------------------------------------------------------ */

/* "driveItems"; for a resource that is not known the noun of the URL. */
static struct str
resource_name(struct str url)
{
	const struct resource *resource = family_of_url(url);

	return resource == &resource_generic ? scope_name_of_url(url) : str_from_c(resource->collection);
}

struct str
follow_scope_rule(const struct resource *resource, struct arena *arena)
{
	struct str rule = STR("id");

	for (const char *const *member = resource->identity; resource->identity[1] && *member; member++)
		rule = arena_printf(arena, "%.*s%s%s", STR_ARG(member == resource->identity ? STR_EMPTY : rule),
		                    member == resource->identity ? "" : "+", *member);
	if (resource->removal == REMOVAL_FACET)
		rule = arena_printf(arena, "%.*s facet", STR_ARG(rule));
	if (resource->updates == UPDATES_COMPLETE)
		rule = arena_printf(arena, "%.*s complete", STR_ARG(rule));
	if (resource->relations[0])
		rule = arena_printf(arena, "%.*s relations", STR_ARG(rule));
	return str_eq(rule, STR("id")) ? STR_EMPTY : rule;
}

enum err
follow_scope_keep_rules(const struct follow_scope *wanted, int64_t sid, struct str rule, enum replica_updates updates)
{
	struct str           resource = resource_name(wanted->url);
	struct replica_scope scope;

	TRY(replica_get_scope(wanted->replica, sid, wanted->arena, &scope));
	if (updates != REPLICA_BY_RESOURCE && updates != scope.updates)
		TRY(replica_set_updates(wanted->replica, sid, updates));
	if (str_eq(scope.round_rule, rule) && str_eq(scope.resource, resource))
		return OK;
	if (scope.phase != REPLICA_IDLE && !str_eq(scope.round_rule, rule))
		TRY(replica_drop_round(wanted->replica, sid));
	return replica_set_rule(wanted->replica, sid, rule, resource);
}

bool
follow_link_says_latest(struct str link)
{
	struct str word = STR("token=latest");

	for (; link.len >= word.len; link = str_skip(link, 1))
		if (str_starts_nocase(link, word) && (link.len == word.len || link.at[word.len] == '&'))
			return true;
	return false;
}

bool
follow_scope_lists_nothing(const struct replica_scope *scope, const struct resource *resource)
{
	return scope->from_now || !resource->lists || follow_link_says_latest(scope->url);
}

bool
follow_url_hides_removals(struct str url, const struct resource *resource)
{
	struct str select = STR("select="), rest = url, item, names;

	if (resource->removal != REMOVAL_FACET)
		return false;
	while (rest.len > 0 && !str_starts_nocase(rest, select))
		rest = str_skip(rest, 1);
	if (rest.len == 0)
		return false;
	rest = str_skip(rest, select.len);
	names = str_first(rest, str_find(rest, '&'));
	while (str_take_until(&names, ',', &item))
		if (str_eq_nocase(item, STR("deleted")) || str_eq(item, STR("*")))
			return false;
	return true;
}

/* ---- finding and making ----------------------------------------------------------------------- */

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
	struct replica_scope scope = {
		.name = name, .url = wanted->url, .resource = resource_name(wanted->url), .from_now = wanted->from_now
	};
	struct replica_scope other;
	enum err             err;

	if (name.len == 0)
		TRY(make_up_name(wanted, scope_name_of_url(wanted->url), &scope.name));
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

struct owned { /* the scopes of a URL, by sid; 0: none */
	int64_t    same, unowned, named, last;
	unsigned   count;
	struct str names, named_owner;
};

static enum err
look_at_all(const struct follow_scope *wanted, struct owned *owned_out)
{
	AUTO(arena_close) struct arena *one = arena_open(ONE_ARENA_MAX);
	struct replica_scope            scope;
	struct owned                    owned = { .names = STR_EMPTY };
	enum err                        err;

	for (; (err = replica_find_owned(wanted->replica, wanted->url, owned.count, one, &scope)) == OK;
	     owned.count++) {
		owned.last = scope.sid;
		if (wanted->name.len > 0 && str_eq(wanted->name, scope.name)) {
			owned.named = scope.sid;
			owned.named_owner = arena_copy(wanted->arena, scope.owner);
		}
		if (scope.owner.len == 0)
			owned.unowned = scope.sid;
		else if (follow_owner_is(scope.owner, wanted->owner))
			owned.same = scope.sid;
		if (owned.names.len < NAMES_SHOWN)
			owned.names = arena_printf(wanted->arena, "%.*s%s%.*s", STR_ARG(owned.names),
			                           owned.count > 0 ? ", " : "", STR_ARG(scope.name));
		arena_reset(one);
	}
	*owned_out = owned;
	return err == ERR_NOT_FOUND ? OK : err;
}

/*
 * The scope with the owner's data; else the one whose owner is not known, which he then gets; *sid_out 0: a new one.
 * Without an owner: the one of that name, or the only one.
 */
static enum err
choose(const struct follow_scope *wanted, int64_t *sid_out, char why_out[512])
{
	struct owned owned;

	TRY(look_at_all(wanted, &owned));
	*sid_out = owned.same ? owned.same : owned.unowned;
	if (owned.named && owned.named_owner.len > 0 && wanted->owner.len > 0 && owned.named != owned.same) {
		str_printf(why_out, 512,
		           "the scope \"%.*s\" holds the data of %.*s, and the credential is that of %.*s",
		           STR_ARG(wanted->name), STR_ARG(owned.named_owner), STR_ARG(wanted->owner));
		return ERR_NOT_ALLOWED;
	}
	if (wanted->owner.len > 0 || owned.count == 0)
		return OK;
	*sid_out = owned.named ? owned.named : owned.last;
	if (owned.count == 1 || owned.named)
		return OK;
	str_printf(why_out, 512, FOLLOW_SEVERAL_OWNERS, STR_ARG(owned.names));
	return ERR_CONFLICT;
}

enum err
follow_scope_find(const struct follow_scope *wanted, int64_t *sid_out, char why_out[512])
{
	struct replica_scope scope;

	TRY(choose(wanted, sid_out, why_out));
	if (*sid_out == 0)
		return make(wanted, wanted->name, sid_out, why_out);
	TRY(replica_get_scope(wanted->replica, *sid_out, wanted->arena, &scope));
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
