/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/content/content_fixture.h"

static void
test_content__what_was_put_is_read_back(void **state)
{
	static const char  bytes[] = "a recording of some length";
	struct fixture     fixture;
	struct content_ref ref;
	uint8_t            hash[32];
	char               back[64];
	int                fd;

	(void)state;
	fixture_open(&fixture);
	ref = put(&fixture, bytes, sizeof(bytes));
	assert_int_equal(ref.size, sizeof(bytes));
	hash_sha256(str_of(bytes, sizeof(bytes)), hash);
	assert_memory_equal(ref.sha256, hash, sizeof(hash));
	assert_int_equal(content_read(fixture.content, &ref, &fd), OK);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
	(void)close(fd);
	assert_int_equal(content_verify(fixture.content, &ref), OK);
	assert_int_equal(files_in(&fixture), 1);
	content_remove(fixture.content, ref.id);
	assert_int_equal(content_read(fixture.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(files_in(&fixture), 0);
	fixture_close(&fixture);
}

static void
test_content__an_empty_one_is_a_file_too(void **state)
{
	struct fixture     fixture;
	struct content_ref ref;

	(void)state;
	fixture_open(&fixture);
	ref = put(&fixture, "", 0);
	assert_int_equal(ref.size, 0);
	assert_int_equal(content_verify(fixture.content, &ref), OK);
	fixture_close(&fixture);
}

static void
test_content__an_aborted_write_leaves_nothing(void **state)
{
	struct fixture        fixture;
	struct content_write *write;

	(void)state;
	fixture_open(&fixture);
	write = content_begin(fixture.content, 1000000, NULL);
	content_put(write, "half", 4);
	assert_int_equal(files_in(&fixture), 1);
	content_end(&write);
	assert_int_equal(files_in(&fixture), 0);
	content_end(&write);
	fixture_close(&fixture);
}

static void
test_content__a_full_disk_is_told_and_leaves_nothing(void **state)
{
	struct fixture        fixture;
	struct content_write *write;
	struct content_ref    ref;
	struct rlimit         before, small = { 0 };
	char                  piece[4096] = { 0 };

	(void)state;
	fixture_open(&fixture);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	write = content_begin(fixture.content, 0, NULL);
	for (int i = 0; i < 10; i++)
		content_put(write, piece, sizeof(piece));
	assert_int_equal(content_write_err(write), ERR_FULL);
	assert_int_equal(content_finish(write, &ref), ERR_FULL);
	content_end(&write);
	assert_int_equal(files_in(&fixture), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	fixture_close(&fixture);
}

/* What somebody else put in place of the file is never read: a link, a folder, a pipe, other bytes. */
static void
test_content__only_a_regular_file_of_the_right_length_is_read(void **state)
{
	struct fixture     fixture;
	struct content_ref ref;
	char               path[160];
	int                fd;

	(void)state;
	fixture_open(&fixture);
	ref = put(&fixture, "secret", 6);
	path_of(&fixture, &ref, path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(content_read(fixture.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(content_read(fixture.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(content_read(fixture.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(rmdir(path), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "secre", 5), 5);
	assert_int_equal(content_read(fixture.content, &ref, &(int){ 0 }), ERR_CORRUPT);
	assert_int_equal(write(fd, "T", 1), 1);
	(void)close(fd);
	assert_int_equal(content_read(fixture.content, &ref, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_verify(fixture.content, &ref), ERR_CORRUPT);
	fixture_close(&fixture);
}

static void
test_content__a_finished_one_that_is_not_kept_leaves_nothing(void **state)
{
	struct fixture        fixture;
	struct content_write *write;
	struct content_ref    ref;

	(void)state;
	fixture_open(&fixture);
	write = content_begin(fixture.content, 0, NULL);
	assert_int_equal(content_finish(write, &ref), OK);
	content_end(&write);
	assert_int_equal(files_in(&fixture), 0);
	write = content_begin(fixture.content, 0, NULL);
	content_put(write, "half", 4);
	content_keep(write);
	content_end(&write);
	assert_int_equal(files_in(&fixture), 0);
	fixture_close(&fixture);
}

/* ---- room ------------------------------------------------------------------------------------------------- */

static void
test_content__what_is_announced_takes_no_room(void **state)
{
	struct fixture        fixture;
	struct content_write *write;
	struct stat           stat_out;
	char                  command[240];

	(void)state;
	fixture_open(&fixture);
	write = content_begin(fixture.content, (uint64_t)64 << 20, NULL);
	content_put(write, "some", 4);
	assert_int_equal(content_write_err(write), OK);
	(void)snprintf(command, sizeof(command), "mv %s/*.part %s/part", fixture.folder, fixture.folder);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "%s/part", fixture.folder);
	assert_int_equal(stat(command, &stat_out), 0);
	assert_true(stat_out.st_blocks * 512 <= 1 << 20);
	content_end(&write);
	write = content_begin(fixture.content, INT64_MAX, NULL);
	assert_int_equal(content_write_err(write), ERR_FULL);
	content_end(&write);
	fixture_close(&fixture);
}

static void
test_content__the_disk_keeps_what_it_must_keep(void **state)
{
	struct fixture        fixture;
	struct content_write *write;

	(void)state;
	fixture_open_with(&fixture, (struct content_conf){ .size_max = UINT64_MAX, .free_min = (uint64_t)1 << 60 });
	write = content_begin(fixture.content, 0, NULL);
	assert_int_equal(content_write_err(write), ERR_FULL);
	content_end(&write);
	fixture_close(&fixture);
}

static void
test_content__unfinished_bytes_are_limited_for_each_owner_and_for_all(void **state)
{
	static const char     bytes[1000];
	struct guid           owners[] = { { { 1 } }, { { 2 } }, { { 3 } } };
	struct content_write *writes[6];
	struct fixture        fixture;
	struct content_ref    ref;

	(void)state;
	fixture_open_with(&fixture, (struct content_conf){ .size_max = 999 });
	for (size_t i = 0; i < 6; i++)
		writes[i] = content_begin(fixture.content, 0, &owners[i / 2]);
	for (size_t i = 0; i < 4; i++)
		content_put(writes[i], bytes, 999);
	assert_int_equal(content_write_err(writes[1]), OK);
	assert_int_equal(content_write_err(writes[3]), OK);
	content_put(writes[0], bytes, 2);
	assert_int_equal(content_write_err(writes[0]), ERR_BUSY);
	content_put(writes[4], bytes, 4);
	assert_int_equal(content_write_err(writes[4]), ERR_BUSY);
	/* Finished is still unlinked; ended is neither. */
	assert_int_equal(content_finish(writes[1], &ref), OK);
	content_put(writes[5], bytes, 4);
	assert_int_equal(content_write_err(writes[5]), ERR_BUSY);
	for (size_t i = 0; i < 6; i++)
		content_end(&writes[i]);
	writes[0] = content_begin(fixture.content, 0, &owners[0]);
	content_put(writes[0], bytes, 999);
	assert_int_equal(content_finish(writes[0], &ref), OK);
	content_end(&writes[0]);
	fixture_close(&fixture);
}

static void
test_content__a_folder_that_is_not_there_is_empty_until_something_is_written(void **state)
{
	struct fixture       fixture;
	struct content_sweep sweep = { .needed = is_kept, .ctx = &fixture };
	struct content_swept swept;
	struct content_ref   ref = { .size = 1 };
	struct stat          stat_out;
	int                  fd;

	(void)state;
	fixture_open(&fixture);
	assert_int_equal(content_read(fixture.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(content_sweep(fixture.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 0);
	assert_int_not_equal(stat(fixture.folder, &stat_out), 0);
	(void)put(&fixture, "x", 1);
	assert_int_equal(stat(fixture.folder, &stat_out), 0);
	assert_int_equal(stat_out.st_mode & 0777, 0700);
	fixture_close(&fixture);
}

static void
test_content__a_temporary_folder_goes_with_its_owner(void **state)
{
	struct content_conf   conf = { .entropy = &entropy_system };
	struct content       *content;
	struct content_write *write;
	struct content_ref    ref;
	char                  why[256];
	int                   fd;

	(void)state;
	assert_int_equal(content_open(&conf, &content, why), OK);
	write = content_begin(content, 0, NULL);
	content_put(write, "x", 1);
	assert_int_equal(content_finish(write, &ref), OK);
	assert_int_equal(content_read(content, &ref, &fd), OK);
	content_keep(write);
	content_end(&write);
	assert_int_equal(content_read(content, &ref, &fd), OK);
	(void)close(fd);
	content_close(&content);
}

static void
test_content__hex_is_read_back_and_nothing_else_is(void **state)
{
	static const uint8_t bytes[4] = { 0x00, 0x7f, 0xa5, 0xff };
	uint8_t              back[4];
	char                 text[8];

	(void)state;
	hex_write(bytes, 4, text);
	assert_memory_equal(text, "007fa5ff", 8);
	assert_true(hex_read(str_of(text, 8), back, 4));
	assert_memory_equal(back, bytes, 4);
	assert_false(hex_read(STR("007FA5FF"), back, 4));
	assert_false(hex_read(STR("007fa5f"), back, 4));
	assert_false(hex_read(STR("../../.."), back, 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content__what_was_put_is_read_back),
		cmocka_unit_test(test_content__an_empty_one_is_a_file_too),
		cmocka_unit_test(test_content__an_aborted_write_leaves_nothing),
		cmocka_unit_test(test_content__a_full_disk_is_told_and_leaves_nothing),
		cmocka_unit_test(test_content__only_a_regular_file_of_the_right_length_is_read),
		cmocka_unit_test(test_content__a_finished_one_that_is_not_kept_leaves_nothing),
		cmocka_unit_test(test_content__what_is_announced_takes_no_room),
		cmocka_unit_test(test_content__the_disk_keeps_what_it_must_keep),
		cmocka_unit_test(test_content__unfinished_bytes_are_limited_for_each_owner_and_for_all),
		cmocka_unit_test(test_content__a_folder_that_is_not_there_is_empty_until_something_is_written),
		cmocka_unit_test(test_content__a_temporary_folder_goes_with_its_owner),
		cmocka_unit_test(test_content__hex_is_read_back_and_nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
