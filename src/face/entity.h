/* SPDX-License-Identifier: Apache-2.0 */
/* entity — what all answers about calendars have in common: names, URLs, the selection.  Private to the face room. */
#pragma once

#include "face/call.h"

/* https://host/v1.0/users('{oid}@{tid}')/calendars('{id}') ; `set`: "calendars" or "calendarGroups" */
struct str entity_url(const struct call *call, const char *set, struct str id);
/* users('{oid}')/{tail}, for @odata.context */
struct str entity_context(const struct call *call, const char *tail);
/* $select as a bit per calendar_prop, id always among them; 0: all. */
enum err   entity_select(struct call *call, uint32_t *select_out) MUST_CHECK;
