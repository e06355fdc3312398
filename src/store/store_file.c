/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define LOCK_TEXT_MAX  512
#define GUARD_TEXT_MAX 160

enum err
store_file_fail(const char *what, const char *path, char why_out[512])
{
	int saved = errno;

	str_printf(why_out, 512, "%s %.*s: %s", what, STR_CUT_ARG(path, 300), file_fault_text(saved));
	return file_fault_is_full(saved) ? ERR_FULL : ERR_IO;
}

/* ---- paths ---------------------------------------------------------------------------------- */

static const char *
dir_of(const char *path, char dir_out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t      len = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		return ".";
	if (len == 0)
		return "/";
	memcpy(dir_out, path, len);
	dir_out[len] = '\0';
	return dir_out;
}

enum err
store_file_sync_dir_of(const char *path, char why_out[512])
{
	return file_sync_folder_of(AT_FDCWD, path) ? OK
	                                           : store_file_fail("cannot sync the directory of", path, why_out);
}

/*
 * Makes the missing directories of a path, from the top, and makes each new name durable in its parent. A directory
 * that exists is made durable too, if possible: a process that was killed may just have made it.
 */
static enum err
make_dirs(const char *dir, char why_out[512])
{
	char   part[PATH_MAX];
	size_t len = strlen(dir);
	bool   made;

	for (size_t end = 1; end <= len; end++) {
		if (end < len && dir[end] != '/')
			continue;
		memcpy(part, dir, end);
		part[end] = '\0';
		made = mkdir(part, 0700) == 0;
		if (!made && errno != EEXIST)
			return store_file_fail("cannot make directory", part, why_out);
		if (!file_sync_folder_of(AT_FDCWD, part) && made)
			return store_file_fail("cannot sync the directory of", part, why_out);
	}
	return OK;
}

enum err
store_file_resolve(struct str path, bool make, struct arena *arena, const char **path_out, char why_out[512])
{
	char        dir[PATH_MAX], real[PATH_MAX];
	const char *text, *slash, *name;

	if (path.len == 0 || path.len > PATH_MAX - 64 || memchr(path.at, '\0', path.len)) {
		str_printf(why_out, 512, "a store's path must have 1 to %d bytes, none of them zero", PATH_MAX - 64);
		return ERR_BAD_REQUEST;
	}
	text = arena_c(arena, path);
	slash = strrchr(text, '/');
	name = slash ? slash + 1 : text;
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		str_printf(why_out, 512, "the path %.*s does not name a file", STR_CUT_ARG(text, 300));
		return ERR_BAD_REQUEST;
	}
	/* Where the store's file is, its directory was made durable first. */
	if (make && access(text, F_OK) != 0)
		TRY(make_dirs(dir_of(text, dir), why_out));
	if (!realpath(dir_of(text, dir), real)) {
		bool     is_missing = errno == ENOENT || errno == ENOTDIR;
		enum err err = store_file_fail("cannot find directory", dir_of(text, dir), why_out);

		return is_missing ? ERR_NOT_FOUND : err;
	}
	*path_out = arena_c(arena, arena_printf(arena, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name));
	return OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

static enum err
look_at(const char *path, struct stat *st_out, char why_out[512])
{
	if (lstat(path, st_out) != 0) {
		bool     is_missing = errno == ENOENT;
		enum err err = store_file_fail("cannot find", path, why_out);

		return is_missing ? ERR_NOT_FOUND : err;
	}
	if (S_ISREG(st_out->st_mode))
		return OK;
	str_printf(why_out, 512, "%.*s is not a plain file", STR_CUT_ARG(path, 300));
	return ERR_FOREIGN;
}

enum err
store_file_look(const char *path, uint64_t *bytes_out, char why_out[512])
{
	struct stat st;

	TRY(look_at(path, &st, why_out));
	*bytes_out = (uint64_t)st.st_size;
	return OK;
}

bool
store_file_is_at(int fd, const char *path)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

bool
store_file_is_deleted(int fd)
{
	struct stat held;

	return fd >= 0 && fstat(fd, &held) == 0 && held.st_nlink == 0;
}

static enum err
refuse_name(const char *path, const char *why, char why_out[512])
{
	str_printf(why_out, 512, "%.*s %s", STR_CUT_ARG(path, 300), why);
	return ERR_FOREIGN;
}

/* The file, and what SQLite will find beside it. */
static bool
is_own(int fd, const char *path)
{
	static const char *const beside[] = { "-wal", "-shm", "-journal" };
	char                     other[PATH_MAX];
	struct stat              is, its;
	bool                     good = file_is_own(fd, AT_FDCWD, path) && fstat(fd, &its) == 0;

	for (size_t i = 0; i < COUNT_OF(beside) && good; i++) {
		str_printf(other, sizeof(other), "%s%s", path, beside[i]);
		good = lstat(other, &is) != 0 || is.st_uid == geteuid() || is.st_uid == 0 || is.st_uid == its.st_uid;
	}
	return good;
}

enum err
store_file_hold(const char *path, int *fd_out, char why_out[512])
{
	AUTO(file_close) int fd = -1;
	struct stat          st;
	struct statx         more;

	TRY(look_at(path, &st, why_out));
	if (st.st_nlink > 1)
		return refuse_name(path,
		                   "has another name (a hard link); remove that name, or use a copy "
		                   "(`tidemark store backup`)",
		                   why_out);
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &more) == 0 &&
	    (more.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
		return refuse_name(path, "is a mount of one file; mount its folder, where the log lies too", why_out);
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return store_file_fail("cannot open", path, why_out);
	if (!is_own(fd, path))
		return refuse_name(path, "or its log belongs to another account", why_out);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
		               ? refuse_name(path,
		                             "is held by another run, under another name: it was renamed or mounted; "
		                             "stop that run first",
		                             why_out)
		               : store_file_fail("cannot lock", path, why_out);
	*fd_out = fd;
	fd = -1;
	return OK;
}

enum err
store_file_make(const char *path, char why_out[512])
{
	AUTO(file_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST) {
		str_printf(why_out, 512, "%.*s is already there", STR_CUT_ARG(path, 300));
		return ERR_CONFLICT;
	}
	return fd < 0 ? store_file_fail("cannot make", path, why_out) : OK;
}

enum err
store_file_sync(const char *path, char why_out[512])
{
	AUTO(file_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return store_file_fail("cannot sync", path, why_out);
	return OK;
}

enum err
store_file_publish(const char *from, const char *to, char why_out[512])
{
	int done = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

	/*
	 * Some file systems have no such rename. A second name (a hard link) fails in the same way when the name
	 * exists.
	 */
	if (done != 0 && (errno == EINVAL || errno == ENOSYS)) {
		done = link(from, to);
		if (done == 0)
			done = unlink(from);
	}
	if (done != 0 && errno == EEXIST) {
		str_printf(why_out, 512, "%.*s is already there", STR_CUT_ARG(to, 300));
		return ERR_CONFLICT;
	}
	return done != 0 ? store_file_fail("cannot rename to", to, why_out) : store_file_sync_dir_of(to, why_out);
}

/* ---- lock ----------------------------------------------------------------------------------- */

static void
read_text(int fd, char *text_out, size_t size)
{
	ssize_t got = pread(fd, text_out, size - 1, 0);

	text_out[got > 0 ? got : 0] = '\0';
	for (char *c = text_out; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = ' ';
	while (got > 0 && text_out[got - 1] == ' ')
		text_out[--got] = '\0';
}

/* "tidemark serve": the first two words of the command line. */
static void
name_command(char *text_out, size_t size)
{
	AUTO(file_close) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t              got = fd >= 0 ? pread(fd, text_out, size - 1, 0) : 0;
	int                  words = 0;

	text_out[got > 0 ? got : 0] = '\0';
	for (ssize_t i = 0; i < got && words < 2; i++) {
		if (text_out[i] == '\0' && ++words < 2)
			text_out[i] = ' ';
	}
}

static void
sign_lock(int fd, const struct clock *clock)
{
	char      text[LOCK_TEXT_MAX], command[128], when[32];
	time_t    now = (time_t)clock_wall_s(clock);
	struct tm parts;
	int       len;
	bool      is_signed;

	name_command(command, sizeof(command));
	if (!gmtime_r(&now, &parts) || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		when[0] = '\0';
	len = snprintf(text, sizeof(text), "pid %ld, started %s, %s\n", (long)getpid(), when, command);
	/* The text only helps people: the lock holds without it. */
	is_signed = ftruncate(fd, 0) == 0 && len > 0 && pwrite(fd, text, (size_t)len, 0) == len;
	(void)is_signed;
}

static int
open_lock(const char *lock_path, bool *is_new_out)
{
	int fd = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	*is_new_out = fd >= 0;
	return fd < 0 && errno == EEXIST ? file_make(AT_FDCWD, lock_path) : fd;
}

enum err
store_file_lock(const char *lock_path, const struct clock *clock, struct file_lock *lock_out, char why_out[512])
{
	bool                 is_new;
	AUTO(file_close) int fd = open_lock(lock_path, &is_new);
	char                 holder[LOCK_TEXT_MAX];

	if (fd < 0)
		return store_file_fail("cannot open", lock_path, why_out);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return store_file_fail("cannot lock", lock_path, why_out);
		read_text(fd, holder, sizeof(holder));
		str_printf(why_out, 512, "another run holds the store (%.*s): %.*s",
		           STR_CUT_ARG(holder[0] ? holder : "it does not say which", 200), STR_CUT_ARG(lock_path, 200));
		return ERR_LOCKED;
	}
	if (!store_file_is_at(fd, lock_path)) {
		str_printf(why_out, 512, "another run has just removed %.*s; try again", STR_CUT_ARG(lock_path, 300));
		return ERR_LOCKED;
	}
	sign_lock(fd, clock);
	*lock_out = (struct file_lock){ fd, is_new };
	fd = -1;
	return OK;
}

void
store_file_unlock(struct file_lock *lock)
{
	/* The file stays, so the next process need not check the name again. */
	if (lock->fd >= 0 && ftruncate(lock->fd, 0) != 0)
		errno = 0;
	file_close(&lock->fd);
}

void
store_file_unlock_and_remove(struct file_lock *lock, const char *lock_path)
{
	if (lock->fd >= 0)
		(void)unlink(lock_path);
	file_close(&lock->fd);
}

/* ---- rollback guard --------------------------------------------------------------------------- */

/* FNV-1a: it only has to detect a torn write. */
static uint32_t
sum(struct str text)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.at[i]) * 16777619u;
	return hash;
}

static bool
take_number(struct str *rest, struct str label, uint64_t *value_out)
{
	struct str line;

	return str_take_until(rest, '\n', &line) && str_starts(line, label) &&
	       str_to_u64(str_skip(line, label.len), value_out);
}

static bool
parse_guard(struct str text, struct rollback_guard *guard_out)
{
	struct str            rest = text, line;
	struct rollback_guard guard;
	uint64_t              epoch, sum_read;
	size_t                summed;

	if (!str_take_until(&rest, '\n', &line) || !str_eq(line, STR("tidemark witness 1")))
		return false;
	if (!str_take_until(&rest, '\n', &line) || !str_starts(line, STR("store ")) ||
	    !guid_parse(str_skip(line, 6), &guard.id))
		return false;
	if (!take_number(&rest, STR("epoch "), &epoch) || epoch >= UINT32_MAX ||
	    !take_number(&rest, STR("marker "), &guard.marker))
		return false;
	summed = text.len - rest.len;
	if (!take_number(&rest, STR("sum "), &sum_read) || sum_read != sum(str_first(text, summed)))
		return false;
	guard.epoch = (uint32_t)epoch;
	*guard_out = guard;
	return true;
}

enum err
store_guard_read(const char *path, struct rollback_guard *guard_out)
{
	AUTO(file_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char                 text[GUARD_TEXT_MAX];
	ssize_t              got;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	got = pread(fd, text, sizeof(text), 0);
	if (got < 0)
		return ERR_IO;
	return parse_guard(str_of(text, (size_t)got), guard_out) ? OK : ERR_CORRUPT;
}

enum err
store_guard_write(const char *path, const struct rollback_guard *guard)
{
	char                 id[GUID_TEXT_LEN], text[GUARD_TEXT_MAX], why[512];
	bool                 is_new = access(path, F_OK) != 0;
	AUTO(file_close) int fd = file_make(AT_FDCWD, path);
	int                  len;

	guid_format(&guard->id, id);
	len = snprintf(text, sizeof(text), "tidemark witness 1\nstore %.*s\nepoch %010lu\nmarker %015llu\n",
	               GUID_TEXT_LEN, id, (unsigned long)guard->epoch, (unsigned long long)guard->marker);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "sum %010lu\n",
	                (unsigned long)sum(str_of(text, (size_t)len)));
	MUST(len > 0 && (size_t)len < sizeof(text));
	/* The length never changes and fits into one sector, so neither a second file nor a rename is needed. */
	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len || fdatasync(fd) != 0)
		return ERR_IO;
	return is_new ? store_file_sync_dir_of(path, why) : OK;
}
