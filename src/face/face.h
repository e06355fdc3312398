/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face — the Graph dialect: paths, options, bodies, links, errors.
 *
 * A request walks one way:
 *
 *   request → parse → route → authorise → query → place (token → span) → feed scan → page → link → response
 *
 * No step calls back to an earlier one.  face_delta.c is that sentence in code; read it first.
 * Whatever goes wrong becomes Graph's JSON error in fail.c.  The face keeps nothing between
 * requests; it is shared by all threads of the server.
 */
#pragma once

#include "auth/auth.h"
#include "http/http.h"
#include "store/store.h"
#include "token/token.h"

enum link_style { LINK_GRAPH, LINK_SEED };       /* $skiptoken/$deltatoken, or the seed's literal skipToken */

struct face_parts {                              /* all borrowed; they must outlive the face */
	struct store         *store;
	struct token_ring    *ring;
	struct auth_gate     *gate;
	const struct clock   *clock;
	const struct entropy *entropy;
	const struct log     *log;               /* may be NULL */
	struct str            public_url;        /* "https://graph.example.org", no trailing slash; empty: the request's Host */
	enum link_style       link_style;
};

struct face;

enum err        face_open(const struct face_parts *parts, struct face **face_out) MUST_CHECK;
void            face_close(struct face **face);
struct http_app face_app(struct face *face);
