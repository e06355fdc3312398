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

struct graph_served {           /* a followed scope that is served, or many of them */
	struct str name;        /* the scope's; of many the text before the colon */
	struct str url;         /* empty: it stands only at /scopes/NAME; of many with a word in braces */
	struct str resource;    /* empty: the URL says it */
	struct str owner;       /* "TENANT/ID" or "ID"; empty: the scope's own */
	struct str content;     /* the folder with its items' content; empty: none */
	struct str permissions; /* separated by blanks, each of them opens it; empty: by the resource */
	bool       is_many;
};

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
	struct content *content;               /* of recordings; NULL: there is no place for it */
	uint64_t        content_max;           /* bytes of one recording's content */
	bool            recordings_delegated;  /* users reach their own recordings */
	bool            policy_organizer_wide; /* getAllRecordings checks the access policy too */
	const struct graph_served *served;
	size_t                     served_count;
};

struct graph;

enum err graph_open(const struct graph_parts *parts, struct graph **graph_out) MUST_CHECK;
void     graph_close(struct graph **graph);
/* Two of them that would stand at one path, by their places. */
bool graph_served_clash(const struct graph_served *served, size_t count, struct arena *arena, size_t pair_out[2]);
/*
 * The feed of the store itself that a path names, with its owner's id or UPN in it.  With a word in braces instead: one
 * that is there, whoever owns it.  ERR_NOT_FOUND: none.
 */
enum err graph_native_feed(struct store *store, const struct guid *tenant, struct str path, struct arena *arena,
                           struct store_feed *feed_out) MUST_CHECK;
/*
 * Where clients find a server without a public URL, e.g. "https://127.0.0.1:8443"; before it serves. Borrowed. A client
 * assertion must be for one of them: the sender of a request chooses its Host.
 */
void graph_set_urls(struct graph *graph, const struct str *urls, size_t count);
/* The followers of this server, asked about a followed scope.  They answer at once; any thread. */
struct graph_rounds {
	void *ctx;
	/* A reader wants a newer round.  False: nobody follows it here. */
	bool (*want)(void *ctx, struct str scope);
	/* Is it one that they follow, or may turn out to be one, though it may have had no round yet? */
	bool (*awaits)(void *ctx, struct str scope);
};
/* Borrowed.  Before the server serves; without it nobody follows anything here. */
void            graph_set_rounds(struct graph *graph, const struct graph_rounds *rounds);
struct http_app graph_app(struct graph *graph);

/*
 * Reports what each check of a request finds, in their order, up to the first that fails.  These are the checks that an
 * answer makes, but the bearer token is always validated anew.  True: all pass.
 */
typedef void graph_finding_fn(void *ctx, const char *check, bool ok, struct str what);
bool         graph_explain(struct graph *graph, const struct http_req *req, graph_finding_fn *finding, void *ctx);
