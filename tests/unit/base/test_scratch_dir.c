/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/scratch_dir.h"

static char location[64];

static int
begin(void **state)
{
	(void)state;
	(void)snprintf(location, sizeof(location), "/tmp/tidemark-location-XXXXXX");
	return mkdtemp(location) && setenv("TMPDIR", location, 1) == 0 ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	(void)unsetenv("TMPDIR");
	return rmdir(location); /* fails unless all that was made in it is gone */
}

static struct scratch_dir
open_dir(enum scratch_location where)
{
	struct scratch_dir dir;
	char               why[512];

	assert_int_equal(scratch_dir_open(where, &dir, why), OK);
	return dir;
}

static void
put_file(const char *dir, const char *name)
{
	char  path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static void
test_scratch_dir__is_private_and_goes_with_all_that_is_in_it(void **state)
{
	struct scratch_dir disk = open_dir(SCRATCH_ON_DISK), memory = open_dir(SCRATCH_IN_MEMORY);
	struct scratch_dir none = { 0 };
	struct stat        is;
	char               path[256];

	(void)state;
	assert_memory_equal(disk.path, location, strlen(location));
	assert_string_not_equal(disk.path, memory.path);
	assert_int_equal(stat(disk.path, &is), 0);
	assert_int_equal(is.st_mode & 07777, 0700);
	put_file(disk.path, "a");
	put_file(disk.path, "b");
	(void)snprintf(path, sizeof(path), "%.200s/folder", disk.path);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(path, "c");
	(void)memcpy(path, disk.path, sizeof(path));
	scratch_dir_close(&disk);
	scratch_dir_close(&disk);
	scratch_dir_close(&none);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(memory.path, F_OK), 0);
	scratch_dir_close(&memory);
}

/* A child opens one and is killed; the pipe carries its path. */
static void
leave_one(char path_out[256])
{
	int   ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct scratch_dir dir = open_dir(SCRATCH_ON_DISK);

		put_file(dir.path, "left");
		if (write(ends[1], dir.path, sizeof(dir.path)) != (ssize_t)sizeof(dir.path))
			_exit(1);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(ends[0], path_out, 256), 256);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
test_scratch_dir__what_a_killed_process_left_goes_and_what_is_in_use_stays(void **state)
{
	struct scratch_dir used = open_dir(SCRATCH_ON_DISK), next;
	char               left[256], like[128], other[128];

	(void)state;
	put_file(used.path, "kept");
	(void)snprintf(like, sizeof(like), "%s/tidemark-scratch-file", location);
	(void)snprintf(other, sizeof(other), "%s/tidemark-folder", location);
	put_file(location, "tidemark-scratch-file");
	assert_int_equal(mkdir(other, 0700), 0);
	leave_one(left);
	assert_int_equal(access(left, F_OK), 0);

	next = open_dir(SCRATCH_ON_DISK);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(access(used.path, F_OK), 0);
	assert_int_equal(unlinkat(used.fd, "kept", 0), 0);
	assert_int_equal(unlink(like), 0);
	assert_int_equal(rmdir(other), 0);
	scratch_dir_close(&next);
	scratch_dir_close(&used);
}

static void
test_scratch_dir__a_place_that_is_not_there_is_named(void **state)
{
	struct scratch_dir dir;
	char               why[512];

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/tmp/tidemark/not/there", 1), 0);
	assert_int_equal(scratch_dir_open(SCRATCH_ON_DISK, &dir, why), ERR_IO);
	assert_non_null(strstr(why, "/tmp/tidemark/not/there"));
	assert_int_equal(setenv("TMPDIR", location, 1), 0);
}

/* Many at once in one location: each start looks at the folders that the others are just making. */
static void
test_scratch_dir__starts_at_the_same_moment_take_nothing_from_each_other(void **state)
{
	pid_t children[8];
	int   status, good = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		for (int round = 0; children[i] == 0 && round < 200; round++) {
			struct scratch_dir dir;
			char               why[512];

			if (scratch_dir_open(SCRATCH_ON_DISK, &dir, why) != OK || access(dir.path, F_OK) != 0)
				_exit(1);
			scratch_dir_close(&dir);
		}
		if (children[i] == 0)
			_exit(0);
	}
	for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	assert_int_equal(good, sizeof(children) / sizeof(children[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scratch_dir__is_private_and_goes_with_all_that_is_in_it, begin,
		                                end),
		cmocka_unit_test_setup_teardown(
			test_scratch_dir__what_a_killed_process_left_goes_and_what_is_in_use_stays, begin, end),
		cmocka_unit_test_setup_teardown(test_scratch_dir__a_place_that_is_not_there_is_named, begin, end),
		cmocka_unit_test_setup_teardown(
			test_scratch_dir__starts_at_the_same_moment_take_nothing_from_each_other, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
