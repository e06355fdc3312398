/* SPDX-License-Identifier: Apache-2.0 */
/* graph_item — one item of a resource by itself: get, create, update, delete. */
#include "graph/calls.h"
#include "graph/commit.h"
#include "graph/entity.h"
#include "graph/steps.h"
#include "graph/page.h"
#include "graph/range.h"
#include "text/json_read.h"

static struct resource_ctx
resource_ctx_of(struct call *call)
{
	return (struct resource_ctx){
		.resource = call->route.resource,
		.feed = call->feed,
		.owner_name = user_name(&call->owner),
		.owner_address = user_address(&call->owner),
		.group = call->route.group,
		.beta = call->route.beta,
		.entropy = call->graph->parts.entropy,
		.arena = call->arena,
	};
}

/* In its own transaction, which waits for a sync. */
static enum err
do_alone(struct call *call, void (*act)(struct store_txn *txn, const struct resource_ctx *ctx))
{
	struct resource_ctx ctx = resource_ctx_of(call);

	if (!call->req->may_block)
		return call_pause(call, HTTP_BLOCKS);

	AUTO(store_abort) struct store_txn *txn = store_begin(call->graph->parts.store, NULL, call->arena);

	act(txn, &ctx);
	return store_commit(&txn);
}

enum err
call_ensure(struct call *call)
{
	return call->route.resource->ensure ? do_alone(call, call->route.resource->ensure) : OK;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void
answer_entity(struct call *call, unsigned status, const struct item *item, uint32_t select)
{
	const struct resource *resource = call->route.resource;
	struct str             version = resource_version(resource, item->body, call->arena);

	http_resp_status(call->resp, status);
	if (resource->version_row > 0)
		http_resp_field(call->resp, "ETag", arena_printf(call->arena, "W/\"%.*s\"", STR_ARG(version)));
	if (status == 201)
		http_resp_field(call->resp, "Location", entity_url(call, call->route.resource->item_path, item));
	page_single(call, resource, entity_context(call, resource->collection, "/$entity"), item, select);
}

/* Prefer: return=minimal asks for an answer without a body. */
static void
answer_write(struct call *call, unsigned status, const struct item *item)
{
	answer_entity(call, status, item, 0);
	if (call->query.whole)
		headers_preference_applied(call, STR("return=representation"));
	if (!call->query.minimal)
		return;
	headers_preference_applied(call, STR("return=minimal"));
	http_resp_field(call->resp, "OData-EntityId", entity_url(call, call->route.resource->item_path, item));
	http_resp_status(call->resp, 204);
	buf_cut(http_resp_body(call->resp), 0);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* There is no item with that id, or the text cannot be an id. */
static enum err
refuse_item(struct call *call, struct str id)
{
	bool (*is_shaped)(struct str) = call->route.resource->id_is_shaped;

	return call_refuse(call, !is_shaped || is_shaped(id) ? GRAPH_NO_ITEM : GRAPH_MALFORMED_ID, STR_EMPTY);
}

enum err
call_check_group(struct call *call)
{
	const struct resource *groups = call->route.resource->groups;
	struct store_feed      feed = call->feed;
	struct item            group;
	enum err               err;

	if (call->route.group.len == 0)
		return OK;
	feed.collection = groups->number;
	err = store_get(call->graph->parts.store, &feed, call->route.group, call->arena, &group);
	if (err != ERR_NOT_FOUND)
		return err;
	/* The mailbox may have no groups yet. */
	TRY(do_alone(call, groups->ensure));
	err = store_get(call->graph->parts.store, &feed, call->route.group, call->arena, &group);
	return err == ERR_NOT_FOUND ? refuse_item(call, call->route.group) : err;
}

/* The item, if it is in the path's group. */
static enum err
get_one(struct call *call, bool is_default, struct item *item_out)
{
	struct store *store = call->graph->parts.store;
	enum err      err = is_default ? store_get_default(store, &call->feed, call->arena, item_out)
	                               : store_get(store, &call->feed, call->route.id, call->arena, item_out);

	if (err == OK && call->route.group.len > 0 &&
	    !call->route.resource->is_in(&call->owner.id, item_out->body, call->route.group, call->arena))
		err = ERR_NOT_FOUND;
	if (err == ERR_NOT_FOUND && !is_default)
		return refuse_item(call, call->route.id);
	return err;
}

/* If-None-Match names the item's current version. */
static bool
is_known_already(const struct call *call, const struct item *item)
{
	struct str list = http_req_field(call->req, "If-None-Match");
	struct str key = resource_version(call->route.resource, item->body, call->arena);

	return list.at && etag_list_has(list, arena_printf(call->arena, "\"%.*s\"", STR_ARG(key)), true);
}

static enum err
answer_one(struct call *call, bool is_default)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_EXPAND, OPTION_FORMAT, OPTION_KINDS };
	struct item              item;
	uint32_t                 select;

	TRY(query_allow(call, known, "on a single item", "Use $select."));
	TRY(entity_select(call, call->route.resource, &select));
	TRY(expand_read(call));
	TRY(get_one(call, is_default, &item));
	answer_entity(call, 200, &item, select);
	if (is_known_already(call, &item)) {
		http_resp_status(call->resp, 304);
		buf_cut(http_resp_body(call->resp), 0);
	}
	return OK;
}

enum err
graph_get_item(struct call *call)
{
	return answer_one(call, false);
}

enum err
graph_get_default(struct call *call)
{
	struct item item;

	if (get_one(call, true, &item) == ERR_NOT_FOUND)
		TRY(do_alone(call, call->route.resource->require_default));
	return answer_one(call, true);
}

/* ---- writing ------------------------------------------------------------------------------------- */

enum err
call_read_body(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct json             *root = NULL;
	struct str               why;
	enum err                 err;

	TRY(query_allow(call, none, "on a write", "Leave them out."));
	if (!call_body_is(call, STR("application/json")))
		return call_refuse(call, GRAPH_CONTENT_TYPE, STR_EMPTY);
	TRY(call_hold(call, call_tree_bytes(call)));
	err = json_read(call->req->body, call->arena, &root, &why);
	if (err == OK && json_kind(root) != JSON_OBJECT) {
		why = STR("The request body must be a JSON object.");
		err = ERR_BAD_REQUEST;
	}
	json_drop(&root);
	http_req_release(call->req, call_tree_bytes(call));
	return err == OK ? OK : call_refuse(call, GRAPH_BODY, why);
}

static void
ensure_in(const struct call *call, struct store_txn *txn, const struct resource_ctx *ctx)
{
	if (call->route.resource->ensure)
		call->route.resource->ensure(txn, ctx);
}

/* The error that a resource's function chose, with its sentence. */
static enum err
refuse_write(struct call *call, enum err err, struct str why)
{
	switch (err) {
	case OK:
		return OK;
	case ERR_BAD_REQUEST:
		return call_refuse(call, GRAPH_BODY, why);
	case ERR_NOT_FOUND:
		return refuse_item(call, call->route.id.len > 0 ? call->route.id : call->route.group);
	default:
		return err;
	}
}

/* Creates (201) or updates (200) the item from the body. */
static enum err
write_item(struct call *call, unsigned status)
{
	const struct resource              *resource = call->route.resource;
	struct resource_ctx                 ctx = resource_ctx_of(call);
	struct str                          if_match = http_req_field(call->req, "If-Match"), why = STR_EMPTY;
	struct item                         item = { .body = STR_EMPTY };
	AUTO(store_abort) struct store_txn *txn = call_begin(call);

	ensure_in(call, txn, &ctx);
	if (status == 201)
		resource->create(txn, &ctx, call->req->body, &item, &why);
	else
		resource->update(txn, &ctx, call->route.id, if_match, call->req->body, &item, &why);
	TRY(call_hold(call, item.body.len));
	TRY(refuse_write(call, store_commit(&txn), why));
	answer_write(call, status, &item);
	return OK;
}

enum err
graph_create_item(struct call *call)
{
	TRY(call_read_body(call));
	return write_item(call, 201);
}

/* The id a write is for: the path's, or the default calendar's. */
static enum err
target_id(struct call *call)
{
	struct item item;

	if (call->route.id.len > 0)
		return OK;
	TRY(do_alone(call, call->route.resource->require_default));
	TRY(get_one(call, true, &item));
	call->route.id = item.id;
	return OK;
}

enum err
graph_update_item(struct call *call)
{
	TRY(call_read_body(call));
	TRY(target_id(call));
	return write_item(call, 200);
}

enum err
graph_remove_item(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct resource_ctx      ctx = resource_ctx_of(call);
	struct str               why = STR_EMPTY;
	enum err                 err;

	TRY(query_allow(call, none, "on a write", "Leave them out."));
	TRY(target_id(call));

	AUTO(store_abort) struct store_txn *txn = call_begin(call);

	ensure_in(call, txn, &ctx);
	call->route.resource->remove(txn, &ctx, call->route.id, http_req_field(call->req, "If-Match"), &why);
	err = store_commit(&txn);
	if (err == ERR_CONFLICT)
		return call_refuse(call, GRAPH_DEFAULT_STAYS, why);
	TRY(refuse_write(call, err, why));
	http_resp_status(call->resp, 204);
	return OK;
}
