/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit — calls that write and share one commit.  Private to the face module.
 *
 * The server makes the answers of such calls one after the other on one thread (http_app's groups).  Each has a
 * transaction of its own, which can be refused by itself; all are deferred: their answers are ready, and become failures
 * if the one commit fails.  Refusals, too, for they may rest on what an earlier call of the group wrote.  Nothing is
 * told or audited before that.
 */
#pragma once

#include "graph/call.h"

struct commit;

/* May this request be made in such a group?  Short writes of one calendar may: they wait for nothing else. */
bool commit_takes(const struct http_req *req);

/* The transaction of a call that writes; in the call's group, if it is made in one. */
struct store_txn *call_begin(struct call *call);
/* The call has been answered.  False: it does not wait for a commit. */
bool commit_defer(struct call *call);

/* What the server calls; the context is the face. */
void *commit_open(void *ctx);
void  commit_finish(void *ctx, void *group);
void  commit_close(void *ctx, void *group);
