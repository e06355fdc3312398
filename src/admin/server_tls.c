/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server_tls.h"

#include <sys/stat.h>

#include "crypt/cert.h"
#include "text/uri.h"

static struct str
listen_host(struct str listen)
{
	size_t colon = 0;

	for (size_t i = 0; i < listen.len; i++)
		if (listen.at[i] == ':')
			colon = i;
	listen = str_first(listen, colon);
	if (listen.len > 2 && listen.at[0] == '[')
		listen = str_of(listen.at + 1, listen.len - 2);
	return listen;
}

/* ---- the local authority ----------------------------------------------------------------------------------- */

/* The folder beside the store. A memory: store has one of its own, which other accounts can enter. */
static int
find_folder(struct server *server, struct arena *arena, const char **folder_out)
{
	const char *path;
	char        why[512];

	MUST(store_url_path(conf_get(&server->run->conf, CONF_STORE), arena, &path) == OK);
	if (path[0]) {
		*folder_out = arena_c(arena, arena_printf(arena, "%s.tls", path));
		return EXIT_DONE;
	}
	if (!server->tls_dir.path[0]) {
		if (scratch_dir_open(SCRATCH_IN_MEMORY, &server->tls_dir, why) != OK)
			return console_fail(EXIT_OTHER, "%s", why);
		if (chmod(server->tls_dir.path, 0711) == 0)
			console_plain("the file to trust is %s/tls/ca.pem", server->tls_dir.path);
	}
	*folder_out = arena_c(arena,
	                      arena_printf(arena, "%s/tls", server->tls_dir.path)); /* it has a lock of its own */
	return EXIT_DONE;
}

/* The listen host, the host of the public URL, and the names of --tls-name. */
static size_t
list_hosts(const struct conf *conf, struct str hosts_out[CERT_HOSTS_MAX])
{
	struct str       names = conf_get(conf, CONF_TLS_NAME);
	struct uri_parts url;
	size_t           count = 0;

	hosts_out[count++] = listen_host(conf_get(conf, CONF_LISTEN));
	if (uri_split(conf_get(conf, CONF_PUBLIC_URL), &url))
		hosts_out[count++] = url.host;
	while (count < CERT_HOSTS_MAX && str_take_until(&names, ' ', &hosts_out[count]))
		count += hosts_out[count].len > 0;
	return count;
}

static int
make_files(struct server *server, const struct conf *conf, struct arena *arena, struct tls_files *files_out)
{
	struct cert_conf cert = { .clock = server->run->clock, .entropy = server->run->entropy };
	struct str       hosts[CERT_HOSTS_MAX];
	char             why[256] = "";

	TRY_CODE(find_folder(server, arena, &cert.dir));
	cert.hosts = hosts;
	cert.host_count = list_hosts(conf, hosts);
	if (cert_ensure(&cert, why) != OK)
		return console_fail(EXIT_OTHER,
		                    "no certificate can be made: %s; give --tls-cert and --tls-key, or --tls off", why);
	files_out->cert = arena_c(arena, arena_printf(arena, "%s/server.pem", cert.dir));
	files_out->key = arena_c(arena, arena_printf(arena, "%s/server.key", cert.dir));
	files_out->ca = arena_c(arena, arena_printf(arena, "%s/ca.pem", cert.dir));
	return EXIT_DONE;
}

/* ---- what is asked for --------------------------------------------------------------------------------------- */

int
server_tls_files(struct server *server, const struct conf *conf, struct arena *arena, struct tls_files *files_out)
{
	struct str listen = conf_get(conf, CONF_LISTEN);
	struct str cert = conf_get(conf, CONF_TLS_CERT), key = conf_get(conf, CONF_TLS_KEY);
	bool       off = str_eq(conf_get(conf, CONF_TLS), STR("off"));

	*files_out = (struct tls_files){ 0 };
	if ((cert.len > 0) != (key.len > 0))
		return cmd_usage(server->run, "--tls-cert and --tls-key go together");
	if (off && cert.len > 0)
		return cmd_usage(server->run, "--tls off has no use for a certificate");
	if ((off || cert.len > 0) && conf_get(conf, CONF_TLS_NAME).len > 0)
		return cmd_usage(server->run,
		                 "--tls-name goes with --tls auto, and not with a certificate of your own");
	if (off && !uri_host_is_loopback(listen_host(listen)))
		console_say("warning: access tokens travel unprotected on %.*s; use TLS, or a proxy that does",
		            STR_ARG(listen));
	if (off)
		return EXIT_DONE;
	if (cert.len == 0)
		return make_files(server, conf, arena, files_out);
	files_out->cert = arena_c(arena, cert);
	files_out->key = arena_c(arena, key);
	return EXIT_DONE;
}
