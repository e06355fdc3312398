/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch — one request of the server's side, by libcurl: for an outside issuer's keys, and over the control socket.
 *
 * TLS is always verified; no redirect is followed.  The network is https only, through the proxy of the environment;
 * a Unix socket is plain http and takes no proxy.  Two minutes without a byte end the request.
 */
#pragma once

#include "base/buf.h"

struct fetch_call {
	const char        *url;
	const char        *sock_path; /* the Unix socket to connect to; NULL: the network */
	const char        *ca_file;   /* the authorities (PEM); NULL: the system's */
	const char *const *fields;    /* header fields, "Name: value", then NULL; NULL: none */
	bool               post;      /* POST with `body`; otherwise GET */
	struct str         body;
	long               time_ms; /* for all of it; 0: no limit */
};

/*
 * An answer of any status: OK.  ERR_NOT_FOUND there is nobody, nothing was sent · ERR_TOO_LARGE more than `body_out`
 * takes · ERR_UP_GARBLED no HTTP · ERR_UNSURE cut: the request may have been seen.  *why_out is a fixed sentence.
 */
enum err fetch(const struct fetch_call *call, struct buf *body_out, unsigned *status_out, const char **why_out)
	MUST_CHECK;
