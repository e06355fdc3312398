/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_held.h"

#include "http/http_thread.h"

#define STEP ((size_t)16 * 1024)

const char http_held_too_much[] = "too much is held for this peer, or for all: bodies that come, answers not yet taken";

static struct http_peers *
peers_of(const struct http_exchange *exchange)
{
	return exchange->req.pending->peer->thread->shared->peers;
}

/* How many bytes the account must lend for these. */
static size_t
loan_for(size_t held)
{
	return held <= HTTP_HELD_FREE ? 0 : (held - HTTP_HELD_FREE + STEP - 1) / STEP * STEP;
}

bool
http_held_set(struct http_exchange *exchange, size_t bytes, enum http_share share)
{
	struct http_peer *peer = exchange->req.pending->peer;
	size_t            held = peer->held - exchange->held + bytes, loan = loan_for(held);

	if (loan > peer->lent && !http_peers_lend(peers_of(exchange), &peer->key, loan - peer->lent, share))
		return false;
	if (loan < peer->lent)
		http_peers_give_back(peers_of(exchange), &peer->key, peer->lent - loan);
	peer->lent = loan;
	peer->held = held;
	exchange->held = bytes;
	return true;
}

void
http_held_end(struct http_exchange *exchange)
{
	if (exchange->held + exchange->promised == 0)
		return;
	http_req_release(&exchange->req, exchange->promised);
	MUST(http_held_set(exchange, 0, HTTP_SHARE_WHOLE));
}

bool
http_req_hold(const struct http_req *req, size_t bytes)
{
	struct http_exchange *exchange = req->exchange;

	if (!exchange || bytes == 0)
		return true;
	if (!http_peers_lend(peers_of(exchange), &exchange->req.pending->peer->key, bytes, HTTP_SHARE_WHOLE))
		return false;
	exchange->promised += bytes;
	return true;
}

void
http_req_release(const struct http_req *req, size_t bytes)
{
	struct http_exchange *exchange = req->exchange;

	if (!exchange || bytes == 0)
		return;
	MUST(bytes <= exchange->promised);
	exchange->promised -= bytes;
	http_peers_give_back(peers_of(exchange), &exchange->req.pending->peer->key, bytes);
}
