/* SPDX-License-Identifier: Apache-2.0 */
/* calls — the functions of the table, one for each call, and what they share.  Private to the graph module. */
#pragma once

#include "graph/call.h"

call_fn graph_delta, graph_list, graph_get_item, graph_create_item, graph_update_item, graph_remove_item,
	graph_get_default, graph_batch, graph_metadata, graph_service, graph_all_recordings, graph_all_recordings_delta,
	graph_meeting_delta, graph_list_recordings, graph_get_recording, graph_create_recording, graph_get_content,
	graph_put_content, graph_get_user, graph_list_users, graph_list_members, graph_get_followed_content;

/* Creates what every owner of the resource has, such as the default calendar of a new mailbox. */
enum err call_ensure(struct call *call) MUST_CHECK;
/* Checks that the body is one JSON object, sent as application/json. */
enum err call_read_body(struct call *call) MUST_CHECK;
/* What a list has of its feed. */
struct listed {
	struct str context; /* the fragment of @odata.context */
	bool (*holds)(const struct call *call, const void *ctx, const struct item *item); /* NULL: every item */
	const void *ctx;
	bool        by_id; /* in the order of ids: a followed feed */
	struct str  key;   /* only items with this key, of which only creation gives one a new seq; empty: all */
	const char *none;  /* for a key that no item has: the refusal */
};
/* Answers with a page of it, or with the number of its items (graph_list.c). */
enum err call_list(struct call *call, const struct listed *listed) MUST_CHECK;
/* If the path names a group: it exists. */
enum err call_check_group(struct call *call) MUST_CHECK;
/* The recording that the path names, in the meeting that the path names. */
enum err call_get_recording(struct call *call, struct item *item_out) MUST_CHECK;

/* The endpoints of the store's own issuer (graph_issuer.c): no bearer token, no version in the path. */
bool graph_is_login(const struct http_req *req);
void graph_login(struct call *call);
/* Answers an error that the server chose, in OAuth's JSON. */
void graph_login_refuse(struct call *call, unsigned status, const char *reason);
