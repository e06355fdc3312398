/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_tls — TLS 1.2 and 1.3 on a non-blocking socket; the only file of the module that uses OpenSSL.
 *
 * The results are those of http_wire.h.  A link never raises SIGPIPE and never closes its socket.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "http/http_wire.h"

struct http_tls;      /* certificate, key and settings; shared by all threads */
struct http_tls_link; /* one connection */

/* ERR_IO, sentence in why_out. */
enum err http_tls_open(const char *cert_path, const char *key_path, struct http_tls **tls_out, char why_out[256])
	MUST_CHECK;
/* Another certificate for the connections from now on. The old one stays after a failure. On any thread. */
enum err http_tls_renew(struct http_tls *tls, const char *cert_path, const char *key_path, char why_out[256])
	MUST_CHECK;
void http_tls_close(struct http_tls **tls);

struct http_tls_link *http_tls_link_open(struct http_tls *tls, int fd); /* NULL: no memory */
enum http_io          http_tls_link_handshake(struct http_tls_link *link);
enum http_io          http_tls_link_read(struct http_tls_link *link, void *bytes, size_t size, size_t *len_out);
/* The parts left to send; after HTTP_IO_WAIT the same ones must be given again. */
enum http_io http_tls_link_write(struct http_tls_link *link, const struct str *parts, unsigned count, size_t *len_out);
/* A stretch of a file. After HTTP_IO_WAIT the same stretch must be given again. */
enum http_io http_tls_link_send_file(struct http_tls_link *link, int file, uint64_t from, uint64_t left,
                                     size_t *len_out);
/* The peer and we agreed on HTTP/2 (ALPN). */
bool http_tls_link_is_h2(const struct http_tls_link *link);
/* Nothing is left to be read now, as far as the last read could see. */
bool http_tls_link_is_drained(const struct http_tls_link *link);
void http_tls_link_end(struct http_tls_link *link); /* tells the peer that no more comes */
void http_tls_link_close(struct http_tls_link **link);
