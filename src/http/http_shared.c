/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_shared.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "http/http_worker.h"

#define CONNECTIONS_CEILING 1000000u

/* The rest of the descriptors is for the store, the log, and other files of the process. */
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

#define DEFAULT(member, otherwise) \
	if (limits.member == 0) \
	limits.member = (otherwise)

static struct http_limits
limits_from(struct http_limits limits)
{
	DEFAULT(head_max, (size_t)16 * 1024);
	DEFAULT(target_max, (size_t)8 * 1024);
	DEFAULT(response_max, (size_t)64 << 20);
	DEFAULT(held_max, (size_t)64 << 20);
	DEFAULT(held_per_peer_max, (size_t)32 << 20);
	DEFAULT(answers_max, (size_t)4 << 20);
	DEFAULT(fields_max, 64);
	DEFAULT(connections_max, connections_from_descriptors());
	DEFAULT(connections_per_peer_max, 4096);
	DEFAULT(workers_max, 64);
	DEFAULT(waits_max, 16384);
	DEFAULT(waits_per_caller_max, limits.waits_max / 4);
	DEFAULT(head_ms, 5000);
	DEFAULT(idle_ms, 60000);
	DEFAULT(handshake_ms, 5000);
	DEFAULT(body_ms, 10000);
	DEFAULT(write_ms, 10000);
	DEFAULT(drain_ms, 10000);
	return limits;
}

bool
http_shared_open(struct http_shared *shared, const struct http_conf *conf, const struct http_app *app)
{
	shared->app = *app;
	shared->limits = limits_from(conf->limits);
	shared->clock = conf->clock;
	shared->peers = http_peers_open(&shared->limits);
	http_workers_open(&shared->workers, &shared->limits, &shared->app);
	http_uploads_open(&shared->uploads, &shared->limits, &shared->app);
	http_groups_open(&shared->groups, &shared->limits, &shared->app);
	http_waiting_open(&shared->waiting, &shared->limits);
	shared->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return shared->wake_fd >= 0;
}

void
http_shared_close_queues(struct http_shared *shared)
{
	http_queue_close(&shared->workers);
	http_queue_close(&shared->uploads);
	http_queue_close(&shared->groups);
}

void
http_shared_close(struct http_shared *shared)
{
	http_peers_close(&shared->peers);
	http_peers_close(&shared->waiting.callers);
	if (shared->wake_fd >= 0)
		(void)close(shared->wake_fd);
}

static struct http_queue *
queue_for(struct http_shared *shared, const struct http_exchange *exchange)
{
	if (exchange->plan.stream)
		return &shared->uploads;
	if (shared->app.group_open && exchange->plan.grouped && exchange->body.bytes.len <= HTTP_GROUP_BODY_MAX)
		return &shared->groups;
	return &shared->workers;
}

enum http_admission
http_shared_put(struct http_shared *shared, struct http_exchange **exchange)
{
	enum http_admission admission = http_queue_put(queue_for(shared, *exchange), *exchange);

	if (admission == HTTP_ADMITTED)
		*exchange = NULL;
	return admission;
}

bool
http_shared_enter(struct http_shared *shared, const struct http_peer_key *key)
{
	bool entered = http_peers_enter(shared->peers, key);

	atomic_fetch_add(entered ? &shared->accepted : &shared->refused, 1);
	if (entered)
		atomic_fetch_add(&shared->open, 1);
	return entered;
}

void
http_shared_leave(struct http_shared *shared, const struct http_peer_key *key)
{
	http_peers_leave(shared->peers, key);
	atomic_fetch_sub(&shared->open, 1);
	if (atomic_exchange(&shared->full, false))
		http_shared_wake_acceptor(shared);
}

bool
http_shared_is_full(struct http_shared *shared)
{
	if (atomic_load(&shared->open) < shared->limits.connections_max)
		return false;
	/* Set first, looked at again after: a connection that ends in between is not missed. */
	atomic_store(&shared->full, true);
	return atomic_load(&shared->open) >= shared->limits.connections_max;
}

void
http_shared_wake_acceptor(struct http_shared *shared)
{
	const uint64_t one = 1;
	int            saved = errno;

	/* A full counter refuses the write, and wakes as well. */
	if (write(shared->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}
