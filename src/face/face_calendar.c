/* SPDX-License-Identifier: Apache-2.0 */
/* face_calendar — the calendars themselves: list, get, create, update, delete. */
#include "face/calendar.h"
#include "face/call.h"
#include "face/page.h"
#include "face/shape.h"
#include "text/json_read.h"
#include "text/uri.h"

#define LIST_PAGE_DEFAULT 10             /* what Graph's own lists are seen to give */
#define LIST_SKIP_MAX     1000000

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

/* ---- answers ------------------------------------------------------------------------------------- */

/* https://host/v1.0/users('{oid}@{tid}')/calendars('{id}') */
static struct str
entity_url(const struct call *call, struct str id)
{
	struct str version = call_version_url(call);
	char       oid[GUID_TEXT_LEN], tid[GUID_TEXT_LEN];

	guid_format(&call->owner.id, oid);
	guid_format(&call->owner.tenant, tid);
	return arena_printf(call->arena, "%.*s/users('%.*s@%.*s')/calendars('%.*s')", STR_ARG(version), GUID_TEXT_LEN, oid,
	                    GUID_TEXT_LEN, tid, STR_ARG(uri_encode(id, "=-_", call->arena)));
}

static struct str
collection_context(const struct call *call, const char *tail)
{
	char oid[GUID_TEXT_LEN];

	guid_format(&call->owner.id, oid);
	return arena_printf(call->arena, "users('%.*s')/%s", GUID_TEXT_LEN, oid, tail);
}

static void
answer_entity(struct call *call, unsigned status, const struct item *item, uint32_t select)
{
	struct str url = entity_url(call, item->id);
	struct str key = calendar_change_key(item->body);

	http_resp_status(call->resp, status);
	http_resp_field(call->resp, "ETag", arena_printf(call->arena, "W/\"%.*s\"", STR_ARG(key)));
	if (status == 201)
		http_resp_field(call->resp, "Location", url);
	page_single(call, collection_context(call, "calendars/$entity"), url, item->body, select);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static enum err
read_select(struct call *call, uint32_t *select_out)
{
	struct str rest = call->query.value[OPTION_SELECT], name;

	*select_out = 0;
	while (str_take_until(&rest, ',', &name)) {
		enum calendar_prop prop = calendar_prop_find(str_trim(name));

		if (prop != PROP_COUNT)
			*select_out |= (uint32_t)1 << prop | (uint32_t)1 << PROP_ID;
		else if (!str_eq(str_trim(name), STR("*")))
			return call_refuse(call, REFUSAL_OPTION,
			                   arena_printf(call->arena,
			                                "Could not find a property named '%.*s' on type 'microsoft.graph.calendar'.",
			                                STR_ARG(str_first(str_trim(name), 64))));
	}
	return OK;
}

/* The same list from `skip` on, with the other options as they came. */
static struct str
list_link(const struct call *call, uint64_t skip, uint64_t top)
{
	struct str base = call_base_url(call);
	struct str select = call->query.given[OPTION_SELECT]
	                            ? arena_printf(call->arena, "$select=%.*s&",
	                                           STR_ARG(uri_encode(call->query.value[OPTION_SELECT], ",", call->arena)))
	                            : STR_EMPTY;
	struct str sized = call->query.given[OPTION_TOP]
	                           ? arena_printf(call->arena, "$top=%llu&", (unsigned long long)top)
	                           : STR_EMPTY;

	return arena_printf(call->arena, "%.*s%.*s?%.*s%.*s$skip=%llu", STR_ARG(base), STR_ARG(call->req->path),
	                    STR_ARG(select), STR_ARG(sized), (unsigned long long)skip);
}

/* One page of live calendars; *more_out says whether another follows. */
static enum err
list_page(struct call *call, uint64_t skip, uint64_t top, uint32_t select, bool *exists_out)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = (uint32_t)(skip + top + 1), .live_only = true };
	AUTO(store_scan_abort) struct store_scan *scan =
		store_scan_open(call->face->parts.store, &call->feed, &range, call->arena);
	uint64_t    seen = 0;
	bool        more = false;
	struct page page;
	struct item item;

	page_open(&page, call, collection_context(call, "calendars"), select);
	*exists_out = store_scan_mark(scan)->exists;
	while (!more && store_scan_next(scan, &item)) {
		more = seen == skip + top;
		if (!more && seen++ >= skip)
			page_put_entity(&page, entity_url(call, item.id), item.body);
	}
	TRY(store_scan_close(&scan));
	page_close(&page, more ? STR("@odata.nextLink") : STR_EMPTY, list_link(call, skip + top, top));
	return OK;
}

enum err
face_list_calendars(struct call *call)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_TOP, OPTION_SKIP, OPTION_FORMAT, OPTION_KINDS };
	uint64_t top, skip;
	uint32_t select;
	bool     exists;

	TRY(query_allow(call, known, "on the list of calendars", "Use $select, $top and $skip."));
	TRY(query_number(call, OPTION_TOP, 1, PAGE_SIZE_MAX, LIST_PAGE_DEFAULT, &top));
	TRY(query_number(call, OPTION_SKIP, 0, LIST_SKIP_MAX, 0, &skip));
	TRY(read_select(call, &select));
	TRY(list_page(call, skip, top, select, &exists));
	if (exists)
		return OK;
	TRY(face_ensure_calendars(call));
	buf_cut(http_resp_body(call->resp), 0);
	return list_page(call, skip, top, select, &exists);
}

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

static enum err
answer_one(struct call *call, bool pinned)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_KINDS };
	struct item item;
	uint32_t    select;

	TRY(query_allow(call, known, "on a single calendar", "Use $select."));
	TRY(read_select(call, &select));
	TRY(get_one(call, pinned, &item));
	answer_entity(call, 200, &item, select);
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
		TRY(face_ensure_calendars(call));
	return answer_one(call, true);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static enum err
read_body(struct call *call)
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
	err = json_read(call->req->body, call->arena, &root, &why);
	if (err == OK && json_kind(root) != JSON_OBJECT) {
		why = STR("The request body must be a JSON object.");
		err = ERR_BAD_REQUEST;
	}
	json_drop(&root);
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
	struct item         item;

	TRY(read_body(call));

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	calendar_ensure_default(txn, &ctx);
	calendar_create(txn, &ctx, call->req->body, &item, &why);
	TRY(refuse_write(call, store_commit(&txn), why));
	answer_entity(call, 201, &item, 0);
	return OK;
}

/* The id a write is for: the path's, or the default calendar's. */
static enum err
target_id(struct call *call)
{
	struct item item;

	if (call->route.kind != ROUTE_DEFAULT_CALENDAR)
		return OK;
	TRY(face_ensure_calendars(call));
	TRY(get_one(call, true, &item));
	call->route.id = item.id;
	return OK;
}

enum err
face_update_calendar(struct call *call)
{
	struct calendar_ctx ctx = mailbox(call);
	struct str          why = STR_EMPTY;
	struct item         item;

	TRY(read_body(call));
	TRY(target_id(call));

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	calendar_ensure_default(txn, &ctx);
	calendar_update(txn, &ctx, call->route.id, http_req_field(call->req, "If-Match"), call->req->body, &item, &why);
	TRY(refuse_write(call, store_commit(&txn), why));
	answer_entity(call, 200, &item, 0);
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

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	calendar_ensure_default(txn, &ctx);
	calendar_remove(txn, &ctx, call->route.id, http_req_field(call->req, "If-Match"), &why);
	err = store_commit(&txn);
	if (err == ERR_CONFLICT)
		return call_refuse(call, REFUSAL_DEFAULT_STAYS, why);
	TRY(refuse_write(call, err, why));
	http_resp_status(call->resp, 204);
	return OK;
}
