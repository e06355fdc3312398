/* SPDX-License-Identifier: Apache-2.0 */
/*
 * followers — the followers of a server: `serve --follow`.  They are what `sync --all --watch` runs (scopes.h), in the
 * server's process, on its store.
 *
 * A fault of a scope is noted and tried again, and never ends the server.  A damaged store ends both.
 *
 * Threads: followers_start() makes one, which makes those of scopes.h.  Orders and metrics come from any thread,
 * between followers_open() and followers_close().
 */
#pragma once

#include "sync/scopes.h"

struct followers;

struct followers_conf {        /* all of it outlives the followers */
	struct cmd_run   *run; /* of the server */
	const struct log *log;
	struct store     *store;
	void             *ended_ctx;
	void (*ended)(void *ctx); /* the store is damaged */
};

/* An exit code; the message has been printed. */
int followers_open(const struct followers_conf *conf, struct followers **followers_out);
/* These three one after another; a thread that reloads begins after the start and ends before the stop. */
void followers_start(struct followers *followers);
/* Reads the configuration again; if it is good, the followers begin again with its sections. */
void followers_reload(struct followers *followers);
/* Each run ends between two steps.  EXIT_DONE, or EXIT_DAMAGED. */
int  followers_stop(struct followers *followers);
void followers_close(struct followers **followers); /* stopped before, or never started */

/* As scopes_order(). */
enum err followers_order(void *followers, struct str verb, struct str name, uint64_t ticket, struct json_out *json)
	MUST_CHECK;
/* As scopes_want() and scopes_await(). */
bool followers_want(void *followers, struct str scope);
bool followers_await(void *followers, struct str scope);
void followers_put_metrics(void *followers, struct buf *buf);
