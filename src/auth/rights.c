/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"

/* Microsoft's own names, so tokens and consent pages look alike; the one of ours is said to be so. */
static const struct right_row rows[RIGHT_COUNT] = {
	[RIGHT_CALENDARS_READ] = {
		RIGHT_CALENDARS_READ, "list, get and delta of calendars",
		(const char *const[]){ "Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite", NULL },
		(const char *const[]){ "Calendars.ReadBasic", "Calendars.ReadBasic.All", "Calendars.Read",
		                       "Calendars.ReadWrite", NULL },
	},
	[RIGHT_CALENDARS_WRITE] = {
		RIGHT_CALENDARS_WRITE, "create, update and delete of calendars",
		(const char *const[]){ "Calendars.ReadWrite", NULL },
		(const char *const[]){ "Calendars.ReadWrite", NULL },
	},
	[RIGHT_RECORDINGS_READ] = {
		RIGHT_RECORDINGS_READ, "all recordings of an organizer, and their delta",
		(const char *const[]){ NULL },
		(const char *const[]){ "OnlineMeetingRecording.Read.All", NULL },
	},
	[RIGHT_RECORDINGS_WRITE] = {
		RIGHT_RECORDINGS_WRITE, "adding recordings (Tidemark's own; Graph has no such call)",
		(const char *const[]){ NULL },
		(const char *const[]){ "OnlineMeetingRecording.ReadWrite.All", NULL },
	},
	[RIGHT_MEETING_RECORDINGS_READ] = {
		RIGHT_MEETING_RECORDINGS_READ, "list, get, delta and content of one meeting's recordings",
		(const char *const[]){ NULL },
		(const char *const[]){ "OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.Read.Chat", NULL },
	},
	[RIGHT_OWN_RECORDINGS_READ] = {
		RIGHT_OWN_RECORDINGS_READ, "one's own recordings, where delegated use is switched on",
		(const char *const[]){ "OnlineMeetingRecording.Read.All", NULL },
		(const char *const[]){ "OnlineMeetingRecording.Read.All", NULL },
	},
};

const struct right_row *
right_row(enum right right)
{
	MUST(right < RIGHT_COUNT);
	return &rows[right];
}

bool
caller_has(const struct caller *caller, const char *grant)
{
	struct str rest = caller->grants, one, wanted = str_from_c(grant);

	while (str_take_until(&rest, ' ', &one)) {
		if (one.len > 0 && str_eq_nocase(one, wanted))
			return true;
	}
	return false;
}

enum err
caller_may(const struct caller *caller, enum right right, const struct guid *owner)
{
	const struct right_row *row = right_row(right);
	const char *const      *grants = caller->is_app ? row->application : row->delegated;

	if (!caller->is_app && !guid_eq(&caller->oid, owner))
		return ERR_NOT_ALLOWED;
	for (; *grants; grants++) {
		if (caller_has(caller, *grants))
			return OK;
	}
	return ERR_NOT_ALLOWED;
}
