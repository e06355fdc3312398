/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Followed from our own server with writers going on, five hundred random histories end equal.
 *
 * The server is the real one, over HTTP on loopback; so is the follower, with libcurl.  A history is a user's
 * calendars and a scope that follows them.  Fifty stand side by side, in one server and one followed store.
 * Between any two steps of a follower its calendars are made, renamed, removed and made again (by lines as
 * `import` has them, and by POST, PATCH and DELETE), another becomes the default, all tombstones are purged, the
 * user is removed and comes back; the follower is cut off and begins with another page size.  Now and then the
 * server loses the keys of its tokens.  In every fifth batch one more writer works at the same time, in a thread.
 *
 * At the end each view is what the server holds, the server holds what its writers made, and a reader of the
 * changes has the view.
 *
 * TIDEMARK_RUNS sets the number of histories, TIDEMARK_SEED the first one's seed; a failing one names its own and
 * that of its batch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "follow/follow.h"
#include "fetch/fetch.h"
#include "resource/resource.h"
#include "support/own_remote.h"
#include "support/rng.h"
#include "support/runs.h"
#include "text/json_read.h"
#include "text/json_span.h"

#define HISTORIES  500
#define BATCH      50
#define SLOTS      20 /* calendars a history writes to … */
#define LIVE_SLOTS 4  /* … and those of the writer beside it */
#define ROUNDS     4
#define ID_MAX     256
#define KNOWN_MAX  1024

struct slot {
	bool     live;
	unsigned name;
	char     id[ID_MAX];
};

struct history {
	uint64_t          seed;
	struct rng        rng;
	char              owner[GUID_TEXT_LEN + 1];
	struct store_feed feed;
	char              url[192];
	struct slot       slots[SLOTS];
	int               pinned; /* the slot that is the default calendar; -1 for the server's own */
	unsigned          names;  /* given so far */
	struct slot       live[LIVE_SLOTS];
	uint64_t          rounds;
};

struct batch {
	uint64_t             seed;
	struct rng           rng;
	struct own_remote    own;
	struct own_client    client;
	struct replica      *replica;
	struct fetch        *curl;
	struct follow_http   http;
	struct follow_source source;
	struct fetch_bearer  bearer;
	struct follow_pause  pause;
	struct arena        *arena;
	struct buf           lines;
	struct history       histories[BATCH];
	unsigned             count;
	atomic_bool          ending; /* tells the writer beside us */
	struct own_client    beside;
};

struct figures {
	uint64_t histories, runs, rounds, resyncs, writes, beside;
};

/* One test, one thread that counts but for `beside`, which is read when its thread is gone. */
static struct figures figures;

static void
fail_history(const struct batch *batch, const struct history *history, const char *what)
{
	fail_msg("seed %llu of the batch from %llu: %s", (unsigned long long)history->seed,
	         (unsigned long long)batch->seed, what);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void
put_line(struct batch *batch, struct history *history, unsigned at)
{
	struct slot *slot = &history->slots[at];
	bool         pins = rng_below(&history->rng, 12) == 0;

	if (!slot->live)
		(void)snprintf(slot->id, sizeof(slot->id), "cal-%u", at);
	slot->live = true;
	slot->name = ++history->names;
	if (pins)
		history->pinned = (int)at;
	pins = pins || history->pinned == (int)at;
	buf_printf(&batch->lines,
	           "{\"op\":\"put\",\"feed\":\"users/%s/calendars\",\"value\":{\"id\":\"%s\",\"name\":\"n%u\"%s}}\n",
	           history->owner, slot->id, slot->name, pins ? ",\"isDefaultCalendar\":true" : "");
}

static void
remove_line(struct batch *batch, struct history *history, unsigned at)
{
	history->slots[at].live = false;
	buf_printf(&batch->lines, "{\"op\":\"remove\",\"feed\":\"users/%s/calendars\",\"id\":\"%s\"}\n", history->owner,
	           history->slots[at].id);
}

static void
write_lines(struct batch *batch, struct history *history, unsigned count)
{
	buf_cut(&batch->lines, 0);
	for (; count > 0; count--) {
		unsigned at = rng_below(&history->rng, SLOTS);

		if (history->slots[at].live && (int)at != history->pinned && rng_below(&history->rng, 3) == 0)
			remove_line(batch, history, at);
		else
			put_line(batch, history, at);
		figures.writes++;
	}
	assert_int_equal(buf_err(&batch->lines), OK);
	own_apply(&batch->own, buf_str(&batch->lines));
}

/* A write over HTTP to a slot; the answer must be the one wanted. */
static void
send_request(struct batch *batch, struct own_client *client, const struct history *history, const char *method,
             const char *id, const char *body, unsigned wanted)
{
	char path[ID_MAX + 128];

	(void)snprintf(path, sizeof(path), "/v1.0/users/%s/calendars%s%s", history->owner, id[0] ? "/" : "", id);
	own_request(client, method, path, body);
	if (client->status != wanted)
		fail_msg("seed %llu of the batch from %llu: %s %s is answered %u: %.*s",
		         (unsigned long long)history->seed, (unsigned long long)batch->seed, method, path,
		         client->status, STR_ARG(client->body));
}

static void
keep_id(const struct own_client *client, char id_out[ID_MAX])
{
	struct str raw;

	assert_true(json_span_member(client->body, STR("id"), &raw) && raw.len > 2 && raw.len - 2 < ID_MAX);
	(void)snprintf(id_out, ID_MAX, "%.*s", (int)raw.len - 2, raw.at + 1);
}

/* Makes, renames or removes one calendar over HTTP.  `may_remove` is false for the default one. */
static void
write_slot(struct batch *batch, struct own_client *client, const struct history *history, struct rng *rng,
           struct slot *slot, bool may_remove)
{
	char body[64];

	(void)snprintf(body, sizeof(body), "{\"name\":\"n%u\"}", slot->name);
	if (!slot->live) {
		send_request(batch, client, history, "POST", "", body, 201);
		keep_id(client, slot->id);
		slot->live = true;
	} else if (may_remove && rng_below(rng, 3) == 0) {
		send_request(batch, client, history, "DELETE", slot->id, "", 204);
		slot->live = false;
	} else {
		send_request(batch, client, history, "PATCH", slot->id, body, 200);
	}
}

static void
write_by_http(struct batch *batch, struct history *history)
{
	unsigned     at = rng_below(&history->rng, SLOTS);
	struct slot *slot = &history->slots[at];

	figures.writes++;
	if (slot->live && rng_below(&history->rng, 6) == 0) {
		send_request(batch, &batch->client, history, "PATCH", slot->id, "{\"isDefaultCalendar\":true}", 200);
		history->pinned = (int)at;
		return;
	}
	slot->name = ++history->names;
	write_slot(batch, &batch->client, history, &history->rng, slot, (int)at != history->pinned);
}

static void
put_user(struct batch *batch, const struct history *history)
{
	buf_printf(&batch->lines,
	           "{\"op\":\"user\",\"value\":{\"id\":\"%s\",\"userPrincipalName\":\"u%llu@contoso.com\"}}\n",
	           history->owner, (unsigned long long)history->seed);
}

/* The feed goes with its user; when the user comes back it is another feed, of which nobody knows a place. */
static void
replace_user(struct batch *batch, struct history *history)
{
	buf_cut(&batch->lines, 0);
	buf_printf(&batch->lines, "{\"op\":\"remove-user\",\"id\":\"%s\"}\n", history->owner);
	put_user(batch, history);
	own_apply(&batch->own, buf_str(&batch->lines));
	for (unsigned i = 0; i < SLOTS; i++)
		history->slots[i].live = false;
	history->pinned = -1;
}

static void
happen(struct batch *batch, struct history *history, bool alone)
{
	unsigned what = rng_below(&history->rng, 40);

	if (what < 12)
		write_lines(batch, history, 1 + rng_below(&history->rng, 3));
	else if (what < 20)
		write_by_http(batch, history);
	else if (what == 20)
		own_purge(&batch->own, &history->feed);
	else if (what == 21 && alone && rng_below(&history->rng, 4) == 0)
		replace_user(batch, history);
}

/* ---- a writer beside all of it ---------------------------------------------------------------- */

static void *
write_beside(void *ctx)
{
	struct batch *batch = ctx;
	struct rng    rng = { ~batch->seed };

	while (!atomic_load(&batch->ending)) {
		struct history *history = &batch->histories[rng_below(&rng, batch->count)];
		struct slot    *slot = &history->live[rng_below(&rng, LIVE_SLOTS)];

		slot->name = 1000000 + (unsigned)++figures.beside;
		write_slot(batch, &batch->beside, history, &rng, slot, true);
	}
	return NULL;
}

/* ---- following ------------------------------------------------------------------------------ */

static enum err
get_bearer(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct batch *batch = ctx;

	(void)arena;
	*why_out = STR("the server refuses its own token");
	if (again)
		return ERR_NO_IDENTITY;
	*bearer_out = str_from_c(batch->own.bearer);
	return OK;
}

static struct follow *
open_follow(struct batch *batch, struct history *history)
{
	struct follow_conf conf = { .url = str_from_c(history->url),
		                    .max_wait_ms = 60000,
		                    .guard = { 100, 20 },
		                    .page_size = 1 + rng_below(&history->rng, 12),
		                    .clock = &clock_system,
		                    .entropy = &entropy_system,
		                    .source = &batch->source,
		                    .bearer = &batch->bearer,
		                    .pause = &batch->pause };
	struct follow     *follow;
	char               why[512];

	if (rng_below(&history->rng, 4) == 0)
		conf.page_size = 200;
	if (follow_open(&conf, batch->replica, &follow, why) != OK)
		fail_history(batch, history, why);
	figures.runs++;
	return follow;
}

/* Steps until the run ends or is cut off, while things happen in between.  True when it has caught up. */
static bool
run_for(struct batch *batch, struct history *history, unsigned steps, bool writing)
{
	struct follow       *follow = open_follow(batch, history);
	struct follow_report report = { .next = FOLLOW_AGAIN };

	while (steps-- > 0 && report.next != FOLLOW_CAUGHT_UP && report.next != FOLLOW_TROUBLED) {
		assert_int_equal(follow_step(follow, &report), OK);
		figures.resyncs += report.next == FOLLOW_STARTED_OVER;
		if (report.next == FOLLOW_WAIT)
			(void)usleep((useconds_t)(report.wait_ms < 200 ? report.wait_ms : 200) * 1000);
		else if (report.next == FOLLOW_REFUSED || report.next == FOLLOW_BROKEN || report.next == FOLLOW_GUARDED)
			fail_history(batch, history, report.why);
		if (writing)
			happen(batch, history, !batch->beside.own);
	}
	figures.rounds += report.next == FOLLOW_CAUGHT_UP;
	follow_close(&follow);
	return report.next == FOLLOW_CAUGHT_UP;
}

static void
follow_to_the_end(struct batch *batch, struct history *history, bool writing)
{
	for (unsigned tries = 0; tries < 100; tries++)
		if (run_for(batch, history, 100000, writing))
			return;
	fail_history(batch, history, "a hundred runs have not caught up");
}

static void
one_round(struct batch *batch, struct history *history)
{
	if (rng_below(&history->rng, 2))
		write_lines(batch, history, 1 + rng_below(&history->rng, 15));
	if (rng_below(&history->rng, 3) == 0)
		(void)run_for(batch, history, 1 + rng_below(&history->rng, 6), true);
	follow_to_the_end(batch, history, true);
}

/* ---- comparing ------------------------------------------------------------------------------ */

struct listed { /* a fresh listing, in views of the client's reply */
	struct str id[SLOTS + LIVE_SLOTS + 2], body[SLOTS + LIVE_SLOTS + 2];
	unsigned   count;
};

static void
list(struct batch *batch, const struct history *history, struct listed *listed)
{
	struct str       value, raw;
	struct json_walk walk;
	struct json_span span;

	own_request(&batch->client, "GET", history->url + strlen("http://") + strlen(batch->own.address), "");
	assert_int_equal(batch->client.status, 200);
	assert_true(json_span_member(batch->client.body, STR("value"), &value));
	assert_false(json_span_member(batch->client.body, STR("@odata.nextLink"), &raw));
	listed->count = 0;
	json_walk_open(&walk, value);
	while (json_walk_next(&walk, &span)) {
		assert_true(listed->count < SLOTS + LIVE_SLOTS + 2 && json_span_member(span.value, STR("id"), &raw));
		listed->id[listed->count] = str_of(raw.at + 1, raw.len - 2);
		listed->body[listed->count++] = span.value;
	}
}

static int
find_listed(const struct listed *listed, struct str id)
{
	for (unsigned i = 0; i < listed->count; i++)
		if (str_eq(listed->id[i], id))
			return (int)i;
	return -1;
}

static void
expect_view_equal(struct batch *batch, struct history *history, int64_t sid, const struct listed *listed)
{
	struct str id = STR_EMPTY, body;
	unsigned   count = 0;

	while (replica_next_item(batch->replica, sid, id, &id, &body) == OK) {
		int at = find_listed(listed, id);

		if (at < 0)
			fail_history(batch, history, "an item that is gone is still in the view");
		if (!str_eq(body, listed->body[at]))
			fail_history(batch, history, "an item is not as the server has it");
		count++;
	}
	replica_end_read(batch->replica);
	if (count != listed->count)
		fail_history(batch, history, "an item is missing: the view is not the listing");
}

static unsigned
expect_slots_kept(struct batch *batch, struct history *history, const struct slot *slots, unsigned count,
                  const struct listed *listed)
{
	unsigned   live = 0;
	struct str name;
	char       wanted[32];

	for (unsigned i = 0; i < count; i++) {
		int at = find_listed(listed, str_from_c(slots[i].id));

		(void)snprintf(wanted, sizeof(wanted), "\"n%u\"", slots[i].name);
		if (slots[i].live != (at >= 0) ||
		    (at >= 0 &&
		     (!json_span_member(listed->body[at], STR("name"), &name) || !str_eq(name, str_from_c(wanted)))))
			fail_history(batch, history, "the server's listing is not what was written");
		live += slots[i].live;
	}
	return live;
}

/* What a reader of changes who was told everything knows. */
static uint64_t
read_changes(struct batch *batch, struct history *history, int64_t sid)
{
	static struct user_cache {
		char id[ID_MAX];
		bool live;
	} known[KNOWN_MAX];
	struct replica_change change = { 0 };
	unsigned              count = 0, i;
	uint64_t              live = 0;

	while (replica_next_change(batch->replica, sid, change.n, &change) == OK) {
		for (i = 0; i < count && !str_eq(str_from_c(known[i].id), change.id); i++)
			;
		assert_true(i < KNOWN_MAX && change.id.len < ID_MAX);
		if (i == count) {
			(void)snprintf(known[count].id, ID_MAX, "%.*s", STR_ARG(change.id));
			known[count++].live = false;
		}
		if (change.kind != REPLICA_REMOVED && change.kind != REPLICA_UPDATED && change.body.len > 0 &&
		    known[i].live)
			fail_history(batch, history, "an item is told as new twice");
		known[i].live = change.kind != REPLICA_REMOVED && (known[i].live || change.body.len > 0);
	}
	replica_end_read(batch->replica);
	for (i = 0; i < count; i++)
		live += known[i].live;
	return live;
}

static void
expect_equal(struct batch *batch, struct history *history)
{
	struct listed        listed;
	struct replica_scope scope;
	unsigned             written;

	arena_reset(batch->arena);
	assert_int_equal(replica_find_url(batch->replica, str_from_c(history->url), batch->arena, &scope), OK);
	list(batch, history, &listed);
	/* Besides what was written there is at most the default calendar that the server itself has made. */
	written = expect_slots_kept(batch, history, history->slots, SLOTS, &listed) +
	          expect_slots_kept(batch, history, history->live, LIVE_SLOTS, &listed);
	if (written > listed.count || written + 1 < listed.count)
		fail_history(batch, history, "the server holds what nobody wrote");
	expect_view_equal(batch, history, scope.sid, &listed);
	if (scope.items != listed.count || read_changes(batch, history, scope.sid) != listed.count)
		fail_history(batch, history, "the changes do not add up: the count is not the view's");
}

/* ---- a batch -------------------------------------------------------------------------------- */

static void
open_history(struct batch *batch, struct history *history, uint64_t seed)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 10);
	char                            text[GUID_TEXT_LEN];

	*history = (struct history){ .seed = seed, .rng = { seed }, .pinned = -1 };
	history->feed.collection = resource_calendar.number;
	rng_fill(&history->rng, &history->feed.owner, sizeof(history->feed.owner));
	assert_int_equal(directory_tenant(batch->own.server.store, arena, &history->feed.tenant), OK);
	guid_format(&history->feed.owner, text);
	(void)snprintf(history->owner, sizeof(history->owner), "%.*s", (int)GUID_TEXT_LEN, text);
	(void)snprintf(history->url, sizeof(history->url), "http://%s/%s/users/%s/calendars/delta", batch->own.address,
	               rng_below(&history->rng, 2) ? "v1.0" : "beta", history->owner);
}

static void
open_batch(struct batch *batch, const char *dir, uint64_t seed, unsigned count, bool durable)
{
	char              url[96], why[512];
	struct store_conf conf = { .access = STORE_SERVE,
		                   .create = true,
		                   .scratch = !durable,
		                   .clock = &clock_system,
		                   .entropy = &entropy_system };
	struct fetch_conf curl = { .agent = "tidemark-test" };

	*batch = (struct batch){
		.seed = seed, .rng = { seed }, .count = count, .client = { .fd = -1 }, .beside = { .fd = -1 }
	};
	own_open(&batch->own, dir, !durable);
	batch->client.own = &batch->own;
	(void)snprintf(url, sizeof(url), "sqlite:%s/f.db", dir);
	conf.url = str_from_c(url);
	if (replica_open(&conf, &batch->replica, why) != OK)
		fail_msg("%s", why);
	assert_int_equal(fetch_open(&curl, &batch->curl), OK);
	batch->http.fetch = batch->curl;
	batch->source = follow_http_source(&batch->http);
	batch->bearer = (struct fetch_bearer){ .ctx = batch, .get = get_bearer };
	batch->arena = arena_open((size_t)16 << 20);
	buf_open(&batch->lines, (size_t)1 << 20);
	for (unsigned i = 0; i < count; i++) {
		open_history(batch, &batch->histories[i], seed + i);
		put_user(batch, &batch->histories[i]);
	}
	own_apply(&batch->own, buf_str(&batch->lines));
}

static void
close_batch(struct batch *batch)
{
	own_client_close(&batch->client);
	own_client_close(&batch->beside);
	fetch_close(&batch->curl);
	replica_close(&batch->replica);
	own_close(&batch->own);
	buf_close(&batch->lines);
	arena_close(&batch->arena);
}

/* A history is none of the others' business, so any order of their rounds will do. */
static void
all_rounds(struct batch *batch, bool loses_keys)
{
	for (unsigned left = batch->count * ROUNDS; left > 0; left--) {
		one_round(batch, &batch->histories[rng_below(&batch->rng, batch->count)]);
		if (loses_keys && rng_below(&batch->rng, 70) == 0) {
			own_client_close(&batch->client);
			own_lose_keys(&batch->own);
		}
	}
}

static void
one_batch(struct batch *batch, const char *dir, uint64_t seed, unsigned count, unsigned number)
{
	bool      has_beside = number % 5 == 4;
	pthread_t beside;

	open_batch(batch, dir, seed, count, number % 10 == 4);
	if (has_beside) {
		batch->beside.own = &batch->own;
		assert_int_equal(pthread_create(&beside, NULL, write_beside, batch), 0);
	}
	all_rounds(batch, !has_beside);
	atomic_store(&batch->ending, true);
	if (has_beside)
		assert_int_equal(pthread_join(beside, NULL), 0);
	/* The first may end a round that began before the last write. */
	for (unsigned i = 0; i < count; i++) {
		follow_to_the_end(batch, &batch->histories[i], false);
		follow_to_the_end(batch, &batch->histories[i], false);
		expect_equal(batch, &batch->histories[i]);
		figures.histories++;
	}
	close_batch(batch);
}

static void
test_own__followed_while_writers_go_on_every_history_ends_equal(void **state)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	uint64_t      seed = runs_seed(1);
	uint64_t      left = runs_of(HISTORIES);
	char          dir[64], command[96];

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/tidemark-own-XXXXXX", runs_folder());
	assert_true(batch && mkdtemp(dir));
	print_message("%llu histories from seed %llu\n", (unsigned long long)left, (unsigned long long)seed);
	for (unsigned number = 0; left > 0; number++) {
		unsigned count = left < BATCH ? (unsigned)left : BATCH;

		one_batch(batch, dir, seed, count, number);
		(void)snprintf(command, sizeof(command), "rm -rf %s/*", dir);
		assert_int_equal(system(command), 0);
		seed += count;
		left -= count;
	}
	print_message("%llu histories over HTTP: %llu runs, %llu whole rounds, %llu begun anew, %llu writes and %llu "
	              "beside\n",
	              (unsigned long long)figures.histories, (unsigned long long)figures.runs,
	              (unsigned long long)figures.rounds, (unsigned long long)figures.resyncs,
	              (unsigned long long)figures.writes, (unsigned long long)figures.beside);
	assert_true(figures.resyncs * 4 > figures.histories || figures.histories < BATCH);
	assert_int_equal(rmdir(dir), 0);
	free(batch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own__followed_while_writers_go_on_every_history_ends_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
