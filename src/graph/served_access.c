/* SPDX-License-Identifier: Apache-2.0 */
/* served_access — who may read a served scope, and whether it is there. */
#include "auth/grant.h"
#include "graph/call.h"
#include "graph/steps.h"
#include "resource/family.h"

#define AGAIN_S "10"

/* ---- rights ------------------------------------------------------------------------------------------------- */

/* "TENANT/ID" or "ID", else whom the URL names.  A scope without a tenant belongs to the store's own. */
static enum err
find_owner(struct call *call)
{
	const struct served *served = call->route.served;
	struct str           text = served->owner.len ? served->owner : call->followed.owner;
	size_t               slash = str_find(text, '/');
	struct str           id = slash < text.len ? str_skip(text, slash + 1) : text;
	struct guid         *tenant = &call->owner.tenant;
	struct user          user;
	enum err             err;

	if (text.len == 0)
		id = served_owner_of(served, call->route.value, call->followed.url, call->arena);
	if (slash >= text.len || !guid_parse(str_first(text, slash), tenant))
		*tenant = call->graph->tenant;
	call->owner.id = (struct guid){ { 0 } };
	/* The follower finds whose /me it is; until there is a round there is nothing to read. */
	if (served->is_me && text.len == 0 && call->followed.rounds == 0)
		call->owner.id = call->caller.oid;
	else if (!guid_parse(id, &call->owner.id)) {
		err = directory_find_user(call->graph->parts.store, tenant, id, call->arena, &user);
		if (err != OK)
			return err == ERR_NOT_FOUND ? OK : err;
		call->owner.id = user.id;
	}
	return OK;
}

static enum err
refuse(struct call *call)
{
	const struct served *served = call->route.served;

	if (served->row.calls)
		return call_refuse_f(call, GRAPH_NOT_ALLOWED,
		                     "Access is denied. The followed scope '%.*s' is open to its owner and to "
		                     "applications, with the permission for it, and by `tidemark scope grant`.",
		                     STR_ARG(str_cut(call->route.scope, 128)));
	return call_refuse_f(call, GRAPH_NOT_ALLOWED,
	                     "Access is denied. No rule says who may read the followed scope '%.*s': `tidemark scope "
	                     "grant` opens it, or permissions in its [serve] section.",
	                     STR_ARG(str_cut(call->route.scope, 128)));
}

static bool
is_awaited(const struct call *call)
{
	const struct graph_rounds *rounds = call->graph->rounds;

	return rounds && rounds->awaits(rounds->ctx, call->route.scope);
}

/*
 * A scope of a user has in its name what the URL has: the user's id, or the UPN as the directory spells it.  A path may
 * have the other one, an id in capitals, or a UPN in any letter case.
 */
static enum err
find_scope(struct call *call)
{
	const struct served *served = call->route.served;
	struct store        *store = call->graph->parts.store;
	struct str          *scope = &call->route.scope, best = *scope;
	enum err             err = store_get_followed(store, *scope, call->arena, &call->followed);
	struct user          user = { .upn = STR_EMPTY };
	struct guid_str      id;
	enum err             found;

	if (err != ERR_NOT_FOUND || !served->value_is_user)
		return err;
	found = directory_find_user(store, &call->graph->tenant, call->route.value, call->arena, &user);
	if (found != OK && (found != ERR_NOT_FOUND || !guid_parse(call->route.value, &user.id)))
		return found;
	id = guid_str(&user.id);
	for (int i = 0; i < 2 && err == ERR_NOT_FOUND; i++) {
		*scope = scope_name_of_value(served->name, i == 0 ? str_from_c(id.c) : user.upn, call->arena);
		err = store_get_followed(store, *scope, call->arena, &call->followed);
		if (err == ERR_NOT_FOUND && is_awaited(call))
			best = *scope;
	}
	if (err == ERR_NOT_FOUND)
		*scope = best;
	return err;
}

static enum err
check_rights(struct call *call)
{
	const struct served *served = call->route.served;
	struct store        *store = call->graph->parts.store;
	struct guid_str      oid = guid_str(&call->caller.oid);
	enum err             err = find_scope(call);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	call->feed = call->followed.feed;
	TRY(find_owner(call));
	if (!guid_eq(&call->owner.tenant, &call->caller.tenant))
		return call_refuse(call, GRAPH_NO_ITEM, STR("There is no such feed."));
	/* Nothing is known of it, and there is nothing to read: served_check() says so. */
	if (err == ERR_NOT_FOUND && served->url.len == 0 && !served->row.calls)
		return OK;
	if (served->row.calls && caller_may_by(&call->caller, &served->row, &call->owner.id) == OK)
		return OK;
	/* A grant to a client is one to the application, and not to every person who signs in with it. */
	err = grant_check(store, call->route.scope, str_from_c(oid.c),
	                  call->caller.is_app ? call->caller.app : STR_EMPTY, call->arena);
	return err == ERR_NOT_ALLOWED ? refuse(call) : err;
}

static enum err
refuse_write(struct call *call)
{
	if (call->resp)
		http_resp_field(call->resp, "Allow", STR("GET, HEAD"));
	return call_refuse(call, GRAPH_METHOD,
	                   STR("This feed is read-only: it is followed from its source, where changes are made."));
}

enum err
served_authorise(struct call *call)
{
	TRY(check_rights(call));
	return call_reads(call) ? OK : refuse_write(call);
}

/* ---- in the place of a feed of the store itself ------------------------------------------------------------- */

static bool
is_of_items(const struct route *route)
{
	return (route->kind == ROUTE_DELTA || route->kind == ROUTE_COLLECTION || route->kind == ROUTE_ITEM) &&
	       route->group.len == 0;
}

static bool
find_replacement(struct call *call, const struct guid *owner, struct served_path *path_out)
{
	const struct route *route = &call->route;
	struct guid_str     id = guid_str(owner);
	const struct str    segments[] = { route->beta ? STR("beta") : STR("v1.0"), STR("users"), str_from_c(id.c),
		                        str_from_c(route->resource->collection) };

	/* Not when it is a relation of the users that are served, or of anything that a word may name. */
	return served_find(&call->graph->served, segments, COUNT_OF(segments), call->arena, path_out) &&
	       path_out->id.len == 0 && path_out->served->resource.number == route->resource->number;
}

enum err
served_replace(struct call *call, const struct guid *owner, bool *yes_out)
{
	struct route      *route = &call->route;
	struct str         collection = str_from_c(route->resource->collection);
	struct served_path path;

	*yes_out = call->graph->served.count > 0 && find_replacement(call, owner, &path);
	if (!*yes_out)
		return OK;
	if (!is_of_items(route))
		return call_refuse_f(call, GRAPH_UNKNOWN_SEGMENT,
		                     "The %.*s of this user are followed from their source; here they are served at "
		                     "/users/ID/%.*s alone.",
		                     STR_ARG(collection), STR_ARG(collection));
	route->served = path.served;
	route->scope = path.scope;
	route->value = path.value;
	route->resource = &path.served->resource;
	return OK;
}

/* ---- is it there? ------------------------------------------------------------------------------------------- */

static bool
has_state(const struct call *call)
{
	return call->query.given[OPTION_TOKEN] || http_req_field(call->req, "Last-Event-ID").len > 0 ||
	       call->req->work->wait.kept.len > 0;
}

/*
 * A path of one of many names any value.  One that no follower of this server is about to follow is as unknown as a
 * user that is not there.
 */
static bool
is_nobodys(const struct call *call)
{
	return call->route.served->is_many && !is_awaited(call);
}

enum err
served_check(struct call *call)
{
	const struct route *route = &call->route;
	struct str          name = str_cut(route->scope, 128);
	bool                there = call->followed.name.len > 0;
	bool moved = there && !served_is_at(route->served, route->scope, call->followed.url, call->arena);

	if (there && !moved && call->followed.rounds > 0)
		return OK;
	if (has_state(call))
		return call_refuse_f(call, GRAPH_GONE, "The sync state is gone: the followed scope '%.*s' %s.",
		                     STR_ARG(name),
		                     !there  ? "was renamed or forgotten"
		                     : moved ? "has another URL now"
		                             : "was forgotten and is followed anew");
	if (!there && is_nobodys(call))
		return call_refuse(call, GRAPH_UNKNOWN_USER, STR_EMPTY);
	http_resp_field(call->resp, "Retry-After", STR(AGAIN_S));
	call->by_server = true;
	return call_refuse_f(call, GRAPH_BUSY, "The followed scope '%.*s' has no whole round yet.", STR_ARG(name));
}

enum err
served_feed_state(const struct call *call, uint32_t epoch, struct feed_state *state_out)
{
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = epoch, .limit = 1 };
	struct store_scan *scan = store_scan_open(call->graph->parts.store, &call->feed, &range, call->arena);

	*state_out = *store_scan_state(scan);
	return store_scan_close(&scan);
}

enum err
served_refuse_gone(struct call *call, const struct guid *generation)
{
	struct feed_state state;

	TRY(served_feed_state(call, 0, &state));
	return guid_eq(generation, &state.generation)
	               ? ERR_GONE
	               : call_refuse_f(call, GRAPH_GONE,
	                               "The sync state is gone: the followed scope '%.*s' was forgotten, renamed or "
	                               "given another URL since.",
	                               STR_ARG(str_cut(call->route.scope, 128)));
}
