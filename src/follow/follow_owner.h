/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_owner — whose data a credential opens.  A URL of /me means other data for every caller.
 *
 * It is a bearer around another one.  It checks each token that it has not seen before anybody can send it: a JWT by
 * its claims `tid` and `oid`, any other token by GET /me?$select=id, once.  If that is refused, the owner is not known,
 * and the token passes.  For a token of another owner than `text`, get() gives ERR_NO_IDENTITY.
 * An owner is "TENANT/ID", or "ID" where the tenant is not known.
 */
#pragma once

#include "fetch/fetch.h"
#include "follow/follow_source.h"
#include "store/replica.h"

struct follow_owner {
	struct fetch_bearer    inner;
	struct follow_source   source;
	struct str             link;                        /* the URL to ask; must outlive it */
	char                   text[REPLICA_OWNER_MAX + 1]; /* of the scope, or of the first token; empty: not known */
	char                   doubt[200];                  /* why the last token's owner is not known; else empty */
	uint8_t                seen[32];                    /* SHA-256 of the last good token */
	struct follow_response answer;                      /* after ERR_BUSY, as long as the arena of get() lives */
	bool                   has_answered;
	enum err   failed; /* of a get() before the run: the next one gives it again, with `why` and `answer` */
	struct str why;
};

/* Is it a URL of /me?  Then *link_out is the URL that says who that is. */
bool follow_owner_link(struct str url, struct arena *arena, struct str *link_out);
/* Needs inner, source and link; `owner` must outlive the bearer. */
struct fetch_bearer follow_owner_bearer(struct follow_owner *owner);
bool                follow_owner_is(struct str a, struct str b); /* the tenant counts if both name one */
