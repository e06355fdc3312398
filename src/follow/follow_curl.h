/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_curl — pages over HTTP, by libcurl.
 *
 * One transfer at a time, over a connection that is kept.  No redirects, no cookies, no .netrc; TLS 1.2 at
 * least, the peer verified always; plain http only where the link says so (loopback, which follow_link
 * sees to) and never by a proxy.  What is counted against FOLLOW_PAGE_MAX are decoded bytes.
 */
#pragma once

#include "base/clock.h"
#include "follow/follow_link.h"
#include "follow/follow_source.h"

struct follow_curl;

struct follow_curl_conf {
	const char *ca_file;        /* NULL: the system's */
	const char *agent;          /* User-Agent */
	bool (*stopped)(void *ctx); /* asked ten times a second; true gives a transfer up */
	void *stopped_ctx;
};

enum err follow_curl_open(const struct follow_curl_conf *conf, struct follow_curl **curl_out) MUST_CHECK;
void     follow_curl_close(struct follow_curl **curl);

struct follow_source follow_curl_source(struct follow_curl *curl);
/* The first bytes of one version; those of another never follow them. */
struct follow_part {
	int64_t    have, total; /* total: -1 if it is not announced */
	struct str etag;        /* strong, else empty */
};

/*
 * Bytes straight into a file.  With a part the remote is asked for the rest of that version.  A link that was told by
 * an answer from the network `from` is asked only if it leads where that may lead.  With a proxy it is always asked by
 * that, which decides where names lead; a host spelled as an address is judged even then.
 */
struct follow_save {
	struct str         link, bearer;
	struct follow_part part; /* have 0: the whole is asked for */
	int                fd;
	int64_t            size_max, time_max_ms;
	bool               is_complete;
	enum follow_net    from;
};

struct follow_saved {
	unsigned           status;
	bool               has_begun; /* the file holds `part`; else it is as it was */
	struct follow_part part;
	struct str         location, why; /* why: a sentence */
	int64_t            written;
	enum follow_net    net; /* where the answer came from */
};

/*
 * OK: the answer is whole, and if it has begun so is the file.  ERR_STALE: what came is not the rest of the part.  ERR_BUSY: cut.
 * ERR_UP_REFUSED, ERR_UP_GARBLED, ERR_TOO_LARGE: see why.  ERR_IO, ERR_FULL: the file, see errno.
 */
enum err follow_curl_save(struct follow_curl *curl, const struct follow_save *request, struct arena *arena,
                          struct follow_saved *saved_out) MUST_CHECK;
/* A form posted, as an OAuth token endpoint wants it.  As fetch() of a source. */
enum err follow_curl_post(struct follow_curl *curl, struct str url, struct str form, struct arena *arena,
                          struct follow_response *response_out, struct str *why_out) MUST_CHECK;
