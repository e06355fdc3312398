/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call — one request on its way through the graph module.  Private to the module.
 *
 * Each step reads what earlier steps wrote and adds its own.  The struct lives in the request's arena.  A step that
 * fails returns call_refuse(…), which stores a row of the error table (error.h) and returns the row's `enum err`.
 * answer.c later writes Graph's error from that row.
 */
#pragma once

#include "graph/accept.h"
#include "graph/error.h"
#include "graph/graph.h"
#include "graph/query.h"
#include "graph/route.h"
#include "store/store_followed.h"

struct graph {
	struct graph_parts         parts;
	struct user_cache         *users;
	struct arena              *arena; /* of what is served */
	struct served_all          served;
	struct guid                tenant; /* … of scopes whose owner names none: the store's own */
	const struct graph_rounds *rounds; /* NULL: nobody follows anything here */
	const struct str          *urls;   /* the public URL, or those of graph_set_urls() */
	size_t                     url_count;
};

struct call {
	const struct graph    *graph;
	const struct http_req *req;
	struct http_resp      *resp;
	struct arena          *arena;
	char                   request_id[GUID_TEXT_LEN];
	struct str             client_request_id;
	struct route           route;
	struct query           query;
	struct accept          accept;
	struct str             applied; /* preferences that were honoured */
	const struct expand   *expand;  /* extended properties to send; NULL: none */
	struct caller          caller;
	struct user            owner; /* whose data the call is about */
	struct store_feed      feed;
	struct store_followed  followed;        /* of a served scope; without a name: there is none */
	struct str             selected;        /* … the names in $select; empty: all */
	enum graph_error       error;           /* GRAPH_NONE: no error yet */
	struct str             detail;          /* the error's message; empty: the row's own */
	struct str             resume;          /* a state token that takes the place of the URL's; empty: none */
	bool                   may_restart;     /* a 410 names the URL of a new round: cursor_restart_url() … */
	struct str             restart_options; /* … with these options, such as "$select=id,name"; may be empty */
	struct str             base_url;        /* once it is known */
	const char            *inner_code;      /* a code for innerError; NULL: none */
	struct str             link_path;       /* the path of links; empty: the request's own */
	bool                   is_private;      /* Cache-Control: private; else no-cache */
	bool                   may_wait;        /* a GET by itself, not in a batch */
	bool                   by_server;       /* the server chose the error and sets Retry-After itself */
	enum http_verdict      verdict;         /* not DONE: the call is to be gone on with (call_pause()) */
	enum err (*act)(struct call *call);     /* what makes its answer, once all before it is done */
	void        *slice;                     /* what `act` keeps from one slice to the next */
	bool         deferred;                  /* the answer is valid only if the shared commit succeeds (commit.h) */
	struct call *next;                      /* the next call of the same commit */
};

/* Makes the answer of one call. */
typedef enum err call_fn(struct call *call);

struct call *call_open(const struct graph *graph, const struct http_req *req, struct http_resp *resp);

/* Stores the error and returns its row's `enum err`.  An empty detail takes the row's message; _f prints it. */
enum err call_refuse_f(struct call *call, enum graph_error error, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_CHECK;
enum err call_refuse(struct call *call, enum graph_error error, struct str detail) MUST_CHECK;
/*
 * BLOCKS: on a loop thread, before a step that waits for a sync or takes long: the call starts again on a worker.
 * AGAIN, MORE_BODY: a slice is made, and `act` is called again.  What it keeps stands in call->slice, and is given
 * back unless call_goes_on().
 */
enum err call_pause(struct call *call, enum http_verdict verdict) MUST_CHECK;
static inline bool
call_goes_on(const struct call *call)
{
	return call->verdict > HTTP_BLOCKS;
}
/* Before a step that takes so many bytes, or that changes data and answers with so many: 503 if memory is short. */
enum err call_hold(struct call *call, size_t bytes) MUST_CHECK;

/* GET or HEAD */
bool call_reads(const struct call *call);
/* Compares the Content-Type, without its parameters. */
bool call_body_is(const struct call *call, struct str type);
/* "https://host", without a slash at the end. */
struct str call_base_url(const struct call *call);
/* "https://host/beta" */
struct str call_version_url(const struct call *call);

/* The most bytes of a form, and of a body that the call ignores. */
#define SMALL_BODY_MAX ((size_t)16 << 10)
/* The most bytes of a body of JSON, as it comes and unpacked. */
#define GRAPH_BODY_MAX ((size_t)1 << 20)

/* What to hold for the JSON tree of the body: twelve bytes for each of its own.  A short body counts nothing. */
static inline size_t
call_tree_bytes(const struct call *call)
{
	return call->req->body.len > SMALL_BODY_MAX ? call->req->body.len * 12 : 0;
}

/*
 * The audit: writes one line if the request was denied or was a write, once its answer is complete (audit.c).
 * `lines`: collects the line for later; NULL: writes it now.
 */
void audit_call(const struct call *call, struct log_lines *lines);
