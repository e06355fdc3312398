/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch — the HTTP client, by libcurl.  One request at a time, over a connection that is kept.
 *
 * No redirects, no cookies, no .netrc.  TLS 1.2 at least; the peer's certificate is always verified.  An https URL goes
 * through the proxy of the environment.  An http URL, and a request over a Unix socket, goes through no proxy.
 * fetch_save.h writes a response's body to a file.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define FETCH_HEADERS_MAX 20
#define FETCH_BODY_MAX    ((size_t)16 << 20)
#define FETCH_BEARER_MAX  ((size_t)64 << 10)

struct fetch;

struct fetch_conf {                   /* zero means the default */
	const char *ca_file;          /* certificate authorities (PEM); NULL: the system's */
	const char *agent;            /* User-Agent; NULL: none is sent */
	const char *sock_path;        /* the Unix socket to connect to; NULL: the network */
	bool        is_https_only;    /* http URLs are refused */
	bool        has_no_ca_option; /* an error about a certificate does not explain --ca */
	size_t      body_max;         /* decoded bytes of a response: FETCH_BODY_MAX */
	long        idle_s;           /* so long without a byte ends a request: 30 */
	long        time_ms;          /* for a whole request: 300,000; -1: no limit */
	bool (*stopped)(void *ctx);   /* called ten times a second; true cancels the request; may be NULL */
	void *stopped_ctx;
};

struct fetch_request {
	struct str  url;
	const char *headers[FETCH_HEADERS_MAX]; /* "Name: value"; NULL ones are skipped */
	bool        is_post;                    /* otherwise GET */
	bool        skims;                      /* the body is shortened as it arrives: fetch_skim.h */
	struct str  body;
};

struct fetch_response {
	unsigned   status;                                             /* 0: no response */
	struct str body;                                               /* decoded; valid until the next request */
	size_t     size;                                               /* of the body before it was skimmed */
	struct str location, retry_after, date, request_id, challenge; /* raw; empty if missing */
};

enum err fetch_open(const struct fetch_conf *conf, struct fetch **fetch_out) MUST_CHECK;
void     fetch_close(struct fetch **fetch);

/*
 * OK: a whole response of any status.  ERR_NOT_FOUND: no connection, nothing was sent.  ERR_UNSURE: no whole response;
 * the request may have been seen.  ERR_UP_GARBLED: not HTTP.  ERR_TOO_LARGE: more than body_max.  ERR_UP_REFUSED: the
 * certificate or the protocol is not acceptable.  *why_out is a sentence.  *response_out holds what did come.
 */
enum err fetch_send(struct fetch *fetch, const struct fetch_request *request, struct arena *arena,
                    struct fetch_response *response_out, struct str *why_out) MUST_CHECK;
/* Sends a GET and does not wait.  fetch_send() of the same request then waits for its response; any other cancels it.
 */
void fetch_start(struct fetch *fetch, const struct fetch_request *request, struct arena *arena);
void fetch_cancel(struct fetch *fetch);

/*
 * The result for a caller who can only try again later.  OK: there is a response; an error status counts even if its
 * body was cut. ERR_BUSY: no whole response.  ERR_TOO_LARGE and ERR_UP_REFUSED as above.
 */
enum err fetch_result(enum err err, const struct fetch_response *response);

/* "Authorization: Bearer …"; NULL without a bearer. */
const char *fetch_bearer_header(struct str bearer, struct arena *arena);

struct fetch_secrets;

/* The seam where the bearer token of a request comes from: src/oauth in the program, a function in the tests. */
struct fetch_bearer {
	void *ctx;
	/*
	 * `again`: the last token was refused; get a new one.  ERR_NO_IDENTITY: there is none; *why_out never contains
	 * a secret.  ERR_BUSY: try later.  ERR_UP_REFUSED: the token endpoint's certificate or protocol is not
	 * acceptable.
	 */
	enum err (*get)(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out);
	/* The remote demands these claims (JSON) of the next token.  NULL: the token cannot be influenced. */
	void (*demand)(void *ctx, struct str claims);
	const struct fetch_secrets *secrets; /* must not come back from the remote; NULL: none are known */
};
