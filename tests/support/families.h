/* SPDX-License-Identifier: Apache-2.0 */
/*
 * families — a remote whose items have rules of their own, and that behaves as badly as real ones do.
 *
 * Groups have members in parts, drives the deleted facet and whole items, messages of chats share ids.  Planner, a
 * URL that begins at "latest" and a scope that begins from now list nothing.  A round is a list of reports; a page is a
 * part of it.  Pages may be too large, links may die, and an answer may be no page.
 *
 * `next` is what a follower holds after the round that was made last: it becomes `held` when that round has settled.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "follow/follow_page.h"
#include "follow/follow_source.h"
#include "rng.h"
#include "text/uri.h"

#define THINGS      6
#define MEMBERS     5
#define RELATIONS   2
#define OPS_MAX     512
#define REPORTS_MAX 1024
#define REPORT_TEXT 320
#define TEXT_MAX    ((size_t)REPORTS_MAX * REPORT_TEXT)
#define WEIGHT_MAX  8 /* of a page */
#define SIZE_USUAL  200

enum kind { GROUPS, UNKNOWN, DRIVE, CHATS, CONTACTS, PLANNER, LATEST, FROM_NOW, KINDS };
enum op_kind { SET_A, SET_B, REMOVE, RESTORE, JOIN, LEAVE, SPOIL, MEND };
enum trouble { NO_TROUBLE, IS_HEAVY, IS_SPOILED }; /* no follower can keep the item: too large, a member twice */

#define ORIGIN "https://graph.example.com"

static const struct family {
	const char *path, *suffix;
	bool        lists, relates, is_complete;
} families[KINDS] = {
	[GROUPS] = { "/v1.0/groups/delta", "", true, true, false },
	[UNKNOWN] = { "/v1.0/things/delta", "", true, true, false },
	[DRIVE] = { "/v1.0/me/drive/root/delta", "", true, false, true },
	[CHATS] = { "/v1.0/users/u/chats/getAllMessages/delta", "", true, false, true },
	[CONTACTS] = { "/v1.0/me/contacts/delta", "", true, false, false },
	[PLANNER] = { "/v1.0/me/planner/all/delta", "", false, false, false },
	[LATEST] = { "/v1.0/me/messages/delta", "&$deltatoken=latest", false, false, false },
	[FROM_NOW] = { "/v1.0/me/contacts/delta", "", false, false, false },
};
static const char *const relations[RELATIONS] = { "members", "owners" };

struct thing {
	bool         live, has_a, has_b;
	unsigned     a, b;
	bool         in[RELATIONS][MEMBERS];
	enum trouble trouble;
	unsigned     weight;
};

struct op {
	enum op_kind kind;
	unsigned     thing, value, relation;
};

struct report {
	char     text[REPORT_TEXT];
	unsigned weight;
	bool     ends_page; /* the remote sends no more behind it, whatever it was asked for */
};

struct view {
	struct thing things[THINGS];
	bool         letters[THINGS];  /* dead letters that name a thing */
	bool         readable[THINGS]; /* they can be read by now … */
	struct thing reported[THINGS]; /* … and say this */
};

struct world {
	struct rng           rng;
	enum kind            kind;
	const struct family *family;
	char                 base[128], url[160];
	struct thing         things[THINGS];
	struct op            ops[OPS_MAX];
	unsigned             op_count;
	struct report        reports[REPORTS_MAX]; /* of the round that was made last */
	unsigned             report_count, until, serial;
	struct view          held, next;
	uint64_t             rounds; /* whole ones, up to `held` */

	unsigned forgets;         /* the link of one page in so many is dead … */
	uint64_t lost;            /* and the deltaLinks of rounds before that one */
	unsigned garbles;         /* one answer in so many is no page */
	bool     size_is_in_link; /* only the first request of a round sets it */
	bool     respells;        /* report everything again in the next round */
	bool     asked_gone;      /* a Location that is none … */
	bool     asked_own;       /* … and the URL without a token were asked for */
	unsigned strangers;       /* requests for a link that was never given out */
	unsigned large, letters;  /* pages that were too large, items that nobody can keep */
	char     text[TEXT_MAX + 1024];
};

/* ---- writing ---------------------------------------------------------------------------------- */

static inline bool
world_one_in(struct world *world, unsigned n)
{
	return n > 0 && rng_below(&world->rng, n) == 0;
}

static inline bool
op_is_possible(const struct world *world, const struct op *op)
{
	const struct thing *it = &world->things[op->thing];

	if (world->op_count == OPS_MAX || (op->kind == RESTORE ? it->live : !it->live))
		return false;
	if (op->kind == JOIN || op->kind == LEAVE)
		return world->family->relates && it->in[op->relation][op->value % MEMBERS] != (op->kind == JOIN);
	/* A later part would stand for an item of which nothing was kept. */
	if (op->kind == SPOIL)
		return !world->family->relates && it->trouble == NO_TROUBLE;
	return op->kind != MEND || it->trouble != NO_TROUBLE;
}

static inline void
write_op(struct world *world, struct op op)
{
	struct thing *it = &world->things[op.thing];

	if (!op_is_possible(world, &op))
		return;
	if (op.kind == REMOVE || op.kind == RESTORE)
		*it = (struct thing){ .live = op.kind == RESTORE, .has_a = true };
	if (op.kind != REMOVE && op.kind != JOIN && op.kind != LEAVE && op.kind != SET_B)
		it->a = op.value;
	if (op.kind == SET_B) {
		it->has_b = op.value % 3 != 0 || !world->family->is_complete;
		it->b = it->has_b ? op.value : 0;
	}
	if (op.kind == SPOIL)
		it->trouble = op.value % 2 ? IS_HEAVY : IS_SPOILED;
	if (op.kind == MEND)
		it->trouble = NO_TROUBLE;
	if (op.kind == JOIN || op.kind == LEAVE)
		it->in[op.relation][op.value % MEMBERS] = op.kind == JOIN;
	it->weight = it->trouble == IS_HEAVY ? WEIGHT_MAX + 1 : op.value % 7 == 0 ? 3 : 1;
	world->ops[world->op_count++] = op;
}

static inline void
write_some(struct world *world, unsigned most)
{
	static const enum op_kind kinds[] = { SET_A, SET_A, SET_B, SET_B, REMOVE, RESTORE, RESTORE, RESTORE,
		                              JOIN,  JOIN,  JOIN,  LEAVE, LEAVE,  SPOIL,   MEND };

	for (unsigned i = rng_below(&world->rng, most + 1); i > 0; i--)
		write_op(world,
		         (struct op){ kinds[rng_below(&world->rng, COUNT_OF(kinds))], rng_below(&world->rng, THINGS),
		                      rng_below(&world->rng, 100), rng_below(&world->rng, RELATIONS) });
}

static inline void
world_mend(struct world *world)
{
	for (unsigned i = 0; i < THINGS; i++)
		write_op(world, (struct op){ MEND, i, rng_below(&world->rng, 100), 0 });
}

/* ---- reports ---------------------------------------------------------------------------------- */

static inline void PRINTF_LIKE(2, 3) put(struct report *report, const char *fmt, ...)
{
	size_t  len = strlen(report->text);
	va_list list;

	va_start(list, fmt);
	assert_true(vsnprintf(report->text + len, REPORT_TEXT - len, fmt, list) < (int)(REPORT_TEXT - len));
	va_end(list);
}

static inline void
put_id(struct world *world, struct report *report, unsigned thing)
{
	put(report, "{");
	if (rng_below(&world->rng, 2))
		put(report, "\"@microsoft.graph.downloadUrl\":\"%u\",", rng_below(&world->rng, 1000));
	if (world->kind == PLANNER)
		put(report, "\"@odata.type\":\"#microsoft.graph.planner%s\",\"id\":\"%u\"", thing % 2 ? "Task" : "Plan",
		    thing / 2);
	else if (world->kind == CHATS)
		put(report, "\"chatId\":\"chat-%u\",\"id\":\"%u\"", thing % 2, thing / 2);
	else
		put(report, "\"id\":\"%u\"", thing);
}

/* The follower's id of a thing. */
static inline struct str
id_of(const struct world *world, unsigned thing, char text[32])
{
	int len = world->kind == CHATS     ? snprintf(text, 32, "chat-%u/%u", thing % 2, thing / 2)
	          : world->kind == PLANNER ? snprintf(text, 32, "planner%s/%u", thing % 2 ? "Task" : "Plan", thing / 2)
	                                   : snprintf(text, 32, "%u", thing);

	return str_of(text, (size_t)len);
}

static inline unsigned
thing_of(const struct world *world, struct str id)
{
	unsigned last = (unsigned)(id.at[id.len - 1] - '0');

	if (world->kind == CHATS)
		return (unsigned)(id.at[5] - '0') + 2 * last;
	return world->kind == PLANNER ? (str_starts(id, STR("plannerTask/")) ? 1 : 0) + 2 * last : last;
}

static inline struct report *
begin_report(struct world *world, unsigned thing, unsigned weight)
{
	struct report *report = &world->reports[world->report_count++];

	assert_true(world->report_count <= REPORTS_MAX);
	*report = (struct report){ .weight = weight, .ends_page = world_one_in(world, 3) };
	put_id(world, report, thing);
	return report;
}

static inline void
put_number(struct world *world, struct report *report, const char *name, unsigned value)
{
	unsigned spelling = rng_below(&world->rng, 4);

	if (spelling == 0)
		put(report, ",\"%s\":%u", name, value);
	else if (spelling == 1)
		put(report, ",\"%s\":%u.0", name, value);
	else if (spelling == 2)
		put(report, ",\"\\u00%02x\":%u.00e0", (unsigned)name[0], value);
	else
		put(report, ", \"%s\" : %ue+0", name, value);
}

static inline void
put_b(struct world *world, struct report *report, const struct thing *it)
{
	if (it->has_b)
		put_number(world, report, "b", it->b);
	else if (!world->family->is_complete)
		put(report, ",\"b\":null");
}

/* What a follower keeps of a good report of these members. */
static inline void
hold_good(const struct world *world, struct view *view, unsigned thing, const struct thing *it, bool has_a, bool has_b)
{
	struct thing *held = &view->things[thing];

	view->letters[thing] = view->readable[thing] = false;
	if (!held->live || world->family->is_complete)
		*held = (struct thing){ .live = true };
	if (has_a) {
		held->has_a = true;
		held->a = it->a;
	}
	if (has_b) {
		held->has_b = it->has_b;
		held->b = it->b;
	}
}

static inline void
hold(struct world *world, unsigned thing, bool has_a, bool has_b)
{
	if (world->things[thing].trouble == NO_TROUBLE) {
		hold_good(world, &world->next, thing, &world->things[thing], has_a, has_b);
		return;
	}
	world->next.letters[thing] = true;
	world->next.readable[thing] = false;
	world->letters++;
}

static inline void
put_members(struct world *world, unsigned thing, bool has_a, bool has_b)
{
	const struct thing *it = &world->things[thing];
	struct report      *report = begin_report(world, thing, it->weight);
	bool                b_first = rng_below(&world->rng, 2);

	if (has_b && b_first)
		put_b(world, report, it);
	if (has_a)
		put_number(world, report, "a", it->a);
	if (has_b && !b_first)
		put_b(world, report, it);
	put(report, "%s}", it->trouble == IS_SPOILED ? ",\"c\":1,\"c\":1" : "");
	hold(world, thing, has_a, has_b);
}

static inline void
put_removed(struct world *world, unsigned thing)
{
	struct report *report = begin_report(world, thing, 1);

	put(report, world->kind == DRIVE ? ",\"deleted\":{}}" : ",\"@removed\":{\"reason\":\"deleted\"}}");
	world->next.things[thing] = (struct thing){ 0 };
	world->next.letters[thing] = world->next.readable[thing] = false;
}

static inline void
put_part(struct world *world, const struct op *op)
{
	struct report *report = begin_report(world, op->thing, 1);
	struct thing  *held = &world->next.things[op->thing];

	put(report, ",\"%s@delta\":[{\"@odata.type\":\"#microsoft.graph.user\",\"id\":\"m%u\"%s}]}",
	    relations[op->relation], op->value % MEMBERS,
	    op->kind == LEAVE ? ",\"@removed\":{\"reason\":\"deleted\"}" : "");
	world->next.letters[op->thing] = world->next.readable[op->thing] = false;
	held->live = true;
	held->in[op->relation][op->value % MEMBERS] = op->kind == JOIN;
}

/* As it is now, its members in parts that follow. */
static inline void
put_listed(struct world *world, unsigned thing)
{
	put_members(world, thing, true, true);
	for (unsigned r = 0; r < RELATIONS; r++)
		for (unsigned m = 0; m < MEMBERS; m++)
			if (world->things[thing].in[r][m])
				put_part(world, &(struct op){ JOIN, thing, m, r });
}

/* What was written after an operation is part of what a later one reports, as in a real feed. */
static inline void
put_op(struct world *world, const struct op *op)
{
	bool is_whole = op->kind == RESTORE || op->kind == MEND || world->family->is_complete;

	if (op->kind == REMOVE)
		put_removed(world, op->thing);
	else if (op->kind == JOIN || op->kind == LEAVE)
		put_part(world, op);
	else
		put_members(world, op->thing, is_whole || op->kind != SET_B, is_whole || op->kind == SET_B);
}

/* ---- rounds ----------------------------------------------------------------------------------- */

/* A listing names all there is, and perhaps what there was. */
static inline void
make_listing(struct world *world)
{
	if (world->kind != FROM_NOW && !world->family->lists)
		return;
	world->next = (struct view){ 0 };
	for (unsigned i = 0; i < THINGS; i++) {
		if (world->things[i].trouble != NO_TROUBLE)
			world->next.things[i] = world->held.things[i];
		if (world->things[i].live)
			put_listed(world, i);
		else if (world_one_in(world, 2))
			put_removed(world, i);
	}
	/* The follower only looks for its end. */
	if (!world->family->lists)
		world->next = world->held;
}

static inline void
make_round(struct world *world, bool is_listing, unsigned after)
{
	world->serial++;
	world->report_count = 0;
	world->next = world->held;
	world->until = world->op_count;
	if (is_listing)
		make_listing(world);
	for (unsigned i = 0; !is_listing && world->respells && world->family->lists && i < THINGS; i++)
		if (world->things[i].live)
			put_listed(world, i);
	for (unsigned i = after; !is_listing && i < world->op_count; i++)
		put_op(world, &world->ops[i]);
	world->respells = false;
}

/* ---- answers ---------------------------------------------------------------------------------- */

struct asked {
	bool     is_page, is_later, is_location;
	uint64_t serial, at, size, after; /* size: of the link */
};

/* The numbers of a token, joined by '-'; false if the link has none of that name. */
static inline bool
token_in(struct str link, const char *name, uint64_t *numbers[], unsigned count)
{
	const char *found = memmem(link.at, link.len, name, strlen(name));
	struct str  rest = found ? str_skip(link, (size_t)(found - link.at) + strlen(name)) : STR_EMPTY, number;

	for (unsigned i = 0; found && i < count; i++) {
		if (i + 1 < count && !str_take_until(&rest, '-', &number))
			return false;
		if (!str_to_u64(i + 1 < count ? number : rest, numbers[i]))
			return false;
	}
	return found != NULL;
}

static inline struct asked
world_read_link(struct world *world, struct str link)
{
	struct asked asked = { 0 };

	asked.is_page = token_in(link, "skiptoken=", (uint64_t *[]){ &asked.serial, &asked.at, &asked.size }, 3);
	asked.is_later = token_in(link, "deltatoken=", (uint64_t *[]){ &asked.after, &asked.serial }, 2);
	asked.is_location = str_starts(link, STR(ORIGIN "/moved")) || str_starts(link, STR(ORIGIN "/gone"));
	if (!asked.is_page && !asked.is_later && !asked.is_location && !str_eq(link, str_from_c(world->url)))
		world->strangers++;
	/* What lists nothing must not be read anew from elsewhere. */
	if (!str_starts(link, str_from_c(world->base)) && (!asked.is_location || !world->family->lists))
		world->strangers++;
	return asked;
}

static inline bool
link_is_dead(struct world *world, const struct asked *asked)
{
	return (asked->is_page && (asked->serial != world->serial || world_one_in(world, world->forgets))) ||
	       (asked->is_later && asked->serial < world->lost);
}

/* Whatever the code and its spelling, the link is dead. */
static inline void
refuse_link(struct world *world, struct follow_response *out)
{
	static const unsigned    statuses[] = { 400, 402, 404, 405, 406, 409, 410, 410, 412, 415, 422, 426, 451, 499 };
	static const char *const bodies[] = {
		"",
		"{\"error\":{\"code\":\"SyncStateNotFound\",\"message\":\"gone\"}}",
		"{\"error\":\"invalid\"}",
		"{\"odata.error\":{\"code\":\"x\",\"message\":{\"lang\":\"en\",\"value\":\"gone\"}}}",
		"\xef\xbb\xbf{\"error\":{\"message\":\"gone\"}}",
		"<html>",
	};
	static const char *const locations[] = { "",
		                                 "",
		                                 "/moved/delta?h=1",
		                                 ORIGIN "/moved/delta",
		                                 "/gone/delta",
		                                 "https://evil.example/v1.0/things/delta",
		                                 "http://[" };

	out->status = statuses[rng_below(&world->rng, COUNT_OF(statuses))];
	out->body = str_from_c(bodies[rng_below(&world->rng, COUNT_OF(bodies))]);
	out->location = str_from_c(locations[rng_below(&world->rng, COUNT_OF(locations))]);
}

/* As many as fit, up to a border of the remote's own.  Returns where the next page begins. */
static inline unsigned
put_page(struct world *world, unsigned at, unsigned most, unsigned *weight_out)
{
	size_t len = 0;

	*weight_out = 0;
	world->text[0] = '\0';
	for (bool ends = false; at < world->report_count && most > 0 && !ends; at++, most--) {
		ends = world->reports[at].ends_page;
		*weight_out += world->reports[at].weight;
		len += (size_t)snprintf(world->text + len, sizeof(world->text) - len, "%s%s", len ? "," : "",
		                        world->reports[at].text);
	}
	return at;
}

static inline enum err
world_answer(struct world *world, const struct follow_request *request, const struct asked *asked,
             struct follow_response *out)
{
	unsigned size = world->size_is_in_link && asked->is_page ? (unsigned)asked->size : request->page_size, weight;
	unsigned at = put_page(world, (unsigned)asked->at, size ? size : SIZE_USUAL, &weight);
	size_t   len = strlen(world->text);

	if (weight > WEIGHT_MAX && !request->skims) {
		world->large++;
		return ERR_TOO_LARGE;
	}
	memmove(world->text + 10, world->text, len);
	memcpy(world->text, "{\"value\":[", 10);
	len += 10;
	if (at < world->report_count)
		len += (size_t)snprintf(world->text + len, sizeof(world->text) - len,
		                        "],\"@odata.nextLink\":\"%s&$skiptoken=%u-%u-%u\"}", world->base, world->serial,
		                        at, size);
	else
		len += (size_t)snprintf(world->text + len, sizeof(world->text) - len,
		                        "],\"@odata.deltaLink\":\"%s&$deltatoken=%u-%u\"}", world->base, world->until,
		                        world->serial);
	*out = (struct follow_response){ .status = 200,
		                         .body = str_of(world->text, len),
		                         .size = weight * (FOLLOW_PAGE_MAX / WEIGHT_MAX) };
	return OK;
}

/* The right answer becomes one that is no page. */
static inline enum err
garble(struct world *world, struct follow_response *out)
{
	static const struct follow_response answers[] = { { .status = 200 },
		                                          { .status = 202 },
		                                          { .status = 204 },
		                                          { .status = 423 },
		                                          { .status = 503 },
		                                          { .status = 408 },
		                                          { .status = 429, .retry_after = { "3", 1 } } };
	static const char *const            bodies[] = { "", "[]", "<html>", "{\"error\":{\"code\":\"x\"}}",
		                                         "{\"odata.error\":{}}" };
	unsigned                            which = rng_below(&world->rng, COUNT_OF(answers) + 2);

	if (which == COUNT_OF(answers))
		return ERR_BUSY;
	if (which > COUNT_OF(answers)) {
		out->body.len /= 2;
		return OK;
	}
	*out = answers[which];
	out->body = str_from_c(bodies[rng_below(&world->rng, COUNT_OF(bodies))]);
	return OK;
}

static inline enum err
world_fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *out,
            struct str *why_out)
{
	struct world *world = ctx;
	struct asked  asked = world_read_link(world, request->link);
	enum err      err;

	world->asked_own |= str_eq(request->link, str_from_c(world->url));
	(void)arena;
	*why_out = STR("something is wrong");
	if (asked.is_location && str_starts(request->link, STR(ORIGIN "/gone"))) {
		world->asked_gone = true;
		*out = (struct follow_response){ .status = rng_below(&world->rng, 2) ? 404 : 200, .body = STR("{}") };
		return OK;
	}
	if (link_is_dead(world, &asked)) {
		refuse_link(world, out);
		return OK;
	}
	/* The first request of a round makes it, and the same request makes it anew. */
	if (!asked.is_page)
		make_round(world, !asked.is_later, (unsigned)asked.after);
	err = world_answer(world, request, &asked, out);
	return err == OK && world_one_in(world, world->garbles) ? garble(world, out) : err;
}
