/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_held.h"

#include "http/http_server.h"

#define STEP ((size_t)16 * 1024)

const char http_held_too_much[] = "too much is held for this peer, or for all: bodies that come, answers not yet taken";

static struct http_peers *
peers_of(const struct http_exchange *exchange)
{
	return exchange->req.pending->conn->loop->server->peers;
}

/* What must be lent for so many bytes. */
static size_t
loan_for(size_t held)
{
	return held <= HTTP_HELD_FREE ? 0 : (held - HTTP_HELD_FREE + STEP - 1) / STEP * STEP;
}

bool
http_held_set(struct http_exchange *exchange, size_t bytes, enum http_share share)
{
	struct http_conn *conn = exchange->req.pending->conn;
	size_t            held = conn->held - exchange->held + bytes, loan = loan_for(held);

	if (loan > conn->lent && !http_peers_lend(peers_of(exchange), &conn->peer_key, loan - conn->lent, share))
		return false;
	if (loan < conn->lent)
		http_peers_give_back(peers_of(exchange), &conn->peer_key, conn->lent - loan);
	conn->lent = loan;
	conn->held = held;
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
	if (!http_peers_lend(peers_of(exchange), &exchange->req.pending->conn->peer_key, bytes, HTTP_SHARE_WHOLE))
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
	http_peers_give_back(peers_of(exchange), &exchange->req.pending->conn->peer_key, bytes);
}

void
http_held_answer(struct http_exchange *exchange, size_t base)
{
	const struct http_app *app = &exchange->req.pending->conn->loop->server->app;
	struct http_resp *resp = &exchange->resp;
	size_t            promised = exchange->promised + HTTP_HELD_SMALL, len = resp->fields.len + resp->body.len;
	enum http_share   share = len <= promised ? HTTP_SHARE_OWED : HTTP_SHARE_WHOLE;

	if (len <= HTTP_HELD_SMALL && exchange->held == base && exchange->promised == 0 &&
	    arena_used(exchange->arena) <= HTTP_KEEP_MAX && http_resp_is_good(resp))
		return;
	http_req_release(&exchange->req, exchange->promised);
	if (!http_resp_is_good(resp))
		http_exchange_refuse(exchange, app, 500, "the response is too large or malformed");
	else if (http_held_set(exchange, base + (len > HTTP_HELD_SMALL ? len : 0), share))
		base = exchange->held;
	else
		http_exchange_refuse(exchange, app, 503, http_held_too_much);
	MUST(http_held_set(exchange, base, HTTP_SHARE_OWED));
	http_exchange_rest(exchange);
}
