/* SPDX-License-Identifier: Apache-2.0 */
/* The files beside a store: its lock, which the holder may remove, and what is said of a path. */
#include <unistd.h>

#include "store/store_file.h"
#include "support/accents.h"
#include "unit/store/store_files.h"

static void
test_store_file__a_lock_says_whether_its_file_is_new(void **state)
{
	struct kit      *kit = *state;
	const char      *path = arena_c(kit->arena, arena_printf(kit->arena, "%s/lock", kit->dir));
	struct file_lock lock = { .fd = -1 }, other = { .fd = -1 };

	assert_int_equal(store_file_lock(path, &kit->clock, &lock, kit->why), OK);
	assert_true(lock.is_new);
	assert_int_equal(store_file_lock(path, &kit->clock, &other, kit->why), ERR_LOCKED);
	assert_int_equal(other.fd, -1);
	store_file_unlock(&lock);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(store_file_lock(path, &kit->clock, &lock, kit->why), OK);
	assert_false(lock.is_new);
	store_file_unlock_and_remove(&lock, path);
	assert_int_equal(lock.fd, -1);
	assert_int_not_equal(access(path, F_OK), 0);
	store_file_unlock_and_remove(&lock, path);
}

/* No folder entry may have such a long name, so each call fails and names it. */
static void
test_store_file__a_long_path_is_cut_by_character(void **state)
{
	struct kit *kit = *state;
	char        path[ACCENTS_SIZE];
	uint64_t    bytes;

	for (size_t shift = 0; shift < 2; shift++) {
		assert_int_equal(store_file_look(accents_path(path, shift), &bytes, kit->why), ERR_IO);
		assert_non_null(strstr(kit->why, "\xc3\xa9: "));
		assert_true(accents_are_whole(kit->why));
	}
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, kit_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_file__a_lock_says_whether_its_file_is_new),
		ALONE(test_store_file__a_long_path_is_cut_by_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
