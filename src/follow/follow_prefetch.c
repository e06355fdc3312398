/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of pages between two threads.
 *
 *      follower                               ring                                  thread
 *      fetch(link) -- is it the oldest? --->  [lent][whole][whole][being fetched] <--- next link, from the page before
 *                  -- it is not: all pages are thrown away, the thread begins at `link`
 *
 * The oldest page is lent to the follower until its next call; by then the follower has stored it.  The thread puts a
 * page into the spool before it requests the next one.  When the ring comes round, the follower has stored the page
 * whose place in the spool is used again.
 *
 * The thread may send the next request before it has parsed a page, by a guessed link.  Parsing shows if the guess is
 * right.
 */
#include "follow/follow_prefetch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "fetch/fetch_link.h"
#include "follow/follow_page.h"
#include "fetch/fetch_secrets.h"
#include "follow/follow_spool.h"

#define SLOTS      FOLLOW_PREFETCH_PAGES
#define POLL_MS    100
#define TEXTS_MAX  ((size_t)32 << 20) /* of one response without its body; parsing a page takes at most 25 MiB */
#define BEARER_MAX ((size_t)64 << 10)

_Static_assert(FOLLOW_PREFETCH_PAGES <= FOLLOW_SPOOL_PAGES,
               "a page's place in the spool is used again only when the page is stored");

struct job { /* a page to request */
	struct follow_position position;
	struct buf             link;
};

struct slot { /* a page that was requested */
	struct job             job;
	struct buf             body;
	struct arena          *texts;
	enum err               err;
	struct follow_response response;
	struct follow_page     page;    /* response.page points here, or is NULL */
	bool                   is_kept; /* it is in the spool */
	struct str             why;
};

struct follow_prefetch {
	struct follow_prefetch_conf conf;
	struct arena               *lasting;
	struct fetch_origin         origin;
	struct follow_spool        *spool;  /* the thread's */
	struct fetch_secrets       *shown;  /* the thread's: sent to the remote */
	struct buf                  sent;   /* the thread's: the bearer token it sends */
	struct follow_position      missed; /* the thread's: its wrong guess; it guesses no more in this round */
	pthread_t                   thread;
	int                         ready_fd; /* readable when a page is whole */

	pthread_mutex_t lock;    /* protects everything below */
	pthread_cond_t  changed; /* for the thread; the follower waits on ready_fd */
	struct slot     slots[SLOTS];
	size_t          first, count;
	bool            is_lent; /* the first is the follower's */
	struct job      next;    /* the thread's next page */
	bool            has_next, is_busy, quits;
	unsigned        thrown; /* how often all pages were thrown away */
	struct buf      bearer; /* of the last call */
	uint32_t        page_size;
	bool            skims;
};

static void
lock(struct follow_prefetch *prefetch)
{
	MUST(pthread_mutex_lock(&prefetch->lock) == 0);
}

static void
unlock(struct follow_prefetch *prefetch)
{
	MUST(pthread_mutex_unlock(&prefetch->lock) == 0);
}

static void
wake(struct follow_prefetch *prefetch)
{
	MUST(pthread_cond_signal(&prefetch->changed) == 0);
}

static void
set_buf(struct buf *buf, struct str bytes)
{
	buf_cut(buf, 0);
	buf_put(buf, bytes);
	MUST(buf_err(buf) == OK);
}

static bool
is_job(const struct job *job, const struct follow_request *request)
{
	return job->position.sid == request->position.sid && job->position.round_ms == request->position.round_ms &&
	       job->position.page == request->position.page && str_eq(buf_str(&job->link), request->link);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* `waiting`: pages that are whole but not in the ring yet; `bytes`: theirs. */
static bool
has_space(const struct follow_prefetch *prefetch, size_t waiting, size_t bytes)
{
	for (size_t i = 0; i < prefetch->count; i++)
		bytes += prefetch->slots[(prefetch->first + i) % SLOTS].body.len;
	return prefetch->count + waiting == 0 || (prefetch->count + waiting < SLOTS && bytes < FOLLOW_PREFETCH_BYTES);
}

static bool
is_read(struct slot *slot)
{
	struct str why;

	if (!slot->response.page && follow_page_read(buf_str(&slot->body), slot->texts, &slot->page, &why) == OK)
		slot->response.page = &slot->page;
	return slot->response.page != NULL;
}

/* A page from the spool was perhaps never parsed.  If it is none, it is requested again. */
static bool
take_kept(struct follow_prefetch *prefetch, struct slot *slot, const struct follow_request *request)
{
	if (follow_spool_take(prefetch->spool, &request->position, request->link, &slot->body) == OK && is_read(slot))
		return true;
	arena_reset(slot->texts);
	buf_cut(&slot->body, 0);
	return false;
}

static void
get_page(struct follow_prefetch *prefetch, struct slot *slot, const struct follow_request *request)
{
	slot->why = STR_EMPTY;
	slot->is_kept = false;
	slot->err = OK;
	slot->response = (struct follow_response){ .status = 200, .location = STR_EMPTY, .retry_after = STR_EMPTY };
	if (take_kept(prefetch, slot, request))
		return;
	slot->response.body = STR_EMPTY;
	slot->err = prefetch->conf.source->fetch(prefetch->conf.source->ctx, request, slot->texts, &slot->response,
	                                         &slot->why);
	if (slot->err == OK)
		buf_put(&slot->body, slot->response.body);
}

static bool
keep(struct follow_prefetch *prefetch, struct slot *slot)
{
	struct str body = buf_str(&slot->body);

	/* A page that contains a bearer token must not get into a file; the follower will refuse it. */
	if (!slot->is_kept && !fetch_secrets_stand_in(prefetch->shown, body))
		slot->is_kept = follow_spool_put(prefetch->spool, &slot->job.position, buf_str(&slot->job.link),
		                                 body) == OK;
	return slot->is_kept;
}

/* May the link be requested before this page is stored?  True: this page is in the spool. */
static bool
may_lead_to(struct follow_prefetch *prefetch, struct slot *slot, struct str link)
{
	const char *bad;

	return slot->job.position.round_ms != 0 && link.len <= FETCH_LINK_MAX &&
	       fetch_link_is_good(&prefetch->origin, link, &bad) &&
	       !fetch_secrets_stand_in_link(prefetch->shown, link, slot->texts) && keep(prefetch, slot);
}

static bool
is_answered(const struct slot *slot)
{
	return slot->err == OK && slot->response.status == 200;
}

static bool
has_missed(const struct follow_prefetch *prefetch, const struct follow_position *position)
{
	return prefetch->missed.sid == position->sid && prefetch->missed.round_ms == position->round_ms;
}

/* Requests a guessed link and returns it; empty without a guess. */
static struct str
start_next(struct follow_prefetch *prefetch, struct slot *slot, struct follow_request request)
{
	const struct follow_source *source = prefetch->conf.source;
	struct str                  guess;
	bool                        is_space;

	lock(prefetch);
	is_space = has_space(prefetch, 1, slot->body.len);
	unlock(prefetch);
	if (!source->start || !is_space || !is_answered(slot) || has_missed(prefetch, &request.position) ||
	    !follow_page_guess_next(buf_str(&slot->body), &guess) || !fetch_link_is_beside(guess, request.link) ||
	    !may_lead_to(prefetch, slot, guess))
		return STR_EMPTY;
	request.link = guess;
	request.position.page++;
	source->start(source->ctx, &request, slot->texts);
	return guess;
}

static bool
leads_on(struct follow_prefetch *prefetch, struct slot *slot, struct str *link_out)
{
	if (!is_answered(slot) || !is_read(slot))
		return false;
	*link_out = slot->page.link;
	return !slot->page.is_last && may_lead_to(prefetch, slot, *link_out);
}

/* A wrong guess is cancelled, and is the last of its round. */
static void
validate_guess(struct follow_prefetch *prefetch, const struct slot *slot, struct str guess, bool goes_on,
               struct str link)
{
	if (guess.len == 0 || (goes_on && str_eq(guess, link)))
		return;
	prefetch->missed = slot->job.position;
	prefetch->conf.source->cancel(prefetch->conf.source->ctx);
}

/* Called with the lock held; unlocks it during the request. */
static void
do_next(struct follow_prefetch *prefetch)
{
	struct slot          *slot = &prefetch->slots[(prefetch->first + prefetch->count) % SLOTS];
	struct follow_request request = { .position = prefetch->next.position,
		                          .page_size = prefetch->page_size,
		                          .skims = prefetch->skims };
	unsigned              thrown = prefetch->thrown;
	struct str            guess, link = STR_EMPTY;
	bool                  goes_on;

	slot->job.position = request.position;
	set_buf(&slot->job.link, buf_str(&prefetch->next.link));
	request.link = buf_str(&slot->job.link);
	arena_reset(slot->texts);
	set_buf(&prefetch->sent, buf_str(&prefetch->bearer));
	request.bearer = buf_str(&prefetch->sent);
	fetch_secrets_note(prefetch->shown, request.bearer);
	prefetch->has_next = false;
	prefetch->is_busy = true;
	unlock(prefetch);
	get_page(prefetch, slot, &request);
	guess = request.skims ? STR_EMPTY : start_next(prefetch, slot, request);
	goes_on = !request.skims && leads_on(prefetch, slot, &link);
	validate_guess(prefetch, slot, guess, goes_on, link);
	lock(prefetch);
	prefetch->is_busy = false;
	if (thrown == prefetch->thrown) {
		prefetch->count++;
		prefetch->has_next = goes_on;
		prefetch->next.position = slot->job.position;
		prefetch->next.position.page++;
		if (goes_on)
			set_buf(&prefetch->next.link, link);
	}
	MUST(eventfd_write(prefetch->ready_fd, 1) == 0);
}

static void *
run(void *ctx)
{
	struct follow_prefetch *prefetch = ctx;

	lock(prefetch);
	while (!prefetch->quits) {
		if (prefetch->has_next && has_space(prefetch, 0, 0)) {
			do_next(prefetch);
		} else {
			MUST(pthread_cond_wait(&prefetch->changed, &prefetch->lock) == 0);
		}
	}
	unlock(prefetch);
	return NULL;
}

/* ---- the follower ---------------------------------------------------------------------------- */

/* Called with the lock held; unlocks it while it waits for the thread. */
static void
wait_for_thread(struct follow_prefetch *prefetch)
{
	struct pollfd ready = { .fd = prefetch->ready_fd, .events = POLLIN };
	eventfd_t     count;

	unlock(prefetch);
	MUST(poll(&ready, 1, POLL_MS) >= 0 || errno == EINTR);
	if (prefetch->conf.stopped && prefetch->conf.stopped(prefetch->conf.stopped_ctx))
		atomic_store(prefetch->conf.unwanted, true);
	lock(prefetch);
	(void)eventfd_read(prefetch->ready_fd, &count);
}

static bool
is_under_way(const struct follow_prefetch *prefetch, const struct follow_request *request)
{
	if (prefetch->count > 0 || prefetch->is_busy)
		return is_job(&prefetch->slots[prefetch->first].job, request);
	return prefetch->has_next && is_job(&prefetch->next, request);
}

static void
begin_anew(struct follow_prefetch *prefetch, const struct follow_request *request)
{
	prefetch->thrown++;
	prefetch->count = 0;
	prefetch->has_next = false;
	atomic_store(prefetch->conf.unwanted, true);
	while (prefetch->is_busy)
		wait_for_thread(prefetch);
	atomic_store(prefetch->conf.unwanted, false);
	prefetch->next.position = request->position;
	set_buf(&prefetch->next.link, request->link);
	prefetch->has_next = true;
}

static enum err
give_out(struct slot *slot, struct arena *arena, struct follow_response *response_out, struct str *why_out)
{
	if (slot->err != OK) {
		*why_out = arena_copy(arena, slot->why);
		return slot->err;
	}
	*response_out = (struct follow_response){ .status = slot->response.status,
		                                  .page = slot->response.page,
		                                  .body = buf_str(&slot->body),
		                                  .size = slot->response.size,
		                                  .location = arena_copy(arena, slot->response.location),
		                                  .retry_after = arena_copy(arena, slot->response.retry_after),
		                                  .date = arena_copy(arena, slot->response.date),
		                                  .request_id = arena_copy(arena, slot->response.request_id),
		                                  .challenge = arena_copy(arena, slot->response.challenge) };
	return OK;
}

static enum err
fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
      struct str *why_out)
{
	struct follow_prefetch *prefetch = ctx;
	struct slot            *slot;

	MUST(request->link.len <= FETCH_LINK_MAX);
	lock(prefetch);
	if (prefetch->is_lent) {
		struct slot *lent = &prefetch->slots[prefetch->first];

		/* All slots are used in turn, so unused memory counts SLOTS times. */
		arena_reset(lent->texts);
		if (lent->body.size > FOLLOW_PREFETCH_BYTES / SLOTS)
			buf_close(&lent->body);
		prefetch->is_lent = false;
		prefetch->first = (prefetch->first + 1) % SLOTS;
		prefetch->count--;
	}
	set_buf(&prefetch->bearer, str_first(request->bearer, BEARER_MAX));
	prefetch->page_size = request->page_size;
	prefetch->skims = request->skims;
	if (!is_under_way(prefetch, request))
		begin_anew(prefetch, request);
	wake(prefetch);
	while (prefetch->count == 0)
		wait_for_thread(prefetch);
	prefetch->is_lent = true;
	slot = &prefetch->slots[prefetch->first];
	unlock(prefetch);
	return give_out(slot, arena, response_out, why_out);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The thread blocks all signals: they are for the follower's thread. */
static bool
start_thread(struct follow_prefetch *prefetch)
{
	sigset_t all, before;
	bool     started;

	MUST(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	started = pthread_create(&prefetch->thread, NULL, run, prefetch) == 0;
	MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return started;
}

/* Pages that the follower has not read yet stay in the spool for the next run. */
static void
free_prefetch(struct follow_prefetch *prefetch)
{
	follow_spool_close(&prefetch->spool, !prefetch->conf.is_passing && prefetch->count > prefetch->is_lent);
	for (size_t i = 0; i < SLOTS; i++) {
		buf_close(&prefetch->slots[i].job.link);
		buf_close(&prefetch->slots[i].body);
		arena_close(&prefetch->slots[i].texts);
	}
	fetch_secrets_close(&prefetch->shown);
	buf_close(&prefetch->next.link);
	buf_close(&prefetch->bearer);
	buf_close(&prefetch->sent);
	arena_close(&prefetch->lasting);
	file_close(&prefetch->ready_fd);
	MUST(pthread_mutex_destroy(&prefetch->lock) == 0 && pthread_cond_destroy(&prefetch->changed) == 0);
	free(prefetch);
}

static struct follow_prefetch *
make_prefetch(const struct follow_prefetch_conf *conf)
{
	struct follow_prefetch *prefetch = handle_new(sizeof(*prefetch));

	prefetch->conf = *conf;
	prefetch->lasting = arena_open(FETCH_LINK_MAX + 4096);
	for (size_t i = 0; i < SLOTS; i++) {
		buf_open(&prefetch->slots[i].job.link, FETCH_LINK_MAX);
		buf_open(&prefetch->slots[i].body, FOLLOW_PAGE_MAX);
		prefetch->slots[i].texts = arena_open(TEXTS_MAX);
	}
	prefetch->shown = fetch_secrets_open();
	buf_open(&prefetch->next.link, FETCH_LINK_MAX);
	buf_open(&prefetch->bearer, BEARER_MAX);
	buf_open(&prefetch->sent, BEARER_MAX);
	MUST(pthread_mutex_init(&prefetch->lock, NULL) == 0 && pthread_cond_init(&prefetch->changed, NULL) == 0);
	prefetch->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return prefetch;
}

enum err
follow_prefetch_open(const struct follow_prefetch_conf *conf, struct follow_prefetch **prefetch_out)
{
	struct fetch_origin     origin;
	struct follow_prefetch *prefetch;
	const char             *why;

	if (conf->url.len > FETCH_LINK_MAX || !fetch_origin_of(conf->url, &origin, &why))
		return ERR_BAD_REQUEST;
	prefetch = make_prefetch(conf);
	MUST(fetch_origin_of(arena_copy(prefetch->lasting, conf->url), &prefetch->origin, &why));
	if (prefetch->ready_fd < 0 || follow_spool_open(conf->path, &prefetch->spool) != OK ||
	    !start_thread(prefetch)) {
		free_prefetch(prefetch);
		return ERR_IO;
	}
	*prefetch_out = prefetch;
	return OK;
}

void
follow_prefetch_drop(struct follow_prefetch *prefetch)
{
	prefetch->conf.is_passing = true; /* read by the follower's thread only */
}

void
follow_prefetch_close(struct follow_prefetch **prefetch)
{
	struct follow_prefetch *closing = *prefetch;

	if (!closing)
		return;
	lock(closing);
	closing->quits = true;
	atomic_store(closing->conf.unwanted, true);
	wake(closing);
	unlock(closing);
	MUST(pthread_join(closing->thread, NULL) == 0);
	free_prefetch(closing);
	*prefetch = NULL;
}

struct follow_source
follow_prefetch_source(struct follow_prefetch *prefetch)
{
	return (struct follow_source){ .ctx = prefetch, .fetch = fetch };
}
