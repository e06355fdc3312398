/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_save — the body of a response, written to a file.
 *
 * With a part, only the rest of that version is requested.  A redirected link is requested only if the network `from`,
 * where the redirect came from, may lead to the link's address.  Behind a proxy the proxy resolves names, so only a
 * host that is written as an address is checked.
 */
#pragma once

#include "fetch/fetch.h"
#include "fetch/fetch_link.h"

struct fetch_part {             /* the first bytes of one version; bytes of another version are never added */
	int64_t    have, total; /* total -1: not announced */
	struct str etag;        /* strong, else empty */
};

struct fetch_save {
	struct str        link, bearer;
	struct fetch_part part; /* have 0: everything is requested */
	int               fd;
	int64_t           size_max, time_max_ms;
	bool              is_redirected;
	enum fetch_net    from; /* if redirected */
	/* The file holds this part: called when it begins, and after each write. */
	void (*holds)(void *ctx, const struct fetch_part *part);
	void *ctx;
};

struct fetch_saved {
	unsigned          status;
	bool              has_begun; /* the file holds `part`; otherwise it is unchanged */
	struct fetch_part part;
	struct str        location, why, retry_after, date; /* why: a sentence; the others: headers */
	int64_t           written;
	enum fetch_net    net; /* of the server that responded */
};

/*
 * OK: the response is whole, and so is the file if it has begun.  ERR_STALE: the body is not the rest of the part.
 * ERR_BUSY: cut.  ERR_UP_REFUSED, ERR_UP_GARBLED, ERR_TOO_LARGE: see why.  ERR_IO, ERR_FULL: the file; see errno.
 */
enum err fetch_save(struct fetch *fetch, const struct fetch_save *request, struct arena *arena,
                    struct fetch_saved *saved_out) MUST_CHECK;
