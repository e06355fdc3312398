/* SPDX-License-Identifier: Apache-2.0 */
/* vectors — requests that other servers have let through; each must be refused and its connection closed. */
#pragma once

#include <stdlib.h>

#include "base/buf.h"

#define START "POST /echo HTTP/1.1\r\nHost: x\r\n"
/* What a smuggler wants to be taken for a second request. */
#define SECOND "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

struct vector {
	const char *name;
	struct str  bytes;
	unsigned    status;
};

static const struct vector vectors[] = {
	{ "Content-Length and Transfer-Encoding",
	  { START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND, 0 },
	  400 },
	{ "two different Content-Length",
	  { START "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" SECOND, 0 },
	  400 },
	{ "Content-Length: +5", { START "Content-Length: +5\r\n\r\nhello", 0 }, 400 },
	{ "Content-Length: 5, 5", { START "Content-Length: 5, 5\r\n\r\nhello", 0 }, 400 },
	{ "Transfer-Encoding: xchunked with Content-Length",
	  { START "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello", 0 },
	  400 },
	{ "Transfer-Encoding: chunked, identity",
	  { START "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 0 },
	  400 },
	{ "blank before the colon", { START "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 0 }, 400 },
	{ "a folded line hides Transfer-Encoding",
	  { START "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", 0 },
	  400 },
	{ "bare LF line ends", { "GET / HTTP/1.1\nHost: x\n\n", 0 }, 400 },
	{ "bare CR in a value", { "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 0 }, 400 },
	{ "chunk size 0x3", { START "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 0 }, 400 },
	{ "chunk size of 17 digits",
	  { START "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", 0 },
	  400 },
	{ "negative chunk size", { START "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 0 }, 400 },
	{ "chunk not ended by CRLF", { START "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 0 }, 400 },
	{ "no Host", { "GET / HTTP/1.1\r\nX: a\r\n\r\n", 0 }, 400 },
	{ "two Hosts", { "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 0 }, 400 },
	{ "NUL in a value", { "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 35 }, 400 },
	{ "%00 in the path", { "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 0 }, 400 },
	{ "absolute target of another host", { "GET http://evil/a HTTP/1.1\r\nHost: x\r\n\r\n", 0 }, 400 },
	{ "HTTP/1.0 with chunked and keep-alive",
	  { "POST /echo HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "0\r\n\r\n",
	    0 },
	  400 },
	{ "two Authorization fields",
	  { "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 0 },
	  400 },
	{ "a header of 100 KB", { NULL, 0 }, 431 },
	{ "2,000 fields", { NULL, 0 }, 431 },
};

#define VECTOR_COUNT (sizeof(vectors) / sizeof(vectors[0]))

/* The bytes of the n-th vector; to be freed by buf_close(). */
static inline void
vector_open(size_t n, struct buf *bytes)
{
	buf_open(bytes, (size_t)1 << 20);
	if (vectors[n].bytes.at) {
		buf_put(bytes, vectors[n].bytes.len ? vectors[n].bytes : str_from_c(vectors[n].bytes.at));
		return;
	}
	buf_put(bytes, STR("GET / HTTP/1.1\r\nHost: x\r\n"));
	if (strstr(vectors[n].name, "100 KB")) {
		buf_put(bytes, STR("X: "));
		for (size_t i = 0; i < (size_t)100 * 1024; i++)
			buf_put_char(bytes, 'a');
		buf_put(bytes, STR("\r\n"));
	} else {
		for (unsigned i = 0; i < 2000; i++)
			buf_printf(bytes, "X%u: a\r\n", i);
	}
	buf_put(bytes, STR("\r\n"));
}
