/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of pages between two threads.
 *
 *      follower                               ring                                  thread
 *      fetch(link) -- the oldest is it? --->  [lent][whole][whole][being fetched] <--- next link, from the page before
 *                  -- it is not: all of it is thrown away, the thread begins at `link`
 *
 * The oldest page stays lent until the next call, since the follower still reads it; by then it has stored it.  Before
 * the thread asks for another page, the last one is in the spool; with the page that the follower asks for next, all
 * before it are stored.  So of a page's stretch in the spool nothing is needed any more when the ring comes round.
 *
 * The far end need not wait until a page has been read: the next one is sent for by a guess, which the reading then
 * bears out or not.
 */
#include "follow/follow_ahead.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "follow/follow_link.h"
#include "follow/follow_page.h"
#include "follow/follow_secrets.h"
#include "follow/follow_spool.h"

#define SLOTS          FOLLOW_AHEAD_PAGES
#define POLL_MS        100
#define TEXTS_MAX      ((size_t)24 << 20)        /* of one answer but its body: a page is read once, and takes 16 MiB at most */
#define BEARER_MAX     ((size_t)64 << 10)

_Static_assert(FOLLOW_AHEAD_PAGES <= FOLLOW_SPOOL_PAGES, "a page's stretch is taken again only when the page is stored");

struct job {                                     /* a page to be fetched */
	struct follow_place place;
	struct buf          link;
};

struct slot {                                    /* a page that was */
	struct job          job;
	struct buf          body;
	struct arena       *texts;
	enum err            err;
	struct follow_reply reply;
	struct follow_page  page;                /* reply.page is this, or NULL */
	bool                is_kept;             /* it lies in the spool */
	struct str          why;
};

struct follow_ahead {
	struct follow_ahead_conf conf;
	struct arena            *lasting;
	struct follow_origin     origin;
	struct follow_spool     *spool;          /* the thread's */
	struct follow_secrets   *shown;          /* the thread's: to the far end */
	struct buf               sent;           /* the thread's: the bearer it asks with */
	struct follow_place      missed;         /* the thread's: where it guessed wrong; no more of that in this round */
	pthread_t                thread;
	int                      ready_fd;       /* rises when a page is whole */

	pthread_mutex_t lock;                    /* over all below */
	pthread_cond_t  changed;                 /* for the thread; the follower waits on ready_fd */
	struct slot     slots[SLOTS];
	size_t          first, count;
	bool            is_lent;                 /* the first is the follower's */
	struct job      next;                    /* what the thread does next */
	bool            has_next, is_busy, quits;
	unsigned        thrown;                  /* how often all was thrown away */
	struct buf      bearer;                  /* of the last call */
	uint32_t        page_size;
};

static void
lock(struct follow_ahead *ahead)
{
	MUST(pthread_mutex_lock(&ahead->lock) == 0);
}

static void
unlock(struct follow_ahead *ahead)
{
	MUST(pthread_mutex_unlock(&ahead->lock) == 0);
}

static void
wake(struct follow_ahead *ahead)
{
	MUST(pthread_cond_signal(&ahead->changed) == 0);
}

static void
set_buf(struct buf *buf, struct str bytes)
{
	buf_cut(buf, 0);
	buf_put(buf, bytes);
	MUST(buf_err(buf) == OK);
}

static bool
is_job(const struct job *job, const struct follow_ask *ask)
{
	return job->place.sid == ask->place.sid && job->place.round_ms == ask->place.round_ms &&
	       job->place.page == ask->place.page && str_eq(buf_str(&job->link), ask->link);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* `waiting`: pages that are whole but not in the ring yet, and their bytes. */
static bool
has_room(const struct follow_ahead *ahead, size_t waiting, size_t bytes)
{
	for (size_t i = 0; i < ahead->count; i++)
		bytes += ahead->slots[(ahead->first + i) % SLOTS].body.len;
	return ahead->count + waiting == 0 || (ahead->count + waiting < SLOTS && bytes < FOLLOW_AHEAD_BYTES);
}

static bool
is_read(struct slot *slot)
{
	struct str why;

	if (!slot->reply.page && follow_page_read(buf_str(&slot->body), slot->texts, &slot->page, &why) == OK)
		slot->reply.page = &slot->page;
	return slot->reply.page != NULL;
}

/* What was kept before it was read may be no page: then it is fetched anew. */
static bool
take_kept(struct follow_ahead *ahead, struct slot *slot, const struct follow_ask *ask)
{
	if (follow_spool_take(ahead->spool, &ask->place, ask->link, &slot->body) == OK && is_read(slot))
		return true;
	arena_reset(slot->texts);
	buf_cut(&slot->body, 0);
	return false;
}

static void
get_page(struct follow_ahead *ahead, struct slot *slot, const struct follow_ask *ask)
{
	slot->why = STR_EMPTY;
	slot->is_kept = false;
	slot->err = OK;
	slot->reply = (struct follow_reply){ .status = 200, .location = STR_EMPTY, .retry_after = STR_EMPTY, .date = STR_EMPTY };
	if (take_kept(ahead, slot, ask))
		return;
	slot->reply.body = STR_EMPTY;
	slot->err = ahead->conf.source->fetch(ahead->conf.source->ctx, ask, slot->texts, &slot->reply, &slot->why);
	if (slot->err == OK)
		buf_put(&slot->body, slot->reply.body);
}

static bool
keep(struct follow_ahead *ahead, struct slot *slot)
{
	struct str body = buf_str(&slot->body);

	/* A page that repeats a bearer is for the follower to judge, and must not come to lie in a file. */
	if (!slot->is_kept && !follow_secrets_stand_in(ahead->shown, body))
		slot->is_kept = follow_spool_put(ahead->spool, &slot->job.place, buf_str(&slot->job.link), body) == OK;
	return slot->is_kept;
}

/* May the page the link names be asked for before this one is stored?  Then this one is safe. */
static bool
may_lead_to(struct follow_ahead *ahead, struct slot *slot, struct str link)
{
	const char *bad;

	return slot->job.place.round_ms != 0 && link.len <= FOLLOW_LINK_MAX &&
	       follow_link_is_good(&ahead->origin, link, &bad) &&
	       !follow_secrets_stand_in_link(ahead->shown, link, slot->texts) && keep(ahead, slot);
}

static bool
is_answered(const struct slot *slot)
{
	return slot->err == OK && slot->reply.status == 200;
}

static bool
has_missed(const struct follow_ahead *ahead, const struct follow_place *place)
{
	return ahead->missed.sid == place->sid && ahead->missed.round_ms == place->round_ms;
}

/* The guess, sent for; empty if nothing was. */
static struct str
start_next(struct follow_ahead *ahead, struct slot *slot, struct follow_ask ask)
{
	const struct follow_source *source = ahead->conf.source;
	struct str                  guess;
	bool                        is_room;

	lock(ahead);
	is_room = has_room(ahead, 1, slot->body.len);
	unlock(ahead);
	if (!source->start || !is_room || !is_answered(slot) || has_missed(ahead, &ask.place) ||
	    !follow_page_guess_next(buf_str(&slot->body), &guess) || !follow_link_is_beside(guess, ask.link) ||
	    !may_lead_to(ahead, slot, guess))
		return STR_EMPTY;
	ask.link = guess;
	ask.place.page++;
	source->start(source->ctx, &ask, slot->texts);
	return guess;
}

static bool
leads_on(struct follow_ahead *ahead, struct slot *slot, struct str *link_out)
{
	if (!is_answered(slot) || !is_read(slot))
		return false;
	*link_out = slot->page.link;
	return !slot->page.is_last && may_lead_to(ahead, slot, *link_out);
}

/* Was it worth it? */
static void
judge_guess(struct follow_ahead *ahead, const struct slot *slot, struct str guess, bool goes_on, struct str link)
{
	if (guess.len == 0 || (goes_on && str_eq(guess, link)))
		return;
	ahead->missed = slot->job.place;
	ahead->conf.source->let_go(ahead->conf.source->ctx);
}

/* With the lock held, and let go of while it fetches. */
static void
do_next(struct follow_ahead *ahead)
{
	struct slot      *slot = &ahead->slots[(ahead->first + ahead->count) % SLOTS];
	struct follow_ask ask = { .place = ahead->next.place, .page_size = ahead->page_size };
	unsigned          thrown = ahead->thrown;
	struct str        guess, link = STR_EMPTY;
	bool              goes_on;

	slot->job.place = ask.place;
	set_buf(&slot->job.link, buf_str(&ahead->next.link));
	ask.link = buf_str(&slot->job.link);
	arena_reset(slot->texts);
	set_buf(&ahead->sent, buf_str(&ahead->bearer));
	ask.bearer = buf_str(&ahead->sent);
	follow_secrets_note(ahead->shown, ask.bearer);
	ahead->has_next = false;
	ahead->is_busy = true;
	unlock(ahead);
	get_page(ahead, slot, &ask);
	guess = start_next(ahead, slot, ask);
	goes_on = leads_on(ahead, slot, &link);
	judge_guess(ahead, slot, guess, goes_on, link);
	lock(ahead);
	ahead->is_busy = false;
	if (thrown == ahead->thrown) {
		ahead->count++;
		ahead->has_next = goes_on;
		ahead->next.place = slot->job.place;
		ahead->next.place.page++;
		if (goes_on)
			set_buf(&ahead->next.link, link);
	}
	MUST(eventfd_write(ahead->ready_fd, 1) == 0);
}

static void *
run(void *ctx)
{
	struct follow_ahead *ahead = ctx;

	lock(ahead);
	while (!ahead->quits) {
		if (ahead->has_next && has_room(ahead, 0, 0)) {
			do_next(ahead);
		} else {
			MUST(pthread_cond_wait(&ahead->changed, &ahead->lock) == 0);
		}
	}
	unlock(ahead);
	return NULL;
}

/* ---- the follower ---------------------------------------------------------------------------- */

/* With the lock held, and let go of while it waits for the thread to have done something. */
static void
wait_for_thread(struct follow_ahead *ahead)
{
	struct pollfd ready = { .fd = ahead->ready_fd, .events = POLLIN };
	eventfd_t     count;

	unlock(ahead);
	MUST(poll(&ready, 1, POLL_MS) >= 0 || errno == EINTR);
	if (ahead->conf.stopped && ahead->conf.stopped(ahead->conf.stopped_ctx))
		atomic_store(ahead->conf.unwanted, true);
	lock(ahead);
	(void)eventfd_read(ahead->ready_fd, &count);
}

static bool
is_under_way(const struct follow_ahead *ahead, const struct follow_ask *ask)
{
	if (ahead->count > 0)
		return is_job(&ahead->slots[ahead->first].job, ask);
	if (ahead->is_busy)
		return is_job(&ahead->slots[ahead->first].job, ask);
	return ahead->has_next && is_job(&ahead->next, ask);
}

static void
begin_anew(struct follow_ahead *ahead, const struct follow_ask *ask)
{
	ahead->thrown++;
	ahead->count = 0;
	ahead->has_next = false;
	atomic_store(ahead->conf.unwanted, true);
	while (ahead->is_busy)
		wait_for_thread(ahead);
	atomic_store(ahead->conf.unwanted, false);
	ahead->next.place = ask->place;
	set_buf(&ahead->next.link, ask->link);
	ahead->has_next = true;
}

static enum err
give_out(struct slot *slot, struct arena *arena, struct follow_reply *reply_out, struct str *why_out)
{
	if (slot->err != OK) {
		*why_out = arena_copy(arena, slot->why);
		return slot->err;
	}
	*reply_out = (struct follow_reply){ .status = slot->reply.status, .page = slot->reply.page, .body = buf_str(&slot->body),
		                            .location = arena_copy(arena, slot->reply.location),
		                            .retry_after = arena_copy(arena, slot->reply.retry_after),
		                            .date = arena_copy(arena, slot->reply.date) };
	return OK;
}

static enum err
fetch(void *ctx, const struct follow_ask *ask, struct arena *arena, struct follow_reply *reply_out, struct str *why_out)
{
	struct follow_ahead *ahead = ctx;
	struct slot         *slot;

	MUST(ask->link.len <= FOLLOW_LINK_MAX);
	lock(ahead);
	if (ahead->is_lent) {
		struct slot *lent = &ahead->slots[ahead->first];

		/* Each slot is used in its turn: what one keeps is kept for all of them. */
		arena_reset(lent->texts);
		if (lent->body.size > FOLLOW_AHEAD_BYTES / SLOTS)
			buf_close(&lent->body);
		ahead->is_lent = false;
		ahead->first = (ahead->first + 1) % SLOTS;
		ahead->count--;
	}
	set_buf(&ahead->bearer, str_first(ask->bearer, BEARER_MAX));
	ahead->page_size = ask->page_size;
	if (!is_under_way(ahead, ask))
		begin_anew(ahead, ask);
	wake(ahead);
	while (ahead->count == 0)
		wait_for_thread(ahead);
	ahead->is_lent = true;
	slot = &ahead->slots[ahead->first];
	unlock(ahead);
	return give_out(slot, arena, reply_out, why_out);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Signals are the follower's. */
static bool
start_thread(struct follow_ahead *ahead)
{
	sigset_t all, before;
	bool     started;

	MUST(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	started = pthread_create(&ahead->thread, NULL, run, ahead) == 0;
	MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return started;
}

/* Pages the follower has not come to are kept for the next one. */
static void
free_ahead(struct follow_ahead *ahead)
{
	follow_spool_close(&ahead->spool, !ahead->conf.is_passing && ahead->count > ahead->is_lent);
	for (size_t i = 0; i < SLOTS; i++) {
		buf_close(&ahead->slots[i].job.link);
		buf_close(&ahead->slots[i].body);
		arena_close(&ahead->slots[i].texts);
	}
	follow_secrets_close(&ahead->shown);
	buf_close(&ahead->next.link);
	buf_close(&ahead->bearer);
	buf_close(&ahead->sent);
	arena_close(&ahead->lasting);
	file_close(&ahead->ready_fd);
	MUST(pthread_mutex_destroy(&ahead->lock) == 0 && pthread_cond_destroy(&ahead->changed) == 0);
	free(ahead);
}

static struct follow_ahead *
make_ahead(const struct follow_ahead_conf *conf)
{
	struct follow_ahead *ahead = calloc(1, sizeof(*ahead));

	MUST(ahead != NULL);
	ahead->conf = *conf;
	ahead->lasting = arena_open(FOLLOW_LINK_MAX + 4096);
	for (size_t i = 0; i < SLOTS; i++) {
		buf_open(&ahead->slots[i].job.link, FOLLOW_LINK_MAX);
		buf_open(&ahead->slots[i].body, FOLLOW_PAGE_MAX);
		ahead->slots[i].texts = arena_open(TEXTS_MAX);
	}
	ahead->shown = follow_secrets_open();
	buf_open(&ahead->next.link, FOLLOW_LINK_MAX);
	buf_open(&ahead->bearer, BEARER_MAX);
	buf_open(&ahead->sent, BEARER_MAX);
	MUST(pthread_mutex_init(&ahead->lock, NULL) == 0 && pthread_cond_init(&ahead->changed, NULL) == 0);
	ahead->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ahead;
}

enum err
follow_ahead_open(const struct follow_ahead_conf *conf, struct follow_ahead **ahead_out)
{
	struct follow_origin origin;
	struct follow_ahead *ahead;
	const char          *why;

	if (conf->url.len > FOLLOW_LINK_MAX || !follow_origin_of(conf->url, &origin, &why))
		return ERR_BAD_REQUEST;
	ahead = make_ahead(conf);
	MUST(follow_origin_of(arena_copy(ahead->lasting, conf->url), &ahead->origin, &why));
	if (ahead->ready_fd < 0 || follow_spool_open(conf->path, &ahead->spool) != OK || !start_thread(ahead)) {
		free_ahead(ahead);
		return ERR_IO;
	}
	*ahead_out = ahead;
	return OK;
}

void
follow_ahead_drop(struct follow_ahead *ahead)
{
	ahead->conf.is_passing = true;           /* which only the follower's thread looks at */
}

void
follow_ahead_close(struct follow_ahead **ahead)
{
	struct follow_ahead *closing = *ahead;

	if (!closing)
		return;
	lock(closing);
	closing->quits = true;
	atomic_store(closing->conf.unwanted, true);
	wake(closing);
	unlock(closing);
	MUST(pthread_join(closing->thread, NULL) == 0);
	free_ahead(closing);
	*ahead = NULL;
}

struct follow_source
follow_ahead_source(struct follow_ahead *ahead)
{
	return (struct follow_source){ .ctx = ahead, .fetch = fetch };
}
