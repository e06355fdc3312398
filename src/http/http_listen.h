/* SPDX-License-Identifier: Apache-2.0 */
/* http_listen — the socket new connections come to: TCP, or a Unix socket only its owner may open. */
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include "http/http.h"

#define HTTP_ADDRESS_MAX 128 /* "[address]:port", or a Unix socket's path */
#define HTTP_PEER_MAX    INET6_ADDRSTRLEN

struct http_listener {
	int   fd;
	char  address[HTTP_ADDRESS_MAX];
	bool  is_unix;
	dev_t dev; /* the Unix socket's file, so that only our own is removed */
	ino_t ino;
};

/* What connections are counted by: an IPv4 address, or an IPv6 network of 64 bits. Zero: not counted. */
struct http_peer_key {
	uint8_t b[16];
};

/* As in http_open(). */
enum err http_listener_open(const struct http_conf *conf, struct http_listener *listener_out, char why_out[256])
	MUST_CHECK;
void http_listener_close(struct http_listener *listener);

enum http_accept {
	HTTP_ACCEPT_DONE,
	HTTP_ACCEPT_NONE,  /* no connection is waiting */
	HTTP_ACCEPT_AGAIN, /* this one went away; look for the next */
	HTTP_ACCEPT_FULL   /* no descriptor or memory is left */
};

enum http_accept http_listener_accept(struct http_listener *listener, int *fd_out, struct http_peer_key *key_out,
                                      char peer_out[HTTP_PEER_MAX]);
