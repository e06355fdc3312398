/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_page.h"

#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "text/json_check.h"
#include "text/json_span.h"
#include "text/json_string.h"

#define GUESS_SPAN ((size_t)8 << 10) /* at either end of a page */

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
	struct arena       *names; /* for one name at a time */
	const char         *text;
	struct str          page;               /* the outermost value */
	struct str          value, next, delta; /* raw; len 0: not there */
	struct follow_spot *spots;
	size_t              count, space, kept; /* kept: how many spots belong to `value`, once it was found */
	struct follow_raw   open;               /* the item being read */
	bool                is_too_many, is_error;
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
	else if (json_span_is_named(name, STR("error")) || json_span_is_named(name, STR("odata.error")))
		gathering->is_error = true;
}

static void
gather(void *ctx, size_t depth, struct str name, struct str value)
{
	struct gathering *gathering = ctx;

	if (depth == 3) {
		follow_raw_note(&gathering->open, name, value, gathering->names);
		arena_reset(gathering->names);
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
refuse(enum err err, const char *what, struct str *why_out)
{
	*why_out = str_from_c(what);
	return err;
}

static enum err
read_links(const struct gathering *gathering, struct follow_page *page, struct str *why_out)
{
	struct str link = gathering->delta.len > 0 ? gathering->delta : gathering->next;

	if (gathering->next.len > 0 && gathering->delta.len > 0)
		return refuse(ERR_FOREIGN, "it has both a nextLink and a deltaLink", why_out);
	if (link.len == 0)
		return refuse(ERR_FOREIGN,
		              "it has neither a nextLink nor a deltaLink; the URL of a delta query ends in /delta",
		              why_out);
	/* Too long even if each of its characters is escaped as \uXXXX. */
	if (link.len > 6 * FETCH_LINK_MAX + 2)
		return refuse(ERR_FOREIGN, "its link is longer than 32 KiB", why_out);
	page->is_last = gathering->delta.len > 0;
	if (!json_span_text(link, gathering->arena, &page->link))
		return refuse(ERR_FOREIGN, "its link is not a string", why_out);
	return OK;
}

enum err
follow_page_read(struct str body, struct arena *arena, struct follow_page *page_out, struct str *why_out)
{
	AUTO(arena_close) struct arena *names = arena_open(FOLLOW_PAGE_MAX);
	struct gathering                gathering = { .arena = arena, .names = names };
	struct json_watch watch = { .ctx = &gathering, .depth = 3, .emit = gather, .spoils_from = 2, .spoiled = spoil };
	struct follow_page page = { .body = body, .link = STR_EMPTY };

	if (str_starts(body, STR("\xef\xbb\xbf")))
		body = page.body = str_skip(body, 3);
	gathering.text = body.at;
	if (body.len == 0)
		return refuse(ERR_UP_GARBLED, "it is empty", why_out);
	if (json_check_watched(body, FOLLOW_PAGE_MAX, &watch, arena, why_out) != OK)
		return ERR_UP_GARBLED;
	if (gathering.page.at[0] != '{')
		return refuse(ERR_UP_GARBLED, "it is not a JSON object", why_out);
	if (gathering.value.len == 0 && gathering.is_error)
		return refuse(ERR_UP_GARBLED, "it is an error under the status 200", why_out);
	if (gathering.value.len == 0 || gathering.value.at[0] != '[')
		return refuse(ERR_FOREIGN, "it has no array named `value`", why_out);
	TRY(read_links(&gathering, &page, why_out));
	if (gathering.is_too_many)
		return refuse(ERR_TOO_LARGE, "it has more items than a page may have", why_out);
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
