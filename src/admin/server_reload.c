/* SPDX-License-Identifier: Apache-2.0 */

#include "admin/server.h"

#define RELOAD_ARENA_MAX ((size_t)16 << 20)
#define TEXT_MAX         512

/* What a running server can change; a server that began with `tls = off` has no certificate. */
static bool
is_changeable(const struct server *server, enum conf_id id)
{
	if (id == CONF_TLS_CERT || id == CONF_TLS_KEY || id == CONF_TLS_NAME)
		return server->tls.cert != NULL;
	return id == CONF_LOG_LEVEL || id == CONF_AUDIT;
}

static bool
has_same_parts(const struct conf_part *a, const struct conf_part *b, size_t keys)
{
	for (; a && b; a = a->next, b = b->next) {
		if (!str_eq(a->name, b->name))
			return false;
		for (size_t i = 0; i < keys; i++)
			if (!str_eq(a->values[i], b->values[i]))
				return false;
	}
	return !a && !b;
}

static void
add_name(char names[TEXT_MAX], const char *name)
{
	size_t len = strlen(names);

	str_printf(names + len, TEXT_MAX - len, "%s%s", len ? ", " : "", name);
}

static void
name_the_rest(const struct server *server, const struct conf *conf)
{
	const struct conf  *old = &server->run->conf;
	const enum conf_id *ids = server->run->cmd->settings;
	char                names[TEXT_MAX] = "";

	for (; *ids != CONF_COUNT; ids++)
		if (!is_changeable(server, *ids) && !str_eq(conf_get(old, *ids), conf_get(conf, *ids)))
			add_name(names, conf_setting(*ids)->name);
	if (!has_same_parts(old->issuers, conf->issuers, CONF_ISSUER_KEYS))
		add_name(names, "[issuer]");
	if (!has_same_parts(old->serves, conf->serves, CONF_SERVE_KEYS))
		add_name(names, "[serve]");
	for (int i = 0; i < CONF_RECORDINGS_KEYS; i++)
		if (conf_is_on(&old->recordings, i) != conf_is_on(&conf->recordings, i)) {
			add_name(names, "[recordings]");
			break;
		}
	if (names[0])
		console_say("SIGHUP: %s: the new value needs a restart; the old one stays", names);
}

static const struct conf_part *
part_named(const struct conf_part *part, struct str name)
{
	while (part && !str_eq(part->name, name))
		part = part->next;
	return part;
}

static struct str
value_of(const struct conf_part *part, int key)
{
	return part ? part->values[key] : STR_EMPTY;
}

/* The followers take them, but where and from which folder the scope is served is decided at the start. */
static void
name_scope_keys(const struct conf *old, const struct conf *conf, struct str name)
{
	static const int        keys[] = { CONF_SCOPE_URL, CONF_SCOPE_CONTENT };
	const struct conf_part *before = part_named(old->scopes, name), *now = part_named(conf->scopes, name);
	char                    names[TEXT_MAX] = "";

	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (!str_eq(value_of(before, keys[i]), value_of(now, keys[i])))
			add_name(names, conf_scope_keys[keys[i]].name);
	if (names[0])
		console_say("SIGHUP: %s of [scope \"%.*s\"]: what is served of it needs a restart for the new value",
		            names, STR_ARG(name));
}

static void
name_served_scopes(const struct conf *old, const struct conf *conf)
{
	struct str names = conf_get(old, CONF_SERVE_SCOPE), name;

	for (const struct conf_part *part = old->serves; part; part = part->next)
		name_scope_keys(old, conf, part->name);
	while (str_take_until(&names, ' ', &name))
		if (!part_named(old->serves, name))
			name_scope_keys(old, conf, name);
}

/* A setting that cannot change keeps its value, so that the certificate fits the server that runs. */
static void
keep_the_rest(const struct server *server, struct conf *conf)
{
	for (int id = 0; id < CONF_COUNT; id++)
		if (!is_changeable(server, (enum conf_id)id))
			conf->values[id] = server->run->conf.values[id];
}

/* False: the message has been printed. */
static bool
renew_certificate(struct server *server, const struct conf *conf, struct arena *arena)
{
	struct tls_files files;
	char             why[256] = "";

	if (!server->tls.cert)
		return true;
	if (server_tls_files(server, conf, arena, &files) == EXIT_DONE &&
	    http_renew_tls(server->http, files.cert, files.key, why) == OK)
		return true;
	console_say("SIGHUP: %s%sthe old certificate stays", why, why[0] ? "; " : "");
	return false;
}

void
server_reload(struct server *server)
{
	AUTO(arena_close) struct arena *arena = arena_open(RELOAD_ARENA_MAX);
	struct conf                     conf;
	struct str                      why = STR_EMPTY;

	if (conf_read(&server->run->source, arena, &conf, &why) != EXIT_DONE) {
		console_say("SIGHUP: %.*s; the old configuration and certificate stay", STR_ARG(why));
		return;
	}
	name_the_rest(server, &conf);
	name_served_scopes(&server->run->conf, &conf);
	keep_the_rest(server, &conf);
	server_set_logs(server, &conf);
	if (renew_certificate(server, &conf, arena))
		console_say("SIGHUP: the configuration and the certificate have been read again");
}
