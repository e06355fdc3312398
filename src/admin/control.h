/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control — what a serving process answers on PATH.sock (HTTP on a Unix socket, mode 0600).
 *
 *   GET  /-/health    200 while the process lives
 *   GET  /-/ready     200 when the store answers and requests are taken, else 503
 *   GET  /-/metrics   Prometheus text
 *   POST /-/apply     JSON Lines, stored in one transaction; Idempotency-Key: a GUID makes a repeat harmless
 *   POST /-/gc        ?retention=SECONDS[&dry-run=1][&after=…]: one step of `store gc`
 *
 * Answers are JSON objects; a refusal is {"error":{"code":…,"message":…,"line":n}}.
 */
#pragma once

#include <stdatomic.h>

#include "admin/sock_path.h"
#include "auth/auth.h"
#include "http/http.h"
#include "store/store.h"

#define CONTROL_BODY_MAX ((size_t)3 << 20)

struct control {
	struct store             *store;
	struct auth_gate         *gate;   /* whose figures are told */
	const struct http_server *server; /* whose figures are told; set before the control socket runs */
	struct content           *content;
	const struct clock       *clock;
	const struct entropy     *entropy;
	atomic_bool               draining;
};

struct http_app control_app(struct control *control);
