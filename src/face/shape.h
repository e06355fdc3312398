/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape — a calendar's properties one by one: raw JSON values by name, and the stored body.
 * Private to the face room.
 *
 * Stored body: 'C', number of cuts, then per cut offset and length (4 bytes each, little-endian,
 * counted from the '{'), then the JSON text.  A cut is what /v1.0 leaves out.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define CALENDAR_PROP_TABLE(X)                                     \
	X(PROP_ID,             "id",                            false) \
	X(PROP_NAME,           "name",                          false) \
	X(PROP_COLOR,          "color",                         false) \
	X(PROP_HEX_COLOR,      "hexColor",                      false) \
	X(PROP_GROUP_CLASS,    "groupClassId",                  true)  \
	X(PROP_IS_DEFAULT,     "isDefaultCalendar",             false) \
	X(PROP_CHANGE_KEY,     "changeKey",                     false) \
	X(PROP_CAN_SHARE,      "canShare",                      false) \
	X(PROP_CAN_VIEW,       "canViewPrivateItems",           false) \
	X(PROP_IS_SHARED,      "isShared",                      true)  \
	X(PROP_IS_SHARED_ME,   "isSharedWithMe",                true)  \
	X(PROP_CAN_EDIT,       "canEdit",                       false) \
	X(PROP_GROUP,          "calendarGroupId",               true)  \
	X(PROP_PROVIDERS,      "allowedOnlineMeetingProviders", false) \
	X(PROP_PROVIDER,       "defaultOnlineMeetingProvider",  false) \
	X(PROP_TALLYING,       "isTallyingResponses",           false) \
	X(PROP_REMOVABLE,      "isRemovable",                   false) \
	X(PROP_OWNER,          "owner",                         false)

enum calendar_prop {
#define X(name, text, beta) name,
	CALENDAR_PROP_TABLE(X)
#undef X
	PROP_COUNT
};

struct calendar {
	struct str prop[PROP_COUNT];     /* raw JSON; empty: not there */
	struct str unknown;              /* members not in the table, raw: ,"x":1,"y":2 */
};

struct str calendar_prop_name(enum calendar_prop prop);
bool       calendar_prop_beta(enum calendar_prop prop);          /* absent from /v1.0 */
/* PROP_COUNT if there is none of that name. */
enum calendar_prop calendar_prop_find(struct str name);

/* Takes an object apart and checks each known value's type. ERR_BAD_REQUEST with a sentence. */
enum err calendar_read(struct str json, struct arena *arena, struct calendar *calendar_out, struct str *why_out) MUST_CHECK;
/*
 * The values of a stored body, as views into it.  False, with every value empty, when the body is not one that
 * calendar_body() makes: the store is damaged.
 */
bool calendar_read_body(struct str body, struct calendar *calendar_out);
/* The stored body. Every known property must be there. Empty if it would be larger than STORE_BODY_MAX. */
struct str calendar_body(const struct calendar *calendar, struct arena *arena);

bool       calendar_flag(const struct calendar *calendar, enum calendar_prop prop);
struct str calendar_text(const struct calendar *calendar, enum calendar_prop prop, struct arena *arena);
void       calendar_set_text(struct calendar *calendar, enum calendar_prop prop, struct str text, struct arena *arena);
void       calendar_set_flag(struct calendar *calendar, enum calendar_prop prop, bool value);
/* A name as it is compared: the letter case of A–Z aside. */
struct str calendar_fold_name(struct str name, struct arena *arena);
/* The second key of its item: the name, folded. */
struct str calendar_name_key(const struct calendar *calendar, struct arena *arena);
