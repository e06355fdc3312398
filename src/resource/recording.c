/* SPDX-License-Identifier: Apache-2.0 */
/* recording — the descriptor of the callRecording resource. */
#include "resource/recording.h"

#include "text/json_span.h"

#define URL_MAX 8192

static const char *
check_organizer(struct str raw, struct str text, struct arena *arena)
{
	struct str user;

	(void)text;
	(void)arena;
	return json_span_member(raw, STR("user"), &user) && user.at[0] != 'n' && user.at[0] != '{'
	               ? "must have a user that is an object"
	               : NULL;
}

static const char *
check_url(struct str raw, struct str text, struct arena *arena)
{
	(void)raw;
	(void)arena;
	return text.len == 0 ? "must not be empty" : NULL;
}

#define READ   RIGHT_MEETING_RECORDINGS_READ
#define WRITE  RIGHT_RECORDINGS_WRITE
#define NEEDED (PROPERTY_NOT_NULL | PROPERTY_NEEDED)
#define ADD    PROPERTY_ADD

static const struct store_column organizer_columns[] = {
	{ "organizerId", "meetingOrganizer.user.id", NULL },
	{ "organizerName", "meetingOrganizer.user.displayName", NULL },
	{ NULL, NULL, NULL },
};

/* In the order of Graph's own sample.  Numbers are stored: add rows at the end. */
static const struct property rows[] = {
	{ .name = "id", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL | ADD, .bytes_max = STORE_ID_MAX },
	{ .name = "meetingId",
	  .type = TYPE_STRING,
	  .flags = NEEDED | ADD,
	  .bytes_max = STORE_KEY_MAX,
	  IN_VIEW("meetingId", 1) },
	{ .name = "callId", .type = TYPE_STRING, .flags = ADD, IN_VIEW("callId", 2) },
	{ .name = "contentCorrelationId",
	  .type = TYPE_STRING,
	  .flags = ADD | PROPERTY_FILTER,
	  IN_VIEW("contentCorrelationId", 3) },
	{ .name = "createdDateTime",
	  .type = TYPE_MOMENT,
	  .flags = NEEDED | ADD | PROPERTY_SORT,
	  .example = "2024-01-15T00:00:00Z",
	  IN_VIEW("createdDateTime", 4) },
	{ .name = "endDateTime", .type = TYPE_MOMENT, .flags = ADD, IN_VIEW("endDateTime", 5) },
	{ .name = "recordingContentUrl",
	  .type = TYPE_STRING,
	  .flags = ADD,
	  .bytes_max = URL_MAX,
	  .check = check_url,
	  IN_VIEW("recordingContentUrl", 6) },
	{ .name = "meetingOrganizer",
	  .type = TYPE_OBJECT,
	  .flags = ADD,
	  .complex = "identitySet",
	  .check = check_organizer,
	  .columns = organizer_columns,
	  .column_at = 7 },
};

static const struct refused_member refused[] = {
	{ "content", "use \"contentFile\", or PUT it" },
	{ NULL, NULL },
};

static const struct resource_path paths[] = {
	{ "onlineMeetings/getAllRecordings(*)", ROUTE_ALL_RECORDINGS, RIGHT_RECORDINGS_READ, WRITE },
	{ "onlineMeetings/getAllRecordings(*)/delta()", ROUTE_ALL_RECORDINGS_DELTA, RIGHT_RECORDINGS_READ, WRITE },
	{ "onlineMeetings/{meeting}/recordings", ROUTE_RECORDINGS, READ, WRITE },
	{ "onlineMeetings/{meeting}/recordings/delta()", ROUTE_RECORDINGS_DELTA, READ, WRITE },
	{ "onlineMeetings/{meeting}/recordings/{id}", ROUTE_RECORDING, READ, WRITE },
	{ "onlineMeetings/{meeting}/recordings/{id}/content", ROUTE_CONTENT, READ, WRITE },
	{ NULL, ROUTE_UNKNOWN, RIGHT_COUNT, RIGHT_COUNT },
};

static const struct right_row rights[] = {
	{ RIGHT_RECORDINGS_READ, "all recordings of an organizer, and their delta", NONE,
	  NAMES("OnlineMeetingRecording.Read.All"), NULL },
	{ RIGHT_RECORDINGS_WRITE, "adding recordings (Tidemark's own; Graph has no such call)", NONE,
	  NAMES("OnlineMeetingRecording.ReadWrite.All"), NULL },
	{ RIGHT_MEETING_RECORDINGS_READ, "list, get, delta and content of one meeting's recordings", NONE,
	  NAMES("OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.Read.Chat"), NULL },
	{ RIGHT_OWN_RECORDINGS_READ, "one's own recordings, where delegated use is switched on",
	  NAMES("OnlineMeetingRecording.Read.All"), NAMES("OnlineMeetingRecording.Read.All"), NULL },
	{ RIGHT_COUNT, NULL, NULL, NULL, NULL },
};

const struct resource resource_recording = {
	.number = 2,
	.name = "recording",
	.article = "a",
	.odata_type = "#microsoft.graph.callRecording",
	.collection = "recordings",
	.functions = NAMES("getAllRecordings", "microsoft.graph.getAllRecordings"),
	.identity = NAMES("id"),
	.removal = REMOVAL_NONE,
	.updates = UPDATES_COMPLETE,
	.relations = NONE,
	.lists = true,
	.page_size = 200,
	.content = "recordingContentUrl",
	.paths = paths,
	.rights = rights,
	.properties = rows,
	.property_count = sizeof(rows) / sizeof(rows[0]),
	.refused = refused,
	.key = RECORDING_MEETING,
	.item_path = "users/{owner}/onlineMeetings/{key}/recordings/{id}",
	.pieces = recording_pieces,
	.read = recording_read_values,
	.content_of = recording_content_of,
	.put_import = recording_put_import,
};
