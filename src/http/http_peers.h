/* SPDX-License-Identifier: Apache-2.0 */
/* http_peers — how many connections each peer has open, and how much memory they have borrowed.  Thread-safe. */
#pragma once

#include "http/http_listen.h"

struct http_peers;

/* Of the limits: the numbers of connections (more than connections_max are never let in) and the memory held. */
struct http_peers *http_peers_open(const struct http_limits *limits);
void               http_peers_close(struct http_peers **peers);

bool http_peers_enter(struct http_peers *peers, const struct http_peer_key *key); /* false: it has enough */
void http_peers_leave(struct http_peers *peers, const struct http_peer_key *key);

/* In quarters of the limits: a new request leaves space for those in progress. */
enum http_share {
	HTTP_SHARE_OWED = 0, /* without limit: for an answer to a change that was made */
	HTTP_SHARE_HALF = 2, /* the caller is not known yet */
	HTTP_SHARE_MOST = 3, /* a stream that opens */
	HTTP_SHARE_WHOLE = 4
};

/* Bytes for a peer that has entered.  False: the peer, or all together, would hold too much. */
bool http_peers_lend(struct http_peers *peers, const struct http_peer_key *key, size_t bytes, enum http_share share);
uint64_t http_peers_held(struct http_peers *peers); /* by all */
void     http_peers_give_back(struct http_peers *peers, const struct http_peer_key *key, size_t bytes);
