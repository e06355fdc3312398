/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call — one request on its way through the face.  Private to the face module.
 *
 * Every step reads what earlier steps wrote and adds its own; the struct lives in the
 * request's arena.  A step that refuses says so with call_refuse(), which notes the row of
 * the table in fail.c and gives back the row's error, so `return call_refuse(…)` reads as a
 * sentence; face.c then writes Graph's error from the note.
 */
#pragma once

#include <semaphore.h>

#include "graph/accept.h"
#include "graph/graph.h"
#include "graph/error.h"
#include "graph/query.h"
#include "graph/route.h"

struct graph {
	struct graph_parts parts;
	struct user_cache *known;       /* users looked up a moment ago */
	sem_t              batch_reads; /* so many more reads of batches may be under way */
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
	struct accept          accept;  /* the form of the answer */
	struct str             applied; /* preferences that were honoured */
	struct caller          caller;
	struct user            owner; /* whose data is asked for */
	struct store_feed      feed;
	enum graph_error       error;           /* GRAPH_NONE while all is well */
	struct str             detail;          /* the message; the row's own if empty */
	bool                   may_restart;     /* a 410 says where a new round begins (cursor_restart_url()) … */
	struct str             restart_options; /* … with these options: "$select=id,name"; may be empty */
	struct str             base_url;        /* once it is known */
	const char            *inner_code;      /* a code for innerError; NULL for none */
	struct str             link_path;       /* the path of links; empty: the request's own */
	bool                   is_private;      /* Cache-Control: private; else no-cache */
	bool                   by_server;       /* a refusal of the server's own: Retry-After is its business */
	bool                   must_block;      /* run me again where I may wait */
	bool                   inner;           /* one of a batch */
	bool                   deferred;        /* its answer stands if the commit it shares does (commit.h) */
	struct call           *next;            /* that waits for the same commit */
};

/* Notes the refusal and gives its row's error.  An empty detail takes the row's message. */
enum err call_refuse(struct call *call, enum graph_error error, struct str detail) MUST_CHECK;
/* The step needs to wait for a sync and stands on a loop thread: the call starts again on a worker. */
enum err call_must_block(struct call *call) MUST_CHECK;
/* Before a step takes so many bytes, or changes what it answers with so many: 503 if there is no room. */
enum err call_hold(struct call *call, size_t bytes) MUST_CHECK;

/*
 * One request from its path to its answer, refusals too: what a connection's request and one of a batch share.
 * `outer`: NULL, or the batch.  False: it must run where it may wait; resp is then to be cleared.
 */
bool call_run(const struct graph *graph, const struct call *outer, const struct http_req *req, struct http_resp *resp);
/* Whatever the answer was, it is now the failure that `err` stands for. */
void call_fail(struct call *call, enum err err);

/* "https://host", without a slash at the end. */
struct str call_base_url(const struct call *call);
/* "https://host/beta" */
struct str call_version_url(const struct call *call);

/* ---- the steps, in the order a request meets them ------------------------------------------------- */

enum err call_identify(struct call *call) MUST_CHECK;                    /* the bearer: who is it */
enum err call_authorise(struct call *call, enum right right) MUST_CHECK; /* may they; whose data; which feed */
/* The same for recordings; where `meeting` is set (a call on one meeting) the access policy is asked too. */
enum err call_authorise_recordings(struct call *call, enum right right, bool meeting) MUST_CHECK;
/* The body: one JSON object, as its Content-Type must say. */
enum err call_read_body(struct call *call) MUST_CHECK;

/* The last step: one function per row of the table in face.c. */
enum err graph_delta(struct call *call) MUST_CHECK;
enum err graph_list(struct call *call) MUST_CHECK;
enum err graph_get_item(struct call *call) MUST_CHECK;
enum err graph_create_item(struct call *call) MUST_CHECK;
enum err graph_update_item(struct call *call) MUST_CHECK;
enum err graph_remove_item(struct call *call) MUST_CHECK;
enum err graph_get_default(struct call *call) MUST_CHECK;
enum err graph_list_groups(struct call *call) MUST_CHECK;
enum err graph_get_group(struct call *call) MUST_CHECK;
enum err graph_batch(struct call *call) MUST_CHECK;
enum err graph_metadata(struct call *call) MUST_CHECK;
enum err graph_service(struct call *call) MUST_CHECK;
enum err graph_all_recordings(struct call *call) MUST_CHECK;
enum err graph_all_recordings_delta(struct call *call) MUST_CHECK;
enum err graph_meeting_delta(struct call *call) MUST_CHECK;
enum err graph_list_recordings(struct call *call) MUST_CHECK;
enum err graph_get_recording(struct call *call) MUST_CHECK;
enum err graph_create_recording(struct call *call) MUST_CHECK;
enum err graph_get_content(struct call *call) MUST_CHECK;
enum err graph_put_content(struct call *call) MUST_CHECK;

/* Bodies that need not be longer: forms, and of calls that want nothing in them. */
#define SMALL_BODY_MAX ((size_t)16 << 10)
/* What reading the body's JSON may take: twelve bytes for each of a long one.  Little of a short one, which counts nothing. */
static inline size_t
call_tree_bytes(const struct call *call)
{
	return call->req->body.len > SMALL_BODY_MAX ? call->req->body.len * 12 : 0;
}

/* The own issuer's endpoints (graph_issuer.c): no bearer, no version in the path, answers of their own. */
bool graph_is_login(const struct call *call);
void graph_login(struct call *call);
/* A refusal of the server's own, in OAuth's words. */
void graph_login_refuse(struct call *call, unsigned status, const char *reason);

/* One line for a request that was denied or that writes (audit.c); the answer is complete. */
void call_audit(const struct call *call);
/* The same, written when those lines are. */
void call_audit_with_others(const struct call *call, struct log_lines *lines);

/* What the owner has who never had anything of the resource: the default calendar of a new mailbox. */
enum err call_ensure(struct call *call) MUST_CHECK;
/* There is no item of that id, or it could not be an id at all. */
enum err refuse_no_item(struct call *call, struct str id) MUST_CHECK;
