/* SPDX-License-Identifier: Apache-2.0 */
/* steps — the steps of a call that have a file each, in their order.  Private to the graph module. */
#pragma once

#include "base/buf.h"
#include "graph/call.h"

/* ---- run: one call from its path to its answer: all steps in their order ---- */

/*
 * Answers the call, with an error if it fails, or goes on with it.  `batch` answers a $batch; NULL: the call is itself
 * part of one.  BLOCKS: it must run where it may wait, and the response is to be cleared.
 */
enum http_verdict run_call(struct call *call, call_fn *batch);

/* table — which calls there are: kind of path, method, function. */
bool table_has(const struct route *route, enum http_method method);
/* "GET, HEAD, POST": the methods that the path takes. */
struct str table_methods(const struct route *route, struct arena *arena);
/* The function for the call's path and method; NULL: it is a batch.  An unknown path or method is an error. */
enum err table_find(struct call *call, call_fn **act_out) MUST_CHECK;

/* ---- access: who calls, whose data they ask for, and whether they may ---- */

/* Checks the bearer token and sets call->caller. */
enum err access_identify(struct call *call) MUST_CHECK;
/* "oid" or "oid@tid" of that tenant; anything else is a UPN, or nobody. */
bool access_parse_user(struct str text, const struct guid *tenant, struct guid *user_out);
/* The right that the call needs; RIGHT_COUNT: none.  Users read their own recordings where that is switched on. */
enum right              access_right(const struct call *call);
const struct right_row *access_row(const struct call *call); /* its row, or that of the served scope; NULL: none */
/* Checks that right, and an app's access policy where it needs one; sets call->owner and call->feed. */
enum err access_authorise(struct call *call) MUST_CHECK;

/*
 * unpack — the content coding of a request's body.
 *
 * The Microsoft Graph SDK for Go packs every body with gzip, and sends it again as it is only after a 415.  Two limits
 * hold memory: an unpacked body has at most GRAPH_BODY_MAX bytes, and a large one at most a hundred times its packed
 * length.
 */
/* Only a body can be packed; that of a PUT may be on its way. */
static inline bool
unpack_may_be_due(const struct call *call)
{
	return call->req->body.len > 0 || call->req->method == HTTP_PUT;
}

/* The request names a coding other than identity. */
bool unpack_is_asked(const struct http_req *req);
/*
 * Replaces call->req by a request whose body is unpacked.  Content and the requests of a batch (`inner`) come as they
 * are: for them any coding is 415, as an unknown one is everywhere.
 */
enum err unpack_body(struct call *call, bool inner) MUST_CHECK;

/* ---- answer: what a call answers when it fails: Graph's JSON error ---- */

/* The JSON alone.  An empty detail takes the row's message. */
void answer_put_error(const struct call *call, enum graph_error error, struct str detail, struct buf *buf);
/* Replaces the response's body by this error, with call->detail as its message. */
void answer_error(struct call *call, enum graph_error error);
/* Logs the failure and answers with the error that the call stored, else with the one for `err`. */
void answer_failure(struct call *call, enum err err);
/* After a shared commit failed: replaces the whole response, headers too. */
void answer_replace(struct call *call, enum err err);

/*
 * headers — the headers of every answer, and the last changes to its body: metadata level and compression.
 */
/* Headers that every answer has, error answers too. */
void headers_put_common(struct call *call);
/* Stores a preference that was honoured; headers_finish() names them all in one Preference-Applied. */
void headers_preference_applied(struct call *call, struct str preference);
/* odata.metadata=none: takes the control information out of the body. */
void headers_strip_body(struct call *call);
/* Completes a success: Content-Type, metadata level, preferences. */
void headers_finish(struct call *call);
/* Compresses the body if the client accepts that and it saves a packet.  Not for answers inside a batch. */
void headers_pack(struct call *call);
/* Answers OPTIONS and a browser's preflight request.  `methods` may be empty. */
void headers_answer_options(struct call *call, struct str methods);

/*
 * metadata_level — an answer without OData's control information (odata.metadata=none).
 *
 * Bodies are stored and joined at the minimal level.  This takes a finished one apart again, which costs only the few
 * clients that ask for it.  nextLink, deltaLink, count and @removed stay, because readers need them.
 */
/* `json`: a whole JSON value that this program wrote. */
void metadata_strip(struct str json, struct buf *buf);
