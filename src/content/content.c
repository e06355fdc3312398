/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "content/content_dir.h"
#include "crypt/digest.h"

#define PART_SUFFIX   ".part"
#define PART_NAME_LEN (CONTENT_NAME_LEN + sizeof(PART_SUFFIX) - 1)
#define PIECE_BYTES   ((size_t)64 << 10)
/* Between syncs at most this much of a blob is unwritten, so that the last sync does not take minutes. */
#define FLUSH_BYTES ((uint64_t)64 << 20)

struct content_write {
	struct content       *content;
	struct digest        *digest;
	int                   fd;
	char                  name[PART_NAME_LEN + 1];
	uint8_t               id[CONTENT_ID_BYTES];
	_Atomic uint64_t      size; /* read by other writers, under the folder's lock */
	uint64_t              flushed;
	const struct guid    *owner;
	enum err              err;
	struct content_write *next; /* of content->writes */
};

/* ---- names ------------------------------------------------------------------------------------------ */

static void
blob_name(const uint8_t id[CONTENT_ID_BYTES], char name_out[CONTENT_NAME_LEN + 1])
{
	hex_write(id, CONTENT_ID_BYTES, name_out);
	name_out[CONTENT_NAME_LEN] = '\0';
}

/* "NAME" or "NAME.part"; nothing else is ours. */
static bool
read_name(struct str name, uint8_t id_out[CONTENT_ID_BYTES], bool *part_out)
{
	*part_out = str_ends(name, STR(PART_SUFFIX));
	if (*part_out)
		name.len -= sizeof(PART_SUFFIX) - 1;
	return hex_read(name, id_out, CONTENT_ID_BYTES);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static enum err
err_of_write(void)
{
	return file_fault_is_full(errno) ? ERR_FULL : ERR_IO;
}

/* The free bytes of the disk, less what it must keep for the store. */
static bool
has_space(struct content *content, uint64_t size)
{
	struct statvfs disk;
	uint64_t       keep = content->free_min, eighth;

	if (fstatvfs(content_dir_fd(content), &disk) != 0)
		return true;
	eighth = disk.f_blocks * disk.f_frsize / 8;
	if (keep == 0)
		keep = eighth < CONTENT_FREE_MIN ? eighth : CONTENT_FREE_MIN;
	return disk.f_bavail * disk.f_frsize >= keep && disk.f_bavail * disk.f_frsize - keep >= size;
}

/* May that many more bytes be written? */
static enum err
admit(struct content_write *write, uint64_t size)
{
	struct content *content = write->content;
	uint64_t        all = size, own = size;

	MUST(pthread_mutex_lock(&content->lock) == 0);
	for (struct content_write *other = content->writes; other; other = other->next) {
		all += other->size;
		own += write->owner && other->owner && guid_eq(other->owner, write->owner) ? other->size : 0;
	}
	MUST(pthread_mutex_unlock(&content->lock) == 0);
	if (write->owner && (own / 2 > content->size_max || all / 4 > content->size_max))
		return ERR_BUSY;
	return has_space(content, size) ? OK : ERR_FULL;
}

/*
 * Locks the file: nobody removes it until the descriptor is closed. Waits for one who is just removing it. False: it
 * is gone.
 */
static bool
hold(int fd)
{
	struct stat stat;

	(void)TEMP_FAILURE_RETRY(flock(fd, LOCK_SH));
	return fstat(fd, &stat) == 0 && stat.st_nlink > 0;
}

static void
begin(struct content_write *write, uint64_t size)
{
	write->err = content_dir_make(write->content);
	if (write->err == OK)
		write->err = admit(write, size);
	if (write->err != OK)
		return;
	entropy_fill(write->content->entropy, write->id, sizeof(write->id));
	hex_write(write->id, CONTENT_ID_BYTES, write->name);
	memcpy(write->name + CONTENT_NAME_LEN, PART_SUFFIX, sizeof(PART_SUFFIX));
	write->fd = content_dir_open_file(write->content, write->name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (write->fd < 0)
		write->err = err_of_write();
	else if (!hold(write->fd))
		write->err = ERR_BUSY;
}

struct content_write *
content_begin(struct content *content, uint64_t size, const struct guid *owner)
{
	struct content_write *write = handle_new(sizeof(*write));

	write->content = content;
	write->owner = owner;
	write->fd = -1;
	write->digest = digest_open();
	begin(write, size);
	MUST(pthread_mutex_lock(&content->lock) == 0);
	write->next = content->writes;
	content->writes = write;
	MUST(pthread_mutex_unlock(&content->lock) == 0);
	return write;
}

static void
flush_some(struct content_write *write)
{
	if (write->size - write->flushed < FLUSH_BYTES)
		return;
	(void)sync_file_range(write->fd, (off_t)write->flushed, (off_t)(write->size - write->flushed),
	                      SYNC_FILE_RANGE_WRITE);
	write->flushed = write->size;
}

void
content_put(struct content_write *writing, const void *bytes, size_t len)
{
	if (writing->err == OK && len > 0)
		writing->err = admit(writing, len);
	if (writing->err != OK)
		return;
	digest_put(writing->digest, bytes, len);
	if (!file_write(writing->fd, str_of(bytes, len))) {
		writing->err = err_of_write();
		return;
	}
	writing->size += len;
	flush_some(writing);
}

enum err
content_write_err(const struct content_write *write)
{
	return write->err;
}

static enum err
make_durable(struct content_write *write)
{
	char     name[CONTENT_NAME_LEN + 1];
	int      dir = content_dir_fd(write->content);
	enum err err;

	blob_name(write->id, name);
	if (file_publish(write->fd, dir, write->name, name)) {
		memcpy(write->name, name, sizeof(name));
		return OK;
	}
	err = err_of_write();
	(void)unlinkat(dir, name, 0);
	return err;
}

enum err
content_finish(struct content_write *write, struct content_ref *ref_out)
{
	if (write->err == OK)
		write->err = make_durable(write);
	if (write->err != OK)
		return write->err;
	memcpy(ref_out->id, write->id, sizeof(ref_out->id));
	digest_read(write->digest, ref_out->sha256);
	ref_out->size = write->size;
	return OK;
}

/* Sets the file's time, so a sweep that read the references before the link passes over it. */
void
content_keep(struct content_write *write)
{
	if (write->err != OK || write->name[CONTENT_NAME_LEN] != '\0')
		return;
	write->name[0] = '\0';
	(void)futimens(write->fd, NULL);
}

void
content_end(struct content_write **write)
{
	struct content_write *old = *write, **link;

	if (!old)
		return;
	MUST(pthread_mutex_lock(&old->content->lock) == 0);
	for (link = &old->content->writes; *link != old; link = &(*link)->next)
		continue;
	*link = old->next;
	MUST(pthread_mutex_unlock(&old->content->lock) == 0);
	if (old->fd >= 0 && old->name[0])
		(void)unlinkat(content_dir_fd(old->content), old->name, 0);
	file_close(&old->fd);
	digest_close(&old->digest);
	free(old);
	*write = NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

enum err
content_read(struct content *content, const struct content_ref *ref, int *fd_out)
{
	char        name[CONTENT_NAME_LEN + 1];
	struct stat stat;
	int         fd;

	blob_name(ref->id, name);
	fd = content_dir_open_file(content, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (fd < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? ERR_CORRUPT : ERR_IO;
	if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || (uint64_t)stat.st_size != ref->size) {
		(void)close(fd);
		return ERR_CORRUPT;
	}
	*fd_out = fd;
	return OK;
}

enum err
content_measure(int fd, struct content_ref *ref_out)
{
	struct content_ref ref = { .size = 0 };
	struct digest     *digest = digest_open();
	char               piece[PIECE_BYTES];
	ssize_t            got;

	while ((got = TEMP_FAILURE_RETRY(pread(fd, piece, sizeof(piece), (off_t)ref.size))) > 0) {
		digest_put(digest, piece, (size_t)got);
		ref.size += (size_t)got;
	}
	digest_read(digest, ref.sha256);
	digest_close(&digest);
	if (got < 0)
		return ERR_IO;
	*ref_out = ref;
	return OK;
}

enum err
content_verify(struct content *content, const struct content_ref *ref)
{
	AUTO(file_close) int fd = -1;
	struct content_ref   found;

	TRY(content_read(content, ref, &fd));
	TRY(content_measure(fd, &found));
	return found.size == ref->size && memcmp(found.sha256, ref->sha256, sizeof(found.sha256)) == 0 ? OK
	                                                                                               : ERR_CORRUPT;
}

bool
content_has(struct content *content, const struct content_ref *ref)
{
	AUTO(file_close) int fd = -1;

	return content_read(content, ref, &fd) == OK;
}

/* ---- the folder ------------------------------------------------------------------------------------------ */

int
content_keep_all(struct content *content)
{
	int fd = content_dir_open_file(content, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		(void)hold(fd);
	return fd;
}

/*
 * False: another holds it. True: nobody else can hold it until *fd_out is closed; that is -1 for what cannot be
 * opened.
 */
static bool
claim(struct content *content, const char *name, int *fd_out)
{
	*fd_out = content_dir_open_file(content, name, O_RDONLY | O_NONBLOCK, 0);
	return *fd_out < 0 || flock(*fd_out, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void
content_remove(struct content *content, const uint8_t id[CONTENT_ID_BYTES])
{
	AUTO(file_close) int file = -1;
	AUTO(file_close) int folder = -1;
	char                 name[CONTENT_NAME_LEN + 1];

	blob_name(id, name);
	if (content_dir_fd(content) >= 0 && claim(content, ".", &folder) && claim(content, name, &file))
		(void)unlinkat(content_dir_fd(content), name, 0);
}

static enum err
sweep_one(struct content *content, const char *name, const struct content_sweep *sweep, struct content_swept *swept)
{
	AUTO(file_close) int file = -1;
	uint8_t              id[CONTENT_ID_BYTES];
	struct stat          stat;
	bool                 part;

	if (!read_name(str_from_c(name), id, &part)) {
		swept->foreign++;
		return OK;
	}
	swept->files++;
	if (!part && (!sweep->needed || sweep->needed(sweep->ctx, id)))
		return OK;
	if (!claim(content, name, &file))
		return OK;
	if (fstatat(content_dir_fd(content), name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OK : ERR_IO;
	if (sweep->older_than_s > 0 && sweep->now_s - stat.st_mtim.tv_sec < sweep->older_than_s)
		return OK;
	swept->orphans++;
	swept->orphan_bytes += stat.st_size > 0 ? (uint64_t)stat.st_size : 0;
	if (sweep->keep || unlinkat(content_dir_fd(content), name, 0) == 0 || errno == ENOENT)
		return OK;
	return errno == EISDIR ? OK : ERR_IO;
}

enum err
content_sweep(struct content *content, const struct content_sweep *sweep, struct content_swept *swept_out)
{
	AUTO(file_close) int folder = -1;
	struct content_swept swept = { 0 };
	struct content_walk  walk;
	const char          *name;

	if (content_dir_fd(content) >= 0 && !sweep->keep && !claim(content, ".", &folder))
		return ERR_LOCKED;
	TRY(content_walk_open(content, &walk));
	while (walk.err == OK && (name = content_walk_next(&walk)) != NULL)
		walk.err = sweep_one(content, name, sweep, &swept);
	TRY(content_walk_close(&walk));
	*swept_out = swept;
	return OK;
}
