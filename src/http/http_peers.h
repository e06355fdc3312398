/* SPDX-License-Identifier: Apache-2.0 */
/* http_peers — how many connections each peer has open.  Thread-safe. */
#pragma once

#include "http/http_listen.h"

struct http_peers;

/* connections_max: of all peers together; more are never let in. */
struct http_peers *http_peers_open(unsigned connections_max, unsigned per_peer_max);
void               http_peers_close(struct http_peers **peers);

bool http_peers_enter(struct http_peers *peers, const struct http_peer_key *key);       /* false: it has enough */
void http_peers_leave(struct http_peers *peers, const struct http_peer_key *key);
