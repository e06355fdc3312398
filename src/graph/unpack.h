/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack — the content coding of a request's body.  Private to the graph module.
 *
 * The Microsoft Graph SDK for Go packs every body with gzip, and sends it again as it is only after a 415.  Two limits
 * hold memory: an unpacked body has at most GRAPH_BODY_MAX bytes, and a large one at most a hundred times its packed
 * length.
 */
#pragma once

#include "graph/call.h"

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
