/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_page.h"

#include "text/json_check.h"
#include "text/json_read.h"

#define ERROR_BODY_MAX ((size_t)64 << 10)

/* ---- a page --------------------------------------------------------------------------------- */

static enum err
garbled(const char *what, struct str *why_out)
{
	*why_out = str_from_c(what);
	return ERR_UP_GARBLED;
}

/* A null is a member that is not there. */
static bool
find_member(struct str object, struct str name, struct str *raw_out)
{
	return json_span_member(object, name, raw_out) && !str_eq(*raw_out, STR("null"));
}

/* FNV-1a over eight bytes at a time. */
static uint64_t
hash_of(struct str text)
{
	uint64_t hash = 14695981039346656037u, word;
	size_t   at = 0;

	for (; text.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, text.at + at, sizeof(word));
		hash = (hash ^ word) * 1099511628211u;
		hash ^= hash >> 29;
	}
	for (; at < text.len; at++)
		hash = (hash ^ (uint8_t)text.at[at]) * 1099511628211u;
	return hash ? hash : 1;
}

static enum err
read_links(struct str body, struct arena *arena, struct follow_page *page, struct str *why_out)
{
	struct str next, delta;
	bool       has_next = find_member(body, STR("@odata.nextLink"), &next);
	bool       has_delta = find_member(body, STR("@odata.deltaLink"), &delta);

	if (has_next && has_delta)
		return garbled("it has both a nextLink and a deltaLink", why_out);
	if (!has_next && !has_delta)
		return garbled("it has neither a nextLink nor a deltaLink: this is no page of a delta query", why_out);
	page->is_last = has_delta;
	if (!json_span_text(has_delta ? delta : next, arena, &page->link))
		return garbled("its link is not a string", why_out);
	return OK;
}

enum err
follow_page_read(struct str body, struct arena *arena, struct follow_page *page_out, struct str *why_out)
{
	struct follow_page page = { .link = STR_EMPTY };
	struct json_span   first;
	struct json_walk   peek;
	struct str         value;

	if (json_check(body, FOLLOW_PAGE_MAX, arena, why_out) != OK)
		return ERR_UP_GARBLED;
	json_walk_open(&page.walk, body);
	if (!page.walk.object)
		return garbled("it is not a JSON object", why_out);
	if (!json_span_member(body, STR("value"), &value) || value.at[0] != '[')
		return garbled("it has no array named `value`", why_out);
	TRY(read_links(body, arena, &page, why_out));
	json_walk_open(&page.walk, value);
	peek = page.walk;
	page.hash = json_walk_next(&peek, &first) ? hash_of(value) : 0;
	*page_out = page;
	return OK;
}

/* ---- an item -------------------------------------------------------------------------------- */

static enum replica_life
life_of(struct str removed)
{
	struct str reason;

	return json_span_member(removed, STR("reason"), &reason) && str_eq(reason, STR("\"changed\"")) ? REPLICA_CHANGED
	                                                                                             : REPLICA_DELETED;
}

/* Nearly all items are not, and a name without escapes cannot hide: no need to walk over their members. */
static bool
may_be_removed(struct str body)
{
	return memmem(body.at, body.len, "@removed", 8) || memchr(body.at, '\\', body.len);
}

void
follow_item_read(struct str body, struct arena *arena, struct follow_item *item_out)
{
	struct follow_item item = { .body = body, .life = REPLICA_LIVE };
	struct str         raw;

	if (body.at[0] != '{')
		item.fault = "it is not an object";
	else if (!json_span_member(body, STR("id"), &raw))
		item.fault = "it has no id";
	else if (!json_span_text(raw, arena, &item.id))
		item.fault = "its id is not a string";
	else if (item.id.len == 0)
		item.fault = "its id is empty";
	else if (item.id.len > STORE_ID_MAX)
		item.fault = "its id is longer than 1024 bytes";
	else if (body.len > STORE_BODY_MAX)
		item.fault = "it is larger than 2 MiB";
	if (!item.fault && may_be_removed(body) && find_member(body, STR("@removed"), &raw))
		item.life = life_of(raw);
	*item_out = item;
}

bool
follow_page_next(struct follow_page *page, struct arena *arena, struct follow_item *item_out)
{
	struct json_span span;

	if (!json_walk_next(&page->walk, &span))
		return false;
	follow_item_read(span.value, arena, item_out);
	return true;
}

/* ---- errors --------------------------------------------------------------------------------- */

static bool
is_gone_code(struct str code)
{
	static const char *const spellings[] = { "syncStateNotFound", "syncStateInvalid", "syncStateExpired",
		                                 "resyncRequired",    "fullSyncRequired", "ErrorInvalidSyncStateData" };

	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		if (str_eq_nocase(code, str_from_c(spellings[i])))
			return true;
	return str_starts_nocase(code, STR("resyncChanges"));
}

static bool
holds_nocase(struct str text, struct str word)
{
	for (size_t i = 0; i + word.len <= text.len; i++)
		if (str_starts_nocase(str_skip(text, i), word))
			return true;
	return false;
}

static enum err
read_error(struct str body, struct arena *arena, struct json **root_out)
{
	return body.len > ERROR_BODY_MAX ? ERR_TOO_LARGE : json_read(body, arena, root_out, NULL);
}

static struct str
text_of(const struct json *object, const char *name)
{
	struct str text = STR_EMPTY;

	return json_text(json_member(object, name), &text) ? text : STR_EMPTY;
}

bool
follow_says_gone(unsigned status, struct str body, bool link_has_state, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	const struct json           *error, *inner;
	struct str                   message;

	if (status == 410)
		return true;
	if (status < 400 || status >= 500 || !link_has_state || read_error(body, arena, &root) != OK)
		return false;
	error = json_member(root, "error");
	inner = json_member(error, "innerError");
	if (!inner)
		inner = json_member(error, "innererror");
	if (is_gone_code(text_of(error, "code")) || is_gone_code(text_of(inner, "code")))
		return true;
	message = text_of(error, "message");
	return status == 400 && (holds_nocase(message, STR("badly formed token")) ||
	                         holds_nocase(message, STR("sync state")) || holds_nocase(message, STR("delta token")));
}

struct str
follow_error_text(struct str body, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   code, message;

	if (read_error(body, arena, &root) != OK)
		return STR_EMPTY;
	code = text_of(json_member(root, "error"), "code");
	message = text_of(json_member(root, "error"), "message");
	if (code.len == 0)
		return STR_EMPTY;
	return arena_printf(arena, "%.*s: %.*s", STR_ARG(str_first(code, 100)), STR_ARG(str_first(message, 200)));
}
