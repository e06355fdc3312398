/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "content/content.h"
#include "crypt/seal.h"

struct place {
	char            root[64], folder[80];
	struct content *content;
};

static void
place_open(struct place *place)
{
	struct content_conf conf = { .create = true, .entropy = &entropy_system };
	char                why[256];

	(void)snprintf(place->root, sizeof(place->root), "/tmp/test_content_XXXXXX");
	assert_non_null(mkdtemp(place->root));
	(void)snprintf(place->folder, sizeof(place->folder), "%s/store.content", place->root);
	conf.path = place->folder;
	assert_int_equal(content_open(&conf, &place->content, why), OK);
}

static void
place_close(struct place *place)
{
	char command[160];

	content_close(&place->content);
	assert_null(place->content);
	(void)snprintf(command, sizeof(command), "rm -rf %s", place->root);
	assert_int_equal(system(command), 0);
}

static unsigned
files_in(const struct place *place)
{
	DIR           *dir = opendir(place->folder);
	struct dirent *entry;
	unsigned       count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return count;
}

static struct content_ref
put(struct place *place, const char *bytes, size_t len)
{
	struct content_write *write = content_begin(place->content, len);
	struct content_ref    ref;

	for (size_t at = 0; at < len; at += 7)
		content_put(write, bytes + at, len - at < 7 ? len - at : 7);
	assert_int_equal(content_finish(&write, &ref), OK);
	assert_null(write);
	return ref;
}

static void
path_of(const struct place *place, const struct content_ref *ref, char path_out[160])
{
	char name[CONTENT_NAME_LEN];

	hex_write(ref->id, CONTENT_ID_BYTES, name);
	(void)snprintf(path_out, 160, "%s/%.*s", place->folder, CONTENT_NAME_LEN, name);
}

static void
test_content__what_was_put_is_read_back(void **state)
{
	static const char bytes[] = "a recording of some length";
	struct place       place;
	struct content_ref ref;
	uint8_t            hash[32];
	char               back[64];
	int                fd;

	(void)state;
	place_open(&place);
	ref = put(&place, bytes, sizeof(bytes));
	assert_int_equal(ref.size, sizeof(bytes));
	hash_sha256(str_of(bytes, sizeof(bytes)), hash);
	assert_memory_equal(ref.sha256, hash, sizeof(hash));
	assert_int_equal(content_read(place.content, &ref, &fd), OK);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
	(void)close(fd);
	assert_int_equal(content_verify(place.content, &ref), OK);
	assert_int_equal(files_in(&place), 1);
	content_remove(place.content, ref.id);
	assert_int_equal(content_read(place.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(files_in(&place), 0);
	place_close(&place);
}

static void
test_content__an_empty_one_is_a_file_too(void **state)
{
	struct place       place;
	struct content_ref ref;

	(void)state;
	place_open(&place);
	ref = put(&place, "", 0);
	assert_int_equal(ref.size, 0);
	assert_int_equal(content_verify(place.content, &ref), OK);
	place_close(&place);
}

static void
test_content__an_aborted_write_leaves_nothing(void **state)
{
	struct place          place;
	struct content_write *write;

	(void)state;
	place_open(&place);
	write = content_begin(place.content, 1000000);
	content_put(write, "half", 4);
	assert_int_equal(files_in(&place), 1);
	content_abort(&write);
	assert_int_equal(files_in(&place), 0);
	content_abort(&write);
	place_close(&place);
}

static void
test_content__a_full_disk_is_told_and_leaves_nothing(void **state)
{
	struct place          place;
	struct content_write *write;
	struct content_ref    ref;
	struct rlimit         before, small = { 0 };
	char                  piece[4096] = { 0 };

	(void)state;
	place_open(&place);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	write = content_begin(place.content, 0);
	for (int i = 0; i < 10; i++)
		content_put(write, piece, sizeof(piece));
	assert_int_equal(content_write_err(write), ERR_FULL);
	assert_int_equal(content_finish(&write, &ref), ERR_FULL);
	assert_int_equal(files_in(&place), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	place_close(&place);
}

/* What somebody else put in place of the file is never read: a link, a folder, a pipe, other bytes. */
static void
test_content__only_a_regular_file_of_the_right_length_is_read(void **state)
{
	struct place       place;
	struct content_ref ref;
	char               path[160];
	int                fd;

	(void)state;
	place_open(&place);
	ref = put(&place, "secret", 6);
	path_of(&place, &ref, path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(content_read(place.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(content_read(place.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(content_read(place.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(rmdir(path), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "secre", 5), 5);
	assert_int_equal(content_read(place.content, &ref, &(int){ 0 }), ERR_CORRUPT);
	assert_int_equal(write(fd, "T", 1), 1);
	(void)close(fd);
	assert_int_equal(content_read(place.content, &ref, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_verify(place.content, &ref), ERR_CORRUPT);
	place_close(&place);
}

static bool
is_kept(void *ctx, const uint8_t id[CONTENT_ID_BYTES])
{
	return memcmp(ctx, id, CONTENT_ID_BYTES) == 0;
}

static void
test_content__a_sweep_takes_orphans_and_nothing_else(void **state)
{
	struct place          place;
	struct content_ref    kept, orphan;
	struct content_write *write;
	struct content_swept  swept;
	struct content_sweep  sweep = { .needed = is_kept, .now_s = time(NULL), .keep = true };
	char                  path[160];
	int                   fd;

	(void)state;
	place_open(&place);
	kept = put(&place, "kept", 4);
	orphan = put(&place, "orphan", 6);
	write = content_begin(place.content, 0);
	content_put(write, "part", 4);
	(void)snprintf(path, sizeof(path), "%s/README", place.folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	sweep.ctx = kept.id;

	assert_int_equal(content_sweep(place.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 3);
	assert_int_equal(swept.orphans, 2);
	assert_int_equal(swept.orphan_bytes, 10);
	assert_int_equal(swept.foreign, 1);
	assert_int_equal(files_in(&place), 4);

	/* A writer may be at work: what was written to a moment ago stays. */
	sweep.keep = false;
	sweep.older_than_s = 60;
	assert_int_equal(content_sweep(place.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 0);
	assert_int_equal(files_in(&place), 4);
	sweep.now_s += 61;
	assert_int_equal(content_sweep(place.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 2);
	assert_int_equal(files_in(&place), 2);
	assert_int_equal(content_read(place.content, &kept, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_read(place.content, &orphan, &fd), ERR_NOT_FOUND);
	content_abort(&write);
	place_close(&place);
}

static void
test_content__a_folder_that_is_not_there_is_empty_until_something_is_written(void **state)
{
	struct place         place;
	struct content_sweep sweep = { .needed = is_kept, .ctx = &place };
	struct content_swept swept;
	struct content_ref   ref = { .size = 1 };
	struct stat          stat_out;
	int                  fd;

	(void)state;
	place_open(&place);
	assert_int_equal(content_read(place.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(content_sweep(place.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 0);
	assert_int_not_equal(stat(place.folder, &stat_out), 0);
	(void)put(&place, "x", 1);
	assert_int_equal(stat(place.folder, &stat_out), 0);
	assert_int_equal(stat_out.st_mode & 0777, 0700);
	place_close(&place);
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
	write = content_begin(content, 0);
	content_put(write, "x", 1);
	assert_int_equal(content_finish(&write, &ref), OK);
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
		cmocka_unit_test(test_content__a_sweep_takes_orphans_and_nothing_else),
		cmocka_unit_test(test_content__a_folder_that_is_not_there_is_empty_until_something_is_written),
		cmocka_unit_test(test_content__a_temporary_folder_goes_with_its_owner),
		cmocka_unit_test(test_content__hex_is_read_back_and_nothing_else_is),
	};

	if (crypt_init() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
