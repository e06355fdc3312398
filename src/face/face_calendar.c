/* SPDX-License-Identifier: Apache-2.0 */
/* face_calendar — a calendar by itself: get, create, update, delete. */
#include "face/calendar.h"
#include "face/call.h"
#include "face/commit.h"
#include "face/entity.h"
#include "face/fields.h"
#include "face/page.h"
#include "face/range.h"
#include "face/shape.h"
#include "text/json_read.h"
#include "text/uri.h"

static struct calendar_ctx
mailbox(struct call *call)
{
	return (struct calendar_ctx){ call->feed, &call->owner, call->face->parts.entropy, call->arena };
}

enum err
face_ensure_calendars(struct call *call)
{
	struct calendar_ctx ctx = mailbox(call);

	if (!call->req->may_block)
		return call_must_block(call);

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	calendar_ensure_default(txn, &ctx);
	return store_commit(&txn);
}

/* Whoever asks for the default calendar gets one. */
static enum err
require_default(struct call *call)
{
	struct calendar_ctx ctx = mailbox(call);

	if (!call->req->may_block)
		return call_must_block(call);

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	calendar_require_default(txn, &ctx);
	return store_commit(&txn);
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void
answer_entity(struct call *call, unsigned status, const struct item *item, uint32_t select)
{
	struct str url = entity_url(call, "calendars", item->id);
	struct str key = calendar_change_key(item->body);

	http_resp_status(call->resp, status);
	http_resp_field(call->resp, "ETag", arena_printf(call->arena, "W/\"%.*s\"", STR_ARG(key)));
	if (status == 201)
		http_resp_field(call->resp, "Location", url);
	page_single(call, entity_context(call, "calendars/$entity"), url, item->body, select);
}

/* A write may be answered by its bare success: Prefer: return=minimal. */
static void
answer_write(struct call *call, unsigned status, const struct item *item)
{
	answer_entity(call, status, item, 0);
	if (call->query.whole)
		fields_note_applied(call, STR("return=representation"));
	if (!call->query.minimal)
		return;
	fields_note_applied(call, STR("return=minimal"));
	http_resp_field(call->resp, "OData-EntityId", entity_url(call, "calendars", item->id));
	http_resp_status(call->resp, 204);
	buf_cut(http_resp_body(call->resp), 0);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static enum err
get_one(struct call *call, bool pinned, struct item *item_out)
{
	struct store *store = call->face->parts.store;
	enum err      err = pinned ? store_get_pinned(store, &call->feed, call->arena, item_out)
	                           : store_get(store, &call->feed, call->route.id, call->arena, item_out);

	if (err == ERR_NOT_FOUND && !pinned)
		return call_refuse(call, calendar_id_is_shaped(call->route.id) ? REFUSAL_NO_ITEM : REFUSAL_MALFORMED_ID,
		                   STR_EMPTY);
	return err;
}

/* If-None-Match names the calendar as it is. */
static bool
is_known_already(const struct call *call, const struct item *item)
{
	struct str list = http_req_field(call->req, "If-None-Match"), key = calendar_change_key(item->body);

	return list.at && etag_list_has(list, arena_printf(call->arena, "\"%.*s\"", STR_ARG(key)), true);
}

static enum err
answer_one(struct call *call, bool pinned)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_KINDS };
	struct item item;
	uint32_t    select;

	TRY(query_allow(call, known, "on a single calendar", "Use $select."));
	TRY(entity_select(call, &select));
	TRY(get_one(call, pinned, &item));
	answer_entity(call, 200, &item, select);
	if (is_known_already(call, &item)) {
		http_resp_status(call->resp, 304);
		buf_cut(http_resp_body(call->resp), 0);
	}
	return OK;
}

enum err
face_get_calendar(struct call *call)
{
	return answer_one(call, false);
}

enum err
face_get_default(struct call *call)
{
	struct item item;

	if (get_one(call, true, &item) == ERR_NOT_FOUND)
		TRY(require_default(call));
	return answer_one(call, true);
}

/* ---- writing ------------------------------------------------------------------------------------- */

enum err
call_read_body(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct str   type = http_req_field(call->req, "Content-Type");
	struct json *root = NULL;
	struct str   why;
	enum err     err;

	TRY(query_allow(call, none, "on a write", "Leave them out."));
	type = str_trim(str_first(type, str_find(type, ';')));
	if (!str_eq_nocase(type, STR("application/json")))
		return call_refuse(call, REFUSAL_CONTENT_TYPE, STR_EMPTY);
	TRY(call_hold(call, call_tree_bytes(call)));
	err = json_read(call->req->body, call->arena, &root, &why);
	if (err == OK && json_kind(root) != JSON_OBJECT) {
		why = STR("The request body must be a JSON object.");
		err = ERR_BAD_REQUEST;
	}
	json_drop(&root);
	http_req_release(call->req, call_tree_bytes(call));
	return err == OK ? OK : call_refuse(call, REFUSAL_BODY, why);
}

/* The refusal a calendar function chose, with its sentence. */
static enum err
refuse_write(struct call *call, enum err err, struct str why)
{
	switch (err) {
	case OK:
		return OK;
	case ERR_BAD_REQUEST:
		return call_refuse(call, REFUSAL_BODY, why);
	case ERR_NOT_FOUND:
		return call_refuse(call, calendar_id_is_shaped(call->route.id) ? REFUSAL_NO_ITEM : REFUSAL_MALFORMED_ID,
		                   STR_EMPTY);
	default:
		return err;
	}
}

enum err
face_create_calendar(struct call *call)
{
	struct calendar_ctx ctx = mailbox(call);
	struct str          why = STR_EMPTY;
	struct item         item = { .body = STR_EMPTY };

	TRY(call_read_body(call));

	AUTO(store_abort) struct store_txn *txn = call_begin(call);

	calendar_ensure_default(txn, &ctx);
	calendar_create(txn, &ctx, call->req->body, &item, &why);
	TRY(call_hold(call, item.body.len));
	TRY(refuse_write(call, store_commit(&txn), why));
	answer_write(call, 201, &item);
	return OK;
}

/* The id a write is for: the path's, or the default calendar's. */
static enum err
target_id(struct call *call)
{
	struct item item;

	if (call->route.id.len > 0)
		return OK;
	TRY(require_default(call));
	TRY(get_one(call, true, &item));
	call->route.id = item.id;
	return OK;
}

enum err
face_update_calendar(struct call *call)
{
	struct calendar_ctx ctx = mailbox(call);
	struct str          why = STR_EMPTY;
	struct item         item = { .body = STR_EMPTY };

	TRY(call_read_body(call));
	TRY(target_id(call));

	AUTO(store_abort) struct store_txn *txn = call_begin(call);

	calendar_ensure_default(txn, &ctx);
	calendar_update(txn, &ctx, call->route.id, http_req_field(call->req, "If-Match"), call->req->body, &item, &why);
	TRY(call_hold(call, item.body.len));
	TRY(refuse_write(call, store_commit(&txn), why));
	answer_write(call, 200, &item);
	return OK;
}

enum err
face_remove_calendar(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct calendar_ctx      ctx = mailbox(call);
	struct str               why = STR_EMPTY;
	enum err                 err;

	TRY(query_allow(call, none, "on a write", "Leave them out."));
	TRY(target_id(call));

	AUTO(store_abort) struct store_txn *txn = call_begin(call);

	calendar_ensure_default(txn, &ctx);
	calendar_remove(txn, &ctx, call->route.id, http_req_field(call->req, "If-Match"), &why);
	err = store_commit(&txn);
	if (err == ERR_CONFLICT)
		return call_refuse(call, REFUSAL_DEFAULT_STAYS, why);
	TRY(refuse_write(call, err, why));
	http_resp_status(call->resp, 204);
	return OK;
}
