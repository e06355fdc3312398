/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_remote — our own server inside a test, whole, as `serve` composes it, on a loopback port; and a
 * client of a few lines for writing to it over that port.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "admin/apply.h"
#include "admin/server.h"

#define OWN_RESPONSE_MAX ((size_t)256 << 10)

struct own_remote {
	struct server  server;
	struct cmd_run run;
	pthread_t      thread;
	char           address[64];  /* "127.0.0.1:PORT"; the same after it was opened anew */
	char           bearer[2048]; /* an application's, for all calendars and users */
};

/* ---- opening and closing -------------------------------------------------------------------- */

static inline void *
own_serve(void *ctx)
{
	assert_int_equal(http_run(ctx), OK);
	return NULL;
}

static inline void
own_start(struct own_remote *own)
{
	own->run.conf.values[CONF_LISTEN].text = str_from_c(own->address);
	assert_int_equal(server_listen(&own->server), EXIT_DONE);
	(void)snprintf(own->address, sizeof(own->address), "%.*s", STR_ARG(http_address(own->server.http)));
	assert_int_equal(pthread_create(&own->thread, NULL, own_serve, own->server.http), 0);
}

static inline void
own_stop(struct own_remote *own)
{
	http_stop(own->server.http);
	assert_int_equal(pthread_join(own->thread, NULL), 0);
	server_close_parts(&own->server);
}

static inline void
own_mint(struct own_remote *own)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct issuer_grant             grant = { .app = STR("00000a99-0000-4000-8000-000000000a99"),
		                                  .is_app = true,
		                                  .grants = STR("Calendars.ReadWrite User.Read.All"),
		                                  .life_s = 86400 };
	struct str                      jwt;

	assert_int_equal(directory_tenant(own->server.store, arena, &grant.tenant), OK);
	grant.oid = issuer_principal(&grant.tenant, grant.app);
	assert_int_equal(issuer_mint(own->server.issuer, &grant, arena, &jwt), OK);
	assert_true(jwt.len < sizeof(own->bearer));
	(void)snprintf(own->bearer, sizeof(own->bearer), "%.*s", STR_ARG(jwt));
}

static inline const char *
own_no_env(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return NULL;
}

/* scratch: nothing is synced, for a history that is about other things than the disk. */
static inline void
own_open(struct own_remote *own, const char *dir, bool scratch)
{
	struct store_opening opening = { .create = true, .scratch = scratch };
	struct conf_source   source = { .env = own_no_env };
	struct str           why;

	*own = (struct own_remote){ .address = "127.0.0.1:0" };
	own->run = (struct cmd_run){ .arena = arena_open((size_t)16 << 20),
		                     .clock = &clock_system,
		                     .entropy = &entropy_system };
	source.flags[CONF_STORE] = arena_c(own->run.arena, arena_printf(own->run.arena, "sqlite:%s/s.db", dir));
	source.flags[CONF_TLS] = "off";
	source.flags[CONF_AUDIT] = "off";
	assert_int_equal(conf_read(&source, own->run.arena, &own->run.conf, &why), EXIT_DONE);
	assert_int_equal(server_open(&own->server, &own->run, &opening), EXIT_DONE);
	own_start(own);
	own_mint(own);
}

static inline void
own_close(struct own_remote *own)
{
	own_stop(own);
	server_close(&own->server);
	arena_close(&own->run.arena);
}

/* A server that has lost the keys of its state tokens: started again on the same port, it knows no token it made
 * before. */
static inline void
own_lose_keys(struct own_remote *own)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct store_txn               *txn;
	struct str                      name, value;

	while (store_next_kv(own->server.store, "seal-key", STR_EMPTY, arena, &name, &value) == OK) {
		txn = store_begin(own->server.store, NULL, arena);
		store_remove_kv(txn, "seal-key", name);
		assert_int_equal(store_commit(&txn), OK);
	}
	own_stop(own);
	assert_int_equal(server_open_parts(&own->server), EXIT_DONE);
	own_start(own);
}

/* ---- writing as `tidemark import` does --------------------------------------------------------- */

static inline void
own_apply(struct own_remote *own, struct str lines)
{
	struct apply_result result;

	if (lines.len > 0 && apply_lines(own->server.store, NULL, &entropy_system, NULL, lines, &result) != OK)
		fail_msg("%s in %.*s", result.why, STR_ARG(lines));
}

/* All tombstones of a feed are purged: its horizon is its head. */
static inline void
own_purge(struct own_remote *own, const struct store_feed *feed)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)4 << 20);
	struct store_txn               *txn = store_begin(own->server.store, NULL, arena);
	uint32_t                        purged;

	store_purge(txn, feed, INT64_MAX, 10000, &purged);
	assert_int_equal(store_commit(&txn), OK);
}

/* ---- writing as an application does ------------------------------------------------------------- */

struct own_client {
	struct own_remote *own;
	int                fd; /* below 0: not connected */
	char               response[OWN_RESPONSE_MAX];
	unsigned           status;
	struct str         body; /* of the reply */
};

static inline void
own_client_close(struct own_client *client)
{
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
}

static inline void
own_connect(struct own_client *client)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval     patience = { .tv_sec = 60 };
	struct str         address = str_from_c(client->own->address);
	uint64_t           port;
	int                yes = 1;

	assert_true(str_to_u64(str_skip(address, str_find(address, ':') + 1), &port));
	to.sin_port = htons((uint16_t)port);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client->fd >= 0 && connect(client->fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
	assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

/* Where the body begins, once the whole head is there; 0 before. */
static inline size_t
own_head_len(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

static inline size_t
own_body_len(const char *head, size_t len)
{
	const char *field = memmem(head, len, "Content-Length: ", 16);

	return field ? (size_t)strtoul(field + 16, NULL, 10) : 0;
}

static inline void
own_read_response(struct own_client *client)
{
	size_t len = 0, head = 0;

	while (head == 0 || len < head + own_body_len(client->response, head)) {
		ssize_t n = recv(client->fd, client->response + len, sizeof(client->response) - len, 0);

		if (n <= 0)
			fail_msg("the server's answer to a write ends after %zu bytes", len);
		len += (size_t)n;
		head = own_head_len(client->response, len);
	}
	client->status = (unsigned)strtoul(client->response + 9, NULL, 10);
	client->body = str_of(client->response + head, len - head);
}

static inline void
own_request(struct own_client *client, const char *method, const char *path, const char *body)
{
	char    text[8192];
	int     len;
	ssize_t sent;

	if (client->fd < 0)
		own_connect(client);
	len = snprintf(
		text, sizeof(text),
		"%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
		"Prefer: odata.maxpagesize=200\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		method, path, client->own->address, client->own->bearer, strlen(body), body);
	assert_true(len > 0 && (size_t)len < sizeof(text));
	sent = send(client->fd, text, (size_t)len, MSG_NOSIGNAL);
	assert_int_equal(sent, len);
	own_read_response(client);
}
