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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "content/content.h"
#include "crypt/seal.h"

struct site {
	char            root[64], folder[80];
	struct content *content;
};

static void
site_open_with(struct site *site, struct content_conf conf)
{
	char why[256];

	conf.create = true;
	conf.entropy = &entropy_system;

	/* In memory where that is possible: a sync costs nothing there, and none is judged here. */
	(void)snprintf(site->root, sizeof(site->root), "%s/test_content_XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(site->root));
	(void)snprintf(site->folder, sizeof(site->folder), "%s/store.content", site->root);
	conf.path = site->folder;
	assert_int_equal(content_open(&conf, &site->content, why), OK);
}

static void
site_open(struct site *site)
{
	site_open_with(site, (struct content_conf){ .size_max = UINT64_MAX });
}

static void
site_close(struct site *site)
{
	char command[160];

	content_close(&site->content);
	assert_null(site->content);
	(void)snprintf(command, sizeof(command), "rm -rf %s", site->root);
	assert_int_equal(system(command), 0);
}

static unsigned
files_in(const struct site *site)
{
	DIR           *dir = opendir(site->folder);
	struct dirent *entry;
	unsigned       count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return count;
}

static struct content_ref
put(struct site *site, const char *bytes, size_t len)
{
	struct content_write *write = content_begin(site->content, len, NULL);
	struct content_ref    ref;

	for (size_t at = 0; at < len; at += 7)
		content_put(write, bytes + at, len - at < 7 ? len - at : 7);
	assert_int_equal(content_finish(write, &ref), OK);
	content_keep(write);
	content_end(&write);
	assert_null(write);
	return ref;
}

static void
path_of(const struct site *site, const struct content_ref *ref, char path_out[160])
{
	char name[CONTENT_NAME_LEN];

	hex_write(ref->id, CONTENT_ID_BYTES, name);
	(void)snprintf(path_out, 160, "%s/%.*s", site->folder, CONTENT_NAME_LEN, name);
}

static void
test_content__what_was_put_is_read_back(void **state)
{
	static const char  bytes[] = "a recording of some length";
	struct site        site;
	struct content_ref ref;
	uint8_t            hash[32];
	char               back[64];
	int                fd;

	(void)state;
	site_open(&site);
	ref = put(&site, bytes, sizeof(bytes));
	assert_int_equal(ref.size, sizeof(bytes));
	hash_sha256(str_of(bytes, sizeof(bytes)), hash);
	assert_memory_equal(ref.sha256, hash, sizeof(hash));
	assert_int_equal(content_read(site.content, &ref, &fd), OK);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
	(void)close(fd);
	assert_int_equal(content_verify(site.content, &ref), OK);
	assert_int_equal(files_in(&site), 1);
	content_remove(site.content, ref.id);
	assert_int_equal(content_read(site.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(files_in(&site), 0);
	site_close(&site);
}

static void
test_content__an_empty_one_is_a_file_too(void **state)
{
	struct site        site;
	struct content_ref ref;

	(void)state;
	site_open(&site);
	ref = put(&site, "", 0);
	assert_int_equal(ref.size, 0);
	assert_int_equal(content_verify(site.content, &ref), OK);
	site_close(&site);
}

static void
test_content__an_aborted_write_leaves_nothing(void **state)
{
	struct site           site;
	struct content_write *write;

	(void)state;
	site_open(&site);
	write = content_begin(site.content, 1000000, NULL);
	content_put(write, "half", 4);
	assert_int_equal(files_in(&site), 1);
	content_end(&write);
	assert_int_equal(files_in(&site), 0);
	content_end(&write);
	site_close(&site);
}

static void
test_content__a_full_disk_is_told_and_leaves_nothing(void **state)
{
	struct site           site;
	struct content_write *write;
	struct content_ref    ref;
	struct rlimit         before, small = { 0 };
	char                  piece[4096] = { 0 };

	(void)state;
	site_open(&site);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	write = content_begin(site.content, 0, NULL);
	for (int i = 0; i < 10; i++)
		content_put(write, piece, sizeof(piece));
	assert_int_equal(content_write_err(write), ERR_FULL);
	assert_int_equal(content_finish(write, &ref), ERR_FULL);
	content_end(&write);
	assert_int_equal(files_in(&site), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	site_close(&site);
}

/* What somebody else put in place of the file is never read: a link, a folder, a pipe, other bytes. */
static void
test_content__only_a_regular_file_of_the_right_length_is_read(void **state)
{
	struct site        site;
	struct content_ref ref;
	char               path[160];
	int                fd;

	(void)state;
	site_open(&site);
	ref = put(&site, "secret", 6);
	path_of(&site, &ref, path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(content_read(site.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(content_read(site.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(content_read(site.content, &ref, &fd), ERR_CORRUPT);
	assert_int_equal(rmdir(path), 0);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "secre", 5), 5);
	assert_int_equal(content_read(site.content, &ref, &(int){ 0 }), ERR_CORRUPT);
	assert_int_equal(write(fd, "T", 1), 1);
	(void)close(fd);
	assert_int_equal(content_read(site.content, &ref, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_verify(site.content, &ref), ERR_CORRUPT);
	site_close(&site);
}

static bool
is_kept(void *ctx, const uint8_t id[CONTENT_ID_BYTES])
{
	return memcmp(ctx, id, CONTENT_ID_BYTES) == 0;
}

static void
test_content__a_sweep_takes_orphans_and_nothing_else(void **state)
{
	struct site           site;
	struct content_ref    kept, orphan;
	struct content_write *write;
	struct content_swept  swept;
	struct content_sweep  sweep = { .needed = is_kept, .now_s = time(NULL), .keep = true };
	char                  path[160];
	int                   fd;

	(void)state;
	site_open(&site);
	kept = put(&site, "kept", 4);
	orphan = put(&site, "orphan", 6);
	write = content_begin(site.content, 0, NULL);
	content_put(write, "part", 4);
	(void)snprintf(path, sizeof(path), "%s/README", site.folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	sweep.ctx = kept.id;

	assert_int_equal(content_sweep(site.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 3);
	assert_int_equal(swept.orphans, 1);
	assert_int_equal(swept.orphan_bytes, 6);
	assert_int_equal(swept.foreign, 1);
	assert_int_equal(files_in(&site), 4);

	/* A writer may be at work: what was written to a moment ago stays. */
	sweep.keep = false;
	sweep.older_than_s = 60;
	assert_int_equal(content_sweep(site.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 0);
	assert_int_equal(files_in(&site), 4);
	sweep.now_s += 61;
	assert_int_equal(content_sweep(site.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 1);
	assert_int_equal(files_in(&site), 3);
	assert_int_equal(content_read(site.content, &kept, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_read(site.content, &orphan, &fd), ERR_NOT_FOUND);
	content_end(&write);
	site_close(&site);
}

/* ---- what is under way ------------------------------------------------------------------------------------ */

#define WRITES 6
#define LINKS  200
#define STEPS  1500

struct model {
	struct site           site;
	struct content_write *writes[WRITES];
	bool                  finished[WRITES];
	struct content_ref    refs[WRITES]; /* of finished ones */
	struct content_ref    links[LINKS]; /* what the store refers to */
	size_t                link_count;
	int                   kept; /* of content_keep_all(), or -1 */
	unsigned              seed;
};

static bool
is_linked(void *ctx, const uint8_t id[CONTENT_ID_BYTES])
{
	struct model *model = ctx;

	for (size_t i = 0; i < model->link_count; i++)
		if (memcmp(model->links[i].id, id, CONTENT_ID_BYTES) == 0)
			return true;
	return false;
}

/* As an importer or a server that is killed in the middle, or between its file and its commit. */
static void
leave_orphan(struct model *model, bool whole)
{
	struct content_write *write;
	struct content_ref    ref;
	pid_t                 child = fork();
	int                   status;

	if (child == 0) {
		write = content_begin(model->site.content, 0, NULL);
		content_put(write, "left", 4);
		_exit(whole && content_finish(write, &ref) != OK);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

/* Every file looks as if it were two hours old. */
static void
grow_old(const struct model *model)
{
	char command[200];

	(void)snprintf(command, sizeof(command), "find %s -type f -exec touch -d '2 hours ago' {} +",
	               model->site.folder);
	assert_int_equal(system(command), 0);
}

static void
step_write(struct model *model, unsigned at)
{
	struct content_write **write = &model->writes[at];

	if (!*write) {
		*write = content_begin(model->site.content, 0, NULL);
		model->finished[at] = false;
	} else if (!model->finished[at] && rand_r(&model->seed) % 2) {
		content_put(*write, "some bytes", 10);
		assert_int_equal(content_write_err(*write), OK);
	} else if (!model->finished[at]) {
		assert_int_equal(content_finish(*write, &model->refs[at]), OK);
		model->finished[at] = true;
	} else {
		bool link = rand_r(&model->seed) % 4 && model->link_count < LINKS;

		if (link)
			model->links[model->link_count++] = model->refs[at];
		if (link || rand_r(&model->seed) % 2)
			content_keep(*write); /* or the commit is unsure */
		content_end(write);
	}
}

static void
step(struct model *model)
{
	unsigned kind = (unsigned)rand_r(&model->seed) % 40;

	if (kind == 0) {
		leave_orphan(model, rand_r(&model->seed) % 2);
	} else if (kind == 1 && rand_r(&model->seed) % 4 == 0) {
		grow_old(model);
	} else if (kind < 4 && model->kept < 0) {
		model->kept = content_keep_all(model->site.content);
	} else if (kind < 8 && model->kept >= 0) {
		(void)close(model->kept);
		model->kept = -1;
	} else if (kind < 14 && model->link_count > 0) {
		/* Replaced: the commit is done, the file can go. */
		struct content_ref old = model->links[--model->link_count];

		content_remove(model->site.content, old.id);
		assert_int_equal(content_verify(model->site.content, &old), model->kept < 0 ? ERR_NOT_FOUND : OK);
	} else {
		step_write(model, (unsigned)rand_r(&model->seed) % WRITES);
	}
}

static void
sweep_and_look(struct model *model)
{
	struct content_sweep sweep = { .needed = is_linked, .ctx = model, .now_s = time(NULL) };
	struct content_swept swept;
	int                  fd;

	sweep.older_than_s = rand_r(&model->seed) % 2 ? 3600 : 0;
	assert_int_equal(content_sweep(model->site.content, &sweep, &swept), model->kept < 0 ? OK : ERR_LOCKED);
	for (size_t i = 0; i < model->link_count; i++)
		assert_int_equal(content_verify(model->site.content, &model->links[i]), OK);
	for (size_t i = 0; i < WRITES; i++) {
		if (!model->writes[i] || !model->finished[i])
			continue;
		assert_int_equal(content_read(model->site.content, &model->refs[i], &fd), OK);
		(void)close(fd);
	}
}

/* A sweep after every step of everything else: nothing that is linked or will be is missed, and at the end nothing is left. */
static void
test_content__a_sweep_at_any_moment_loses_nothing_and_leaves_nothing(void **state)
{
	struct model         model = { .kept = -1, .seed = (unsigned)time(NULL) };
	struct content_sweep sweep = { .needed = is_linked, .ctx = &model };
	struct content_swept swept;

	(void)state;
	print_message("seed %u\n", model.seed);
	site_open(&model.site);
	for (int i = 0; i < STEPS; i++) {
		step(&model);
		sweep_and_look(&model);
	}
	if (model.kept >= 0)
		(void)close(model.kept);
	for (size_t i = 0; i < WRITES; i++)
		content_end(&model.writes[i]);
	assert_int_equal(content_sweep(model.site.content, &sweep, &swept), OK);
	assert_int_equal(files_in(&model.site), model.link_count);
	site_close(&model.site);
}

/* It was written hours ago; the sweep has read the references just before it was linked, and comes to it just after. */
static void
test_content__what_was_just_linked_is_young_again(void **state)
{
	struct model          model = { .kept = -1 };
	struct content_sweep  sweep = { .needed = is_linked, .ctx = &model, .now_s = time(NULL), .older_than_s = 3600 };
	struct content_swept  swept;
	struct content_write *write;
	struct content_ref    ref;

	(void)state;
	site_open(&model.site);
	write = content_begin(model.site.content, 0, NULL);
	assert_int_equal(content_finish(write, &ref), OK);
	grow_old(&model);
	content_keep(write);
	content_end(&write);
	assert_int_equal(content_sweep(model.site.content, &sweep, &swept), OK);
	assert_true(content_has(model.site.content, &ref));
	grow_old(&model);
	assert_int_equal(content_sweep(model.site.content, &sweep, &swept), OK);
	assert_false(content_has(model.site.content, &ref));
	site_close(&model.site);
}

/* A commit that was refused: what was to be linked goes at once, not with the next sweep. */
static void
test_content__a_finished_one_that_is_not_kept_leaves_nothing(void **state)
{
	struct site           site;
	struct content_write *write;
	struct content_ref    ref;

	(void)state;
	site_open(&site);
	write = content_begin(site.content, 0, NULL);
	assert_int_equal(content_finish(write, &ref), OK);
	content_end(&write);
	assert_int_equal(files_in(&site), 0);
	write = content_begin(site.content, 0, NULL);
	content_put(write, "half", 4);
	content_keep(write);
	content_end(&write);
	assert_int_equal(files_in(&site), 0);
	site_close(&site);
}

/* ---- room ------------------------------------------------------------------------------------------------- */

static void
test_content__what_is_announced_takes_no_room(void **state)
{
	struct site           site;
	struct content_write *write;
	struct stat           stat_out;
	char                  command[240];

	(void)state;
	site_open(&site);
	write = content_begin(site.content, (uint64_t)64 << 20, NULL);
	content_put(write, "some", 4);
	assert_int_equal(content_write_err(write), OK);
	(void)snprintf(command, sizeof(command), "mv %s/*.part %s/part", site.folder, site.folder);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "%s/part", site.folder);
	assert_int_equal(stat(command, &stat_out), 0);
	assert_true(stat_out.st_blocks * 512 <= 1 << 20);
	content_end(&write);
	write = content_begin(site.content, INT64_MAX, NULL);
	assert_int_equal(content_write_err(write), ERR_FULL);
	content_end(&write);
	site_close(&site);
}

static void
test_content__the_disk_keeps_what_it_must_keep(void **state)
{
	struct site           site;
	struct content_write *write;

	(void)state;
	site_open_with(&site, (struct content_conf){ .size_max = UINT64_MAX, .free_min = (uint64_t)1 << 60 });
	write = content_begin(site.content, 0, NULL);
	assert_int_equal(content_write_err(write), ERR_FULL);
	content_end(&write);
	site_close(&site);
}

static void
test_content__unfinished_bytes_are_limited_for_each_owner_and_for_all(void **state)
{
	static const char     bytes[1000];
	struct guid           owners[] = { { { 1 } }, { { 2 } }, { { 3 } } };
	struct content_write *writes[6];
	struct site           site;
	struct content_ref    ref;

	(void)state;
	site_open_with(&site, (struct content_conf){ .size_max = 999 });
	for (size_t i = 0; i < 6; i++)
		writes[i] = content_begin(site.content, 0, &owners[i / 2]);
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
	writes[0] = content_begin(site.content, 0, &owners[0]);
	content_put(writes[0], bytes, 999);
	assert_int_equal(content_finish(writes[0], &ref), OK);
	content_end(&writes[0]);
	site_close(&site);
}

static void
test_content__a_folder_that_is_not_there_is_empty_until_something_is_written(void **state)
{
	struct site          site;
	struct content_sweep sweep = { .needed = is_kept, .ctx = &site };
	struct content_swept swept;
	struct content_ref   ref = { .size = 1 };
	struct stat          stat_out;
	int                  fd;

	(void)state;
	site_open(&site);
	assert_int_equal(content_read(site.content, &ref, &fd), ERR_NOT_FOUND);
	assert_int_equal(content_sweep(site.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 0);
	assert_int_not_equal(stat(site.folder, &stat_out), 0);
	(void)put(&site, "x", 1);
	assert_int_equal(stat(site.folder, &stat_out), 0);
	assert_int_equal(stat_out.st_mode & 0777, 0700);
	site_close(&site);
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
		cmocka_unit_test(test_content__a_sweep_takes_orphans_and_nothing_else),
		cmocka_unit_test(test_content__a_sweep_at_any_moment_loses_nothing_and_leaves_nothing),
		cmocka_unit_test(test_content__what_was_just_linked_is_young_again),
		cmocka_unit_test(test_content__a_finished_one_that_is_not_kept_leaves_nothing),
		cmocka_unit_test(test_content__what_is_announced_takes_no_room),
		cmocka_unit_test(test_content__the_disk_keeps_what_it_must_keep),
		cmocka_unit_test(test_content__unfinished_bytes_are_limited_for_each_owner_and_for_all),
		cmocka_unit_test(test_content__a_folder_that_is_not_there_is_empty_until_something_is_written),
		cmocka_unit_test(test_content__a_temporary_folder_goes_with_its_owner),
		cmocka_unit_test(test_content__hex_is_read_back_and_nothing_else_is),
	};

	if (crypt_init() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
