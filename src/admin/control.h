/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control — the control socket of a serving process, PATH.sock (HTTP on a Unix socket, mode 0600).
 *
 *   GET  /-/health    200 while the process lives
 *   GET  /-/ready     200 while the store answers and the server accepts requests, else 503
 *   GET  /-/metrics   Prometheus text
 *   GET  /-/store     where a memory: store has its files
 *   POST /-/apply     JSON Lines, stored in one transaction; with Idempotency-Key (a GUID) a repeat changes nothing
 *   POST /-/gc        ?retention=SECONDS[&dry-run=1][&after=…]: one step of `store gc`
 *   GET  /-/follow    [?name=…][&ticket=…]: the scopes that are followed
 *   POST /-/follow/now, /-/follow/pause, /-/follow/resume     [?name=…]
 *
 * Answers are JSON objects; an error is {"error":{"code":…,"message":…,"line":n}}.
 */
#pragma once

#include <stdatomic.h>

#include "admin/sock_path.h"
#include "auth/auth.h"
#include "http/http.h"
#include "store/store.h"
#include "text/json_write.h"

#define CONTROL_BODY_MAX ((size_t)3 << 20)

struct control_followers { /* of a server that follows; otherwise NULL */
	void *ctx;
	/* Writes the members of the answer.  verb: "" for the state. */
	enum err (*order)(void *ctx, struct str verb, struct str name, uint64_t ticket, struct json_out *json);
	void (*put_metrics)(void *ctx, struct buf *buf);
};

struct control {
	struct store             *store;
	struct auth_gate         *gate;   /* for its metrics */
	const struct http_server *server; /* for its metrics; set before the control socket runs */
	struct content           *content;
	struct control_followers  followers;
	struct str                store_url; /* of the file of a memory: store, else empty */
	const struct clock       *clock;
	const struct entropy     *entropy;
	atomic_bool               draining;
};

struct http_app control_app(struct control *control);
