/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <unistd.h>

#include "admin/writer.h"
#include "base/random.h"

#define FIRST_KEYS_MS 6000

/* ---- the parts, in the order in which they need each other ------------------------------------------------- */

static enum log_level
log_level(struct str name)
{
	if (str_eq(name, STR("error")))
		return LOG_ERROR;
	if (str_eq(name, STR("info")))
		return LOG_INFO;
	return str_eq(name, STR("debug")) ? LOG_DEBUG : LOG_WARN;
}

void
server_set_logs(struct server *server, const struct conf *conf)
{
	bool audit = str_eq(conf_get(conf, CONF_AUDIT), STR("on"));

	atomic_store(&server->log.level, (int)log_level(conf_get(conf, CONF_LOG_LEVEL)));
	atomic_store(&server->audit.level, audit ? LOG_INFO : LOG_ERROR);
}

static bool
is_on(const struct server *server, enum conf_id id)
{
	return str_eq(conf_get(&server->run->conf, id), STR("on"));
}

static int
report_part(const struct server *server, const char *part, enum err err)
{
	if (err == ERR_NOT_FOUND && server->reads_only)
		return console_fail(EXIT_PERMANENT, "the store has no keys yet; start `tidemark serve` on it once");
	return console_fail(exit_code_of(err), "%s: %s", part, err_text(err));
}

static int
open_ring(struct server *server)
{
	const struct clock *clock = server->run->clock;
	enum err            err;

	server->pool = random_pool_open(server->run->entropy);
	server->entropy = random_pool_entropy(server->pool);
	err = token_ring_open(server->store, clock, &server->entropy, &server->ring);
	if (err == OK)
		err = token_ring_rotate_when_due(server->ring, TOKEN_KEY_AGE_S);
	return err == OK ? EXIT_DONE : report_part(server, "the keys of state tokens", err);
}

static int
open_issuer(struct server *server)
{
	struct cmd_run *run = server->run;
	enum err        err = issuer_open(server->store, run->clock, run->entropy, &server->issuer);

	return err == OK ? EXIT_DONE : report_part(server, "the issuer of access tokens", err);
}

/* The keys of external issuers are fetched while the rest is opened. A start waits for them for a limited time. */
static int
open_gate(struct server *server)
{
	struct cmd_run  *run = server->run;
	struct auth_conf auth = { .store = server->store, .issuer = server->issuer, .clock = run->clock };
	struct guid      own;
	enum err         err = directory_tenant(server->store, run->arena, &own);

	if (err != OK)
		return report_part(server, "the store's tenant", err);
	TRY_CODE(issuer_conf_read(&run->conf, &own, &server->log, run->arena, &server->external));
	auth.external = server->external.rows;
	auth.external_count = server->external.count;
	auth.source = &server->external.source;
	err = auth_gate_open(&auth, &server->gate);
	if (err != OK)
		return report_part(server, "the gate", err);
	if (server->reads_only)
		auth_gate_refresh(server->gate);
	else
		auth_gate_start(server->gate, FIRST_KEYS_MS);
	return EXIT_DONE;
}

/* Removes what unfinished uploads of a killed server left. While the folder is being copied, the next start does it. */
static int
open_content(struct server *server)
{
	struct content_sweep sweep = { 0 };
	struct content_swept swept;
	enum err             err;

	TRY_CODE(content_dir_open(server->run, true, &server->content));
	if (!server->content)
		return EXIT_DONE;
	err = content_sweep(server->content, &sweep, &swept);
	if (err != OK && err != ERR_LOCKED)
		console_say("warning: unfinished uploads cannot be removed: %s", err_text(err));
	return EXIT_DONE;
}

static int
open_graph(struct server *server)
{
	const struct conf *conf = &server->run->conf;
	struct str         url = conf_get(conf, CONF_PUBLIC_URL);
	struct graph_parts parts = {
		.store = server->store,
		.ring = server->ring,
		.gate = server->gate,
		.issuer = server->issuer,
		.content = server->content,
		.clock = server->run->clock,
		.entropy = &server->entropy,
		.log = &server->log,
		.audit = server->reads_only ? NULL : &server->audit,
		.public_url = str_ends(url, STR("/")) ? str_first(url, url.len - 1) : url,
		.link_style = str_eq(conf_get(conf, CONF_LINK_STYLE), STR("seed")) ? LINK_SEED : LINK_GRAPH,
		.recordings_delegated = conf_is_on(&conf->recordings, CONF_RECORDINGS_DELEGATED),
		.policy_organizer_wide = conf_is_on(&conf->recordings, CONF_RECORDINGS_ORGANIZER_WIDE),
	};
	enum err err;

	TRY_CODE(server_served(server, &parts.served, &parts.served_count));
	MUST(conf_size(conf_get(conf, CONF_MAX_CONTENT), &parts.content_max));
	err = graph_open(&parts, &server->graph);
	return err == OK ? EXIT_DONE : report_part(server, "the Graph API", err);
}

int
server_open_parts(struct server *server)
{
	if (!server->reads_only)
		TRY_CODE(open_ring(server));
	if (is_on(server, CONF_ISSUER))
		TRY_CODE(open_issuer(server));
	TRY_CODE(open_gate(server));
	if (!server->reads_only)
		TRY_CODE(open_content(server));
	return open_graph(server);
}

int
server_open(struct server *server, struct cmd_run *run, const struct store_opening *opening)
{
	*server = (struct server){ .run = run, .entropy = *run->entropy, .reads_only = !opening };
	server->sink = (struct log_sink){ PTHREAD_MUTEX_INITIALIZER, 0 };
	server->log = (struct log){ STDERR_FILENO, LOG_WARN, run->clock, &server->sink };
	server->audit = server->log;
	server_set_logs(server, &run->conf);
	TRY_CODE(opening ? open_for_writing(run, opening, &server->store) : open_for_reading(run, &server->store));
	return server_open_parts(server);
}

void
server_close_parts(struct server *server)
{
	if (server->store)
		store_watch(server->store, NULL, NULL);
	http_close(&server->http);
	graph_close(&server->graph);
	content_close(&server->content);
	auth_gate_close(&server->gate);
	issuer_close(&server->issuer);
	token_ring_close(&server->ring);
	random_pool_close(&server->pool);
}

void
server_close(struct server *server)
{
	server_close_parts(server);
	store_close(&server->store);
	scratch_dir_close(&server->tls_dir);
}

/* ---- the public port -------------------------------------------------------------------------------------- */

static int
cannot_listen(const struct cmd_run *run, enum err err, const char *why)
{
	return console_fail(exit_code_of(err), "cannot listen on %.*s: %s; choose another address with --listen",
	                    STR_ARG(conf_get(&run->conf, CONF_LISTEN)), why);
}

int
server_check_port(struct cmd_run *run)
{
	const char *path;
	char        why[256] = "";
	enum err    err;

	/* Of a store that is there, opening says first who holds it. */
	if (store_url_path(conf_get(&run->conf, CONF_STORE), run->arena, &path) != OK || access(path, F_OK) == 0)
		return EXIT_DONE;
	err = http_check_listen(conf_get(&run->conf, CONF_LISTEN), why);
	return err == OK ? EXIT_DONE : cannot_listen(run, err, why);
}

static void
topic_changed(void *http, uint32_t topic)
{
	http_topic_changed(http, topic);
}

int
server_listen(struct server *server)
{
	struct cmd_run  *run = server->run;
	struct http_conf conf = { .listen = conf_get(&run->conf, CONF_LISTEN),
		                  .clock = run->clock,
		                  .log = &server->log };
	struct http_app  app = graph_app(server->graph);
	char             why[256] = "";
	enum err         err;

	TRY_CODE(server_tls_files(server, &run->conf, run->arena, &server->tls));
	conf.tls_cert = server->tls.cert;
	conf.tls_key = server->tls.key;
	err = http_open(&conf, &app, &server->http, why);
	if (err == OK)
		store_watch(server->store, topic_changed, server->http);
	if (err == OK && conf_get(&run->conf, CONF_PUBLIC_URL).len == 0) {
		struct str *urls = arena_take(run->arena, SERVER_URLS_MAX * sizeof(*urls));

		graph_set_urls(server->graph, urls, server_tls_urls(server, run->arena, urls));
	}
	if (err == OK)
		return EXIT_DONE;
	if (str_starts(str_from_c(why), STR("certificate")) || str_starts(str_from_c(why), STR("private key")))
		return console_fail(exit_code_of(err), "cannot serve by TLS: %s; see --tls-cert and --tls-key", why);
	return cannot_listen(run, err, why);
}
