/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/outside.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "crypt/seal.h"
#include "text/json_read.h"
#include "text/uri.h"

#define ARENA_MAX ((size_t)64 << 20)
#define URL_MAX   ((size_t)8 << 10)

struct keyset {
	unsigned     holders;            /* under the lock */
	struct jwks *jwks;
	uint8_t      hash[32];           /* of the text it came from */
};

struct issuer_state {
	struct keyset *set;              /* NULL: none, or too old */
	int64_t        good_ms;          /* when the set was fetched */
	int64_t        next_ms;          /* when to fetch again */
	int64_t        wanted_ms;        /* when an unknown kid last made us fetch */
	bool           tried, was_wanted;
};

struct outside {
	const struct auth_outside *rows;
	size_t                     count;
	struct auth_source         source;
	const struct clock        *clock;
	pthread_mutex_t            lock;         /* of all below */
	struct issuer_state        states[AUTH_OUTSIDE_MAX];
	bool                       wanted, ending, running;
	int                        bell;         /* rung when something is wanted, or at the end */
	int                        first_turn;   /* rung when each issuer was tried */
	pthread_t                  thread;
	atomic_uint_fast64_t       generation;
	atomic_uint_fast64_t       fetches;
};

/* ---- bells -------------------------------------------------------------------------------------------- */

/* An eventfd that stays readable until somebody reads it. */
static void
ring(int bell)
{
	uint64_t one = 1;

	MUST(write(bell, &one, sizeof(one)) == sizeof(one));
}

static void
wait_for(int bell, int64_t ms)
{
	struct pollfd waiting = { .fd = bell, .events = POLLIN };

	(void)poll(&waiting, 1, ms < OUTSIDE_PERIOD_MS ? (int)ms : (int)OUTSIDE_PERIOD_MS);
}

/* ---- sets ------------------------------------------------------------------------------------------ */

/* Under the lock. */
static void
drop_holder(struct keyset *set)
{
	if (!set || --set->holders > 0)
		return;
	jwks_drop(&set->jwks);
	free(set);
}

void
outside_take(struct outside *outside, struct outside_hold *hold_out)
{
	*hold_out = (struct outside_hold){ .count = 0 };
	if (!outside)
		return;
	pthread_mutex_lock(&outside->lock);
	hold_out->generation = atomic_load(&outside->generation);
	for (size_t i = 0; i < outside->count; i++) {
		const struct auth_outside *row = &outside->rows[i];
		struct keyset             *set = outside->states[i].set;

		if (!set)
			continue;
		set->holders++;
		hold_out->sets[hold_out->count] = set;
		hold_out->trusts[hold_out->count++] = (struct trust){
			.iss = row->iss,
			.audiences = row->audiences,
			.audience_count = row->audience_count,
			.tenant = row->tenant,
			.iat_for_nbf = row->iat_for_nbf,
			.keys = set->jwks->keys,
			.key_count = set->jwks->count,
		};
	}
	pthread_mutex_unlock(&outside->lock);
}

void
outside_release(struct outside *outside, struct outside_hold *hold)
{
	if (!outside)
		return;
	pthread_mutex_lock(&outside->lock);
	for (size_t i = 0; i < hold->count; i++)
		drop_holder(hold->sets[i]);
	pthread_mutex_unlock(&outside->lock);
	hold->count = 0;
}

/* Under the lock.  A set that says the same as before changes nothing that was found out by it. */
static void
replace_set(struct outside *outside, struct issuer_state *state, struct keyset *set)
{
	bool same = set && state->set && memcmp(set->hash, state->set->hash, sizeof(set->hash)) == 0;

	drop_holder(state->set);
	state->set = set;
	if (!same)
		atomic_fetch_add(&outside->generation, 1);
}

/* ---- fetching ---------------------------------------------------------------------------------------- */

static bool
is_ending(struct outside *outside)
{
	bool ending;

	pthread_mutex_lock(&outside->lock);
	ending = outside->ending;
	pthread_mutex_unlock(&outside->lock);
	return ending;
}

static void
tell(const struct outside *outside, const struct auth_outside *row, const char *what)
{
	if (outside->source.tell)
		outside->source.tell(outside->source.ctx, row, what);
}

static enum err
fetch(struct outside *outside, const struct auth_outside *row, struct str url, struct buf *body)
{
	char     why[256] = "";
	enum err err;

	/* A fetch may take seconds, and there may be many: none is begun any more. */
	if (is_ending(outside))
		return ERR_BUSY;
	atomic_fetch_add(&outside->fetches, 1);
	err = outside->source.fetch(outside->source.ctx, url, row->jwks_ca, body, why);
	if (err == OK)
		err = buf_err(body);
	if (err != OK)
		tell(outside, row, why[0] ? why : err_text(err));
	return err;
}

/* Microsoft's discovery of many tenants writes {tenantid} where our configuration says {tid}. */
static bool
is_same_issuer(struct str told, struct str wanted)
{
	static const struct str theirs = { "{tenantid}", 10 }, ours = { "{tid}", 5 };
	size_t                  at = 0;

	if (str_eq(told, wanted))
		return true;
	while (at < told.len && !str_starts(str_skip(told, at), theirs))
		at++;
	return at < told.len && str_eq(str_first(told, at), str_first(wanted, at)) &&
	       str_starts(str_skip(wanted, at), ours) &&
	       str_eq(str_skip(told, at + theirs.len), str_skip(wanted, at + ours.len));
}

/* The document may name a path, never another host: it must not send us anywhere. */
static enum err
read_discovery(const struct auth_outside *row, struct str text, struct arena *arena, struct str *url_out,
               const char **why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct uri_parts at, keys;
	struct str       issuer, url;

	*why_out = "the discovery document cannot be understood";
	TRY(json_read(text, arena, &root, NULL));
	if (!json_text(json_member(root, "issuer"), &issuer) || !json_text(json_member(root, "jwks_uri"), &url))
		return ERR_BAD_REQUEST;
	*why_out = "the discovery document is another issuer's";
	if (!is_same_issuer(issuer, row->iss))
		return ERR_BAD_REQUEST;
	*why_out = "the discovery document names keys on another host; give jwks instead of discovery";
	if (!uri_split(row->discovery, &at) || !uri_split(url, &keys) || !str_eq(at.scheme, keys.scheme) ||
	    !str_eq(at.host, keys.host) || at.port != keys.port)
		return ERR_BAD_REQUEST;
	*why_out = "the discovery document names keys by a URL of more than 8 KiB";
	if (url.len > URL_MAX)
		return ERR_BAD_REQUEST;
	*url_out = arena_copy(arena, url);
	return OK;
}

static enum err
find_url(struct outside *outside, const struct auth_outside *row, struct arena *arena, struct str *url_out)
{
	AUTO(buf_close) struct buf body = { 0 };
	const char *why;
	enum err    err;

	if (row->discovery.len == 0) {
		*url_out = row->jwks;
		return OK;
	}
	buf_open(&body, JWKS_BYTES_MAX);
	TRY(fetch(outside, row, row->discovery, &body));
	err = read_discovery(row, buf_str(&body), arena, url_out, &why);
	if (err != OK)
		tell(outside, row, why);
	return err;
}

static enum err
fetch_set(struct outside *outside, const struct auth_outside *row, struct keyset **set_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	AUTO(buf_close) struct buf body = { 0 };
	struct jwks   *jwks;
	struct keyset *set;
	struct str     url;
	const char    *why;
	enum err       err;

	TRY(find_url(outside, row, arena, &url));
	buf_open(&body, JWKS_BYTES_MAX);
	TRY(fetch(outside, row, url, &body));
	err = jwks_parse(buf_str(&body), arena, &jwks, &why);
	if (err != OK) {
		tell(outside, row, why);
		return err;
	}
	set = calloc(1, sizeof(*set));
	MUST(set);
	set->holders = 1;
	set->jwks = jwks;
	hash_sha256(buf_str(&body), set->hash);
	*set_out = set;
	return OK;
}

/* Without the lock while it fetches. */
static void
renew(struct outside *outside, size_t index)
{
	const struct auth_outside *row = &outside->rows[index];
	struct issuer_state       *state = &outside->states[index];
	struct keyset             *set = NULL;
	enum err                   err = fetch_set(outside, row, &set);
	int64_t                    now_ms = clock_mono_ms(outside->clock);

	pthread_mutex_lock(&outside->lock);
	state->next_ms = now_ms + (err == OK ? OUTSIDE_PERIOD_MS : OUTSIDE_RETRY_MS);
	if (err == OK) {
		replace_set(outside, state, set);
		state->good_ms = now_ms;
	} else if (state->set && now_ms - state->good_ms >= OUTSIDE_KEPT_MS) {
		replace_set(outside, state, NULL);
	}
	pthread_mutex_unlock(&outside->lock);
}

/* Under the lock. */
static bool
is_due(const struct issuer_state *state, int64_t now_ms, bool wanted)
{
	if (!state->tried || now_ms >= state->next_ms)
		return true;
	return wanted && (!state->was_wanted || now_ms - state->wanted_ms >= OUTSIDE_WANTED_MS);
}

int64_t
outside_turn(struct outside *outside)
{
	int64_t now_ms = clock_mono_ms(outside->clock), wait_ms = OUTSIDE_PERIOD_MS;
	bool    wanted;

	pthread_mutex_lock(&outside->lock);
	wanted = outside->wanted;
	outside->wanted = false;
	for (size_t i = 0; i < outside->count; i++) {
		struct issuer_state *state = &outside->states[i];

		if (is_due(state, now_ms, wanted)) {
			if (wanted) {
				state->wanted_ms = now_ms;
				state->was_wanted = true;
			}
			state->tried = true;
			pthread_mutex_unlock(&outside->lock);
			renew(outside, i);
			pthread_mutex_lock(&outside->lock);
		}
		if (state->next_ms - now_ms < wait_ms)
			wait_ms = state->next_ms - now_ms;
	}
	pthread_mutex_unlock(&outside->lock);
	ring(outside->first_turn);
	return wait_ms > 0 ? wait_ms : 0;
}

void
outside_want(struct outside *outside)
{
	int64_t now_ms;

	if (!outside)
		return;
	now_ms = clock_mono_ms(outside->clock);
	pthread_mutex_lock(&outside->lock);
	for (size_t i = 0; i < outside->count && !outside->wanted; i++)
		if (outside->states[i].tried && is_due(&outside->states[i], now_ms, true)) {
			outside->wanted = true;
			ring(outside->bell);
		}
	pthread_mutex_unlock(&outside->lock);
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

static void *
take_turns(void *ctx)
{
	struct outside *outside = ctx;
	uint64_t        rung;

	while (!is_ending(outside)) {
		wait_for(outside->bell, outside_turn(outside) + 1);
		(void)!read(outside->bell, &rung, sizeof(rung));
	}
	return NULL;
}

void
outside_start(struct outside *outside)
{
	if (!outside || outside->running)
		return;
	outside->running = true;
	MUST(pthread_create(&outside->thread, NULL, take_turns, outside) == 0);
}

void
outside_wait(struct outside *outside, int64_t ms)
{
	if (outside)
		wait_for(outside->first_turn, ms);
}

/* ---- opening and closing --------------------------------------------------------------------------------- */

struct outside *
outside_open(const struct auth_outside *rows, size_t count, const struct auth_source *source, const struct clock *clock)
{
	struct outside *outside = calloc(1, sizeof(*outside));

	MUST(outside && count <= AUTH_OUTSIDE_MAX && source && source->fetch);
	outside->rows = rows;
	outside->count = count;
	outside->source = *source;
	outside->clock = clock;
	MUST(pthread_mutex_init(&outside->lock, NULL) == 0);
	outside->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	outside->first_turn = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(outside->bell >= 0 && outside->first_turn >= 0);
	return outside;
}

void
outside_close(struct outside **outside)
{
	struct outside *it = *outside;

	if (!it)
		return;
	if (it->running) {
		pthread_mutex_lock(&it->lock);
		it->ending = true;
		pthread_mutex_unlock(&it->lock);
		ring(it->bell);
		pthread_join(it->thread, NULL);
	}
	for (size_t i = 0; i < it->count; i++)
		drop_holder(it->states[i].set);
	close(it->bell);
	close(it->first_turn);
	pthread_mutex_destroy(&it->lock);
	free(it);
	*outside = NULL;
}

uint64_t
outside_generation(const struct outside *outside)
{
	return outside ? atomic_load(&outside->generation) : 0;
}

uint64_t
outside_fetches(const struct outside *outside)
{
	return outside ? atomic_load(&outside->fetches) : 0;
}
