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
#include "crypt/cert.h"
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
/* Before a store is made: can the public port be opened?  An exit code; the message has been printed. */
int server_check_port(struct cmd_run *run);
/* Opens the public port, with TLS as configured. An exit code; the message has been printed. */
int server_listen(struct server *server);
/* The same without the store, for a start on a store that stays open. */
int  server_open_parts(struct server *server);
void server_close_parts(struct server *server);

/*
 * server_served — the followed scopes that the configuration serves.
 *
 * Two at one path, or one where the store has a feed of its own, are EXIT_CONFIG; the message names both.
 */
int server_served(struct server *server, const struct graph_served **served_out, size_t *count_out);

/* server_tls — the files of a server's certificate: the user's own, or those of the local authority. */
/*
 * The files that `conf` asks for. Makes or renews the certificate of `tls = auto`. `arena` holds the paths. An exit
 * code; the message has been printed.
 */
int server_tls_files(struct server *server, const struct conf *conf, struct arena *arena, struct tls_files *files_out);

/* The URLs of a server that listens: with each host of its certificate and, where it serves the loopback, its names. */
#define SERVER_URLS_MAX ((size_t)2 * (CERT_HOSTS_MAX + 3))
size_t server_tls_urls(const struct server *server, struct arena *arena, struct str urls_out[SERVER_URLS_MAX]);

/*
 * server_reload — a running server reads its configuration and its certificates again.
 *
 * The logs and the certificate change. Each other setting with a new value is named in a message, because it needs a
 * restart. After a failure everything stays as it was, and a message says why.
 */
void server_reload(struct server *server);

/* Prints the file to trust, and how to get a token. */
/* `upn`: the user for the example; NULL: the first user of the store. */
void server_hints(struct server *server, const char *upn);

/* sample — the sample data of `serve --sample`; the lines are built in from samples/. */
/* The user of samples/seed.jsonl. */
#define SAMPLE_USER "samanthab@contoso.com"

extern const unsigned char sample_lines[];
extern const size_t        sample_lines_len;

/* Refuses a store that has users. An exit code; the message has been printed. */
int sample_load(struct server *server);

/* notify — reports to the service manager (the protocol of sd_notify(3)); does nothing if none asks for it. */
void notify(const char *state); /* "READY=1", "STOPPING=1" */
