/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <limits.h>
#include <unistd.h>

#include "auth/directory.h"

/* From any folder; the path as it is if the current folder has no name. */
static struct str
whole_path(struct str path, struct arena *arena)
{
	char folder[PATH_MAX];

	if (str_starts(path, STR("/")) || !getcwd(folder, sizeof(folder)))
		return path;
	return arena_printf(arena, "%s/%.*s", folder, STR_ARG(path));
}

/* A word that a shell reads as it stands. */
static struct str
shell_word(struct str text, struct arena *arena)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@+,%";
	struct str        word = STR("'"), part;

	if (strspn(arena_c(arena, text), plain) == text.len)
		return text;
	while (str_take_until(&text, '\'', &part))
		word = arena_printf(arena, "%.*s%.*s%s", STR_ARG(word), STR_ARG(part), text.len ? "'\\''" : "");
	return arena_printf(arena, "%.*s'", STR_ARG(word));
}

/* " --store URL", or nothing for the default store. */
static struct str
store_option(const struct cmd_run *run)
{
	struct str store = conf_get(&run->conf, CONF_STORE);

	if (run->conf.values[CONF_STORE].origin == CONF_FROM_DEFAULT)
		return STR_EMPTY;
	if (str_starts(store, STR("sqlite:")))
		store = arena_printf(run->arena, "sqlite:%.*s", STR_ARG(whole_path(str_skip(store, 7), run->arena)));
	return arena_printf(run->arena, " --store %.*s", STR_ARG(shell_word(store, run->arena)));
}

static void
print_token(struct server *server, const char *upn)
{
	struct cmd_run *run = server->run;
	struct user     none = { 0 }, first = { .upn = str_from_c(upn) };
	struct str      store = store_option(run);
	enum err        err = upn ? OK : directory_next_user(server->store, &none, run->arena, &first);

	if (err == OK)
		console_plain("a token: tidemark token%.*s --user %.*s --scope Calendars.ReadWrite", STR_ARG(store),
		              STR_ARG(shell_word(first.upn, run->arena)));
	else if (err == ERR_NOT_FOUND)
		console_plain("the store has no users: tidemark user add%.*s --upn ann@contoso.com adds one; then a "
		              "token: tidemark token%.*s --user ann@contoso.com --scope Calendars.ReadWrite",
		              STR_ARG(store), STR_ARG(store));
}

void
server_hints(struct server *server, const char *upn)
{
	const struct conf *conf = &server->run->conf;

	/* The server of a memory: store has printed the file when it made the folder. */
	if (server->tls.ca && !server->tls_dir.path[0])
		console_plain("the file to trust is %.*s",
		              STR_ARG(whole_path(str_from_c(server->tls.ca), server->run->arena)));
	if (server->issuer)
		print_token(server, upn);
	else if (conf->issuers)
		console_plain("a token: from the external issuers in %.*s", STR_ARG(conf->file));
	else
		console_say("warning: no token is accepted: --issuer is off, and there is no [issuer] in the "
		            "configuration; see `tidemark help tidemark.conf`");
}
