/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include "fetch/fetch_link.h"
#include "resource/family.h"
#include "store/replica.h"
#include "store/store_followed.h"
#include "text/uri.h"

#define PAIRS_ARENA_MAX ((size_t)64 << 20)

struct reading {
	struct server       *server;
	struct graph_served *at;
	struct str          *from, *paths; /* where each stands in the configuration, and among the URLs */
	size_t               count;
};

static const struct conf_part *
part_named(const struct conf_part *part, struct str name)
{
	while (part && !str_eq(part->name, name))
		part = part->next;
	return part;
}

/* The URL of the section that follows it; without one that of the store. */
static enum err
read_one(struct reading *reading, struct str name, const struct conf_part *serve, struct graph_served *out)
{
	struct cmd_run         *run = reading->server->run;
	const struct conf_part *scope = part_named(run->conf.scopes, name);
	struct store_followed   followed;
	enum err                err;

	*out = (struct graph_served){ .name = name };
	if (serve) {
		out->permissions = serve->values[CONF_SERVE_PERMISSIONS];
		out->owner = serve->values[CONF_SERVE_OWNER];
		out->content = serve->values[CONF_SERVE_CONTENT];
	}
	if (scope) {
		out->is_many = scope->has[CONF_SCOPE_FOR_EACH];
		/* As the follower asks for it, and keeps it. */
		out->url = fetch_link_encode(scope->values[CONF_SCOPE_URL], out->is_many ? "{}" : "", run->arena);
		if (out->content.len == 0)
			out->content = scope->values[CONF_SCOPE_CONTENT];
		return OK;
	}
	err = store_get_followed(reading->server->store, name, run->arena, &followed);
	if (err == ERR_NOT_FOUND)
		console_say("warning: no section and nothing in the store follows a scope \"%.*s\": until something "
		            "does, it is answered with 503",
		            STR_ARG(name));
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	out->url = followed.url;
	out->resource = followed.resource;
	return OK;
}

static enum err
add(struct reading *reading, struct str name, const struct conf_part *serve, struct str from)
{
	struct uri_parts parts;

	for (size_t i = 0; i < reading->count; i++)
		if (str_eq(reading->at[i].name, name))
			return OK;
	reading->from[reading->count] = from;
	TRY(read_one(reading, name, serve, &reading->at[reading->count]));
	if (uri_split(reading->at[reading->count].url, &parts))
		reading->paths[reading->count] = parts.path;
	reading->count++;
	return OK;
}

static enum err
read_all(struct reading *reading)
{
	const struct conf *conf = &reading->server->run->conf;
	struct str         names = conf_get(conf, CONF_SERVE_SCOPE), name;
	size_t             max = 1;

	for (const struct conf_part *part = conf->serves; part; part = part->next)
		max++;
	for (size_t i = 0; i < names.len; i++)
		max += names.at[i] == ' ';
	reading->at = arena_take(reading->server->run->arena, max * sizeof(*reading->at));
	reading->from = arena_take(reading->server->run->arena, max * sizeof(*reading->from));
	reading->paths = arena_take(reading->server->run->arena, max * sizeof(*reading->paths));
	for (const struct conf_part *part = conf->serves; part; part = part->next)
		TRY(add(reading, part->name, part, part->from));
	while (str_take_until(&names, ' ', &name))
		if (name.len > 0)
			TRY(add(reading, name, NULL, conf->values[CONF_SERVE_SCOPE].from));
	return OK;
}

/* ---- who stands where ---------------------------------------------------------------------------------------- */

static int
check_name(const struct reading *reading, size_t at)
{
	if (scope_name_is_good(reading->at[at].name))
		return EXIT_DONE;
	return console_fail(EXIT_CONFIG, "\"%.*s\" (%.*s) cannot be served: " SCOPE_NAME_RULE,
	                    STR_ARG(str_cut(reading->at[at].name, 100)), STR_ARG(reading->from[at]), REPLICA_NAME_MAX);
}

/* "TENANT/ID" or "ID" */
static int
check_owner(const struct reading *reading, size_t at)
{
	struct str  owner = reading->at[at].owner;
	size_t      slash = str_find(owner, '/');
	struct guid id;

	if (owner.len > 0 && reading->at[at].is_many)
		return console_fail(
			EXIT_CONFIG,
			"[serve \"%.*s\"] (%.*s): owner is for one scope, and for-each makes many; each has "
			"the owner that its URL names",
			STR_ARG(reading->at[at].name), STR_ARG(reading->from[at]));
	if (owner.len == 0 || (guid_parse(str_first(owner, slash), &id) &&
	                       (slash == owner.len || guid_parse(str_skip(owner, slash + 1), &id))))
		return EXIT_DONE;
	return console_fail(EXIT_CONFIG,
	                    "[serve \"%.*s\"] (%.*s): owner is an object id, or TENANT/ID, both GUIDs; a name such as "
	                    "ann@contoso.com is none",
	                    STR_ARG(reading->at[at].name), STR_ARG(reading->from[at]));
}

static int
check_pairs(const struct reading *reading)
{
	AUTO(arena_close) struct arena *arena = arena_open(PAIRS_ARENA_MAX);
	size_t                          at[2];

	if (!graph_served_clash(reading->at, reading->count, arena, at))
		return EXIT_DONE;
	return console_fail(EXIT_CONFIG,
	                    "the scopes \"%.*s\" (%.*s) and \"%.*s\" (%.*s) would both be served at %.*s; serve one of "
	                    "them",
	                    STR_ARG(reading->at[at[0]].name), STR_ARG(reading->from[at[0]]),
	                    STR_ARG(reading->at[at[1]].name), STR_ARG(reading->from[at[1]]),
	                    STR_ARG(reading->paths[at[0]]));
}

/* The feed that the store itself serves at such a path, if it has one: graph_native_feed(). */
static int
check_native(const struct reading *reading, size_t at)
{
	struct server     *server = reading->server;
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1 };
	struct store_feed  feed;
	struct store_scan *scan;
	struct guid        tenant;
	bool               exists;
	enum err           err = directory_tenant(server->store, server->run->arena, &tenant);

	if (err == OK)
		err = graph_native_feed(server->store, &tenant, reading->paths[at], server->run->arena, &feed);
	if (err != OK)
		return err == ERR_NOT_FOUND ? EXIT_DONE : store_read_code(err);
	scan = store_scan_open(server->store, &feed, &range, server->run->arena);
	exists = store_scan_state(scan)->exists;
	err = store_scan_close(&scan);
	if (err != OK || !exists)
		return err == OK ? EXIT_DONE : store_read_code(err);
	return console_fail(EXIT_CONFIG,
	                    "the scope \"%.*s\" (%.*s) and the store's own feed %.*s would both be served at %.*s",
	                    STR_ARG(reading->at[at].name), STR_ARG(reading->from[at]),
	                    STR_ARG(feed_name(&feed, server->run->arena)), STR_ARG(reading->paths[at]));
}

int
server_served(struct server *server, const struct graph_served **served_out, size_t *count_out)
{
	struct reading reading = { .server = server };
	enum err       err = read_all(&reading);

	if (err != OK)
		return store_read_code(err);
	for (size_t a = 0; a < reading.count; a++)
		TRY_CODE(check_name(&reading, a));
	TRY_CODE(check_pairs(&reading));
	for (size_t a = 0; a < reading.count; a++) {
		TRY_CODE(check_owner(&reading, a));
		TRY_CODE(check_native(&reading, a));
	}
	*served_out = reading.at;
	*count_out = reading.count;
	return EXIT_DONE;
}
