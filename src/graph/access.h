/* SPDX-License-Identifier: Apache-2.0 */
/* access — who calls, whose data they ask for, and whether they may.  Private to the graph module. */
#pragma once

#include "graph/call.h"

/* Checks the bearer token and sets call->caller. */
enum err access_identify(struct call *call) MUST_CHECK;
/* "oid" or "oid@tid" of that tenant; anything else is a UPN, or nobody. */
bool access_parse_user(struct str text, const struct guid *tenant, struct guid *user_out);
/* The right that the call needs; RIGHT_COUNT: none.  Users read their own recordings where that is switched on. */
enum right access_right(const struct call *call);
/* Checks that right, and an app's access policy where it needs one; sets call->owner and call->feed. */
enum err access_authorise(struct call *call) MUST_CHECK;
