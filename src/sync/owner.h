/* SPDX-License-Identifier: Apache-2.0 */
/* owner — whose data a run is about: the scope that a command means, and the credential's owner for URLs of /me. */
#pragma once

#include "store/replica.h"
#include "sync/following.h"

/*
 * The scope of the URL run->args[0] and of --scope; sid 0: there is none.  EXIT_USAGE: several owners' scopes follow
 * the URL and --scope does not say which; the message has been printed.  Texts live in run->arena.
 */
int owner_find_scope(struct cmd_run *run, struct replica *replica, struct replica_scope *scope_out);
/* The same in the store as it is, beside any follower, with what the scope asks; nothing if it cannot be read. */
int owner_look(struct cmd_run *run, struct replica_scope *scope_out, struct replica_asking *asking_out);
/* For a copy of a scope: whose data that holds, and its preferences.  An exit code; the message has been printed. */
int owner_of_copied(struct following *following);
/* Is there a credential, and a URL of /me?  Then the scope is chosen by whose data the credential opens. */
bool owner_matters(struct following *following);
/* Before the scope is chosen, and after signing in: learns whose data it is; a failure is one of the first page. */
void owner_learn(struct following *following);
/* After it: says what a person should know. */
void owner_report(struct following *following);
