/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server, from the first part opened to the last one closed:
 *
 *   store → ring → issuer → gate → face → http (the public port) and control (PATH.sock)
 *
 * Signals are blocked everywhere and waited for by one thread until all is closed; the first asks for a drain, a second
 * ends the process at once, and so does the end of the time that everything may take (the store is always whole on disk).
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/content_dir.h"
#include "admin/control.h"
#include "admin/issuer_conf.h"
#include "admin/notify.h"
#include "admin/writer.h"
#include "auth/auth.h"
#include "base/random.h"
#include "base/scratch_dir.h"
#include "crypt/cert.h"
#include "graph/graph.h"
#include "text/uri.h"

#define FIRST_KEYS_MS 6000
/* Whoever hands lines to a server that ends has this long, after the clients of the public port had theirs. */
#define CONTROL_DRAIN_MS 3000
/* What still runs so long after the first signal is given up. */
#define END_WITHIN_S 20

static const enum conf_id settings[] = {
	CONF_STORE,      CONF_LISTEN,      CONF_TLS,      CONF_TLS_CERT,  CONF_TLS_KEY, CONF_PUBLIC_URL, CONF_ISSUER,
	CONF_LINK_STYLE, CONF_MAX_CONTENT, CONF_MIN_FREE, CONF_LOG_LEVEL, CONF_AUDIT,   CONF_COUNT,
};

static const char *const about[] = {
	"Serves the store: calendars with their delta queries as Microsoft Graph does, under /v1.0 and /beta. "
	"When it is ready it prints one line on standard error: listening on https://127.0.0.1:8443, with the "
	"address really taken.",
	"With --tls auto it makes a local authority and a certificate once, in a folder beside the store "
	"(PATH.tls/); ca.pem in there is the file for clients to trust. A memory: store has a folder made for "
	"the run, which is printed.",
	"While it runs it holds the store, and answers on the control socket PATH.sock (HTTP on a Unix socket): "
	"/-/health, /-/ready, /-/metrics, and the lines that import, user and store gc hand to it.",
	"SIGTERM and SIGINT let requests under way finish, for 10 seconds at most; then it ends. After SIGTERM the exit "
	"code is 0. A second signal ends it at once, with 143 or 130. Nothing that was answered is lost.",
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark serve --store sqlite:demo.db", "Serve a store of your own" },
	{ "tidemark serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --public-url "
	  "https://graph.example.org",
	  "Serve a network, with a certificate of your own" },
	{ 0 },
};

struct serving {
	struct cmd_run     *run;
	struct log          log, audit;
	struct log_sink     sink; /* both end there */
	struct issuer_conf  external;
	struct store       *store;
	struct random_pool *pool;
	struct entropy      entropy; /* the pool's: for what each request needs */
	struct token_ring  *ring;
	struct issuer      *issuer;
	struct auth_gate   *gate;
	struct content     *content;
	struct graph       *graph;
	struct http_server *server;
	struct http_server *control_server;
	struct control      control;
	struct sock_path    sock;
	struct scratch_dir  tls_dir; /* for the certificate of a memory: store */
	sigset_t            signals;
	pthread_t           waiter;    /* while it runs, and from the first signal on until all is closed */
	int                 signal;    /* that ended it; 0 while it runs */
	int64_t             end_by_ms; /* once it came */
};

/* ---- TLS ------------------------------------------------------------------------------------------------ */

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

static int
set_auto_tls(struct serving *serving, struct http_conf *http)
{
	struct arena *arena = serving->run->arena;
	const char   *path, *folder;
	char          why[512] = "";

	MUST(store_url_path(conf_get(&serving->run->conf, CONF_STORE), arena, &path) == OK);
	if (path[0]) {
		folder = arena_c(arena, arena_printf(arena, "%s.tls", path));
	} else {
		if (scratch_dir_open(SCRATCH_IN_MEMORY, &serving->tls_dir, why) != OK)
			return console_fail(EXIT_OTHER, "%s", why);
		folder = arena_c(arena,
		                 arena_printf(arena, "%s/tls", serving->tls_dir.path)); /* it has a lock of its own */
		console_plain("the file to trust is %s/ca.pem", folder);
	}
	if (cert_ensure(folder, listen_host(http->listen), serving->run->clock, serving->run->entropy, why) != OK)
		return console_fail(EXIT_OTHER,
		                    "no certificate can be made: %s; give --tls-cert and --tls-key, or --tls off", why);
	http->tls_cert = arena_c(arena, arena_printf(arena, "%s/server.pem", folder));
	http->tls_key = arena_c(arena, arena_printf(arena, "%s/server.key", folder));
	return EXIT_DONE;
}

static int
set_tls(struct serving *serving, struct http_conf *http)
{
	const struct conf *conf = &serving->run->conf;
	struct str         cert = conf_get(conf, CONF_TLS_CERT), key = conf_get(conf, CONF_TLS_KEY);
	bool               off = str_eq(conf_get(conf, CONF_TLS), STR("off"));

	if ((cert.len > 0) != (key.len > 0))
		return cmd_usage(serving->run, "--tls-cert and --tls-key go together");
	if (off && cert.len > 0)
		return cmd_usage(serving->run, "--tls off has no use for a certificate");
	if (off && !uri_host_is_loopback(listen_host(http->listen)))
		console_say("warning: access tokens travel unprotected on %.*s; use TLS, or a proxy that does",
		            STR_ARG(http->listen));
	if (off)
		return EXIT_DONE;
	if (cert.len == 0)
		return set_auto_tls(serving, http);
	http->tls_cert = arena_c(serving->run->arena, cert);
	http->tls_key = arena_c(serving->run->arena, key);
	return EXIT_DONE;
}

/* ---- opening, part by part -------------------------------------------------------------------------------- */

static enum log_level
log_level(struct str name)
{
	if (str_eq(name, STR("error")))
		return LOG_ERROR;
	if (str_eq(name, STR("info")))
		return LOG_INFO;
	return str_eq(name, STR("debug")) ? LOG_DEBUG : LOG_WARN;
}

static int
report_part(const char *part, enum err err)
{
	return console_fail(exit_code_of(err), "%s: %s", part, err_text(err));
}

/* Keys of outside issuers are fetched while the rest is opened; a start waits for them, but not for ever. */
static int
open_gate(struct serving *serving)
{
	struct cmd_run  *run = serving->run;
	struct auth_conf auth = { .store = serving->store, .issuer = serving->issuer, .clock = run->clock };
	struct guid      own;
	enum err         err = directory_tenant(serving->store, run->arena, &own);
	int              code;

	if (err != OK)
		return report_part("the store's tenant", err);
	code = issuer_conf_read(&run->conf, &own, &serving->log, run->arena, &serving->external);
	if (code != EXIT_DONE)
		return code;
	auth.external = serving->external.rows;
	auth.external_count = serving->external.count;
	auth.source = &serving->external.source;
	err = auth_gate_open(&auth, &serving->gate);
	if (err != OK)
		return report_part("the gate", err);
	auth_gate_start(serving->gate, FIRST_KEYS_MS);
	return EXIT_DONE;
}

/* What unfinished uploads of a killed server have left goes; if a copy of the folder is being made, at the next start. */
static int
open_content(struct serving *serving)
{
	struct content_sweep cut = { 0 };
	struct content_swept swept;
	int                  code = content_dir_open(serving->run, true, &serving->content);
	enum err             err = code == EXIT_DONE ? content_sweep(serving->content, &cut, &swept) : OK;

	if (err != OK && err != ERR_LOCKED)
		console_say("warning: unfinished uploads cannot be removed: %s", err_text(err));
	return code;
}

static int
open_parts(struct serving *serving)
{
	struct cmd_run      *run = serving->run;
	struct store_opening opening = { .create = true, .log = &serving->log };
	struct str           url = conf_get(&run->conf, CONF_PUBLIC_URL);
	struct graph_parts   graph = { .clock = run->clock, .entropy = &serving->entropy, .log = &serving->log };
	int                  code = open_for_writing(run, &opening, &serving->store);
	enum err             err;

	if (code != EXIT_DONE)
		return code;
	serving->pool = random_pool_open(run->entropy);
	serving->entropy = random_pool_entropy(serving->pool);
	err = token_ring_open(serving->store, run->clock, &serving->entropy, &serving->ring);
	if (err == OK)
		err = token_ring_rotate_when_due(serving->ring, TOKEN_KEY_AGE_S);
	if (err != OK)
		return report_part("the keys of state tokens", err);
	err = str_eq(conf_get(&run->conf, CONF_ISSUER), STR("on"))
	              ? issuer_open(serving->store, run->clock, run->entropy, &serving->issuer)
	              : OK;
	if (err != OK)
		return report_part("the issuer of access tokens", err);
	code = open_gate(serving);
	if (code != EXIT_DONE)
		return code;
	graph.store = serving->store;
	graph.ring = serving->ring;
	graph.gate = serving->gate;
	graph.issuer = serving->issuer;
	graph.audit = str_eq(conf_get(&run->conf, CONF_AUDIT), STR("on")) ? &serving->audit : NULL;
	graph.public_url = str_ends(url, STR("/")) ? str_first(url, url.len - 1) : url;
	graph.link_style = str_eq(conf_get(&run->conf, CONF_LINK_STYLE), STR("seed")) ? LINK_SEED : LINK_GRAPH;
	code = open_content(serving);
	if (code != EXIT_DONE)
		return code;
	graph.content = serving->content;
	MUST(conf_size(conf_get(&run->conf, CONF_MAX_CONTENT), &graph.content_max));
	graph.recordings_delegated = run->conf.recordings_delegated;
	graph.policy_organizer_wide = run->conf.policy_organizer_wide;
	err = graph_open(&graph, &serving->graph);
	return err == OK ? EXIT_DONE : report_part("the face", err);
}

static int
open_http(struct serving *serving)
{
	struct cmd_run  *run = serving->run;
	struct http_conf http = { .listen = conf_get(&run->conf, CONF_LISTEN),
		                  .clock = run->clock,
		                  .log = &serving->log };
	struct http_app  app = graph_app(serving->graph);
	char             why[256] = "";
	int              code = set_tls(serving, &http);
	enum err         err;

	if (code != EXIT_DONE)
		return code;
	err = http_open(&http, &app, &serving->server, why);
	if (err == OK)
		return EXIT_DONE;
	if (str_starts(str_from_c(why), STR("certificate")) || str_starts(str_from_c(why), STR("private key")))
		return console_fail(exit_code_of(err), "cannot serve by TLS: %s; see --tls-cert and --tls-key", why);
	return console_fail(exit_code_of(err), "cannot listen on %.*s: %s; choose another address with --listen",
	                    STR_ARG(http.listen), why);
}

static int
open_control(struct serving *serving)
{
	struct cmd_run  *run = serving->run;
	struct http_conf http = {
		.loops = 1, .clock = run->clock, .log = &serving->log, .limits = { .drain_ms = CONTROL_DRAIN_MS }
	};
	struct http_app app = control_app(&serving->control);
	char            why[256] = "";
	enum err        err = sock_path_open(conf_get(&run->conf, CONF_STORE), run->arena, &serving->sock);

	serving->control.store = serving->store;
	serving->control.gate = serving->gate;
	serving->control.server = serving->server;
	serving->control.content = serving->content;
	serving->control.clock = run->clock;
	serving->control.entropy = run->entropy;
	if (err == ERR_NOT_FOUND)
		return EXIT_DONE;
	http.unix_path = serving->sock.path;
	if (err == OK)
		err = http_open(&http, &app, &serving->control_server, why);
	if (err == OK)
		return EXIT_DONE;
	return console_fail(exit_code_of(err), "the control socket cannot be made: %s", why[0] ? why : err_text(err));
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static int
end_code(const struct serving *serving)
{
	return serving->signal == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE;
}

/* The first signal has come: the end, in order or not.  SIGUSR2 is ours: there is nothing to watch any more. */
static void *
watch_the_end(void *ctx)
{
	const struct serving *serving = ctx;

	for (;;) {
		int64_t         left_ms = serving->end_by_ms - clock_mono_ms(serving->run->clock);
		struct timespec left = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
		int             signal = left_ms > 0 ? sigtimedwait(&serving->signals, NULL, &left) : 0;

		if (signal == SIGUSR2)
			return NULL;
		if (signal > 0)
			_exit(signal == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED);
		if (left_ms > 0)
			continue;
		console_say("gave up what was still running after %d s; the store is whole", END_WITHIN_S);
		_exit(end_code(serving));
	}
}

static void *
wait_for_signal(void *ctx)
{
	struct serving *serving = ctx;
	int             signal;

	MUST(sigwait(&serving->signals, &signal) == 0);
	if (signal == SIGUSR2)
		return NULL;
	serving->signal = signal;
	serving->end_by_ms = clock_mono_ms(serving->run->clock) + END_WITHIN_S * 1000;
	atomic_store(&serving->control.draining, true);
	notify("STOPPING=1");
	http_stop(serving->server);
	return watch_the_end(serving);
}

static void
end_waiter(struct serving *serving)
{
	pthread_kill(serving->waiter, SIGUSR2);
	pthread_join(serving->waiter, NULL);
}

static void *
run_control(void *ctx)
{
	struct serving *serving = ctx;
	enum err        err = http_run(serving->control_server);

	if (err != OK)
		console_say("the control socket failed: %s", err_text(err));
	return NULL;
}

static int
run_until_stopped(struct serving *serving)
{
	pthread_t control;
	bool      tls = !str_eq(conf_get(&serving->run->conf, CONF_TLS), STR("off"));
	enum err  err;

	MUST(pthread_create(&serving->waiter, NULL, wait_for_signal, serving) == 0);
	if (serving->control_server)
		MUST(pthread_create(&control, NULL, run_control, serving) == 0);
	console_plain("listening on %s://%.*s", tls ? "https" : "http", STR_ARG(http_address(serving->server)));
	notify("READY=1");
	err = http_run(serving->server);

	/* Nobody may be about to stop what is closed next; the end is watched on. */
	end_waiter(serving);
	if (serving->signal != 0)
		MUST(pthread_create(&serving->waiter, NULL, watch_the_end, serving) == 0);
	if (serving->control_server) {
		http_stop(serving->control_server);
		pthread_join(control, NULL);
	}
	if (err != OK)
		return console_fail(exit_code_of(err), "the server failed: %s", err_text(err));
	return end_code(serving);
}

static void
block_signals(struct serving *serving)
{
	sigemptyset(&serving->signals);
	sigaddset(&serving->signals, SIGTERM);
	sigaddset(&serving->signals, SIGINT);
	sigaddset(&serving->signals, SIGUSR2);
	MUST(pthread_sigmask(SIG_BLOCK, &serving->signals, NULL) == 0);
}

static void
close_all(struct serving *serving)
{
	http_close(&serving->control_server);
	http_close(&serving->server);
	sock_path_close(&serving->sock);
	graph_close(&serving->graph);
	content_close(&serving->content);
	auth_gate_close(&serving->gate);
	issuer_close(&serving->issuer);
	token_ring_close(&serving->ring);
	random_pool_close(&serving->pool);
	store_close(&serving->store);
	scratch_dir_close(&serving->tls_dir);
}

static int
run_serve(struct cmd_run *run)
{
	struct serving serving = { .run = run, .sock = { NULL, -1 }, .sink = { PTHREAD_MUTEX_INITIALIZER, 0 } };
	int            code;

	serving.log = (struct log){ STDERR_FILENO, log_level(conf_get(&run->conf, CONF_LOG_LEVEL)), run->clock,
		                    &serving.sink };
	block_signals(&serving);
	/* What is large goes back to the system when it is freed, however often it was needed. */
	(void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	serving.audit = (struct log){ STDERR_FILENO, LOG_INFO, run->clock, &serving.sink };
	code = open_parts(&serving);
	if (code == EXIT_DONE)
		code = open_http(&serving);
	if (code == EXIT_DONE)
		code = open_control(&serving);
	if (code == EXIT_DONE)
		code = run_until_stopped(&serving);
	close_all(&serving);
	if (serving.signal != 0)
		end_waiter(&serving);
	return code;
}

const struct cmd cmd_serve = {
	.name = "serve",
	.summary = "serve the store to clients of Microsoft Graph",
	.settings = settings,
	.about = about,
	.examples = examples,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED },
	.run = run_serve,
};
