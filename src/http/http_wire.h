/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_wire — bytes through a non-blocking socket, in the clear or by TLS (http_tls.h).
 *
 * A wire belongs to its connection; one thread at a time uses it.  No call raises SIGPIPE, but
 * http_wire_send_file() needs it blocked in its thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct http_tls;
struct http_tls_link;

enum http_io {
	HTTP_IO_DONE,  /* at least a byte went through, or the handshake is over */
	HTTP_IO_WAIT,  /* nothing can go through now */
	HTTP_IO_END,   /* the peer sends no more */
	HTTP_IO_BROKEN /* the connection is of no more use */
};

struct http_wire {
	int                   fd;
	bool                  drained; /* the last read took all there was */
	struct http_tls_link *tls;     /* NULL: plain */
};

/* Puts TLS on a plain wire; the handshake comes first then.  False: no memory. */
bool http_wire_secure(struct http_wire *wire, struct http_tls *tls);
/* HTTP_IO_DONE at once on a plain wire. */
enum http_io http_wire_handshake(struct http_wire *wire);
/* HTTP/2 was agreed on (ALPN). */
bool http_wire_is_h2(const struct http_wire *wire);

enum http_io http_wire_read(struct http_wire *wire, void *bytes, size_t size, size_t *len_out);
/* What comes, TLS or not, is thrown away: after http_wire_end(). */
enum http_io http_wire_waste(struct http_wire *wire);
/* At most 3 parts, those left to send; after HTTP_IO_WAIT the same ones must be given again. */
enum http_io http_wire_write(struct http_wire *wire, const struct str *parts, unsigned count, size_t *len_out);
/*
 * Sends an interim response of HTTP/1.1, which clients pass over: 100, because some know no other. False: there is no
 * room for it, and part of it may be sent, so nothing can follow.
 */
bool http_wire_probe(struct http_wire *wire);
/* A stretch of a file, by the kernel where it can; after HTTP_IO_WAIT the same stretch must be given again. */
enum http_io http_wire_send_file(struct http_wire *wire, int file, uint64_t from, uint64_t left, size_t *len_out);
/* Bytes written to the socket that the peer has not yet taken; 0 if that is not known. */
size_t http_wire_untaken(const struct http_wire *wire);

void http_wire_end(struct http_wire *wire); /* tells the peer that no more comes */
void http_wire_close(struct http_wire *wire);
