/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph — the Graph API: paths, options, bodies, links, errors.
 *
 * A request walks one way:
 *
 *   request → parse → route → access → query → cursor (from its token) → feed scan → page → link → response
 *
 * No step calls back to an earlier one.  run.c and graph_delta.c are this walk in code; read them first.  Every failure
 * becomes Graph's JSON error in answer.c.  The module keeps nothing between requests.  All threads of the server
 * share one struct graph.
 */
#pragma once

#include "auth/auth.h"
#include "content/content.h"
#include "http/http.h"
#include "store/store.h"
#include "token/token.h"

enum link_style { LINK_GRAPH, LINK_SEED }; /* $skiptoken/$deltatoken, or the seed's literal skipToken */

struct graph_parts { /* all borrowed; they must outlive the struct graph */
	struct store         *store;
	struct token_ring    *ring; /* may be NULL for graph_explain() alone */
	struct auth_gate     *gate;
	const struct clock   *clock;
	const struct entropy *entropy;
	const struct log     *log;    /* may be NULL */
	const struct log     *audit;  /* gets denied requests and writes; may be NULL */
	struct issuer        *issuer; /* whose endpoints are served; NULL: none */
	struct str      public_url;   /* "https://graph.example.org", no trailing slash; empty: the request's Host */
	enum link_style link_style;
	struct content *content;               /* of recordings */
	uint64_t        content_max;           /* bytes of one recording's content */
	bool            recordings_delegated;  /* users reach their own recordings */
	bool            policy_organizer_wide; /* getAllRecordings checks the access policy too */
};

struct graph;

enum err        graph_open(const struct graph_parts *parts, struct graph **graph_out) MUST_CHECK;
void            graph_close(struct graph **graph);
struct http_app graph_app(struct graph *graph);

/*
 * Reports what each check of a request finds, in their order, up to the first that fails.  These are the checks that an
 * answer makes, but the bearer token is always validated anew.  True: all pass.
 */
typedef void graph_finding_fn(void *ctx, const char *check, bool ok, struct str what);
bool         graph_explain(struct graph *graph, const struct http_req *req, graph_finding_fn *finding, void *ctx);
