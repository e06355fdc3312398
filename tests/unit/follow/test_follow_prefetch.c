/* SPDX-License-Identifier: Apache-2.0 */
/* Pages fetched before they are asked for: which, how many, and what of them outlives a process. */
#include "follow_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "follow/follow_prefetch.h"
#include "follow/follow_page.h"
#include "follow/follow_spool.h"

#define BASE     "https://graph.example.com/v1.0/things/delta"
#define LINK_MAX 128
#define BEARER   "bearer-b"

/* Page n leads to page n + 1; the last has a deltaLink.  Asked by the thread, looked at by the test. */
struct pages {
	pthread_mutex_t lock;
	unsigned        last, fails_at; /* fails_at: that page is answered 503, once */
	unsigned        asked[96];      /* how often each */
	const char     *lure;           /* page 2 leads there */
	const char     *oddity;         /* stands in page 2, before the rest */
	bool            is_all_odd;     /* it stands in every page */
	const char     *huge;           /* page 2 as a whole */
	const char     *token;          /* asked with; NULL: BEARER */
	char            body[512], bearer[64];
	unsigned        starts;            /* how often a page was sent for before it was fetched */
	unsigned        hasty, cancelled;  /* of these: before the last one was kept; and never fetched */
	char            started[LINK_MAX]; /* the last of them, until it is fetched or let go */
	const char     *path;              /* of the file that keeps pages */
};

static unsigned
number_of(struct str link)
{
	uint64_t number;

	return str_to_u64(str_skip(link, sizeof(BASE "?p=") - 1), &number) ? (unsigned)number : 0;
}

static enum err
give_page(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
          struct str *why_out)
{
	struct pages *pages = ctx;
	unsigned      number = number_of(request->link);
	char          link[LINK_MAX];

	(void)arena;
	(void)why_out;
	assert_true(number < 96);
	assert_int_equal(pthread_mutex_lock(&pages->lock), 0);
	pages->asked[number]++;
	(void)snprintf(pages->bearer, sizeof(pages->bearer), "%.*s", STR_ARG(request->bearer));
	(void)snprintf(link, sizeof(link), BASE "?p=%u", number + 1);
	if (pages->started[0] && !str_eq(request->link, str_from_c(pages->started)))
		pages->cancelled++;
	pages->started[0] = '\0';
	(void)snprintf(pages->body, sizeof(pages->body), "{%s\"value\":[{\"id\":\"i%u\"}],\"@odata.%s\":\"%s\"}",
	               pages->oddity && (number == 2 || pages->is_all_odd) ? pages->oddity : "", number,
	               number == pages->last ? "deltaLink" : "nextLink",
	               pages->lure && number == 2 ? pages->lure : link);
	*response_out = (struct follow_response){ .status = 200, .body = str_from_c(pages->body) };
	if (pages->huge && number == 2)
		response_out->body = str_from_c(pages->huge);
	if (pages->fails_at > 0 && number == pages->fails_at) {
		pages->fails_at = 0;
		*response_out = (struct follow_response){ .status = 503, .body = STR("{}"), .retry_after = STR("7") };
	}
	assert_int_equal(pthread_mutex_unlock(&pages->lock), 0);
	return OK;
}

/* Is the page that comes before it kept where whoever is killed leaves it? */
static bool
is_predecessor_kept(const char *path, const struct follow_request *request)
{
	struct follow_position position = request->position;
	struct follow_spool   *spool;
	struct buf             body;
	char                   link[LINK_MAX];
	bool                   found;

	position.page--;
	(void)snprintf(link, sizeof(link), BASE "?p=%llu", (unsigned long long)position.page);
	buf_open(&body, 1 << 20);
	if (follow_spool_open(path, &spool) != OK)
		return false;
	found = follow_spool_take(spool, &position, str_from_c(link), &body) == OK;
	follow_spool_close(&spool, true);
	buf_close(&body);
	return found;
}

static void
send_for(void *ctx, const struct follow_request *request, struct arena *arena)
{
	struct pages *pages = ctx;

	(void)arena;
	assert_int_equal(pthread_mutex_lock(&pages->lock), 0);
	pages->starts++;
	pages->hasty += !is_predecessor_kept(pages->path, request);
	(void)snprintf(pages->started, sizeof(pages->started), "%.*s", STR_ARG(request->link));
	assert_int_equal(pthread_mutex_unlock(&pages->lock), 0);
}

static void
cancel(void *ctx)
{
	struct pages *pages = ctx;

	assert_int_equal(pthread_mutex_lock(&pages->lock), 0);
	pages->cancelled += pages->started[0] != '\0';
	pages->started[0] = '\0';
	assert_int_equal(pthread_mutex_unlock(&pages->lock), 0);
}

struct rig {
	struct pages            pages;
	char                    path[64];
	atomic_bool             unwanted;
	struct follow_source    inner, source;
	struct follow_prefetch *prefetch;
	struct arena           *arena;
};

static void
open_prefetch(struct rig *rig)
{
	struct follow_prefetch_conf conf = {
		.url = STR(BASE), .path = rig->path, .source = &rig->inner, .unwanted = &rig->unwanted
	};

	rig->inner = (struct follow_source){
		.ctx = &rig->pages, .fetch = give_page, .start = rig->pages.path ? send_for : NULL, .cancel = cancel
	};
	assert_int_equal(follow_prefetch_open(&conf, &rig->prefetch), OK);
	rig->source = follow_prefetch_source(rig->prefetch);
}

static void
open_rig(struct rig *rig, unsigned last)
{
	*rig = (struct rig){ .pages = { .lock = PTHREAD_MUTEX_INITIALIZER, .last = last },
		             .arena = arena_open(1 << 20) };
	(void)snprintf(rig->path, sizeof(rig->path), "/tmp/tidemark-ahead-%d", (int)getpid());
	(void)unlink(rig->path);
	open_prefetch(rig);
}

static void
close_rig(struct rig *rig)
{
	follow_prefetch_close(&rig->prefetch);
	arena_close(&rig->arena);
	(void)unlink(rig->path);
	assert_int_equal(rig->pages.hasty, 0);
}

/* With a source that can send for a page before it is fetched. */
static void
open_early(struct rig *rig, unsigned last)
{
	open_rig(rig, last);
	follow_prefetch_close(&rig->prefetch);
	rig->pages.path = rig->path;
	open_prefetch(rig);
}

static struct follow_response
ask_for(struct rig *rig, unsigned number, int64_t round_ms)
{
	char                   link[LINK_MAX];
	struct follow_response response = { 0 };
	struct str             why;
	struct follow_request  request = { .position = { 1, round_ms, number }, .bearer = STR(BEARER) };

	(void)snprintf(link, sizeof(link), BASE "?p=%u", number);
	request.link = str_from_c(link);
	if (rig->pages.token)
		request.bearer = str_from_c(rig->pages.token);
	arena_reset(rig->arena);
	assert_int_equal(rig->source.fetch(rig->source.ctx, &request, rig->arena, &response, &why), OK);
	return response;
}

static void
expect_page(struct rig *rig, unsigned number, int64_t round_ms)
{
	char                   want[32];
	struct follow_response response = ask_for(rig, number, round_ms);

	(void)snprintf(want, sizeof(want), "\"i%u\"", number);
	assert_int_equal(response.status, 200);
	if (!memmem(response.body.at, response.body.len, want, strlen(want)))
		fail_msg("page %u is %.*s", number, STR_ARG(response.body));
}

static unsigned
asked(struct rig *rig, unsigned number)
{
	unsigned count;

	assert_int_equal(pthread_mutex_lock(&rig->pages.lock), 0);
	count = rig->pages.asked[number];
	assert_int_equal(pthread_mutex_unlock(&rig->pages.lock), 0);
	return count;
}

/* Until the thread has asked for it; it has nothing else to do. */
static void
wait_until_asked(struct rig *rig, unsigned number)
{
	for (int i = 0; i < 2000 && asked(rig, number) == 0; i++)
		(void)usleep(5000);
	assert_int_equal(asked(rig, number), 1);
}

static void
test_prefetch__each_page_is_asked_for_once_and_only_so_many_before_their_time(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 80);
	expect_page(&rig, 0, 5);
	wait_until_asked(&rig, FOLLOW_PREFETCH_PAGES - 1);
	(void)usleep(50000);
	assert_int_equal(asked(&rig, FOLLOW_PREFETCH_PAGES), 0);
	for (unsigned i = 1; i <= 80; i++)
		expect_page(&rig, i, 5);
	for (unsigned i = 0; i <= 80; i++)
		assert_int_equal(asked(&rig, i), 1);
	assert_int_equal(asked(&rig, 81), 0);
	assert_string_equal(rig.pages.bearer, BEARER);
	follow_prefetch_close(&rig.prefetch);
	assert_int_equal(access(rig.path, F_OK), -1);
	open_prefetch(&rig);
	close_rig(&rig);
}

static void
test_prefetch__what_is_no_page_of_a_round_is_asked_for_each_time_and_nothing_after_it(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 80);
	expect_page(&rig, 0, 0);
	expect_page(&rig, 0, 0);
	(void)usleep(50000);
	assert_int_equal(asked(&rig, 0), 2);
	assert_int_equal(asked(&rig, 1), 0);
	close_rig(&rig);
}

static void
test_prefetch__a_failure_is_handed_on_in_its_place_and_stops_the_thread(void **state)
{
	struct rig             rig;
	struct follow_response response;

	(void)state;
	open_rig(&rig, 80);
	rig.pages.fails_at = 3;
	expect_page(&rig, 0, 5);
	wait_until_asked(&rig, 3);
	expect_page(&rig, 1, 5);
	expect_page(&rig, 2, 5);
	(void)usleep(50000);
	assert_int_equal(asked(&rig, 4), 0);
	response = ask_for(&rig, 3, 5);
	assert_true(response.status == 503 && str_eq(response.retry_after, STR("7")));
	expect_page(&rig, 3, 5);
	expect_page(&rig, 4, 5);
	assert_int_equal(asked(&rig, 3), 2);
	assert_int_equal(asked(&rig, 4), 1);
	close_rig(&rig);
}

static void
test_prefetch__a_link_to_another_origin_is_not_followed(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 80);
	rig.pages.lure = "https://graph.example.org/v1.0/things/delta?p=3";
	expect_page(&rig, 0, 5);
	wait_until_asked(&rig, 2);
	expect_page(&rig, 1, 5);
	expect_page(&rig, 2, 5);
	(void)usleep(50000);
	assert_int_equal(asked(&rig, 3), 0);
	close_rig(&rig);
}

static void
test_prefetch__another_round_is_not_answered_with_pages_of_the_last(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 80);
	expect_page(&rig, 0, 5);
	wait_until_asked(&rig, 2);
	expect_page(&rig, 1, 6);
	assert_int_equal(asked(&rig, 1), 2);
	close_rig(&rig);
}

/* A process that takes some pages and is gone. */
static void
die_with_pages(struct rig *rig, unsigned taken, unsigned until)
{
	int   status = 0;
	pid_t child = fork();

	if (child == 0) {
		open_prefetch(rig);
		for (unsigned i = 0; i < taken; i++)
			expect_page(rig, i, 5);
		wait_until_asked(rig, until);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_prefetch__whoever_is_killed_has_one_page_to_fetch_again(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 80);
	follow_prefetch_close(&rig.prefetch);
	/* Pages 0 and 1 are stored, 2 is being stored; of those after it page 12 may have been on its way. */
	die_with_pages(&rig, 3, 12);
	open_prefetch(&rig);
	for (unsigned i = 2; i <= 80; i++)
		expect_page(&rig, i, 5);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(asked(&rig, i), 0);
	close_rig(&rig);
}

/* ---- sent for before it is fetched ----------------------------------------------------------- */

static void
test_prefetch__each_page_is_sent_for_as_soon_as_the_one_before_it_is_safe(void **state)
{
	struct rig rig;

	(void)state;
	open_early(&rig, 60);
	for (unsigned i = 0; i <= 60; i++)
		expect_page(&rig, i, 5);
	for (unsigned i = 0; i <= 60; i++)
		assert_int_equal(asked(&rig, i), 1);
	assert_in_range(rig.pages.starts, 30, 60);
	assert_int_equal(rig.pages.cancelled, 0);
	close_rig(&rig);
}

/* Two rounds, each with the same lie in every page: one wrong guess each, and nothing of it is asked for twice. */
static void
test_prefetch__a_wrong_guess_is_cancelled_and_the_last_of_its_round(void **state)
{
	struct rig rig;

	(void)state;
	open_early(&rig, 20);
	rig.pages.oddity = "\"x\":{\"@odata.nextLink\":\"" BASE "?p=17\"},";
	rig.pages.is_all_odd = true;
	for (unsigned round = 5; round < 7; round++)
		for (unsigned i = 0; i <= 20; i++)
			expect_page(&rig, i, round);
	for (unsigned i = 0; i <= 20; i++)
		assert_int_equal(asked(&rig, i), 2);
	assert_int_equal(rig.pages.starts, 2);
	assert_int_equal(rig.pages.cancelled, 2);
	close_rig(&rig);
}

/* Else what was sent for now would be the next round's answer. */
static void
test_prefetch__nothing_sent_for_outlives_the_page_that_does_not_bear_it_out(void **state)
{
	struct rig rig;

	(void)state;
	open_early(&rig, 2);
	rig.pages.oddity = "\"x\":{\"@odata.nextLink\":\"" BASE "?p=3\"},";
	for (unsigned i = 0; i <= 2; i++)
		expect_page(&rig, i, 5);
	assert_int_equal(rig.pages.starts, 3);
	assert_int_equal(rig.pages.cancelled, 1);
	assert_int_equal(asked(&rig, 3), 0);
	close_rig(&rig);
}

static void
assert_never_sent_for(const char *oddity, const char *lure)
{
	struct rig rig;

	open_early(&rig, 20);
	rig.pages.oddity = oddity;
	rig.pages.lure = lure;
	expect_page(&rig, 0, 5);
	wait_until_asked(&rig, 2);
	expect_page(&rig, 1, 5);
	(void)ask_for(&rig, 2, 5);
	(void)usleep(50000);
	assert_int_equal(rig.pages.starts, 2);
	assert_int_equal(asked(&rig, 3), 0);
	close_rig(&rig);
}

static void
test_prefetch__nothing_is_sent_to_another_origin_nor_after_a_page_that_repeats_the_bearer(void **state)
{
	(void)state;
	assert_never_sent_for(NULL, "https://graph.example.org/v1.0/things/delta?p=3");
	assert_never_sent_for("\"@odata.nextLink\":\"https://graph.example.org/v1.0/things/delta?p=3\",", NULL);
	assert_never_sent_for("\"x\":\"" BEARER "\",", NULL);
	assert_never_sent_for("\"x\":{\"@odata.nextLink\":\"https://graph.example.com/v1.0/me/delta?p=3\"},"
	                      "\"@odata.nextLink\":7,",
	                      NULL);
}

/* It was kept before anybody knew: the next process must not be given it for ever. */
static void
test_prefetch__what_was_kept_and_is_no_page_is_fetched_anew(void **state)
{
	struct rig rig;

	(void)state;
	open_early(&rig, 20);
	follow_prefetch_close(&rig.prefetch);
	rig.pages.oddity = "nonsense,";
	die_with_pages(&rig, 2, 2);
	rig.pages.oddity = NULL;
	open_prefetch(&rig);
	for (unsigned i = 1; i <= 20; i++)
		expect_page(&rig, i, 5);
	assert_int_equal(asked(&rig, 1), 0);
	assert_int_equal(asked(&rig, 2), 1);
	close_rig(&rig);
}

/* As many items as a page may have, kept, and read again by the next process with a long bearer. */
static void
test_prefetch__the_largest_page_that_was_kept_is_read_once(void **state)
{
	static char huge[4 << 20], token[20001];
	struct rig  rig;
	size_t      len;

	(void)state;
	memset(token, 'b', sizeof(token) - 1);
	len = (size_t)snprintf(huge, sizeof(huge), "{\"value\":[{\"id\":\"i2\"}");
	for (size_t i = 1; i < FOLLOW_PAGE_ITEMS_MAX; i++)
		len += (size_t)snprintf(huge + len, sizeof(huge) - len, ",{}");
	(void)snprintf(huge + len, sizeof(huge) - len, "],\"@odata.nextLink\":\"" BASE "?p=3\"}");
	open_early(&rig, 20);
	follow_prefetch_close(&rig.prefetch);
	rig.pages.token = token;
	rig.pages.huge = huge;
	die_with_pages(&rig, 2, 5);
	open_prefetch(&rig);
	for (unsigned i = 1; i <= 20; i++)
		expect_page(&rig, i, 5);
	assert_int_equal(asked(&rig, 2), 0);
	close_rig(&rig);
}

/* ---- the file -------------------------------------------------------------------------------- */

static const struct follow_position here = { 7, 1000, 3 };

static void
put_a_page(const char *path)
{
	struct follow_spool *spool;

	(void)unlink(path);
	assert_int_equal(follow_spool_open(path, &spool), OK);
	assert_int_equal(follow_spool_put(spool, &here, STR("link"), STR("{\"a\":\"page of some length\"}")), OK);
	follow_spool_close(&spool, true);
}

static bool
is_found(const char *path, const struct follow_position *position, struct str link)
{
	struct follow_spool *spool;
	struct buf           body;
	bool                 found;

	buf_open(&body, 1 << 20);
	assert_int_equal(follow_spool_open(path, &spool), OK);
	found = follow_spool_take(spool, position, link, &body) == OK;
	assert_int_equal(body.len, found ? 27 : 0);
	if (found)
		assert_int_equal(follow_spool_take(spool, position, link, &body), ERR_NOT_FOUND);
	follow_spool_close(&spool, true);
	buf_close(&body);
	return found;
}

static void
test_spool__a_page_is_found_as_itself_and_not_when_a_bit_of_it_is_wrong(void **state)
{
	char                   path[64];
	struct follow_position other = here;
	off_t                  at, end;
	unsigned char          byte;
	int                    fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/tidemark-spool-%d", (int)getpid());
	put_a_page(path);
	assert_true(is_found(path, &here, STR("link")));
	assert_false(is_found(path, &here, STR("lint")));
	other.sid = 8;
	assert_false(is_found(path, &other, STR("link")));
	other = here;
	other.round_ms = 1001;
	assert_false(is_found(path, &other, STR("link")));
	other = here;
	other.page += FOLLOW_SPOOL_PAGES;
	assert_false(is_found(path, &other, STR("link")));
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	end = lseek(fd, 0, SEEK_END);
	for (at = lseek(fd, 0, SEEK_DATA); at < end; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (is_found(path, &here, STR("link")) != (at >= end - 31 && at < end - 27))
			fail_msg("a wrong bit %lld bytes before the end", (long long)(end - at));
		byte ^= 4;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(is_found(path, &here, STR("link")));
	assert_int_equal(ftruncate(fd, end - 1), 0);
	assert_false(is_found(path, &here, STR("link")));
	(void)close(fd);
	(void)unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefetch__each_page_is_asked_for_once_and_only_so_many_before_their_time),
		cmocka_unit_test(test_prefetch__what_is_no_page_of_a_round_is_asked_for_each_time_and_nothing_after_it),
		cmocka_unit_test(test_prefetch__a_failure_is_handed_on_in_its_place_and_stops_the_thread),
		cmocka_unit_test(test_prefetch__a_link_to_another_origin_is_not_followed),
		cmocka_unit_test(test_prefetch__another_round_is_not_answered_with_pages_of_the_last),
		cmocka_unit_test(test_prefetch__whoever_is_killed_has_one_page_to_fetch_again),
		cmocka_unit_test(test_prefetch__each_page_is_sent_for_as_soon_as_the_one_before_it_is_safe),
		cmocka_unit_test(test_prefetch__a_wrong_guess_is_cancelled_and_the_last_of_its_round),
		cmocka_unit_test(test_prefetch__nothing_sent_for_outlives_the_page_that_does_not_bear_it_out),
		cmocka_unit_test(test_prefetch__the_largest_page_that_was_kept_is_read_once),
		cmocka_unit_test(
			test_prefetch__nothing_is_sent_to_another_origin_nor_after_a_page_that_repeats_the_bearer),
		cmocka_unit_test(test_prefetch__what_was_kept_and_is_no_page_is_fetched_anew),
		cmocka_unit_test(test_spool__a_page_is_found_as_itself_and_not_when_a_bit_of_it_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
