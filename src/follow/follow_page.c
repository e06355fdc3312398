/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_page.h"

#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "follow/follow.h"
#include "text/json_check.h"
#include "text/json_read.h"
#include "text/json_span.h"
#include "text/json_string.h"

#define ERROR_BODY_MAX ((size_t)64 << 10)
#define GUESS_SPAN     ((size_t)8 << 10) /* at either end of a page */

#define HASH_PRIME 1099511628211u

static uint64_t
stir(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_PRIME;
	return hash ^ hash >> 29;
}

/* Four independent sums of eight bytes each, so that the CPU can multiply in parallel. */
uint64_t
follow_page_hash(struct str text)
{
	uint64_t sums[4] = { 14695981039346656037u, 1, 2, 3 }, words[4], hash = text.len;
	size_t   at = 0;

	for (; text.len - at >= sizeof(words); at += sizeof(words)) {
		memcpy(words, text.at + at, sizeof(words));
		for (size_t i = 0; i < 4; i++)
			sums[i] = stir(sums[i], words[i]);
	}
	for (; at < text.len; at++)
		sums[0] = stir(sums[0], (uint8_t)text.at[at]);
	for (size_t i = 0; i < 4; i++)
		hash = stir(hash, sums[i]);
	return hash ? hash : 1;
}

/* ---- one pass -------------------------------------------------------------------------------- */

/* What one pass over a page has found. */
struct gathering {
	struct arena       *arena;
	const char         *text;
	struct str          page;               /* the outermost value */
	struct str          value, next, delta; /* raw; len 0: not there */
	struct follow_spot *spots;
	size_t              count, space, kept; /* kept: how many spots belong to `value`, once it was found */
	struct follow_raw   open;               /* the item being read */
	bool                is_too_many;
};

static bool
is_null(struct str raw)
{
	return str_eq(raw, STR("null"));
}

static struct follow_span
span_of(const struct gathering *gathering, struct str text)
{
	return text.len > 0 ? (struct follow_span){ (uint32_t)(text.at - gathering->text), (uint32_t)text.len }
	                    : (struct follow_span){ 0 };
}

static void
keep_spot(struct gathering *gathering, struct str value)
{
	const struct follow_raw *open = &gathering->open;
	struct follow_spot      *grown;

	if (gathering->count == FOLLOW_PAGE_ITEMS_MAX) {
		gathering->is_too_many = true;
		return;
	}
	if (gathering->count == gathering->space) {
		gathering->space = gathering->space ? gathering->space * 2 : 256;
		grown = arena_take(gathering->arena, gathering->space * sizeof(*grown));
		if (gathering->count > 0)
			memcpy(grown, gathering->spots, gathering->count * sizeof(*grown));
		gathering->spots = grown;
	}
	gathering->spots[gathering->count++] = (struct follow_spot){
		.body = span_of(gathering, value),
		.id = span_of(gathering, open->id),
		.removed = span_of(gathering, open->removed),
		.type = span_of(gathering, open->type),
		.has_facet = open->has_facet,
		.has_parts = open->has_parts,
		.has_noise = open->has_noise,
		.fault = open->fault,
	};
}

static void
keep_member(struct gathering *gathering, struct str name, struct str value)
{
	if (json_span_is_named(name, STR("value"))) {
		gathering->value = value;
		gathering->kept = gathering->count;
		return;
	}
	gathering->count = gathering->kept;
	if (is_null(value))
		return;
	if (json_span_is_named(name, STR("@odata.nextLink")))
		gathering->next = value;
	else if (json_span_is_named(name, STR("@odata.deltaLink")))
		gathering->delta = value;
}

static void
gather(void *ctx, size_t depth, struct str name, struct str value)
{
	struct gathering *gathering = ctx;

	if (depth == 3) {
		follow_raw_note(&gathering->open, name, value, gathering->arena);
		return;
	}
	if (depth == 2)
		keep_spot(gathering, value);
	else if (depth == 1)
		keep_member(gathering, name, value);
	else
		gathering->page = value;
	gathering->open = (struct follow_raw){ 0 };
}

/* The first reason is kept. */
static void
spoil(void *ctx, const char *what)
{
	struct gathering *gathering = ctx;

	if (!gathering->open.fault && follow_fault_counts(what))
		gathering->open.fault = what;
}

/* ---- a page --------------------------------------------------------------------------------- */

static enum err
garbled(const char *what, struct str *why_out)
{
	*why_out = str_from_c(what);
	return ERR_UP_GARBLED;
}

static enum err
read_links(const struct gathering *gathering, struct follow_page *page, struct str *why_out)
{
	struct str link = gathering->delta.len > 0 ? gathering->delta : gathering->next;

	if (gathering->next.len > 0 && gathering->delta.len > 0)
		return garbled("it has both a nextLink and a deltaLink", why_out);
	if (link.len == 0)
		return garbled("it has neither a nextLink nor a deltaLink: this is no page of a delta query", why_out);
	/* Too long even if each of its characters is escaped as \uXXXX. */
	if (link.len > 6 * FETCH_LINK_MAX + 2)
		return garbled("its link is longer than 32 KiB", why_out);
	page->is_last = gathering->delta.len > 0;
	if (!json_span_text(link, gathering->arena, &page->link))
		return garbled("its link is not a string", why_out);
	return OK;
}

enum err
follow_page_read(struct str body, struct arena *arena, struct follow_page *page_out, struct str *why_out)
{
	struct gathering  gathering = { .arena = arena, .text = body.at };
	struct json_watch watch = { .ctx = &gathering, .depth = 3, .emit = gather, .spoils_from = 2, .spoiled = spoil };
	struct follow_page page = { .body = body, .link = STR_EMPTY };

	if (body.len == 0)
		return garbled("it is empty", why_out);
	if (json_check_watched(body, FOLLOW_PAGE_MAX, &watch, arena, why_out) != OK)
		return ERR_UP_GARBLED;
	if (gathering.page.at[0] != '{')
		return garbled("it is not a JSON object", why_out);
	if (gathering.value.len == 0 || gathering.value.at[0] != '[')
		return garbled("it has no array named `value`", why_out);
	TRY(read_links(&gathering, &page, why_out));
	if (gathering.is_too_many)
		return garbled("it has more items than a page may have", why_out);
	page.spots = gathering.spots;
	page.count = gathering.kept;
	page.hash = page.count > 0 ? follow_page_hash(gathering.value) : 0;
	*page_out = page;
	return OK;
}

/* ---- a guess -------------------------------------------------------------------------------- */

/* The string after a member's name, if nothing in it is escaped. */
static bool
plain_string(struct str rest, struct str *text_out)
{
	size_t len;

	while (rest.len > 0 && strchr(" \t\r\n:", rest.at[0]))
		rest = str_skip(rest, 1);
	if (rest.len == 0 || rest.at[0] != '"')
		return false;
	rest = str_skip(rest, 1);
	len = json_plain_len(rest);
	*text_out = str_first(rest, len);
	return len > 0 && len < rest.len && rest.at[len] == '"';
}

/* The text behind the next "@odata.nextLink"; empty without one. */
static struct str
after_name(struct str part)
{
	struct str  name = STR("\"@odata.nextLink\"");
	const char *found = part.len > 0 ? memmem(part.at, part.len, name.at, name.len) : NULL;

	return found ? str_skip(part, (size_t)(found - part.at) + name.len) : STR_EMPTY;
}

/* In front of the items the first name is the page's own; behind them the last one is. */
static struct str
after_last_name(struct str part)
{
	struct str last = STR_EMPTY;

	for (part = after_name(part); part.len > 0; part = after_name(part))
		last = part;
	return last;
}

bool
follow_page_guess_next(struct str body, struct str *link_out)
{
	size_t tail = body.len < GUESS_SPAN ? body.len : GUESS_SPAN;

	return plain_string(after_name(str_first(body, GUESS_SPAN)), link_out) ||
	       plain_string(after_last_name(str_skip(body, body.len - tail)), link_out);
}

/* ---- an item -------------------------------------------------------------------------------- */

static struct str
text_of_span(const struct follow_page *page, struct follow_span span)
{
	return span.len > 0 ? str_of(page->body.at + span.at, span.len) : STR_EMPTY;
}

bool
follow_page_next(struct follow_page *page, struct arena *arena, struct follow_item *item_out)
{
	const struct follow_spot *spot;
	struct follow_raw         raw;

	if (page->next == page->count)
		return false;
	spot = &page->spots[page->next++];
	raw = (struct follow_raw){
		.body = text_of_span(page, spot->body),
		.id = text_of_span(page, spot->id),
		.removed = text_of_span(page, spot->removed),
		.type = text_of_span(page, spot->type),
		.has_facet = spot->has_facet,
		.has_parts = spot->has_parts,
		.has_noise = spot->has_noise,
		.fault = spot->fault,
	};
	follow_item_make(&raw, page->resource, arena, item_out);
	return true;
}

struct str
follow_page_trace(const struct follow_page *page, const struct follow_item *item, uint64_t page_number,
                  const struct fetch_secrets *secrets, struct arena *arena)
{
	const struct follow_spot *spot = &page->spots[page->next - 1];
	struct str                raw_id = text_of_span(page, spot->id);
	char                     *text;

	if (item->fault || fetch_secrets_stand_in(secrets, raw_id) || fetch_secrets_stand_in(secrets, item->id))
		return arena_printf(arena, "\"item %zu of page %llu\"", page->next, (unsigned long long)page_number);
	text = arena_take_raw(arena, raw_id.len);
	memcpy(text, raw_id.at, raw_id.len);
	fetch_secrets_mask(secrets, text, raw_id.len);
	return str_of(text, raw_id.len);
}

/* ---- errors --------------------------------------------------------------------------------- */

static bool
is_gone_code(struct str code)
{
	static const char *const spellings[] = { "syncStateNotFound", "syncStateInvalid", "syncStateExpired",
		                                 "resyncRequired",    "fullSyncRequired", "ErrorInvalidSyncStateData" };

	for (size_t i = 0; i < COUNT_OF(spellings); i++)
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
	/* Some remotes repeat the code in the message. */
	if (str_starts_nocase(message, code))
		return arena_copy(arena, str_cut(message, 300));
	return arena_printf(arena, "%.*s: %.*s", STR_ARG(str_cut(code, 100)), STR_ARG(str_cut(message, 200)));
}
