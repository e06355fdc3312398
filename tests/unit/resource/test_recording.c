/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypt/seal.h"
#include "resource/recording.h"
#include "support/store_bench.h"

static const struct store_feed feed = { { { 1 } }, { { 2 } }, 2 };

#define WHOLE \
	"{\"id\":\"r\",\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\"," \
	"\"recordingContentUrl\":\"https://x/y\"}"

static enum err
put(struct store_bench *bench, const char *value, const struct content_ref *content)
{
	struct resource_ctx ctx = {
		.resource = &resource_recording, .feed = feed, .entropy = &entropy_system, .arena = bench->arena
	};
	struct store_txn *txn = store_bench_begin(bench);
	struct str        why = STR_EMPTY;
	enum err          err;

	recording_put_import(&resource_recording, txn, &ctx, str_from_c(value), content, &why);
	err = store_commit(&txn);
	assert_true(err == OK || why.len > 0);
	return err;
}

static struct recording
get(struct store_bench *bench, const char *id, struct item *item_out)
{
	struct recording recording;

	assert_int_equal(store_get(bench->store, &feed, str_from_c(id), bench->arena, item_out), OK);
	assert_true(recording_read(item_out->body, &recording));
	return recording;
}

static void
test_recording__what_a_page_must_know_stands_before_the_json(void **state)
{
	struct content_ref content = { .size = 77, .id = { 9 }, .sha256 = { 8 } };
	struct store_bench bench;
	struct recording   recording;
	struct item        item;

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(put(&bench, WHOLE, NULL), OK);
	recording = get(&bench, "r", &item);
	assert_int_equal(recording.created_ns, INT64_C(1705276800000000000));
	assert_true(recording.has_url && !recording.has_content);
	assert_true(str_eq(str_of(recording.json.at + recording.url_at, recording.url_len), STR("\"https://x/y\"")));
	assert_true(str_eq(item.key, STR("m")));

	assert_int_equal(put(&bench,
	                     "{\"id\":\"s\",\"meetingId\":\"m\",\"createdDateTime\":\"1999-12-31T23:59:59.5-01:00\"}",
	                     &content),
	                 OK);
	recording = get(&bench, "s", &item);
	assert_int_equal(recording.created_ns, INT64_C(946688399500000000));
	assert_true(!recording.has_url && recording.has_content);
	assert_memory_equal(&recording.content, &content, sizeof(content));
	assert_true(str_eq(str_of(recording.json.at + recording.url_at, recording.url_len), STR("null")));
	store_bench_close(&bench);
}

static void
test_recording__no_damaged_body_is_read_past_its_end(void **state)
{
	struct content_ref content = { .size = 77 };
	struct store_bench bench;
	struct recording   recording;
	struct item        item;

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(put(&bench, WHOLE, &content), OK);
	(void)get(&bench, "r", &item);
	for (size_t len = 0; len < 100; len++) {
		char *copy = arena_take_raw(bench.arena, len + 1);

		memcpy(copy, item.body.at, len);
		if (recording_read(str_of(copy, len), &recording))
			assert_true(recording.url_at + recording.url_len < recording.json.len);
	}
	assert_false(recording_read(STR("{\"id\":\"x\"}"), &recording));
	assert_false(recording_read(STR_EMPTY, &recording));
	store_bench_close(&bench);
}

static void
test_recording__a_repeated_import_keeps_place_and_content(void **state)
{
	struct content_ref content = { .size = 5 };
	struct store_bench bench;
	struct recording   recording;
	struct item        first, second;

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(put(&bench, WHOLE, &content), OK);
	(void)get(&bench, "r", &first);
	assert_int_equal(put(&bench,
	                     "{\"id\":\"r\",\"meetingId\":\"m2\",\"createdDateTime\":\"2024-01-15T00:00:00Z\","
	                     "\"callId\":\"c\"}",
	                     NULL),
	                 OK);
	recording = get(&bench, "r", &second);
	assert_int_equal(first.seq, second.seq);
	assert_true(recording.has_content && recording.content.size == 5 && !recording.has_url);
	assert_true(str_eq(second.key, STR("m2")));
	store_bench_close(&bench);
}

static void
test_recording__is_shown_as_documented(void **state)
{
	static const char given[] =
		"{\"@odata.type\":\"#x\",\"more\": [1, 2],\"id\":\"r\","
		"\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"meetingId\":\"m\","
		"\"meetingOrganizer\":{\"user\":{\"@odata.type\":\"#Microsoft.Teams.GraphSvc.teamworkUserIdentity\","
		"\"id\":\"u\","
		"\"tenantId\":null},\"phone\":7},\"recordingContentUrl\":null}";
	static const char shown[] =
		"{\"id\":\"r\",\"meetingId\":\"m\",\"callId\":null,\"contentCorrelationId\":null,"
		"\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"endDateTime\":null,\"recordingContentUrl\":null,"
		"\"meetingOrganizer\":{\"application\":null,\"device\":null,\"user\":{\"@odata.type\":"
		"\"#microsoft.graph.teamworkUserIdentity\",\"id\":\"u\","
		"\"tenantId\":null},\"phone\":7},\"more\":[1, 2]}";
	struct store_bench bench;
	struct item        item;

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(put(&bench, given, NULL), OK);
	(void)get(&bench, "r", &item);
	assert_true(str_eq(resource_json(&resource_recording, item.body, bench.arena), str_from_c(shown)));
	store_bench_close(&bench);
}

static void
test_recording__bad_ones_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"id\":\"r\"}",
		"{\"id\":\"r\",\"meetingId\":\"m\"}",
		"{\"id\":\"r\",\"createdDateTime\":\"2024-01-15T00:00:00Z\"}",
		"{\"id\":7,\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\"}",
		"{\"id\":\"\",\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\"}",
		"{\"meetingId\":null,\"createdDateTime\":\"2024-01-15T00:00:00Z\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"endDateTime\":\"x\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"recordingContentUrl\":\"\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"meetingOrganizer\":\"x\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"meetingOrganizer\":{\"user\":1}}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"content\":\"x\"}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"@removed\":{}}",
		"{\"meetingId\":\"m\",\"createdDateTime\":\"2024-01-15T00:00:00Z\",\"a\\u0062\":1}",
	};
	struct store_bench bench;

	(void)state;
	store_bench_open(&bench);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (put(&bench, bad[i], NULL) != ERR_BAD_REQUEST)
			fail_msg("%s is taken", bad[i]);
	store_bench_close(&bench);
}

static enum err
link_to(struct store_bench *bench, const char *meeting, uint8_t id, const struct recording *seen, bool *had_old_out)
{
	struct recording_link link = { .feed = feed, .meeting = str_from_c(meeting), .id = STR("r"), .seen = seen };
	struct store_txn     *txn = store_bench_begin(bench);
	struct content_ref    old;

	link.content.id[0] = id;
	*had_old_out = false;
	recording_link_content(txn, &link, bench->arena, &old, had_old_out);
	return store_commit(&txn);
}

static void
test_recording__content_is_linked_where_it_stands(void **state)
{
	struct store_bench bench;
	struct recording   before, after;
	struct item        first, second;
	bool               had_old;

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(put(&bench, WHOLE, NULL), OK);
	before = get(&bench, "r", &first);
	assert_int_equal(link_to(&bench, "other", 1, NULL, &had_old), ERR_NOT_FOUND);
	assert_int_equal(link_to(&bench, "m", 1, NULL, &had_old), OK);
	assert_false(had_old);
	assert_int_equal(link_to(&bench, "m", 2, &before, &had_old), ERR_STALE);
	after = get(&bench, "r", &second);
	assert_int_equal(after.content.id[0], 1);
	assert_int_equal(link_to(&bench, "m", 2, &after, &had_old), OK);
	assert_true(had_old);
	after = get(&bench, "r", &second);
	assert_int_equal(after.content.id[0], 2);
	assert_int_equal(first.seq, second.seq);
	assert_true(str_eq(before.json, after.json));
	store_bench_close(&bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recording__what_a_page_must_know_stands_before_the_json),
		cmocka_unit_test(test_recording__no_damaged_body_is_read_past_its_end),
		cmocka_unit_test(test_recording__a_repeated_import_keeps_place_and_content),
		cmocka_unit_test(test_recording__is_shown_as_documented),
		cmocka_unit_test(test_recording__bad_ones_are_refused),
		cmocka_unit_test(test_recording__content_is_linked_where_it_stands),
	};

	if (crypt_init() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
