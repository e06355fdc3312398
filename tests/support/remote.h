/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote — a delta server inside a test, that can misbehave: a source of pages for the follower, and the
 * model of what a follower must end with.
 *
 * Items are numbered; each has two properties, "a" and "b", and stands at the place of its latest change.
 * Links carry everything the server needs to know, as the real ones do: also what was reported up to there, since a
 * part of an item is reported only to who holds the rest.
 */
#pragma once

#include "base/buf.h"
#include "follow/follow_source.h"
#include "rng.h"
#include "text/uri.h"

#define FAR_ITEMS_MAX 256

struct far_item {
	bool     exists, live;
	uint64_t a, b;
	uint64_t seq;          /* of its latest change */
	uint64_t a_seq, b_seq; /* of each property's latest change */
	uint64_t born;         /* since when it lives */
	bool     soft;         /* removed with reason "changed" */
};

struct remote {
	struct rng     *rng;
	struct far_item items[FAR_ITEMS_MAX];
	uint64_t        head;
	uint64_t        forgotten; /* links of rounds that began below it are answered 410 */
	unsigned        page_size;

	/* misbehaviour, each one time in so many; 0 never */
	unsigned fails, throttles, errors, empties, repeats, partials, replays, refuses;
	unsigned lures; /* links to somebody else */

	uint64_t
		seen[FAR_ITEMS_MAX]; /* the seq of what was reported of each item up to the place that is asked for … */
	struct buf reported;         /* … and up to each link that was given out */
	struct buf body;
	uint64_t   fetches, strangers; /* requests; requests for a link it never gave out */
	struct str origin;
	unsigned   cut_page; /* the answer is lost after so many bytes of that page (from 1) */
	size_t     cut_at;
	bool       cut_silently; /* as if it were whole */
};

/* A place: what is still to be reported (after, until], in the order of change. */
struct cursor {
	uint64_t after, until, initial, page, reported;
	uint64_t known; /* the head that its round began at */
};

static inline bool
far_one_in(struct remote *far, unsigned n)
{
	return n > 0 && rng_below(far->rng, n) == 0;
}

static inline void
far_open(struct remote *far, struct rng *rng, struct str origin)
{
	*far = (struct remote){ .rng = rng, .page_size = 3, .origin = origin };
	buf_open(&far->body, (size_t)4 << 20);
	buf_open(&far->reported, (size_t)256 << 20);
}

static inline void
far_close(struct remote *far)
{
	buf_close(&far->body);
	buf_close(&far->reported);
}

/* ---- writing -------------------------------------------------------------------------------- */

static inline void
far_put(struct remote *far, unsigned number, uint64_t a, uint64_t b)
{
	struct far_item *item = &far->items[number];

	uint64_t seq = ++far->head;
	bool     was_live = item->live;

	*item = (struct far_item){ true,
		                   true,
		                   a,
		                   b,
		                   seq,
		                   was_live && item->a == a ? item->a_seq : seq,
		                   was_live && item->b == b ? item->b_seq : seq,
		                   was_live ? item->born : seq,
		                   false };
}

static inline void
far_remove(struct remote *far, unsigned number)
{
	struct far_item *item = &far->items[number];

	if (!item->live)
		return;
	item->live = false;
	item->soft = rng_below(far->rng, 2) == 0;
	item->seq = ++far->head;
}

static inline void
far_write(struct remote *far)
{
	unsigned         number = rng_below(far->rng, 24);
	struct far_item *item = &far->items[number];

	if (!item->live)
		far_put(far, number, rng_below(far->rng, 5), rng_below(far->rng, 5));
	else if (far_one_in(far, 3))
		far_remove(far, number);
	else if (far_one_in(far, 2))
		far_put(far, number, item->a + 1, item->b);
	else
		far_put(far, number, item->a, item->b + 1);
}

static inline unsigned
far_live(const struct remote *far)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FAR_ITEMS_MAX; i++)
		count += far->items[i].live;
	return count;
}

/* ---- telling -------------------------------------------------------------------------------- */

static inline void
put_item(struct remote *far, unsigned number)
{
	struct far_item *item = &far->items[number];
	uint64_t         seen = far->seen[number];
	bool             partial = seen >= item->born && far_one_in(far, far->partials);

	if (far->body.at[far->body.len - 1] != '[')
		buf_put_char(&far->body, ',');
	buf_printf(&far->body, "{\"id\":\"item-%u\"", number);
	if (!item->live) {
		buf_printf(&far->body, ",\"@removed\":{\"reason\":\"%s\"}}", item->soft ? "changed" : "deleted");
		return;
	}
	if (!partial || item->a_seq > seen)
		buf_printf(&far->body, ",\"a\":%llu", (unsigned long long)item->a);
	if (!partial || item->b_seq > seen)
		buf_printf(&far->body, ",\"b\":%llu", (unsigned long long)item->b);
	buf_put_char(&far->body, '}');
	far->seen[number] = item->seq;
}

static inline int
next_after(const struct remote *far, uint64_t after, uint64_t until)
{
	int best = -1;

	for (int i = 0; i < FAR_ITEMS_MAX; i++)
		if (far->items[i].exists && far->items[i].seq > after && far->items[i].seq <= until &&
		    (best < 0 || far->items[i].seq < far->items[best].seq))
			best = i;
	return best;
}

static inline void
put_items(struct remote *far, struct cursor *cursor)
{
	unsigned space = far_one_in(far, far->empties) ? 0 : far->page_size;

	while (space > 0) {
		int number = next_after(far, cursor->after, cursor->until);

		if (number < 0)
			return;
		cursor->after = far->items[number].seq;
		if (cursor->initial && !far->items[number].live)
			continue;
		put_item(far, (unsigned)number);
		space--;
		/* An item that may have stood on another page of this round already. */
		if (far_one_in(far, far->repeats) && far->items[number].live)
			put_item(far, (unsigned)number);
	}
}

/* A change that was reported long ago is reported again. */
static inline void
put_replay(struct remote *far, const struct cursor *cursor)
{
	unsigned number = rng_below(far->rng, 24);

	if (far_one_in(far, far->replays) && far->items[number].live && far->items[number].seq <= cursor->after)
		put_item(far, number);
}

static inline void
answer(struct remote *far, struct str link, struct cursor cursor)
{
	bool       more;
	struct str lure = far_one_in(far, far->lures) ? STR(".evil.example/") : STR_EMPTY;

	buf_cut(&far->body, 0);
	buf_put(&far->body, STR("{\"@odata.context\":\"x\",\"value\":["));
	put_replay(far, &cursor);
	put_items(far, &cursor);
	more = next_after(far, cursor.after, cursor.until) >= 0;
	buf_printf(&far->body, "],\"@odata.%s\":\"%.*s%.*s%.*s?$%s=%llu-%llu-%llu-%llu-%llu\"}",
	           more ? "nextLink" : "deltaLink", STR_ARG(far->origin), STR_ARG(lure),
	           STR_ARG(str_skip(link, far->origin.len)), more ? "skiptoken" : "deltatoken",
	           (unsigned long long)cursor.after, (unsigned long long)cursor.until,
	           (unsigned long long)(more && cursor.initial), (unsigned long long)(more ? cursor.page + 1 : 0),
	           (unsigned long long)(far->reported.len / sizeof(far->seen)));
	buf_put(&far->reported, str_of((const char *)far->seen, sizeof(far->seen)));
	assert_int_equal(buf_err(&far->reported), OK);
}

static inline bool
take_u64(struct str *rest, uint64_t *value_out)
{
	struct str part;

	return str_take_until(rest, '-', &part) && str_to_u64(part, value_out);
}

/* False for a link that this server has not given out. */
static inline bool
read_link(struct remote *far, struct str link, struct cursor *cursor_out)
{
	struct str       rest = link;
	struct uri_parts parts;
	bool             delta;

	if (!str_starts(link, far->origin) || str_starts(str_skip(link, far->origin.len), STR(".")) ||
	    !uri_split(link, &parts))
		return false;
	if (parts.query.len == 0) {
		*cursor_out = (struct cursor){ 0, far->head, 1, 1, 0, far->head };
		memset(far->seen, 0, sizeof(far->seen));
		return true;
	}
	rest = parts.query;
	delta = str_starts(rest, STR("$deltatoken="));
	if (!delta && !str_starts(rest, STR("$skiptoken=")))
		return false;
	rest = str_skip(rest, delta ? 12 : 11);
	if (!take_u64(&rest, &cursor_out->after) || !take_u64(&rest, &cursor_out->until) ||
	    !take_u64(&rest, &cursor_out->initial) || !take_u64(&rest, &cursor_out->page) ||
	    !str_to_u64(rest, &cursor_out->reported))
		return false;
	/* What a child was reported died with it. */
	if (cursor_out->reported < far->reported.len / sizeof(far->seen))
		memcpy(far->seen, far->reported.at + cursor_out->reported * sizeof(far->seen), sizeof(far->seen));
	else
		memset(far->seen, 0, sizeof(far->seen));
	cursor_out->known = cursor_out->until;
	if (delta)
		*cursor_out = (struct cursor){ cursor_out->until,    far->head,        0, 1,
			                       cursor_out->reported, cursor_out->until };
	return true;
}

static inline enum err
failing(struct str why, struct str *why_out)
{
	*why_out = why;
	return ERR_BUSY;
}

static inline enum err
fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
      struct str *why_out)
{
	struct remote *far = ctx;
	struct cursor  cursor;

	far->fetches++;
	if (!read_link(far, request->link, &cursor)) {
		far->strangers++;
		*response_out = (struct follow_response){
			.status = 400, .body = STR("{\"error\":{\"code\":\"BadRequest\",\"message\":\"?\"}}")
		};
		return OK;
	}
	if (far_one_in(far, far->fails))
		return failing(STR("the connection was cut"), why_out);
	*response_out = (struct follow_response){ .status = 429, .body = STR("{}"), .retry_after = STR("2.5") };
	if (far_one_in(far, far->throttles))
		return OK;
	*response_out = (struct follow_response){ .status = rng_below(far->rng, 2) ? 503 : 500,
		                                  .body = STR("no JSON") };
	if (far_one_in(far, far->errors))
		return OK;
	*response_out = (struct follow_response){
		.status = 410,
		.location = arena_copy(arena, str_first(request->link, str_find(request->link, '?'))),
		.body = STR("{\"error\":{\"code\":\"SyncStateNotFound\",\"message\":\"gone\"}}")
	};
	if (str_find(request->link, '?') < request->link.len &&
	    (cursor.known < far->forgotten || far_one_in(far, far->refuses)))
		return OK;
	answer(far, str_first(request->link, str_find(request->link, '?')), cursor);
	*response_out = (struct follow_response){ .status = 200, .body = buf_str(&far->body) };
	if (far->cut_page == 0 || far->cut_page != cursor.page || far->cut_at >= far->body.len)
		return OK;
	far->cut_page = 0;
	response_out->body.len = far->cut_at;
	return far->cut_silently ? OK : failing(STR("cut"), why_out);
}

static inline struct follow_source
far_source(struct remote *far)
{
	return (struct follow_source){ .ctx = far, .fetch = fetch };
}
