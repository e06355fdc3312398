/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth — who is calling, and what the caller may do.
 *
 * A bearer token is a JWT signed by a key we know; the key decides the algorithm (RFC 8725).
 * Order of the checks: form, header allow-list, key, signature, nbf/exp (60 s of skew), aud,
 * iss and tid, then the kind of caller (scp: a user is present; roles: an application).
 * Every fault is ERR_NO_IDENTITY with the same answer; only a correctly signed token that has
 * expired gets a different sentence.  The last check is for revocation: a token of a removed user or client of our
 * own is refused, and so is one made before its client changed.  It is repeated whenever the directory
 * has changed.
 *
 * The gate is shared between threads.
 */
#pragma once

#include "auth/directory.h"
#include "auth/issuer.h"
#include "base/buf.h"
#include "resource/resource.h"

struct caller {
	struct guid tenant;
	struct guid oid;        /* the user, or the application's principal */
	struct str  app;        /* client id; may be empty */
	bool        is_app;     /* roles count; else scopes, and only the user's own data */
	struct str  grants;     /* blank-separated scopes or roles */
	bool        is_own;     /* made by the store's own issuer */
	int64_t     issued_s;   /* when the token was made */
	int64_t     generation; /* generation of the client it was made for; -1: the token does not name one */
	int64_t     until_ms;   /* when the token expires, without skew, by the monotonic clock */
};

/* An external issuer whose tokens are accepted. */
#define AUTH_EXTERNAL_MAX 16

struct auth_external {
	struct str        name;      /* for people */
	struct str        iss;       /* "{tid}" in it stands for the token's own tid */
	const struct str *audiences; /* one of them must be in aud */
	size_t            audience_count;
	struct guid       tenant;      /* tenant of all its tokens; zeroed: the token's tid */
	bool              iat_for_nbf; /* its tokens have no nbf: iat stands for it */
	struct str        jwks;        /* https URL or file:PATH; empty if discovery is given */
	struct str        discovery;   /* https URL of its openid-configuration */
	struct str        jwks_ca;     /* file of the authorities to trust for the fetch; empty: the system's */
};

/* How keys are fetched; the gate calls it from one thread at a time, never while a request waits. */
struct auth_source {
	void *ctx;
	/* ERR_IO, ERR_UP_REFUSED, ERR_TOO_LARGE; body has a limit. */
	enum err (*fetch)(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256]);
	void (*report)(void *ctx, const struct auth_external *row, const char *what); /* of failures; may be NULL */
};

struct auth_gate;

struct auth_conf {
	struct store               *store;
	struct issuer              *issuer; /* NULL: tokens of the own issuer are refused */
	const struct clock         *clock;
	const struct entropy       *entropy;  /* of the key that hides the verified tokens; NULL: the system's */
	const struct auth_external *external; /* borrowed */
	size_t                      external_count;
	const struct auth_source   *source; /* needed with external */
};

enum err auth_gate_open(const struct auth_conf *conf, struct auth_gate **gate_out) MUST_CHECK;
void     auth_gate_close(struct auth_gate **gate);
/*
 * Keys of external issuers: fetched now, by the caller; or from now on by a thread, which first waits up to `ms` for
 * the first round.
 */
void auth_gate_refresh(struct auth_gate *gate);
void auth_gate_start(struct auth_gate *gate, int64_t ms);

/*
 * `authorization` is the field's value ("Bearer …"; empty if there was none).  The caller's views are in
 * the arena.  ERR_NO_IDENTITY; *why_out is then a fixed sentence for the answer (never part of the token).
 */
enum err auth_check(struct auth_gate *gate, struct str authorization, struct arena *arena, struct caller *caller_out,
                    const char **why_out) MUST_CHECK;

/* Rises whenever a caller who was found good may not be any more: a user, a client, a policy or a key has changed. */
uint64_t auth_generation(const struct auth_gate *gate);

/* The same check, which reports what each step found; it neither reads nor fills the cache. */
#define AUTH_FINDINGS_MAX 12

struct auth_finding {
	const char *check;
	bool        ok;
	struct str  what;
};

struct auth_trace {
	struct auth_finding findings[AUTH_FINDINGS_MAX];
	size_t              count;
};

enum err auth_explain(struct auth_gate *gate, struct str authorization, struct arena *arena, struct caller *caller_out,
                      struct auth_trace *trace_out) MUST_CHECK;

/* For tests and metrics: what the gate has done since it was opened. */
struct auth_stats {
	uint64_t signature_checks;
	uint64_t cache_hits;  /* tokens found in the cache, so not checked again */
	uint64_t cached;      /* verified tokens held now */
	uint64_t key_fetches; /* of external issuers */

	struct issuer_stats issuer;
};
struct auth_stats auth_gate_stats(struct auth_gate *gate);

/* ---- rights: the rows of the resources; the documentation is printed from them --------------------------- */

const struct right_row *right_row(enum right right);

bool caller_has(const struct caller *caller, const char *grant); /* exact, case-insensitive as Graph's are */
/*
 * May this caller do that to data of `owner` in the caller's own tenant? A user reaches only their own, unless a
 * permission reaches everyone; an application any user of its tenant. An owner of zeros is everyone.
 * ERR_NOT_ALLOWED. Ask this before you look the owner up, so that nobody learns
 * who exists.
 */
enum err caller_may(const struct caller *caller, enum right right, const struct guid *owner) MUST_CHECK;
/* The same by a row that no resource has. */
enum err caller_may_by(const struct caller *caller, const struct right_row *row, const struct guid *owner) MUST_CHECK;
