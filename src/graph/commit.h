/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit — writes that share one commit.  Private to the graph module.
 *
 * The server answers the calls of a group one after the other on one thread (http_app's groups).  Each has its own
 * transaction, which can fail alone.  All their answers are deferred: they become failures if the shared commit fails.
 * That holds for error answers too, because they may rest on what an earlier call of the group wrote.  No answer is
 * sent or audited before the commit.
 */
#pragma once

#include "graph/call.h"

struct commit;

/* May this call join a group?  Short writes of one calendar may: they wait for nothing but the commit. */
bool commit_takes(const struct route *route, enum http_method method);

/* The transaction of a call that writes, in the call's group if it has one. */
struct store_txn *call_begin(struct call *call);
/* Defers the answer of a call that wrote in a group.  False: it does not wait for a commit. */
bool commit_defer(struct call *call);

/* What the server calls; ctx is the struct graph. */
void *commit_open(void *ctx);
void  commit_finish(void *ctx, void *group);
void  commit_close(void *ctx, void *group);
