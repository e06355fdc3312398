/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: http_run() runs on the acceptor's thread, the loops have their own. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "http/http_loop.h"
#include "http/http_tls.h"

#define LOOPS_MAX 16u

struct http_server {
	struct http_shared   shared;
	struct http_acceptor acceptor;
	struct http_loop    *loops[LOOPS_MAX];
};

static unsigned
loops_from(unsigned wanted)
{
	cpu_set_t cores;

	if (wanted == 0)
		wanted = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
	return wanted < LOOPS_MAX ? wanted : LOOPS_MAX;
}

static enum err
fail(const char *what, char why_out[256])
{
	str_printf(why_out, 256, "%s: %s", what, strerror(errno));
	return ERR_IO;
}

static enum err
tls_open(const struct http_conf *conf, struct http_tls **tls_out, char why_out[256])
{
	if (conf->tls_cert && conf->tls_key)
		return http_tls_open(conf->tls_cert, conf->tls_key, tls_out, why_out);
	str_printf(why_out, 256, "TLS needs both a certificate and a private key");
	return ERR_BAD_REQUEST;
}

enum err
http_open(const struct http_conf *conf, const struct http_app *app, struct http_server **server_out, char why_out[256])
{
	AUTO(http_close) struct http_server *server = handle_new(sizeof(*server));
	struct http_acceptor                *acceptor;

	MUST(conf->clock && app->plan && app->answer && app->refuse);
	acceptor = &server->acceptor;
	acceptor->shared = &server->shared;
	acceptor->log = conf->log;
	acceptor->loops = server->loops;
	acceptor->listener.fd = -1;
	if (!http_shared_open(&server->shared, conf, app))
		return fail("cannot make an event descriptor", why_out);
	if (conf->tls_cert || conf->tls_key)
		TRY(tls_open(conf, &server->shared.tls, why_out));
	for (unsigned i = 0; i < loops_from(conf->loops); i++) {
		server->loops[i] = http_loop_open(&server->shared);
		if (!server->loops[i])
			return fail("cannot make an event loop", why_out);
		acceptor->loop_count++;
	}
	TRY(http_listener_open(conf, &acceptor->listener, why_out));
	*server_out = server;
	server = NULL;
	return OK;
}

enum err
http_check_listen(struct str listen, char why_out[256])
{
	struct http_listener listener;

	TRY(http_listener_open(&(struct http_conf){ .listen = listen }, &listener, why_out));
	http_listener_close(&listener);
	return OK;
}

void
http_close(struct http_server **server)
{
	struct http_server *old = *server;

	if (!old)
		return;
	http_listener_close(&old->acceptor.listener);
	http_shared_close_queues(&old->shared);
	for (unsigned i = 0; i < old->acceptor.loop_count; i++)
		http_loop_close(&old->loops[i]);
	http_tls_close(&old->shared.tls);
	http_shared_close(&old->shared);
	free(old);
	*server = NULL;
}

struct str
http_address(const struct http_server *server)
{
	return str_from_c(server->acceptor.listener.address);
}

enum err
http_renew_tls(struct http_server *server, const char *cert, const char *key, char why_out[256])
{
	return http_tls_renew(server->shared.tls, cert, key, why_out);
}

void
http_topic_changed(struct http_server *server, uint32_t topic)
{
	http_waiting_changed(&server->shared.waiting, topic);
	for (unsigned i = 0; i < server->acceptor.loop_count; i++)
		http_loop_topic_changed(server->loops[i], topic);
}

void
http_stop(struct http_server *server)
{
	http_acceptor_stop(&server->acceptor);
}

/* How many could be started.  They take no signals: those are for the thread in http_run(). */
static unsigned
start_loops(struct http_server *server)
{
	sigset_t all, before;
	unsigned started = 0;

	MUST(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	while (started < server->acceptor.loop_count && http_loop_start(server->loops[started]))
		started++;
	MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return started;
}

enum err
http_run(struct http_server *server)
{
	unsigned started = start_loops(server);

	if (started == server->acceptor.loop_count)
		http_acceptor_run(&server->acceptor);
	http_listener_close(&server->acceptor.listener);
	for (unsigned i = 0; i < started; i++)
		http_loop_drain(server->loops[i]);
	for (unsigned i = 0; i < started; i++)
		http_loop_join(server->loops[i]);
	return started == server->acceptor.loop_count ? OK : ERR_IO;
}

void
http_get_stats(const struct http_server *server, struct http_stats *stats_out)
{
	struct http_shared *shared = (struct http_shared *)(uintptr_t)&server->shared; /* for its locks */
	struct http_queue  *queues[] = { &shared->workers, &shared->groups, &shared->uploads };
	struct http_stats   stats = {
		  .accepted = shared->accepted,
		  .refused_connections = shared->refused,
		  .open = atomic_load(&shared->open),
		  .held = http_peers_held(shared->peers),
		  .waits = atomic_load(&shared->waiting.count),
		  .throttled = atomic_load(&shared->waiting.throttled),
	};

	for (size_t i = 0; i < COUNT_OF(queues); i++) {
		stats.uploads = 0; /* the last of them counts */
		http_queue_get_stats(queues[i], &stats.waiting, &stats.uploads);
		stats.workers_busy += atomic_load(&queues[i]->busy);
		stats.throttled += atomic_load(&queues[i]->throttled);
	}
	for (unsigned i = 0; i < server->acceptor.loop_count; i++) {
		const struct http_counters *counters = http_loop_counters(server->loops[i]);

		stats.requests += counters->requests;
		for (unsigned class = 0; class < 6; class ++)
			stats.by_class[class] += counters->by_class[class];
		stats.timeouts += counters->timeouts;
		stats.protocol_errors += counters->protocol_errors;
		stats.bytes_in += counters->bytes_in;
		stats.bytes_out += counters->bytes_out;
	}
	*stats_out = stats;
}
