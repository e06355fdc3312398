/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused here would make libpq take a part of a password for a host or a port, and name it in a message: an
 * '@' in a password, or a password without a host behind it.
 */
#include "cli/store_url.h"

#define HIDDEN "***"

struct parts {
	struct str scheme, user, hosts, path, query; /* user: with the password, without the '@' */
};

bool
store_url_is_postgresql(struct str url)
{
	return str_starts(url, STR("postgresql:")) || str_starts(url, STR("postgres:"));
}

static struct parts
split(struct str url)
{
	struct parts parts = { .scheme = str_first(url, str_find(url, ':') + 3) };
	struct str   rest = str_skip(url, parts.scheme.len), authority;

	authority = str_first(rest, str_find_any(rest, STR("/?")));
	rest = str_skip(rest, authority.len);
	parts.path = str_first(rest, str_find(rest, '?'));
	parts.query = str_skip(rest, parts.path.len + 1);
	if (str_find(authority, '@') < authority.len)
		(void)str_take_until(&authority, '@', &parts.user);
	parts.hosts = authority;
	return parts;
}

static bool
has_ports(struct str hosts)
{
	struct str host;

	while (str_take_until(&hosts, ',', &host)) {
		if (str_starts(host, STR("[")))
			host = str_skip(host, str_find(host, ']'));
		host = str_skip(host, str_find(host, ':') + 1);
		if (str_span(host, STR("0123456789")) != host.len)
			return false;
	}
	return true;
}

const char *
store_url_fault(struct str url)
{
	struct parts parts = split(url);
	struct str   rest = parts.query, parameter;

	if (!str_ends(parts.scheme, STR("://")))
		return "a store URL: postgresql:// begins one";
	if (str_find(parts.hosts, '@') < parts.hosts.len || str_find(parts.path, '@') < parts.path.len ||
	    str_find(parts.query, '@') < parts.query.len)
		return "a store URL: in a password, '@', ':', '/' and '?' are written %40, %3A, %2F and %3F";
	if (!has_ports(parts.hosts))
		return "a store URL: behind a host's ':' a port is needed";
	while (str_take_until(&rest, '&', &parameter))
		if (str_find(str_first(parameter, str_find(parameter, '=')), '%') < str_find(parameter, '='))
			return "a store URL: the name of a parameter is written in plain letters";
	return NULL;
}

struct str
store_url_shown(struct str url, struct arena *arena)
{
	struct parts parts = split(url);
	size_t       colon = str_find(parts.user, ':');
	struct str   user = str_first(parts.user, colon), rest = parts.query, parameter, shown;

	shown = arena_printf(arena, "%.*s%.*s%s%s%.*s%.*s", STR_ARG(parts.scheme), STR_ARG(user),
	                     colon < parts.user.len ? ":" HIDDEN : "", parts.user.len ? "@" : "", STR_ARG(parts.hosts),
	                     STR_ARG(parts.path));
	for (char before = '?'; str_take_until(&rest, '&', &parameter); before = '&') {
		size_t     equal = str_find(parameter, '=');
		struct str name = str_first(parameter, equal);

		if (equal < parameter.len && str_ends(name, STR("password")))
			parameter = arena_printf(arena, "%.*s=" HIDDEN, STR_ARG(name));
		shown = arena_printf(arena, "%.*s%c%.*s", STR_ARG(shown), before, STR_ARG(parameter));
	}
	return shown;
}
