/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seats — how many secrets are checked by argon2id at one time, shared fairly by peer.  Private to the auth module.
 *
 * Each check takes 19 MiB and 20 ms of a core.  SEATS_MAX run; the others wait in the order they came.  A peer has a
 * few guests, and one as soon as many are there: so however many one peer sends, another one waits for a few checks.
 * All wait on worker threads, so few may.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define SEATS_MAX          4
#define SEATS_PEER_MAX     4  /* guests of a peer, while less than half of all are taken; then one */
#define SEATS_GUESTS_MAX   16 /* those that run and those that wait */
#define SEATS_NETWORK_SIZE 16

struct seats;
struct guest;

struct seats *seats_open(void);
void          seats_close(struct seats **seats);
/* Waits for a seat; `network` says who asks. NULL: the peer, or all, have enough. */
struct guest *seats_enter(struct seats *seats, struct str network);
void          seats_leave(struct seats *seats, struct guest *guest);
/* For metrics: how many run or wait now, and how many were sent away. */
void seats_count(struct seats *seats, uint64_t *guests_out, uint64_t *refused_out);
