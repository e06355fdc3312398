/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <sys/stat.h>

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

/* ---- the server's own addresses ---------------------------------------------------------------------------- */

size_t
server_tls_urls(const struct server *server, struct arena *arena, struct str urls_out[SERVER_URLS_MAX])
{
	static const char *const loopback[] = { "localhost", "127.0.0.1", "::1" };
	const struct conf       *conf = &server->run->conf;
	bool                     off = str_eq(conf_get(conf, CONF_TLS), STR("off"));
	struct str               hosts[CERT_HOSTS_MAX + COUNT_OF(loopback)], address = http_address(server->http);
	struct str               port = str_skip(address, listen_host(address).len + (address.at[0] == '[' ? 3 : 1));
	size_t                   count = list_hosts(conf, hosts), url_count = 0;
	bool                     is_any = str_eq(hosts[0], STR("0.0.0.0")) || str_eq(hosts[0], STR("::"));

	for (size_t i = 0; i < COUNT_OF(loopback) && (is_any || uri_host_is_loopback(hosts[0])); i++)
		hosts[count++] = str_from_c(loopback[i]);
	for (size_t i = 0; i < count; i++) {
		bool       is_v6 = str_find(hosts[i], ':') < hosts[i].len;
		struct str url = arena_printf(arena, "%s://%s%.*s%s", off ? "http" : "https", is_v6 ? "[" : "",
		                              STR_ARG(hosts[i]), is_v6 ? "]" : "");

		urls_out[url_count++] = arena_printf(arena, "%.*s:%.*s", STR_ARG(url), STR_ARG(port));
		if (str_eq(port, off ? STR("80") : STR("443")))
			urls_out[url_count++] = url;
	}
	return url_count;
}
