/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_parse — parses bytes to a request head, and chunks to a body; no I/O, no memory of its own.
 *
 * Both parsers only go forward and check a byte when it arrives.  Fed the same bytes in other parts
 * they give the same result.  A fault is refused at the line where it is, not after a time limit.
 * Lines end with CRLF and nothing else.  After a fault it is unknown where the next request begins,
 * and the connection must be closed.
 *
 * The parts of the head are offsets into the bytes, so the bytes may move while they grow.
 */
#pragma once

#include "http/http.h"

#define HTTP_METHOD_MAX       ((size_t)32)
#define HTTP_AUTHORITY_MAX    ((size_t)262) /* 255 of a name, a colon, a port; brackets are fewer */
#define HTTP_CHUNK_DIGITS_MAX 8u
#define HTTP_CHUNK_EXT_MAX    ((size_t)4096) /* all chunk extensions of a body */
#define HTTP_TRAILERS_MAX     ((size_t)4096)
/* Longest request line whose target is within its limit: method, two blanks, version, CRLF. */
#define HTTP_LINE_EXTRA (HTTP_METHOD_MAX + 2 + 8 + 2)

enum http_step { HTTP_MORE, HTTP_WHOLE, HTTP_REFUSED };

struct http_piece {
	size_t at, len;
};

struct http_field_piece {
	struct http_piece name, value;
};

struct http_head_limits {
	size_t   head_max, target_max;
	unsigned fields_max;
};

struct http_head {
	struct http_head_limits  limits;
	struct http_field_piece *fields; /* the caller's, fields_max of them */

	size_t   at;        /* next byte to look at */
	size_t   line_at;   /* where its line begins */
	bool     in_fields; /* the request line is done */
	unsigned seen;      /* a bit for each field that may come only once */

	/* What was understood; also up to a refusal. */
	enum http_method  method;
	struct http_piece method_text, path, query, authority;
	struct http_piece target_authority; /* of an absolute-form target */
	size_t            field_count;
	unsigned          minor; /* HTTP/1.minor */
	bool              chunked, close, expects_continue;
	uint64_t          content_length;

	size_t      len;    /* HTTP_WHOLE: bytes of the head, with its empty line */
	unsigned    status; /* HTTP_REFUSED: 400, 414, 417, 431, 505 */
	const char *reason;
};

void http_head_reset(struct http_head *head);
/* bytes: all that has come since the head's first byte, not only what is new. */
enum http_step http_head_feed(struct http_head *head, struct str bytes);

enum http_chunk_state {
	HTTP_CHUNK_SIZE,    /* hexadecimal digits */
	HTTP_CHUNK_EXT,     /* after a semicolon, up to the line's CR */
	HTTP_CHUNK_SIZE_LF, /* the LF of a size line */
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR,
	HTTP_CHUNK_DATA_LF,
	HTTP_CHUNK_LINE,  /* first byte of a trailer line, or the CR of the last line */
	HTTP_CHUNK_NAME,  /* a trailer's name */
	HTTP_CHUNK_VALUE, /* a trailer's value */
	HTTP_CHUNK_VALUE_LF,
	HTTP_CHUNK_LAST_LF,
	HTTP_CHUNK_OVER
};

struct http_chunked {
	enum http_chunk_state state;
	unsigned              digits;
	uint64_t              left; /* of the size being read, then of the chunk's data */
	size_t                ext_len, trailers_len;
	unsigned              status; /* HTTP_REFUSED: 400, 413, 431 */
	const char           *reason;
};

/*
 * Takes bytes from the front of *rest and adds those of the body to `body`, whose limit is the body's (413).
 * HTTP_WHOLE: *rest begins after the body.
 */
enum http_step http_chunked_feed(struct http_chunked *chunked, struct str *rest, struct buf *body);
