/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/commit.h"

#include <stdlib.h>

#include "graph/steps.h"
#include "store/store_group.h"

struct commit {
	struct store_group *group;
	struct call        *first, *last; /* deferred, in their order */
};

bool
commit_takes(const struct route *route, enum http_method method)
{
	switch (route->kind) {
	case ROUTE_COLLECTION:
		return method == HTTP_POST;
	/* Without an id the call is for the default calendar, which may have to be created and then read. */
	case ROUTE_ITEM:
		return (method == HTTP_PATCH || method == HTTP_DELETE) && route->id.len > 0;
	case ROUTE_PERMANENT_DELETE:
		return method == HTTP_POST && route->id.len > 0;
	default:
		return false;
	}
}

struct store_txn *
call_begin(struct call *call)
{
	struct commit *commit = call->req->group;

	if (!commit)
		return store_begin(call->graph->parts.store, NULL, call->arena);
	call->deferred = true;
	return store_group_begin(commit->group, NULL, call->arena);
}

bool
commit_defer(struct call *call)
{
	struct commit *commit = call->req->group;

	if (!commit || !call->deferred)
		return false;
	if (commit->last)
		commit->last->next = call;
	else
		commit->first = call;
	commit->last = call;
	return true;
}

void *
commit_open(void *ctx)
{
	const struct graph *graph = ctx;
	struct commit      *commit = handle_new(sizeof(*commit));

	commit->group = store_group_open(graph->parts.store);
	return commit;
}

void
commit_finish(void *ctx, void *group)
{
	const struct graph *graph = ctx;
	struct commit      *commit = group;
	enum err            err = store_group_commit(commit->group);
	struct log_lines    lines;

	log_lines_open(&lines, graph->parts.audit);
	for (struct call *call = commit->first; call; call = call->next) {
		if (err != OK)
			answer_replace(call, err);
		audit_call(call, &lines);
	}
	log_lines_flush(&lines);
}

void
commit_close(void *ctx, void *group)
{
	struct commit *commit = group;

	(void)ctx;
	store_group_close(&commit->group);
	free(commit);
}
