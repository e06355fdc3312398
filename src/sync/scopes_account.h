/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scopes_account — which sections share a host, and which a credential.  Private to `scopes`.
 *
 * They are made before a thread starts, live in the run's arena, and belong to the holder of the lock; a credential has
 * a lock of its own (follow_share.h).
 */
#pragma once

#include "sync/following.h"
#include "sync/section.h"

struct host {
	struct host        *next;
	struct str          origin;
	struct follow_pause pause;
	unsigned            running;
};

struct account {
	struct account          *next;
	const struct section    *section; /* the first one with it */
	struct cmd_run           run;
	struct credential       *credential; /* NULL: none is needed */
	struct follow_credential shared;
	int                      code; /* not EXIT_DONE: it cannot be had */
};

struct accounts {
	struct host    *hosts;
	size_t          host_count;
	struct account *first;
};

/* Gives each section its host and its account.  An exit code; what is wrong with a section has been printed. */
int  accounts_open(struct cmd_run *run, struct signals *signals, struct section *sections,
                   struct accounts *accounts_out);
void accounts_close(struct accounts *accounts);
/* Tries once more to get a credential that could not be had: a certificate may be there now.  Its code. */
int account_open(struct account *account, struct signals *signals);
