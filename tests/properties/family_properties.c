/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for every history of a far end whose items have rules of their own: groups with members in parts,
 * drives with the deleted facet and whole items, chats whose messages share ids.  Places are lost, pages are fetched
 * again, runs end anywhere: after a whole round the view and its relations are the far end's model, what a reader
 * of changes has made of them is the same, and a round that only spells things in another way changes nothing.
 *
 * TIDEMARK_RUNS sets the number of histories; a failing one names its seed.
 */
#include "../unit/follow/follow_test.h"

#include "store/replica_relation.h"
#include "support/runs.h"

#define THINGS    6
#define MEMBERS   5
#define RELATIONS 2
#define OPS_MAX   4096
#define PAGES_MAX 256
#define PAGE_TEXT 4096
#define HISTORIES 1000

enum kind { GROUPS, UNKNOWN, DRIVE, CHATS, KINDS };
enum op_kind { SET_A, SET_B, REMOVE, RESTORE, JOIN, LEAVE };

static const char *const urls[KINDS] = {
	"https://graph.example.com/v1.0/groups/delta",
	"https://graph.example.com/v1.0/things/delta",
	"https://graph.example.com/v1.0/me/drive/root/delta",
	"https://graph.example.com/v1.0/users/u/chats/getAllMessages/delta",
};
static const char *const relations[RELATIONS] = { "members", "owners" };

struct thing {
	bool     live, has_b;
	unsigned a, b;
	bool     in[RELATIONS][MEMBERS];
};

struct op {
	enum op_kind kind;
	unsigned     thing, value, relation;
};

struct world {
	struct rng  *rng;
	enum kind    kind;
	struct thing things[THINGS];
	struct op    ops[OPS_MAX];
	unsigned     op_count, forgets; /* forgets: one page of so many is 410 … */
	uint64_t     lost;              /* deltaLinks of rounds before that one are 410 */
	bool         respells;          /* report everything again in the next round */
	char         pages[PAGES_MAX][PAGE_TEXT];
	unsigned     page_count, serial;
	unsigned     until; /* of the round that was made last */
	char         text[PAGE_TEXT + 512];
	struct thing mirror[THINGS]; /* what a reader of changes has made of them */
	uint64_t     n;
};

/* ---- the far end ------------------------------------------------------------------------------ */

static void
write_op(struct world *world, enum op_kind kind, unsigned thing, unsigned value, unsigned relation)
{
	struct thing *it = &world->things[thing];
	bool          relates = world->kind == GROUPS || world->kind == UNKNOWN;

	if (world->op_count == OPS_MAX || (kind == RESTORE ? it->live : !it->live))
		return;
	if ((kind == JOIN || kind == LEAVE) && (!relates || it->in[relation][value % MEMBERS] == (kind == JOIN)))
		return;
	if (kind == SET_A || kind == RESTORE)
		it->a = value;
	if (kind == SET_B || kind == RESTORE) {
		it->has_b = kind == SET_B && (value % 3 != 0 || world->kind == GROUPS || world->kind == UNKNOWN);
		it->b = it->has_b ? value : 0;
	}
	if (kind == RESTORE || kind == REMOVE) {
		it->live = kind == RESTORE;
		memset(it->in, 0, sizeof(it->in));
	}
	if (kind == JOIN || kind == LEAVE)
		it->in[relation][value % MEMBERS] = kind == JOIN;
	world->ops[world->op_count++] = (struct op){ kind, thing, value, relation };
}

static void
write_some(struct world *world, unsigned most)
{
	static const enum op_kind kinds[] = { SET_A, SET_B, REMOVE, RESTORE, RESTORE, JOIN, JOIN, JOIN, LEAVE, LEAVE };

	for (unsigned i = rng_below(world->rng, most + 1); i > 0; i--)
		write_op(world, kinds[rng_below(world->rng, COUNT_OF(kinds))], rng_below(world->rng, THINGS),
		         rng_below(world->rng, 100), rng_below(world->rng, RELATIONS));
}

static void PRINTF_LIKE(2, 3) put(char text[PAGE_TEXT], const char *fmt, ...)
{
	size_t  len = strlen(text);
	va_list list;

	va_start(list, fmt);
	assert_true(vsnprintf(text + len, PAGE_TEXT - len, fmt, list) < (int)(PAGE_TEXT - len));
	va_end(list);
}

/* Begins another page now and then. */
static char *
page_to_write(struct world *world)
{
	char *page = world->pages[world->page_count - 1];

	if ((rng_below(world->rng, 3) > 0 && strlen(page) < PAGE_TEXT / 2) || world->page_count == PAGES_MAX)
		return page;
	page = world->pages[world->page_count++];
	page[0] = '\0';
	return page;
}

static void
put_id(struct world *world, char *page, unsigned thing)
{
	put(page, "%s{", page[0] ? "," : "");
	if (rng_below(world->rng, 2))
		put(page, "\"@microsoft.graph.downloadUrl\":\"%u\",", rng_below(world->rng, 1000));
	if (world->kind == CHATS)
		put(page, "\"chatId\":\"chat-%u\",\"id\":\"%u\"", thing % 2, thing / 2);
	else
		put(page, "\"id\":\"%u\"", thing);
}

static void
put_number(struct world *world, char *page, const char *name, unsigned value)
{
	unsigned spelling = rng_below(world->rng, 4);

	if (spelling == 0)
		put(page, ",\"%s\":%u", name, value);
	else if (spelling == 1)
		put(page, ",\"%s\":%u.0", name, value);
	else if (spelling == 2)
		put(page, ",\"\\u00%02x\":%u.00e0", (unsigned)name[0], value);
	else
		put(page, ", \"%s\" : %ue+0", name, value);
}

static void
put_whole(struct world *world, char *page, unsigned thing)
{
	const struct thing *it = &world->things[thing];
	bool                b_first = rng_below(world->rng, 2);

	put_id(world, page, thing);
	if (it->has_b && b_first)
		put_number(world, page, "b", it->b);
	put_number(world, page, "a", it->a);
	if (it->has_b && !b_first)
		put_number(world, page, "b", it->b);
	else if (!it->has_b && (world->kind == GROUPS || world->kind == UNKNOWN))
		put(page, ",\"b\":null");
}

static void
put_removed(struct world *world, unsigned thing)
{
	char *page = page_to_write(world);

	put_id(world, page, thing);
	put(page, world->kind == DRIVE ? ",\"deleted\":{}}" : ",\"@removed\":{\"reason\":\"deleted\"}}");
}

static void
put_part(struct world *world, const struct op *op)
{
	char *page = page_to_write(world);

	put_id(world, page, op->thing);
	put(page, ",\"%s@delta\":[{\"@odata.type\":\"#microsoft.graph.user\",\"id\":\"m%u\"%s}]}",
	    relations[op->relation], op->value % MEMBERS,
	    op->kind == LEAVE ? ",\"@removed\":{\"reason\":\"deleted\"}" : "");
}

/* As it is now, its members in parts that follow. */
static void
put_listed(struct world *world, unsigned thing)
{
	char *page = page_to_write(world);

	put_whole(world, page, thing);
	put(page, "}");
	for (unsigned r = 0; r < RELATIONS; r++)
		for (unsigned m = 0; m < MEMBERS; m++)
			if (world->things[thing].in[r][m])
				put_part(world, &(struct op){ JOIN, thing, m, r });
}

/* What was written after an operation is part of what a later one reports, as in a real feed. */
static void
put_op(struct world *world, const struct op *op)
{
	const struct thing *it = &world->things[op->thing];
	char               *page;

	if (op->kind == REMOVE) {
		put_removed(world, op->thing);
		return;
	}
	if (op->kind == JOIN || op->kind == LEAVE) {
		put_part(world, op);
		return;
	}
	page = page_to_write(world);
	if (op->kind == RESTORE || world->kind == DRIVE || world->kind == CHATS) {
		put_whole(world, page, op->thing);
	} else {
		put_id(world, page, op->thing);
		if (op->kind == SET_A)
			put_number(world, page, "a", it->a);
		else if (it->has_b)
			put_number(world, page, "b", it->b);
		else
			put(page, ",\"b\":null");
	}
	put(page, "}");
}

static void
make_round(struct world *world, bool is_listing, unsigned after)
{
	world->serial++;
	world->page_count = 1;
	world->pages[0][0] = '\0';
	for (unsigned i = 0; (is_listing || world->respells) && i < THINGS; i++)
		if (world->things[i].live && (is_listing || world->kind == DRIVE || world->kind == CHATS))
			put_listed(world, i);
		else if (is_listing && rng_below(world->rng, 2))
			put_removed(world, i);
	for (unsigned i = after; !is_listing && i < world->op_count; i++)
		put_op(world, &world->ops[i]);
	world->until = world->op_count;
	world->respells = false;
}

/* The two numbers of a token; false if the link has none of that name. */
static bool
token_in(struct str link, const char *name, uint64_t *first, uint64_t *second)
{
	const char *found = memmem(link.at, link.len, name, strlen(name));
	struct str  rest = found ? str_skip(link, (size_t)(found - link.at) + strlen(name)) : STR_EMPTY, number;

	return found && str_take_until(&rest, '-', &number) && str_to_u64(number, first) && str_to_u64(rest, second);
}

static enum err
world_fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *out,
            struct str *why_out)
{
	struct world *world = ctx;
	const char   *url = urls[world->kind];
	uint64_t      serial = 0, page = 0, after = 0;
	bool          is_page = token_in(request->link, "skiptoken=", &serial, &page);
	bool          is_later = token_in(request->link, "deltatoken=", &after, &serial);

	(void)arena;
	(void)why_out;
	if ((is_page && serial != world->serial) || (is_later && serial < world->lost) ||
	    (is_page && world->forgets && rng_below(world->rng, world->forgets) == 0)) {
		out->status = 410;
		return OK;
	}
	if (!is_page)
		make_round(world, !is_later, (unsigned)after);
	out->status = 200;
	(void)snprintf(world->text, sizeof(world->text), "{\"value\":[%s],\"@odata.%s\":\"%s?$%stoken=%u-%u\"}",
	               world->pages[page], page + 1 < world->page_count ? "nextLink" : "deltaLink", url,
	               page + 1 < world->page_count ? "skip" : "delta",
	               page + 1 < world->page_count ? world->serial : world->until,
	               page + 1 < world->page_count ? (unsigned)page + 1 : world->serial);
	out->body = str_from_c(world->text);
	return OK;
}

/* ---- what the follower has made of it ---------------------------------------------------------- */

static unsigned
thing_of(const struct world *world, struct str id)
{
	if (world->kind != CHATS)
		return (unsigned)(id.at[0] - '0');
	assert_true(str_starts(id, STR("chat-")) && id.len == 8 && id.at[6] == '/');
	return (unsigned)(id.at[5] - '0') + 2 * (unsigned)(id.at[7] - '0');
}

static bool
number_in(struct str body, struct str name, unsigned *value)
{
	struct str raw;

	if (!json_span_member(body, name, &raw) || str_eq(raw, STR("null")))
		return false;
	*value = (unsigned)strtod(raw.at, NULL);
	return true;
}

static void
take_body(struct thing *thing, struct str body)
{
	assert_true(memmem(body.at, body.len, "@microsoft", 10) == NULL &&
	            memmem(body.at, body.len, "@delta", 6) == NULL);
	thing->live = true;
	thing->b = 0;
	assert_true(number_in(body, STR("a"), &thing->a));
	thing->has_b = number_in(body, STR("b"), &thing->b);
}

static void
set_member(struct thing *thing, struct str relation, struct str member, bool is_in)
{
	unsigned r = str_eq(relation, STR("members")) ? 0 : 1;

	assert_true(str_eq(relation, str_from_c(relations[r])) && member.len == 2);
	thing->in[r][member.at[1] - '0'] = is_in;
}

static void
read_view(struct kit *kit, const struct world *world, struct thing things[THINGS])
{
	struct replica_member member = { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct str            id = STR_EMPTY, body;
	int64_t               sid = kit_sid(kit);

	while (replica_next_item(kit->replica, sid, id, &id, &body) == OK)
		take_body(&things[thing_of(world, id)], body);
	while (replica_next_member(kit->replica, sid, &member, &member) == OK) {
		assert_true(str_eq(member.type, STR("user")) && things[thing_of(world, member.id)].live);
		set_member(&things[thing_of(world, member.id)], member.relation, member.member, true);
	}
}

static void
take_change(struct kit *kit, struct world *world, const struct replica_change *change)
{
	struct thing         *thing = &world->mirror[thing_of(world, change->id)];
	struct replica_member member = { change->id, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct replica_moved  moved = { STR_EMPTY, STR_EMPTY, false };

	world->n = change->n;
	if (change->kind == REPLICA_REMOVED) {
		*thing = (struct thing){ 0 };
		return;
	}
	if (change->body.len == 0)
		return;
	take_body(thing, change->body);
	if (change->kind == REPLICA_UPDATED) {
		while (replica_next_moved(kit->replica, change->n, &moved, &moved) == OK)
			set_member(thing, moved.relation, moved.member, !moved.is_removed);
		return;
	}
	memset(thing->in, 0, sizeof(thing->in));
	while (replica_next_member(kit->replica, change->sid, &member, &member) == OK && str_eq(member.id, change->id))
		set_member(thing, member.relation, member.member, true);
}

static void
read_changes(struct kit *kit, struct world *world)
{
	struct replica_change change;
	char                  id[16];

	while (replica_next_change(kit->replica, kit_sid(kit), world->n, &change) == OK) {
		memcpy(id, change.id.at, change.id.len);
		change.id = str_of(id, change.id.len);
		take_change(kit, world, &change);
	}
	replica_end_read(kit->replica);
}

static void
expect_things(const struct world *world, const struct thing got[THINGS], const char *what, uint64_t seed)
{
	for (unsigned i = 0; i < THINGS; i++) {
		const struct thing *want = &world->things[i], *have = &got[i];

		if (want->live != have->live ||
		    (want->live && (want->a != have->a || want->has_b != have->has_b || want->b != have->b ||
		                    memcmp(want->in, have->in, sizeof(want->in)) != 0)))
			fail_msg("seed %llu: %s is wrong about thing %u of %s", (unsigned long long)seed, what, i,
			         urls[world->kind]);
	}
}

/* Without syncs, which only make it slow: nothing here ends before its commit. */
static void
open_replica(struct kit *kit)
{
	char              why[512];
	struct store_conf conf = { .url = str_from_c(kit->url),
		                   .access = STORE_SERVE,
		                   .create = true,
		                   .scratch = true,
		                   .clock = &kit->clock,
		                   .entropy = &kit->entropy };

	if (replica_open(&conf, &kit->replica, why) != OK)
		fail_msg("%s", why);
}

/* ---- histories --------------------------------------------------------------------------------- */

static void
sync_to_the_end(struct kit *kit, uint64_t seed)
{
	struct follow_report report = { .next = FOLLOW_TROUBLED };

	for (int i = 0; i < 200 && report.next == FOLLOW_TROUBLED; i++)
		report = kit_sync(kit);
	if (report.next != FOLLOW_CAUGHT_UP)
		fail_msg("seed %llu: ended with %d: %s", (unsigned long long)seed, (int)report.next, report.why);
}

static void
one_round(struct kit *kit, struct world *world, uint64_t seed)
{
	struct thing   view[THINGS] = { 0 };
	struct follow *follow;

	write_some(world, 16);
	world->forgets = rng_below(world->rng, 2) ? 12 : 0;
	if (rng_below(world->rng, 3) == 0)
		world->lost = world->serial + 1;
	follow = kit_follow(kit);
	(void)kit_run(kit, follow, rng_below(world->rng, 8));
	follow_close(&follow);
	write_some(world, 6);
	sync_to_the_end(kit, seed);
	world->forgets = 0;
	sync_to_the_end(kit, seed);
	read_view(kit, world, view);
	expect_things(world, view, "the view", seed);
	if (rng_below(world->rng, 2))
		read_changes(kit, world);
}

static void
expect_nothing_new(struct kit *kit, struct world *world, uint64_t seed)
{
	uint64_t before, after;

	assert_int_equal(replica_head(kit->replica, &before), OK);
	world->respells = true;
	sync_to_the_end(kit, seed);
	assert_int_equal(replica_head(kit->replica, &after), OK);
	if (before != after)
		fail_msg("seed %llu: another spelling is reported as a change", (unsigned long long)seed);
}

static void
one_history(struct kit *kit, struct world *world, uint64_t seed)
{
	char path[96];

	kit->rng = (struct rng){ seed };
	*world = (struct world){ .rng = &kit->rng, .kind = (enum kind)(seed % KINDS) };
	/* Scopes of one store, so that a history costs no new file. */
	(void)snprintf(path, sizeof(path), "%s?h=%llu", urls[world->kind], (unsigned long long)seed);
	kit->conf.url = str_from_c(path);
	kit->source = (struct follow_source){ .ctx = world, .fetch = world_fetch };
	write_some(world, 30);
	for (unsigned round = 0; round < 4; round++)
		one_round(kit, world, seed);
	read_changes(kit, world);
	expect_things(world, world->mirror, "the reader of changes", seed);
	expect_nothing_new(kit, world, seed);
}

static unsigned
runs(void)
{
	uint64_t number = runs_of(HISTORIES);

	return (unsigned)number;
}

static void
test_family__any_history_ends_equal_with_its_relations(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct kit    kit;

	(void)state;
	assert_non_null(world);
	kit_open(&kit, 1);
	kit.conf.guard.percent = 100;
	open_replica(&kit);
	for (unsigned i = 0; i < runs(); i++)
		one_history(&kit, world, runs_seed(5000) + i);
	free(world);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family__any_history_ends_equal_with_its_relations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
