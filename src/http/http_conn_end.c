/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection begins and ends; its steps are in http_conn.c. */
#include <stdlib.h>

#include "http/http_conn.h"
#include "http/http_serve.h"
#include "http/http_thread.h"

#define LINGER_MS 2000

void
http_conn_set_deadline(struct http_conn *conn, int64_t at_ms)
{
	http_wheel_put(&conn->peer.thread->wheel, &conn->timer, at_ms);
}

struct http_conn *
http_conn_open(struct http_thread *thread, int fd, const struct http_peer_key *key, const char *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	MUST(conn != NULL);
	conn->wire.fd = fd;
	conn->peer.thread = thread;
	conn->peer.key = *key;
	memcpy(conn->peer.address, peer, sizeof(conn->peer.address));
	conn->pending.peer = &conn->peer;
	return conn;
}

void
http_conn_end_exchange(struct http_conn *conn)
{
	if (conn->exchange)
		http_thread_put_exchange(conn->peer.thread, &conn->exchange);
	conn->fed = 0;
}

void
http_conn_note_left(struct http_conn *conn)
{
	conn->gone = true;
	atomic_store(&conn->pending.left, true);
}

/* A peer that sends no more may still read. Only bytes show it: of one that has left, the system answers by a reset. */
void
http_conn_probe(struct http_conn *conn)
{
	bool parked = conn->state == CONN_PARKED;

	if ((conn->state != CONN_WORKING && !parked) || !conn->may_probe || !conn->hung_up || conn->gone)
		return;
	conn->may_probe = false;
	/* Inside a stream only the application can write. */
	if (parked && conn->exchange->work.wait.stream) {
		conn->exchange->work.wait.until_ms = 0;
		http_waits_ask(&conn->peer.thread->waits, conn->exchange);
		return;
	}
	http_count(&conn->peer.thread->counters.by_class[1], 1);
	if (!http_wire_probe(&conn->wire))
		http_conn_note_left(conn);
}

/* Workers have exchanges of this connection, or keep something for one: it is closed when the last comes back. */
static bool
is_with_workers(struct http_conn *conn)
{
	if (!(conn->h2 ? http_h2_leave(conn->h2) : conn->exchange && conn->exchange->line))
		return false;
	http_conn_note_left(conn);
	if (!conn->h2) {
		conn->state = CONN_WORKING;
		MUST(http_serve_answer(&conn->exchange) == HTTP_NEXT_WAIT);
	}
	http_conn_set_deadline(conn, HTTP_WHEEL_NEVER);
	return true;
}

void
http_conn_close(struct http_conn *conn)
{
	MUST(conn->state != CONN_WORKING && conn->state != CONN_DEAD);
	if (is_with_workers(conn))
		return;
	http_h2_close(&conn->h2);
	http_conn_end_exchange(conn);
	http_thread_put_spare(conn->peer.thread, &conn->in);
	http_wire_close(&conn->wire);
	http_wheel_remove(&conn->peer.thread->wheel, &conn->timer);
	http_list_remove(&conn->again);
	http_list_append(&conn->peer.thread->dead, &conn->listed);
	conn->state = CONN_DEAD;
	http_shared_leave(conn->peer.thread->shared, &conn->peer.key);
}

void
http_conn_linger(struct http_conn *conn)
{
	http_h2_close(&conn->h2);
	http_conn_end_exchange(conn);
	http_thread_put_spare(conn->peer.thread, &conn->in);
	http_wire_end(&conn->wire);
	conn->state = CONN_LINGER;
	conn->readable = true;
	http_conn_set_deadline(conn, conn->peer.thread->now_ms + LINGER_MS);
}
