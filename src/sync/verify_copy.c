/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/verify_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define MARK       ".verify-"
#define ROUND_MAX  ((size_t)64 << 10)
#define DIGITS_MAX 20

static const char *const suffixes[] = { "", "-journal", "-wal", "-shm", ".ahead" };

static void
remove_files(const char *path, struct arena *arena)
{
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		(void)unlink(arena_c(arena, arena_printf(arena, "%s%s", path, suffixes[i])));
}

/* Only if its process has ended: then nobody holds its lock. */
static void
remove_if_left(struct cmd_run *run, const char *path, struct arena *arena)
{
	const char      *lock_path = arena_c(arena, arena_printf(arena, "%s.lock", path));
	struct file_lock lock = { .fd = -1 };
	char             why[512];

	if (store_file_lock(lock_path, run->clock, &lock, why) != OK)
		return;
	remove_files(path, arena);
	store_file_unlock_and_remove(&lock, lock_path);
}

/* "t.db.verify-17.ahead" belongs to the copy "t.db.verify-17" of the store "t.db". */
static bool
is_of_copy(struct str name, struct str store_name, struct str *copy_name_out)
{
	struct str rest;
	size_t     digits = 0;

	if (!str_starts(name, store_name) || !str_starts(str_skip(name, store_name.len), STR(MARK)))
		return false;
	rest = str_skip(name, store_name.len + STR(MARK).len);
	while (digits < rest.len && rest.at[digits] >= '0' && rest.at[digits] <= '9')
		digits++;
	if (digits == 0 || digits > DIGITS_MAX)
		return false;
	*copy_name_out = str_first(name, name.len - rest.len + digits);
	rest = str_skip(rest, digits);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (str_eq(rest, str_from_c(suffixes[i])))
			return true;
	return str_eq(rest, STR(".lock"));
}

static void
remove_what_is_left(struct cmd_run *run, struct str dir, struct str store_name)
{
	AUTO(arena_close) struct arena *arena = arena_open(ROUND_MAX);
	DIR                            *list = opendir(arena_c(arena, dir));
	struct dirent                  *entry;
	struct str                      name;

	while (list && (entry = readdir(list)) != NULL) {
		arena_reset(arena);
		if (is_of_copy(str_from_c(entry->d_name), store_name, &name))
			remove_if_left(run,
			               arena_c(arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name))),
			               arena);
	}
	if (list)
		(void)closedir(list);
}

static int
make_folder(struct cmd_run *run, struct verify_copy *copy)
{
	char why[512];

	if (scratch_dir_open(SCRATCH_ON_DISK, &copy->dir, why) != OK)
		return console_fail(EXIT_PERMANENT,
		                    "nothing can be written beside the store, and %s; name a folder in TMPDIR", why);
	copy->path = arena_c(run->arena, arena_printf(run->arena, "%s/copy", copy->dir.path));
	return EXIT_DONE;
}

static struct str
dir_of(struct str path)
{
	size_t slash = path.len;

	while (slash > 0 && path.at[slash - 1] != '/')
		slash--;
	if (slash == 0)
		return STR(".");
	return str_first(path, slash > 1 ? slash - 1 : 1);
}

int
verify_copy_open(struct cmd_run *run, const char *store_path, struct verify_copy *copy_out)
{
	struct str path = str_from_c(store_path), dir = dir_of(path);
	char       why[512];
	int        code = EXIT_DONE;
	enum err   err;

	*copy_out = (struct verify_copy){ .lock.fd = -1 };
	if (faccessat(AT_FDCWD, arena_c(run->arena, dir), W_OK, AT_EACCESS) == 0) {
		remove_what_is_left(run, dir, str_eq(dir, STR(".")) ? path : str_skip(path, dir.len + (dir.len > 1)));
		copy_out->path = arena_c(run->arena,
		                         arena_printf(run->arena, "%s" MARK "%ld", store_path, (long)getpid()));
	} else {
		code = make_folder(run, copy_out);
	}
	if (code != EXIT_DONE)
		return code;
	copy_out->lock_path = arena_c(run->arena, arena_printf(run->arena, "%s.lock", copy_out->path));
	err = store_file_lock(copy_out->lock_path, run->clock, &copy_out->lock, why);
	return err == OK ? EXIT_DONE : console_fail(exit_code_of(err), "%s", why);
}

void
verify_copy_close(struct verify_copy *copy, struct arena *arena)
{
	if (copy->lock.fd >= 0) {
		remove_files(copy->path, arena);
		store_file_unlock_and_remove(&copy->lock, copy->lock_path);
	}
	scratch_dir_close(&copy->dir);
}
