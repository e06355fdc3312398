/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server (admin/server.h) with its control socket, from start to end.
 *
 * All threads block the signals; one thread waits for them until everything is closed. The first signal starts a drain.
 * A second signal ends the process at once, and so does the time limit. The store on disk is consistent at any moment.
 * SIGHUP has a thread of its own: a file that cannot be read for a long time does not delay the end.
 */
#include "cmd/cmd.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "admin/control.h"
#include "admin/server.h"
#include "admin/sock_path.h"
#include "sync/followers.h"

/* How long a command may still send lines, after the drain of the public port. */
#define CONTROL_DRAIN_MS 3000
/* The process ends so long after the first signal, whatever still runs. */
#define END_WITHIN_S 20

struct serving {
	struct server       server;
	struct http_server *control_server;
	struct control      control;
	struct followers   *followers; /* NULL without --follow */
	struct graph_rounds rounds;    /* of them */
	struct sock_path    sock;
	sigset_t            signals;
	pthread_t           waiter;   /* runs until all is closed */
	pthread_t           reloader; /* waits for SIGHUP */
	atomic_bool         reloads_end;
	int                 signal;    /* the first one; 0: none yet */
	int64_t             end_by_ms; /* set by the first signal */
};

/* ---- the control socket ------------------------------------------------------------------------------------ */

static int
open_control(struct serving *serving)
{
	struct server   *server = &serving->server;
	struct cmd_run  *run = server->run;
	struct http_conf http = {
		.loops = 1, .clock = run->clock, .log = &server->log, .limits = { .drain_ms = CONTROL_DRAIN_MS }
	};
	struct http_app app = control_app(&serving->control);
	char            why[512] = "";
	enum err        err = sock_path_open(conf_get(&run->conf, CONF_STORE), run->arena, &serving->sock);

	/* There is no file that its commands could find the socket by, and they open the store themselves. */
	if (store_url_is_shared(conf_get(&run->conf, CONF_STORE)))
		return EXIT_DONE;
	if (err == ERR_NOT_FOUND) {
		err = memory_socket_open(run->arena, &serving->sock, why);
		if (err != OK) {
			console_say("warning: other commands cannot reach this memory: store: %s", why);
			return EXIT_DONE;
		}
	}
	serving->control.store_url = store_memory_url(server->store, run->arena);
	serving->control.store = server->store;
	serving->control.gate = server->gate;
	serving->control.server = server->http;
	serving->control.content = server->content;
	serving->control.clock = run->clock;
	serving->control.entropy = run->entropy;
	serving->control.followers = (struct control_followers){ serving->followers, followers_order,
		                                                 followers_put_metrics };
	http.unix_path = serving->sock.path;
	if (err == OK)
		err = http_open(&http, &app, &serving->control_server, why);
	if (err == OK)
		return EXIT_DONE;
	return console_fail(exit_code_of(err), "the control socket cannot be made: %s", why[0] ? why : err_text(err));
}

/* ---- following ---------------------------------------------------------------------------------------------- */

static void
stop_serving(void *server)
{
	console_say("the store is damaged: the server ends");
	http_stop(((struct server *)server)->http);
}

static int
open_followers(struct serving *serving)
{
	struct followers_conf conf = { .run = serving->server.run,
		                       .log = &serving->server.log,
		                       .store = serving->server.store,
		                       .ended_ctx = &serving->server,
		                       .ended = stop_serving };

	if (!cmd_has(conf.run, "follow"))
		return EXIT_DONE;
	TRY_CODE(followers_open(&conf, &serving->followers));
	serving->rounds = (struct graph_rounds){ serving->followers, followers_want, followers_await };
	graph_set_rounds(serving->server.graph, &serving->rounds);
	return EXIT_DONE;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static int
end_code(const struct serving *serving)
{
	return serving->signal == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE;
}

/* After the first signal: ends the process at the next signal or at the time limit. SIGUSR2 ends this thread. */
static void *
watch_the_end(void *ctx)
{
	const struct serving *serving = ctx;

	for (;;) {
		int64_t         left_ms = serving->end_by_ms - clock_mono_ms(serving->server.run->clock);
		struct timespec left = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
		int             signal = left_ms > 0 ? sigtimedwait(&serving->signals, NULL, &left) : 0;

		if (signal == SIGUSR2)
			return NULL;
		if (signal > 0)
			_exit(signal == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED);
		if (left_ms > 0)
			continue;
		console_say("stopped work that still ran after %d s; the store is whole", END_WITHIN_S);
		_exit(end_code(serving));
	}
}

/* Reads go on, so nobody else may notice. */
static void
look_at_store(const struct server *server, bool *is_moved)
{
	if (store_is_moved(server->store) == *is_moved)
		return;
	*is_moved = !*is_moved;
	LOG_EVENT(&server->log, *is_moved ? LOG_ERROR : LOG_WARN,
	          *is_moved ? "the store's file was renamed, replaced or deleted" : "the store's file is back",
	          { "store", conf_get(&server->run->conf, CONF_STORE) });
}

static void *
wait_for_signal(void *ctx)
{
	static const struct timespec look_every = { .tv_sec = 2 };
	struct serving              *serving = ctx;
	bool                         is_moved = false;
	int                          signal;

	while ((signal = sigtimedwait(&serving->signals, NULL, &look_every)) < 0)
		look_at_store(&serving->server, &is_moved);
	if (signal == SIGUSR2)
		return NULL;
	serving->signal = signal;
	serving->end_by_ms = clock_mono_ms(serving->server.run->clock) + END_WITHIN_S * 1000;
	atomic_store(&serving->control.draining, true);
	notify("STOPPING=1");
	http_stop(serving->server.http);
	return watch_the_end(serving);
}

static void
end_waiter(struct serving *serving)
{
	pthread_kill(serving->waiter, SIGUSR2);
	pthread_join(serving->waiter, NULL);
}

static void *
wait_for_reload(void *ctx)
{
	struct serving *serving = ctx;
	sigset_t        hangup;
	int             signal;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	for (;;) {
		MUST(sigwait(&hangup, &signal) == 0);
		if (atomic_load(&serving->reloads_end))
			return NULL;
		server_reload(&serving->server);
		if (serving->followers)
			followers_reload(serving->followers);
	}
}

static void
end_reloader(struct serving *serving)
{
	atomic_store(&serving->reloads_end, true);
	pthread_kill(serving->reloader, SIGHUP);
	pthread_join(serving->reloader, NULL);
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
	bool      tls = !str_eq(conf_get(&serving->server.run->conf, CONF_TLS), STR("off"));
	enum err  err;
	int       code;

	MUST(pthread_create(&serving->waiter, NULL, wait_for_signal, serving) == 0);
	if (serving->control_server)
		MUST(pthread_create(&control, NULL, run_control, serving) == 0);
	console_plain("listening on %s://%.*s", tls ? "https" : "http", STR_ARG(http_address(serving->server.http)));
	server_hints(&serving->server, cmd_has(serving->server.run, "sample") ? SAMPLE_USER : NULL);
	if (serving->followers)
		followers_start(serving->followers);
	MUST(pthread_create(&serving->reloader, NULL, wait_for_reload, serving) == 0);
	notify("READY=1");
	err = http_run(serving->server.http);

	/* The waiter may not stop a server that is closed next. After a signal, the time limit goes on. */
	end_waiter(serving);
	if (serving->signal != 0)
		MUST(pthread_create(&serving->waiter, NULL, watch_the_end, serving) == 0);
	end_reloader(serving);
	code = serving->followers ? followers_stop(serving->followers) : EXIT_DONE;
	if (serving->control_server) {
		http_stop(serving->control_server);
		pthread_join(control, NULL);
	}
	if (err != OK)
		return console_fail(exit_code_of(err), "the server failed: %s", err_text(err));
	return code == EXIT_DONE ? end_code(serving) : code;
}

static void
block_signals(struct serving *serving)
{
	sigemptyset(&serving->signals);
	sigaddset(&serving->signals, SIGTERM);
	sigaddset(&serving->signals, SIGINT);
	sigaddset(&serving->signals, SIGUSR2);
	MUST(pthread_sigmask(SIG_BLOCK, &serving->signals, NULL) == 0);
	/* SIGHUP is blocked since the start of the program (cmd.keeps_hangups). */
}

static int
run_serve(struct cmd_run *run)
{
	struct serving       serving = { .sock = { NULL, -1 } };
	struct store_opening opening = { .create = true, .log = &serving.server.log };
	int                  code;

	block_signals(&serving);
	if (cmd_has(run, "follow") && store_url_is_shared(conf_get(&run->conf, CONF_STORE)))
		return cmd_usage(run, "--follow needs a store in a file, sqlite:PATH");
	/*
	 * Large blocks go back to the system when they are freed, or a flood of batches holds 200 MB instead of 80.
	 * The buffers of a page (200 KB) stay: with smaller limits half of a page's time is the system's.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
	TRY_CODE(server_check_port(run));
	code = server_open(&serving.server, run, &opening);
	if (code == EXIT_DONE && cmd_has(run, "sample"))
		code = sample_load(&serving.server);
	if (code == EXIT_DONE)
		code = server_listen(&serving.server);
	if (code == EXIT_DONE)
		code = open_followers(&serving);
	if (code == EXIT_DONE)
		code = open_control(&serving);
	if (code == EXIT_DONE)
		code = run_until_stopped(&serving);
	http_close(&serving.control_server);
	followers_close(&serving.followers);
	server_close(&serving.server);
	sock_path_close(&serving.sock);
	if (serving.signal != 0)
		end_waiter(&serving);
	return code;
}

const struct cmd cmd_serve = {
	.name = "serve",
	.stray = "listen",
	.summary = "serve the store to clients of Microsoft Graph",
	.settings = SETTINGS(CONF_STORE, CONF_LISTEN, CONF_TLS, CONF_TLS_CERT, CONF_TLS_KEY, CONF_TLS_NAME,
	                     CONF_PUBLIC_URL, CONF_ISSUER, CONF_LINK_STYLE, CONF_MAX_CONTENT, CONF_MIN_FREE,
	                     CONF_SERVE_SCOPE, CONF_LOG_LEVEL, CONF_AUDIT),
	.options = OPTIONS(
		{ "sample", NULL, "begin with sample data: ten users with calendars, and a recording", false },
		{ "follow", NULL, "also follow the [scope] sections of the configuration file, into the same store",
	          false }),
	.keeps_hangups = true,
	.about = ABOUT(
		"Serves the calendars and recordings of the store, with their delta queries, as Microsoft Graph "
		"does, under /v1.0 and /beta. When the server is ready it prints one line on standard error: "
		"listening on https://127.0.0.1:8443, with its real address. It also prints the file that clients "
		"must trust, and the command that makes a token.",
		"With --sample a new store gets sample data first. A store that has users already is refused.",
		"With --tls auto the first run makes a local certificate authority and a certificate, in a folder "
		"beside the store (PATH.tls/). Clients must trust the file ca.pem in it. For a memory: store the "
		"folder is temporary. The certificate is for localhost, the host of --listen, the host of "
		"--public-url, and each --tls-name. A start with another name adds it.",
		"The server holds the store while it runs. It answers on the control socket PATH.sock (HTTP on a "
		"Unix socket): /-/health, /-/ready, /-/metrics, and the work that commands beside the server send to "
		"it. For a memory: store the socket stands in the runtime directory: $XDG_RUNTIME_DIR/tidemark, else "
		"/tmp/tidemark-UID. So other commands reach it with --store memory:.",
		"With --follow the server also does what `tidemark sync --all --watch` does: it follows every "
		"[scope \"name\"] section. A scope that fails is logged and tried again; it stops neither the others "
		"nor the server. `tidemark follow now`, `pause`, `resume` and `status` speak with it.",
		"With --serve-scope NAME, or a [serve \"NAME\"] section, the followed scope NAME is served, too: its "
		"delta query, list, items and relations, at the path of the URL it follows and at "
		"/v1.0/scopes/NAME/delta. Each body is as its source sent it. The feed is read-only. Its owner's "
		"tokens and applications with the permission for the resource may read it; `tidemark scope grant` "
		"opens it to others.",
		"After SIGHUP the server reads its configuration and its certificates again. It applies tls-cert, "
		"tls-key, tls-name, log-level, audit and, with --follow, the [scope] sections. It names each other "
		"setting that has changed and needs a restart, also url and content of a scope that is served. After a "
		"failure everything stays as it was, and a message says why. SIGHUP never ends the server.",
		"After SIGTERM or SIGINT the server finishes the requests it has, for at most 10 seconds, then ends. "
		"After SIGTERM the exit code is 0. A second signal ends it at once, with 143 or 130. No answered "
		"write is lost."),
	.examples = EXAMPLES(
		{ "tidemark serve --sample --store memory:", "Try it" },
		{ "tidemark serve --store sqlite:demo.db", "Serve your own store" },
		{ "tidemark serve --follow --serve-scope calendars", "Follow a scope and serve it onward" },
		{ "tidemark serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --public-url "
	          "https://graph.example.org",
	          "Serve a network, with your own certificate" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED },
	.run = run_serve,
};
