/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server as a whole, and its door: the thread in http_run() accepts connections and deals
 * them out; what they say is the loops' business.
 */
#include "http/http_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define HEAD_MAX            ((size_t)16 * 1024)
#define TARGET_MAX          ((size_t)8 * 1024)
#define FIELDS_MAX          64u
#define PER_PEER_MAX        4096u
#define WORKERS_MAX         64u
#define RESPONSE_MAX        ((size_t)64 << 20)
#define HELD_MAX            ((size_t)64 << 20)
#define HELD_PER_PEER_MAX   ((size_t)32 << 20)
#define ANSWERS_MAX         ((size_t)4 << 20)
#define HEAD_MS             5000
#define IDLE_MS             60000
#define HANDSHAKE_MS        5000
#define BODY_MS             10000
#define WRITE_MS            10000
#define DRAIN_MS            10000
#define CONNECTIONS_CEILING 1000000u
/* At the descriptor limit the door tries again after this; otherwise it is told when there is room. */
#define PAUSE_MS            100
#define ACCEPTS_AT_ONCE     256

/* The rest of the descriptors is for the store, the log, and what else the process does. */
static unsigned
connections_from_descriptors(void)
{
	struct rlimit limit;
	rlim_t        most;

	MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	most = limit.rlim_cur / 10 * 9;
	if (most > CONNECTIONS_CEILING)
		return CONNECTIONS_CEILING;
	return most ? (unsigned)most : 1;
}

static void
default_size(size_t *value, size_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void
default_count(unsigned *value, unsigned otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void
default_ms(int64_t *value, int64_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static struct http_limits
limits_from(const struct http_limits *wanted)
{
	struct http_limits limits = *wanted;

	default_size(&limits.head_max, HEAD_MAX);
	default_size(&limits.target_max, TARGET_MAX);
	default_size(&limits.response_max, RESPONSE_MAX);
	default_size(&limits.held_max, HELD_MAX);
	default_size(&limits.held_per_peer_max, HELD_PER_PEER_MAX);
	default_size(&limits.answers_max, ANSWERS_MAX);
	default_count(&limits.fields_max, FIELDS_MAX);
	default_count(&limits.connections_max, connections_from_descriptors());
	default_count(&limits.connections_per_peer_max, PER_PEER_MAX);
	default_count(&limits.workers_max, WORKERS_MAX);
	default_ms(&limits.head_ms, HEAD_MS);
	default_ms(&limits.idle_ms, IDLE_MS);
	default_ms(&limits.handshake_ms, HANDSHAKE_MS);
	default_ms(&limits.body_ms, BODY_MS);
	default_ms(&limits.write_ms, WRITE_MS);
	default_ms(&limits.drain_ms, DRAIN_MS);
	return limits;
}

static unsigned
loops_from(unsigned wanted)
{
	cpu_set_t cores;

	if (wanted == 0)
		wanted = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
	return wanted < HTTP_LOOPS_MAX ? wanted : HTTP_LOOPS_MAX;
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
	AUTO(http_close) struct http_server *server = calloc(1, sizeof(*server));

	MUST(server != NULL && conf->clock && app->plan && app->answer && app->refuse);
	server->app = *app;
	server->limits = limits_from(&conf->limits);
	server->clock = conf->clock;
	server->log = conf->log;
	server->listener.fd = -1;
	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->wake_fd < 0)
		return fail("cannot make an event descriptor", why_out);
	if (conf->tls_cert || conf->tls_key)
		TRY(tls_open(conf, &server->tls, why_out));
	for (unsigned i = 0; i < loops_from(conf->loops); i++) {
		server->loops[i] = http_loop_open(server);
		if (!server->loops[i])
			return fail("cannot make an event loop", why_out);
		server->loop_count++;
	}
	server->peers = http_peers_open(&server->limits);
	server->workers = http_workers_open(server->limits.workers_max, &server->app);
	server->groups = http_groups_open((size_t)server->limits.workers_max * HTTP_QUEUE_PER_WORKER, &server->app);
	TRY(http_listener_open(conf, &server->listener, why_out));
	*server_out = server;
	server = NULL;
	return OK;
}

void
http_close(struct http_server **server)
{
	struct http_server *old = *server;

	if (!old)
		return;
	http_listener_close(&old->listener);
	http_workers_close(&old->workers);
	http_groups_close(&old->groups);
	for (unsigned i = 0; i < old->loop_count; i++)
		http_loop_close(&old->loops[i]);
	http_peers_close(&old->peers);
	http_tls_close(&old->tls);
	if (old->wake_fd >= 0)
		(void)close(old->wake_fd);
	free(old);
	*server = NULL;
}

struct str
http_address(const struct http_server *server)
{
	return str_from_c(server->listener.address);
}

static void
wake_door(struct http_server *server)
{
	const uint64_t one = 1;
	int            saved = errno;

	/* A full counter refuses the write, and wakes as well. */
	if (write(server->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

void
http_stop(struct http_server *server)
{
	atomic_store(&server->stopping, true);
	wake_door(server);
}

bool
http_server_put(struct http_server *server, struct http_exchange **exchange)
{
	const struct http_plan *plan = &(*exchange)->plan;
	bool grouped = server->groups && plan->grouped && !plan->stream && (*exchange)->body.len <= HTTP_GROUP_BODY_MAX;
	bool taken = grouped ? http_groups_put(server->groups, *exchange) : http_workers_put(server->workers, *exchange);

	if (taken)
		*exchange = NULL;
	return taken;
}

void
http_server_conn_ended(struct http_server *server, const struct http_peer_key *key)
{
	http_peers_leave(server->peers, key);
	atomic_fetch_sub(&server->open, 1);
	if (atomic_exchange(&server->full, false))
		wake_door(server);
}

static struct http_loop *
emptiest_loop(struct http_server *server)
{
	struct http_loop *loop = server->loops[0];

	for (unsigned i = 1; i < server->loop_count; i++)
		if (atomic_load(&server->loops[i]->open) < atomic_load(&loop->open))
			loop = server->loops[i];
	return loop;
}

static void
let_in(struct http_server *server, int fd, const struct http_peer_key *key, const char *peer)
{
	struct http_conn *conn;

	if (!http_peers_enter(server->peers, key)) {
		http_count(&server->refused, 1);
		(void)close(fd);
		return;
	}
	http_count(&server->accepted, 1);
	atomic_fetch_add(&server->open, 1);
	conn = http_conn_open(fd, key, peer);
	if (http_loop_register(emptiest_loop(server), conn))
		return;
	http_server_conn_ended(server, key);
	(void)close(fd);
	free(conn);
}

static bool
is_full(struct http_server *server)
{
	if (atomic_load(&server->open) < server->limits.connections_max)
		return false;
	/* Told first, looked at again after: a connection that ends in between is not missed. */
	atomic_store(&server->full, true);
	return atomic_load(&server->open) >= server->limits.connections_max;
}

static void
tell_exhausted(struct http_server *server)
{
	if (server->log && !server->exhausted)
		LOG_EVENT(server->log, LOG_WARN, "accept paused", { "why", STR("no descriptors or memory left") });
	server->exhausted = true;
}

/* True: nobody more can be let in for now. */
static bool
accept_some(struct http_server *server)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct http_peer_key key;
		char                 peer[HTTP_PEER_MAX] = { 0 };
		int                  fd;

		if (is_full(server))
			return true;
		switch (http_listener_accept(&server->listener, &fd, &key, peer)) {
		case HTTP_ACCEPT_DONE:
			server->exhausted = false;
			let_in(server, fd, &key, peer);
			break;
		case HTTP_ACCEPT_NONE:
			return false;
		case HTTP_ACCEPT_AGAIN:
			break;
		case HTTP_ACCEPT_FULL:
			tell_exhausted(server);
			return true;
		}
	}
	return false;
}

static void
stand_at_the_door(struct http_server *server)
{
	bool paused = false;

	while (!atomic_load(&server->stopping)) {
		struct pollfd fds[2] = { { .fd = server->wake_fd, .events = POLLIN },
			                 { .fd = paused ? -1 : server->listener.fd, .events = POLLIN } };
		uint64_t      count;

		if (poll(fds, 2, paused ? PAUSE_MS : -1) < 0)
			MUST(errno == EINTR);
		else if (fds[0].revents)
			MUST(read(server->wake_fd, &count, sizeof(count)) > 0 || errno == EAGAIN);
		if (!atomic_load(&server->stopping))
			paused = accept_some(server);
	}
}

/* How many could be started.  They take no signals: those are for the thread in http_run(). */
static unsigned
start_loops(struct http_server *server)
{
	sigset_t all, before;
	unsigned started = 0;

	MUST(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	while (started < server->loop_count && http_loop_start(server->loops[started]))
		started++;
	MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return started;
}

enum err
http_run(struct http_server *server)
{
	unsigned started = start_loops(server);

	if (started == server->loop_count)
		stand_at_the_door(server);
	http_listener_close(&server->listener);
	for (unsigned i = 0; i < started; i++)
		http_loop_drain(server->loops[i]);
	for (unsigned i = 0; i < started; i++)
		http_loop_join(server->loops[i]);
	return started == server->loop_count ? OK : ERR_IO;
}

void
http_get_stats(const struct http_server *server, struct http_stats *stats_out)
{
	struct http_stats stats = {
		.accepted = server->accepted,
		.refused_connections = server->refused,
		.open = atomic_load(&server->open),
		.workers_busy = http_workers_busy(server->workers),
	};

	for (unsigned i = 0; i < server->loop_count; i++) {
		const struct http_counters *counters = &server->loops[i]->counters;

		stats.requests += counters->requests;
		for (unsigned class = 0; class < 6; class++)
			stats.by_class[class] += counters->by_class[class];
		stats.timeouts += counters->timeouts;
		stats.protocol_errors += counters->protocol_errors;
		stats.bytes_in += counters->bytes_in;
		stats.bytes_out += counters->bytes_out;
	}
	*stats_out = stats;
}
