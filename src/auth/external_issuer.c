/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/external_issuer.h"

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
	unsigned     holders; /* under the lock */
	struct jwks *jwks;
	uint8_t      hash[32]; /* of the text it came from */
};

struct issuer_state {
	struct keyset *set;       /* NULL: none, or too old */
	int64_t        good_ms;   /* when the set was fetched */
	int64_t        next_ms;   /* when to fetch again */
	int64_t        wanted_ms; /* when an unknown kid last caused a fetch */
	bool           tried, was_wanted;
};

struct external {
	const struct auth_external *rows;
	size_t                      count;
	struct auth_source          source;
	const struct clock         *clock;
	pthread_mutex_t             lock; /* of all below */
	struct issuer_state         states[AUTH_EXTERNAL_MAX];
	bool                        wanted, ending, running;
	int                         bell;       /* written when a fetch is wanted, and at the end */
	int                         first_step; /* written when each issuer was tried */
	pthread_t                   thread;
	atomic_uint_fast64_t        generation;
	atomic_uint_fast64_t        fetches;
};

/* ---- events --------------------------------------------------------------------------------------------- */

/* An eventfd that stays readable until a thread reads it. */
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

	(void)poll(&waiting, 1, ms < EXTERNAL_PERIOD_MS ? (int)ms : (int)EXTERNAL_PERIOD_MS);
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
external_take(struct external *external, struct external_hold *hold_out)
{
	*hold_out = (struct external_hold){ .count = 0 };
	if (!external)
		return;
	pthread_mutex_lock(&external->lock);
	hold_out->generation = atomic_load(&external->generation);
	for (size_t i = 0; i < external->count; i++) {
		const struct auth_external *row = &external->rows[i];
		struct keyset              *set = external->states[i].set;

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
	pthread_mutex_unlock(&external->lock);
}

void
external_release(struct external *external, struct external_hold *hold)
{
	if (!external)
		return;
	pthread_mutex_lock(&external->lock);
	for (size_t i = 0; i < hold->count; i++)
		drop_holder(hold->sets[i]);
	pthread_mutex_unlock(&external->lock);
	hold->count = 0;
}

/* Under the lock. A new set with the same keys keeps what was cached with the old one. */
static void
replace_set(struct external *external, struct issuer_state *state, struct keyset *set)
{
	bool same = set && state->set && memcmp(set->hash, state->set->hash, sizeof(set->hash)) == 0;

	drop_holder(state->set);
	state->set = set;
	if (!same)
		atomic_fetch_add(&external->generation, 1);
}

/* ---- fetching ---------------------------------------------------------------------------------------- */

static bool
is_ending(struct external *external)
{
	bool ending;

	pthread_mutex_lock(&external->lock);
	ending = external->ending;
	pthread_mutex_unlock(&external->lock);
	return ending;
}

static void
report(const struct external *external, const struct auth_external *row, const char *what)
{
	if (external->source.report)
		external->source.report(external->source.ctx, row, what);
}

static enum err
fetch(struct external *external, const struct auth_external *row, struct str url, struct buf *body)
{
	char     why[256] = "";
	enum err err;

	/* A fetch may take seconds, and there may be many: at the end none is begun. */
	if (is_ending(external))
		return ERR_BUSY;
	atomic_fetch_add(&external->fetches, 1);
	err = external->source.fetch(external->source.ctx, url, row->jwks_ca, body, why);
	if (err == OK)
		err = buf_err(body);
	if (err != OK)
		report(external, row, why[0] ? why : err_text(err));
	return err;
}

/* Microsoft's discovery document for many tenants writes {tenantid}; our configuration writes {tid}. */
static bool
is_same_issuer(struct str named, struct str wanted)
{
	static const struct str theirs = { "{tenantid}", 10 }, ours = { "{tid}", 5 };
	size_t                  at = str_find_text(named, theirs);

	if (str_eq(named, wanted))
		return true;
	return at < named.len && str_eq(str_first(named, at), str_first(wanted, at)) &&
	       str_starts(str_skip(wanted, at), ours) &&
	       str_eq(str_skip(named, at + theirs.len), str_skip(wanted, at + ours.len));
}

/* The document may name a path but no other host: it must not redirect the fetch. */
static enum err
read_discovery(const struct auth_external *row, struct str text, struct arena *arena, struct str *url_out,
               const char **why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct uri_parts             at, keys;
	struct str                   issuer, url;

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
find_url(struct external *external, const struct auth_external *row, struct arena *arena, struct str *url_out)
{
	AUTO(buf_close) struct buf body = { 0 };
	const char                *why;
	enum err                   err;

	if (row->discovery.len == 0) {
		*url_out = row->jwks;
		return OK;
	}
	buf_open(&body, JWKS_BYTES_MAX);
	TRY(fetch(external, row, row->discovery, &body));
	err = read_discovery(row, buf_str(&body), arena, url_out, &why);
	if (err != OK)
		report(external, row, why);
	return err;
}

static enum err
fetch_set(struct external *external, const struct auth_external *row, struct keyset **set_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	AUTO(buf_close) struct buf      body = { 0 };
	struct jwks                    *jwks;
	struct keyset                  *set;
	struct str                      url;
	const char                     *why;
	enum err                        err;

	TRY(find_url(external, row, arena, &url));
	buf_open(&body, JWKS_BYTES_MAX);
	TRY(fetch(external, row, url, &body));
	err = jwks_parse(buf_str(&body), arena, &jwks, &why);
	if (err != OK) {
		report(external, row, why);
		return err;
	}
	set = handle_new(sizeof(*set));
	set->holders = 1;
	set->jwks = jwks;
	hash_sha256(buf_str(&body), set->hash);
	*set_out = set;
	return OK;
}

/* Without the lock while it fetches. */
static void
renew(struct external *external, size_t index)
{
	const struct auth_external *row = &external->rows[index];
	struct issuer_state        *state = &external->states[index];
	struct keyset              *set = NULL;
	enum err                    err = fetch_set(external, row, &set);
	int64_t                     now_ms = clock_mono_ms(external->clock);

	pthread_mutex_lock(&external->lock);
	state->next_ms = now_ms + (err == OK ? EXTERNAL_PERIOD_MS : EXTERNAL_RETRY_MS);
	if (err == OK) {
		replace_set(external, state, set);
		state->good_ms = now_ms;
	} else if (state->set && now_ms - state->good_ms >= EXTERNAL_KEPT_MS) {
		replace_set(external, state, NULL);
	}
	pthread_mutex_unlock(&external->lock);
}

/* Under the lock. */
static bool
is_due(const struct issuer_state *state, int64_t now_ms, bool wanted)
{
	if (!state->tried || now_ms >= state->next_ms)
		return true;
	return wanted && (!state->was_wanted || now_ms - state->wanted_ms >= EXTERNAL_WANTED_MS);
}

int64_t
external_step(struct external *external)
{
	int64_t now_ms = clock_mono_ms(external->clock), wait_ms = EXTERNAL_PERIOD_MS;
	bool    wanted;

	pthread_mutex_lock(&external->lock);
	wanted = external->wanted;
	external->wanted = false;
	for (size_t i = 0; i < external->count; i++) {
		struct issuer_state *state = &external->states[i];

		if (is_due(state, now_ms, wanted)) {
			if (wanted) {
				state->wanted_ms = now_ms;
				state->was_wanted = true;
			}
			state->tried = true;
			pthread_mutex_unlock(&external->lock);
			renew(external, i);
			pthread_mutex_lock(&external->lock);
		}
		if (state->next_ms - now_ms < wait_ms)
			wait_ms = state->next_ms - now_ms;
	}
	pthread_mutex_unlock(&external->lock);
	ring(external->first_step);
	return wait_ms > 0 ? wait_ms : 0;
}

void
external_want(struct external *external)
{
	int64_t now_ms;

	if (!external)
		return;
	now_ms = clock_mono_ms(external->clock);
	pthread_mutex_lock(&external->lock);
	for (size_t i = 0; i < external->count && !external->wanted; i++)
		if (external->states[i].tried && is_due(&external->states[i], now_ms, true)) {
			external->wanted = true;
			ring(external->bell);
		}
	pthread_mutex_unlock(&external->lock);
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

static void *
take_turns(void *ctx)
{
	struct external *external = ctx;
	uint64_t         rung;

	while (!is_ending(external)) {
		wait_for(external->bell, external_step(external) + 1);
		(void)!read(external->bell, &rung, sizeof(rung));
	}
	return NULL;
}

void
external_start(struct external *external)
{
	if (!external || external->running)
		return;
	external->running = true;
	MUST(pthread_create(&external->thread, NULL, take_turns, external) == 0);
}

void
external_wait(struct external *external, int64_t ms)
{
	if (external)
		wait_for(external->first_step, ms);
}

/* ---- opening and closing --------------------------------------------------------------------------------- */

struct external *
external_open(const struct auth_external *rows, size_t count, const struct auth_source *source,
              const struct clock *clock)
{
	struct external *external = handle_new(sizeof(*external));

	MUST(count <= AUTH_EXTERNAL_MAX && source && source->fetch);
	external->rows = rows;
	external->count = count;
	external->source = *source;
	external->clock = clock;
	MUST(pthread_mutex_init(&external->lock, NULL) == 0);
	external->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	external->first_step = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(external->bell >= 0 && external->first_step >= 0);
	return external;
}

void
external_close(struct external **external)
{
	struct external *it = *external;

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
	close(it->first_step);
	pthread_mutex_destroy(&it->lock);
	free(it);
	*external = NULL;
}

uint64_t
external_generation(const struct external *external)
{
	return external ? atomic_load(&external->generation) : 0;
}

uint64_t
external_fetches(const struct external *external)
{
	return external ? atomic_load(&external->fetches) : 0;
}
