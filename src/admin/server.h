/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server — the parts of a server, opened from a configuration in the order in which they need each other:
 *
 *   store → keys of state tokens → issuer → gate → content → Graph API → public port
 */
#pragma once

#include "admin/issuer_conf.h"
#include "admin/writer.h"
#include "base/random.h"
#include "base/scratch_dir.h"
#include "graph/graph.h"

struct tls_files { /* NULL: none */
	const char *cert, *key;
	const char *ca; /* of a certificate that this program made */
};

struct server {
	struct cmd_run     *run;
	bool                reads_only;
	struct log          log, audit;
	struct log_sink     sink; /* of both logs */
	struct issuer_conf  external;
	struct store       *store;
	struct random_pool *pool;
	struct entropy      entropy; /* for each request: the pool's */
	struct token_ring  *ring;
	struct issuer      *issuer;
	struct auth_gate   *gate;
	struct content     *content;
	struct graph       *graph;
	struct http_server *http;
	struct scratch_dir  tls_dir; /* the certificate of a memory: store */
	struct tls_files    tls;
};

/*
 * Opens all parts except the public port. Without `opening` the store is only read: no keys of state tokens, no
 * content, no audit. `run` must outlive the server. Returns an exit code; the message has been printed. Close it even
 * then.
 */
int  server_open(struct server *server, struct cmd_run *run, const struct store_opening *opening);
void server_close(struct server *server);
/* Applies the settings of the logs; on any thread. */
void server_set_logs(struct server *server, const struct conf *conf);
/* Opens the public port, with TLS as configured. An exit code; the message has been printed. */
int server_listen(struct server *server);
/* The same without the store, for a start on a store that stays open. */
int  server_open_parts(struct server *server);
void server_close_parts(struct server *server);
