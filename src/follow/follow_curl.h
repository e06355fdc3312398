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
#include "follow/follow_source.h"

struct follow_curl;

struct follow_curl_conf {
	const char *ca_file;                     /* NULL: the system's */
	const char *agent;                       /* User-Agent */
	bool      (*stopped)(void *ctx);         /* asked ten times a second; true gives a transfer up */
	void       *stopped_ctx;
};

enum err follow_curl_open(const struct follow_curl_conf *conf, struct follow_curl **curl_out) MUST_CHECK;
void     follow_curl_close(struct follow_curl **curl);

struct follow_source follow_curl_source(struct follow_curl *curl);
/*
 * Bytes straight into a file.  With an offset and an ETag the far end is asked for the rest, if it is still
 * that; whatever it answers, the file then holds the beginning of what saved_out->etag names.
 */
struct follow_save {
	struct str link, bearer, etag;
	int64_t    offset;
	int        fd;
};

struct follow_saved {
	unsigned   status;
	struct str location, etag;
	int64_t    written;
};

/* ERR_BUSY: cut; what came is in the file.  ERR_IO, ERR_FULL: the file, see errno. */
enum err follow_curl_save(struct follow_curl *curl, const struct follow_save *ask, struct arena *arena,
                          struct follow_saved *saved_out) MUST_CHECK;
/* A form posted, as an OAuth token endpoint wants it.  As fetch() of a source. */
enum err follow_curl_post(struct follow_curl *curl, struct str url, struct str form, struct arena *arena,
                          struct follow_reply *reply_out, struct str *why_out) MUST_CHECK;
