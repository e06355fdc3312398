/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check — would this line be accepted, after all the lines before it?
 *
 * Reads the store without changing it. Users from earlier lines are in a temporary store on disk, so memory does not
 * grow with the input.
 */
#pragma once

#include "admin/ndjson.h"

struct check;

/* `store` is borrowed. */
enum err check_open(struct store *store, const struct clock *clock, const struct entropy *entropy,
                    struct check **check_out, char why_out[512]) MUST_CHECK;
void     check_close(struct check **check);

/*
 * ERR_BAD_REQUEST: the line is bad; *why_out has the reason until the next call. Anything else is a failure of a store.
 */
enum err check_line(struct check *check, struct str text, struct str *why_out) MUST_CHECK;
