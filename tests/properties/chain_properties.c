/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is followed is followed again: source → follower → gateway → second follower.  At the end all are the same.
 *
 * The source is a native feed.  The first follower keeps a scope of it in the gateway's store; the gateway serves the
 * scope's feed, and the second follower follows that.  Pages are those of the feed module, links hold sealed tokens.
 * A history is short, and many stand side by side in the same stores.  Between any two steps of the followers items are
 * written, tombstones of both feeds are purged, the gateway or the end is closed and opened again, an older copy of the
 * gateway is put back, the source's feed is dropped, and the gateway forgets its scope.
 *
 * TIDEMARK_SEED replays one history, TIDEMARK_RUNS says how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/seal.h"
#include "follow/follow.h"
#include "model/model.h"
#include "store/store_followed.h"
#include "support/rng.h"
#include "support/runs.h"
#include "token/token.h"

#define HISTORIES 180
#define LONG      10000
#define BATCH     50 /* histories in the same stores */
#define STEPS     70
#define IDS       12

/* Syncs only make it slow: no history cuts the power. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

struct server { /* serves one feed */
	struct rng        *rng;
	struct store      *store;
	struct token_ring *ring;
	struct store_feed  feed;
	const char        *scope; /* NULL: the feed is native */
	struct buf         page;
};

struct follower {
	char                 name[32], url[96];
	struct server       *from;
	struct replica      *replica;
	struct follow       *follow;
	struct follow_source source;
	struct store       **store; /* where its view is */
};

struct chain {
	struct rng         rng;
	struct entropy     entropy;
	struct still_clock time;
	struct clock       clock;
	struct arena      *arena;
	char               dir[64], urls[2][96];
	uint64_t           seed;
	struct server      source, gateway;
	struct store      *end;
	struct follower    first, second;
	bool               has_backup;
};

static struct figures {
	uint64_t rounds, resyncs, gone, restored;
} figures; /* of all histories */

/* ---- serving --------------------------------------------------------------------------------- */

static struct token_bind
bind_of(const struct server *server)
{
	return (struct token_bind){ server->feed, TOKEN_CALENDARS_DELTA };
}

static bool
find_feed(struct server *server, struct arena *arena)
{
	struct store_followed followed;

	if (!server->scope)
		return true;
	if (store_get_followed(server->store, str_from_c(server->scope), arena, &followed) != OK)
		return false;
	server->feed = followed.feed;
	return followed.rounds > 0;
}

static void
put_item(struct buf *page, const struct item *item)
{
	buf_put(page, page->at[page->len - 1] == '[' ? STR_EMPTY : STR(","));
	if (item->life == ITEM_LIVE)
		buf_put(page, item->body);
	else
		buf_printf(page, "{\"id\":\"%.*s\",\"@removed\":{\"reason\":\"%s\"}}", STR_ARG(item->id),
		           item->removal == ITEM_CHANGED ? "changed" : "deleted");
}

/* False: the reader is too late. */
static bool
write_page(struct server *server, struct str url, const struct cursor *from, struct arena *arena)
{
	struct token_bind bind = bind_of(server);
	struct feed_page  page = { 0 };
	struct token      rest = { .issued_s = 1 };
	struct item       item;
	enum err err = feed_open(&page, server->store, &server->feed, from, 1 + rng_below(server->rng, 5), arena);

	if (err == ERR_GONE)
		return false;
	assert_int_equal(err, OK);
	buf_cut(&server->page, 0);
	buf_put(&server->page, STR("{\"value\":["));
	while (feed_next(&page, &item))
		put_item(&server->page, &item);
	assert_int_equal(feed_close(&page, &rest.cursor), OK);
	buf_printf(&server->page, "],\"@odata.%s\":\"%.*s?$%s=%.*s\"}",
	           cursor_is_complete(&rest.cursor) ? "deltaLink" : "nextLink", STR_ARG(url),
	           cursor_is_complete(&rest.cursor) ? "deltatoken" : "skiptoken",
	           STR_ARG(token_seal(server->ring, &rest, &bind, arena)));
	assert_int_equal(buf_err(&server->page), OK);
	return true;
}

static enum err
fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
      struct str *why_out)
{
	const struct follow_response none = { .status = 503, .body = STR("{}"), .retry_after = STR("1") };
	const struct follow_response gone = { .status = 410, .body = STR("{\"error\":{\"code\":\"Gone\"}}") };
	struct server               *server = ctx;
	struct str                   token = request->link, url;
	struct token_bind            bind;
	struct token                 opened;
	enum err                     err = OK;

	*why_out = STR("the connection was cut");
	if (rng_below(server->rng, 40) == 0)
		return ERR_BUSY;
	*response_out = none;
	if (!find_feed(server, arena))
		return OK;
	bind = bind_of(server);
	(void)str_take_until(&token, '?', &url);
	token = str_skip(token, str_find(token, '=') + 1);
	if (token.len > 0)
		err = token_open(server->ring, token, &bind, arena, &opened);
	assert_true(err == OK || err == ERR_GONE);
	*response_out = (struct follow_response){ .status = 200 };
	if (err != OK || !write_page(server, url, token.len > 0 ? &opened.cursor : NULL, arena)) {
		*response_out = gone;
		figures.gone++;
		return OK;
	}
	response_out->body = buf_str(&server->page);
	return OK;
}

/* ---- following ------------------------------------------------------------------------------- */

static void
stop(struct follower *follower)
{
	follow_close(&follower->follow);
}

static enum follow_next
go_on(struct chain *chain, struct follower *follower)
{
	struct follow_conf   conf = { .url = str_from_c(follower->url),
		                      .name = str_from_c(follower->name),
		                      .replace = true,
		                      .max_wait_ms = 300000,
		                      .guard = { 100, 1000 },
		                      .clock = &chain->clock,
		                      .entropy = &chain->entropy,
		                      .source = &follower->source };
	struct follow_report report = { .next = FOLLOW_AGAIN };
	char                 why[512];

	if (!follower->follow && follow_open(&conf, follower->replica, &follower->follow, why) != OK)
		fail_msg("seed %llu: %s", (unsigned long long)chain->seed, why);
	assert_int_equal(follow_step(follower->follow, &report), OK);
	chain->time.ns += (report.next == FOLLOW_WAIT ? report.wait_ms : 1) * 1000000;
	figures.rounds += report.next == FOLLOW_CAUGHT_UP;
	figures.resyncs += report.next == FOLLOW_STARTED_OVER;
	if (report.next == FOLLOW_TROUBLED)
		stop(follower);
	else if (report.next > FOLLOW_CAUGHT_UP)
		fail_msg("seed %llu: %s ends with %d: %s", (unsigned long long)chain->seed, follower->name,
		         (int)report.next, report.why);
	return report.next;
}

/* To the end of a round that began after the call. */
static void
catch_up(struct chain *chain, struct follower *follower)
{
	stop(follower);
	for (int rounds = 0, steps = 0; rounds < 2; rounds += go_on(chain, follower) == FOLLOW_CAUGHT_UP)
		if (++steps > 2000)
			fail_msg("seed %llu: %s does not catch up", (unsigned long long)chain->seed, follower->name);
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static struct store_conf
conf_of(const struct chain *chain, const char *url)
{
	return (struct store_conf){
		.url = str_from_c(url), .create = true, .clock = &chain->clock, .entropy = &chain->entropy
	};
}

static void
open_replica(struct chain *chain, struct follower *follower, const char *url)
{
	struct store_conf conf = conf_of(chain, url);
	char              why[512];

	assert_int_equal(store_open(&conf, follower->store, why), OK);
	assert_int_equal(replica_join(*follower->store, &follower->replica, why), OK);
	if (rng_below(&chain->rng, 4) > 0)
		replica_limit_commits(follower->replica, 1 + rng_below(&chain->rng, 7));
}

static void
close_replica(struct follower *follower)
{
	stop(follower);
	replica_close(&follower->replica);
	store_close(follower->store);
}

static void
open_ring(struct chain *chain, struct server *server)
{
	assert_int_equal(token_ring_open(server->store, &chain->clock, &chain->entropy, &server->ring), OK);
}

static void
open_gateway(struct chain *chain)
{
	open_replica(chain, &chain->first, chain->urls[0]);
	open_ring(chain, &chain->gateway);
}

static void
close_gateway(struct chain *chain)
{
	token_ring_close(&chain->gateway.ring);
	close_replica(&chain->first);
}

/* ---- what happens ------------------------------------------------------------------------------ */

static void
write_source(struct chain *chain)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(chain->source.store, NULL, chain->arena);
	uint32_t                            id = rng_below(&chain->rng, IDS), value = rng_below(&chain->rng, 3);
	char                                name[16], body[64];
	struct item                         item = { .id = str_of(name, (size_t)snprintf(name, 16, "i%u", id)) };

	item.body = str_of(body, (size_t)snprintf(body, sizeof(body), "{\"id\":\"i%u\"%s,\"v\":%u}", id,
	                                          rng_below(&chain->rng, 2) ? ",\"w\":1" : "", value));
	if (rng_below(&chain->rng, 3) == 0)
		(void)store_remove(txn, &chain->source.feed, item.id);
	else
		store_put(txn, &chain->source.feed, &item);
	assert_int_equal(store_commit(&txn), OK);
}

static void
purge(struct chain *chain, struct server *server)
{
	AUTO(store_abort) struct store_txn *txn = NULL;
	uint32_t                            purged;

	if (!find_feed(server, chain->arena))
		return;
	txn = store_begin(server->store, NULL, chain->arena);
	store_purge(txn, &server->feed, INT64_MAX / 2, 1 + rng_below(&chain->rng, 4), &purged);
	assert_int_equal(store_commit(&txn), OK);
}

static void
drop_source(struct chain *chain)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(chain->source.store, NULL, chain->arena);

	store_drop_feed(txn, &chain->source.feed);
	assert_int_equal(store_commit(&txn), OK);
}

static void
go_back(struct chain *chain)
{
	struct store_conf conf = conf_of(chain, chain->urls[0]);
	char              path[96], why[512];

	(void)snprintf(path, sizeof(path), "%s/backup", chain->dir);
	if (!chain->has_backup) {
		(void)unlink(path);
		assert_int_equal(store_backup(chain->gateway.store, path, why), OK);
		chain->has_backup = true;
		return;
	}
	close_gateway(chain);
	assert_int_equal(store_restore(&conf, path, why), OK);
	open_gateway(chain);
	figures.restored++;
}

static void
forget(struct chain *chain)
{
	struct replica_scope scope;
	bool                 done = false;

	stop(&chain->first);
	if (replica_find_scope(chain->first.replica, str_from_c(chain->first.name), chain->arena, &scope) == OK)
		while (!done)
			assert_int_equal(replica_forget_scope(chain->first.replica, scope.sid, &done), OK);
}

static void
step(struct chain *chain)
{
	uint32_t dice = rng_below(&chain->rng, 1000);
	bool     done;

	if (dice < 300) {
		write_source(chain);
	} else if (dice < 600) {
		(void)go_on(chain, &chain->first);
	} else if (dice < 900) {
		(void)go_on(chain, &chain->second);
	} else if (dice < 950) {
		purge(chain, dice < 920 ? &chain->source : &chain->gateway);
	} else if (dice < 965) {
		assert_int_equal(replica_sweep(dice < 958 ? chain->first.replica : chain->second.replica, &done), OK);
	} else if (dice < 970) {
		close_gateway(chain);
		open_gateway(chain);
	} else if (dice < 975) {
		close_replica(&chain->second);
		open_replica(chain, &chain->second, chain->urls[1]);
	} else if (dice < 992) {
		go_back(chain);
	} else if (dice < 996) {
		drop_source(chain);
	} else {
		forget(chain);
	}
	arena_reset(chain->arena);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static uint64_t
live_in(struct chain *chain, struct store *store, const struct store_feed *feed)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1, .by_made = true };
	struct store_scan *scan = store_scan_open(store, feed, &range, chain->arena);
	uint64_t           live = store_scan_state(scan)->live;

	assert_int_equal(store_scan_close(&scan), OK);
	return live;
}

static void
expect_same(struct chain *chain, const struct follower *follower)
{
	struct store         *store = *follower->store;
	struct store_followed view;

	assert_int_equal(store_get_followed(store, str_from_c(follower->name), chain->arena, &view), OK);
	for (unsigned id = 0; id < IDS; id++) {
		char        text[16];
		struct str  name = str_of(text, (size_t)snprintf(text, sizeof(text), "i%u", id));
		struct item here, there;
		enum err    err = store_get(chain->source.store, &chain->source.feed, name, chain->arena, &there);

		if (store_get(store, &view.feed, name, chain->arena, &here) != err ||
		    (err == OK && !str_eq(here.body, there.body)))
			fail_msg("seed %llu: item %u is not the source's in %s", (unsigned long long)chain->seed, id,
			         follower->name);
	}
	if (live_in(chain, store, &view.feed) != live_in(chain, chain->source.store, &chain->source.feed))
		fail_msg("seed %llu: %s counts other items", (unsigned long long)chain->seed, follower->name);
}

/* ---- histories ------------------------------------------------------------------------------- */

static void
begin_follower(struct follower *follower, const char *host, uint64_t seed)
{
	(void)snprintf(follower->name, sizeof(follower->name), "%.1s%llu", host, (unsigned long long)seed);
	(void)snprintf(follower->url, sizeof(follower->url), "https://%s.example/h%llu/delta", host,
	               (unsigned long long)seed);
	follower->source = (struct follow_source){ .ctx = follower->from, .fetch = fetch };
}

static void
run_history(struct chain *chain, uint64_t seed)
{
	chain->seed = seed;
	chain->rng.state = seed;
	chain->has_backup = false;
	memcpy(chain->source.feed.owner.b, &seed, sizeof(seed));
	begin_follower(&chain->first, "source", seed);
	begin_follower(&chain->second, "gateway", seed);
	chain->gateway.scope = chain->first.name;
	for (int i = 0; i < STEPS; i++)
		step(chain);
	catch_up(chain, &chain->first);
	catch_up(chain, &chain->second);
	expect_same(chain, &chain->first);
	expect_same(chain, &chain->second);
	stop(&chain->first);
	stop(&chain->second);
	arena_reset(chain->arena);
}

static void
open_chain(struct chain *chain)
{
	struct store_conf conf;

	*chain = (struct chain){ .rng = { 1 }, .time = { (int64_t)1700000000 * 1000000000 } };
	chain->entropy = entropy_system;
	chain->clock = still_clock_of(&chain->time);
	chain->arena = arena_open((size_t)16 << 20);
	(void)snprintf(chain->dir, sizeof(chain->dir), "%s/tidemark-chain-XXXXXX", runs_folder());
	assert_non_null(mkdtemp(chain->dir));
	(void)snprintf(chain->urls[0], sizeof(chain->urls[0]), "sqlite:%s/g.db", chain->dir);
	(void)snprintf(chain->urls[1], sizeof(chain->urls[1]), "sqlite:%s/e.db", chain->dir);
	conf = conf_of(chain, "");
	assert_int_equal(model_open(&conf, &chain->source.store), OK);
	chain->source.feed.collection = 1;
	chain->source.rng = chain->gateway.rng = &chain->rng;
	buf_open(&chain->source.page, (size_t)1 << 20);
	buf_open(&chain->gateway.page, (size_t)1 << 20);
	open_ring(chain, &chain->source);
	chain->first.from = &chain->source;
	chain->first.store = &chain->gateway.store;
	chain->second.from = &chain->gateway;
	chain->second.store = &chain->end;
	open_gateway(chain);
	open_replica(chain, &chain->second, chain->urls[1]);
}

static void
found_fault(void *ctx, struct str sentence)
{
	(void)ctx;
	fail_msg("%.*s", STR_ARG(sentence));
}

static void
close_chain(struct chain *chain)
{
	char command[96];

	assert_int_equal(store_check(chain->gateway.store, found_fault, NULL), OK);
	assert_int_equal(store_check(chain->end, found_fault, NULL), OK);
	close_gateway(chain);
	close_replica(&chain->second);
	token_ring_close(&chain->source.ring);
	store_close(&chain->source.store);
	buf_close(&chain->source.page);
	buf_close(&chain->gateway.page);
	arena_close(&chain->arena);
	(void)snprintf(command, sizeof(command), "rm -rf %s", chain->dir);
	assert_int_equal(system(command), 0);
}

static void
test_chain__what_is_followed_twice_ends_as_the_source_has_it(void **state)
{
	uint64_t     runs = getenv("TIDEMARK_RUNS") || !getenv("TIDEMARK_LONG") ? runs_of(HISTORIES) : LONG;
	uint64_t     first = runs_seed((uint64_t)getpid() << 20);
	struct chain chain;

	(void)state;
	if (getenv("TIDEMARK_SEED"))
		runs = 1;
	for (uint64_t i = 0; i < runs; i++) {
		if (i % BATCH == 0)
			open_chain(&chain);
		run_history(&chain, first + i);
		if (i % BATCH == BATCH - 1 || i == runs - 1)
			close_chain(&chain);
	}
	print_message("%llu chains: %llu rounds, %llu new starts, %llu answers 410, %llu older copies\n",
	              (unsigned long long)runs, (unsigned long long)figures.rounds, (unsigned long long)figures.resyncs,
	              (unsigned long long)figures.gone, (unsigned long long)figures.restored);
	assert_true(figures.rounds > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain__what_is_followed_twice_ends_as_the_source_has_it),
	};

	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
