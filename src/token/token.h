/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token — a reader's cursor, sealed into a text: all the state a reader has.
 *
 *   text = base64url( version:1 key-id:4 nonce:24 sealed tag:16 )      no padding
 *
 * It holds the issue time, the cursor and the query options as opaque bytes.  Tenant, owner, collection and function
 * are bound to it without being sent, so it opens nowhere else.  A complete cursor makes a delta token, any other a
 * skip token, whatever the name of the option that brings it.
 *
 * ERR_GONE: well-formed, but sealed with a key that this store does not have; the reader can start over.
 * ERR_BAD_TOKEN: everything else that is damaged, not ours or meant for another place.  Tokens of every released
 * version stay readable: tests/corpus/tokens.
 */
#pragma once

#include "base/clock.h"
#include "feed/feed.h"

#define TOKEN_OPTIONS_MAX 1472 /* a list of a followed feed holds an id of STORE_ID_MAX */
#define TOKEN_TEXT_MAX    2304
#define TOKEN_KEY_AGE_S   ((int64_t)90 * 86400) /* a sealing key is replaced after that */

enum token_function { /* numbers are bound into tokens: never change them */
	              TOKEN_CALENDARS_DELTA = 1,
	              TOKEN_ALL_RECORDINGS = 2, /* 2 and 5: nextLinks of earlier versions */
	              TOKEN_ALL_RECORDINGS_DELTA = 3,
	              TOKEN_MEETING_RECORDINGS_DELTA = 4,
	              TOKEN_MEETING_RECORDINGS = 5,
	              TOKEN_LIST = 6,
	              TOKEN_FOLLOWED_DELTA = 7
};

struct token {
	struct cursor cursor;
	int64_t       issued_s; /* unix seconds */
	struct str    options;  /* of the round's first request; opaque bytes */
};

struct token_bind {
	struct store_feed   feed;
	enum token_function function;
};

/*
 * The ring: the sealing keys of a store, kept in its kv entries.  The newest key seals, all keys open.  Threads share
 * it.  token_ring_open() makes the first key if the store has none; if the store is read-only, ERR_NOT_FOUND.
 */
struct token_ring;

enum err token_ring_open(struct store *store, const struct clock *clock, const struct entropy *entropy,
                         struct token_ring **ring_out) MUST_CHECK;
void     token_ring_close(struct token_ring **ring);
/* A new key from now on; the old ones still open.  ERR_TOO_LARGE: the ring is full (1,024 keys). */
enum err token_ring_rotate(struct token_ring *ring) MUST_CHECK;
/* The same if the newest key is older than that.  The program calls it at each start, with TOKEN_KEY_AGE_S. */
enum err token_ring_rotate_when_due(struct token_ring *ring, int64_t age_max_s) MUST_CHECK;

struct str token_seal(struct token_ring *ring, const struct token *token, const struct token_bind *bind,
                      struct arena *arena);
/* Besides ERR_GONE and ERR_BAD_TOKEN: the store's own failure while a key is looked up. */
enum err token_open(struct token_ring *ring, struct str text, const struct token_bind *bind, struct arena *arena,
                    struct token *token_out) MUST_CHECK;
