/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_share.h"

#include <poll.h>
#include <stdlib.h>

#include "base/buf.h"
#include "fetch/fetch_secrets.h"
#include "follow/follow_page.h"

#define PAUSE_SLICE_MS 50

struct follow_share {
	struct follow_share_conf conf;
	struct fetch_secrets    *secrets; /* the tokens of this thread */
	struct buf               token;   /* the last one */
	bool                     demands; /* claims of the next one */
	struct follow_page       page;
};

static void
lock(pthread_mutex_t *mutex)
{
	MUST(pthread_mutex_lock(mutex) == 0);
}

static void
unlock(pthread_mutex_t *mutex)
{
	MUST(pthread_mutex_unlock(mutex) == 0);
}

/* ---- pages ----------------------------------------------------------------------------------- */

/*
 * The step has seen no pause, but another thread may have begun one while this one waited for its credential.  If it is
 * too long, the next step says so.
 */
static enum err
wait_out_pause(const struct follow_share_conf *conf, struct str *why_out)
{
	int64_t left_ms;

	while ((left_ms = conf->pause->until_mono_ms - clock_mono_ms(conf->clock)) > 0 &&
	       !conf->stopped(conf->stopped_ctx)) {
		*why_out = STR("the remote asks all to stay away");
		if (left_ms > conf->max_wait_ms)
			return ERR_BUSY;
		unlock(conf->lock);
		(void)poll(NULL, 0, PAUSE_SLICE_MS);
		lock(conf->lock);
	}
	return OK;
}

static enum err
fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
      struct str *why_out)
{
	struct follow_share        *share = ctx;
	const struct follow_source *source = share->conf.source;
	struct str                  why;
	enum err                    err;

	TRY(wait_out_pause(&share->conf, why_out));
	unlock(share->conf.lock);
	err = source->fetch(source->ctx, request, arena, response_out, why_out);
	if (err == OK && response_out->status == 200 && !request->skims &&
	    follow_page_read(response_out->body, arena, &share->page, &why) == OK)
		response_out->page = &share->page;
	lock(share->conf.lock);
	return err;
}

/* ---- the credential -------------------------------------------------------------------------- */

/* A token that another thread has got since this one's was refused is as good as a new one. */
static enum err
get_token(struct follow_share *share, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct fetch_bearer *inner = &share->conf.credential->inner;

	TRY(inner->get(inner->ctx, false, arena, bearer_out, why_out));
	if (!again || (!share->demands && !str_eq(*bearer_out, buf_str(&share->token))))
		return OK;
	share->demands = false;
	return inner->get(inner->ctx, true, arena, bearer_out, why_out);
}

static enum err
get(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct follow_share *share = ctx;
	enum err             err;

	unlock(share->conf.lock);
	lock(&share->conf.credential->lock);
	err = get_token(share, again, arena, bearer_out, why_out);
	if (err == OK)
		*bearer_out = arena_copy(arena, *bearer_out);
	unlock(&share->conf.credential->lock);
	lock(share->conf.lock);
	TRY(err);
	fetch_secrets_note(share->secrets, *bearer_out);
	buf_cut(&share->token, 0);
	buf_put(&share->token, *bearer_out);
	return OK;
}

static void
demand(void *ctx, struct str claims)
{
	struct follow_share *share = ctx;
	struct fetch_bearer *inner = &share->conf.credential->inner;

	unlock(share->conf.lock);
	lock(&share->conf.credential->lock);
	if (inner->demand)
		inner->demand(inner->ctx, claims);
	unlock(&share->conf.credential->lock);
	lock(share->conf.lock);
	share->demands = true;
}

/* ---- opening --------------------------------------------------------------------------------- */

struct follow_share *
follow_share_open(const struct follow_share_conf *conf)
{
	struct follow_share *share = calloc(1, sizeof(*share));

	MUST(share != NULL && conf->lock && conf->source && conf->pause && conf->clock && conf->stopped);
	share->conf = *conf;
	share->secrets = fetch_secrets_open();
	buf_open(&share->token, FETCH_BEARER_MAX);
	return share;
}

void
follow_share_close(struct follow_share **share)
{
	if (!*share)
		return;
	fetch_secrets_close(&(*share)->secrets);
	buf_close(&(*share)->token);
	free(*share);
	*share = NULL;
}

struct follow_source
follow_share_source(struct follow_share *share)
{
	return (struct follow_source){ .ctx = share, .fetch = fetch };
}

struct fetch_bearer
follow_share_bearer(struct follow_share *share)
{
	return (struct fetch_bearer){ share, get, demand, share->secrets };
}
