/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "content/content_dir.h"
#include "crypt/digest.h"

#define PART_SUFFIX    ".part"
#define PART_NAME_LEN  (CONTENT_NAME_LEN + sizeof(PART_SUFFIX) - 1)
#define PIECE_BYTES    ((size_t)64 << 10)
/* Between syncs at most so much of a blob is unwritten, so that the last one does not stall for minutes. */
#define FLUSH_BYTES    ((uint64_t)64 << 20)

struct content_write {
	struct content *content;
	struct digest  *digest;
	int             fd;
	char            name[PART_NAME_LEN + 1];
	uint8_t         id[CONTENT_ID_BYTES];
	uint64_t        size, flushed;
	enum err        err;
};

/* ---- names ------------------------------------------------------------------------------------------ */

static void
blob_name(const uint8_t id[CONTENT_ID_BYTES], char name_out[CONTENT_NAME_LEN + 1])
{
	hex_write(id, CONTENT_ID_BYTES, name_out);
	name_out[CONTENT_NAME_LEN] = '\0';
}

/* "…" or "….part"; nothing else is ours. */
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
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_FULL : ERR_IO;
}

static void
begin(struct content_write *write, uint64_t size)
{
	write->err = content_dir_make(write->content);
	if (write->err != OK)
		return;
	entropy_fill(content_dir_entropy(write->content), write->id, sizeof(write->id));
	hex_write(write->id, CONTENT_ID_BYTES, write->name);
	memcpy(write->name + CONTENT_NAME_LEN, PART_SUFFIX, sizeof(PART_SUFFIX));
	write->fd = content_dir_open_file(write->content, write->name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (write->fd < 0) {
		write->err = err_of_write();
		return;
	}
	/* Room is taken at once where the file system can; that it cannot is no fault. */
	if (size > 0 && size <= INT64_MAX && fallocate(write->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) != 0 &&
	    err_of_write() == ERR_FULL)
		write->err = ERR_FULL;
}

struct content_write *
content_begin(struct content *content, uint64_t size)
{
	struct content_write *write = calloc(1, sizeof(*write));

	MUST(write);
	write->content = content;
	write->fd = -1;
	write->digest = digest_open();
	begin(write, size);
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
	if (writing->err != OK)
		return;
	digest_put(writing->digest, bytes, len);
	if (!fd_write(writing->fd, str_of(bytes, len))) {
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
	char name[CONTENT_NAME_LEN + 1];
	int  dir = content_dir_fd(write->content);

	if (fsync(write->fd) != 0)
		return err_of_write();
	blob_name(write->id, name);
	if (renameat(dir, write->name, dir, name) != 0)
		return err_of_write();
	memcpy(write->name, name, sizeof(name));
	return fsync(dir) == 0 ? OK : err_of_write();
}

enum err
content_finish(struct content_write **write, struct content_ref *ref_out)
{
	struct content_ref ref;
	enum err           err = (*write)->err;

	if (err == OK)
		err = make_durable(*write);
	if (err == OK) {
		memcpy(ref.id, (*write)->id, sizeof(ref.id));
		digest_finish((*write)->digest, ref.sha256);
		ref.size = (*write)->size;
		*ref_out = ref;
		(*write)->name[0] = '\0';
	}
	content_abort(write);
	return err;
}

void
content_abort(struct content_write **write)
{
	struct content_write *old = *write;

	if (!old)
		return;
	if (old->fd >= 0) {
		(void)close(old->fd);
		if (old->name[0])
			(void)unlinkat(content_dir_fd(old->content), old->name, 0);
	}
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

	while ((got = pread(fd, piece, sizeof(piece), (off_t)ref.size)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		digest_put(digest, piece, (size_t)got);
		ref.size += (size_t)got;
	}
	digest_finish(digest, ref.sha256);
	digest_close(&digest);
	if (got < 0)
		return ERR_IO;
	*ref_out = ref;
	return OK;
}

enum err
content_verify(struct content *content, const struct content_ref *ref)
{
	struct content_ref found;
	enum err           err;
	int                fd;

	TRY(content_read(content, ref, &fd));
	err = content_measure(fd, &found);
	(void)close(fd);
	TRY(err);
	return found.size == ref->size && memcmp(found.sha256, ref->sha256, sizeof(found.sha256)) == 0 ? OK : ERR_CORRUPT;
}

/* ---- the folder ------------------------------------------------------------------------------------------ */

void
content_remove(struct content *content, const uint8_t id[CONTENT_ID_BYTES])
{
	char name[CONTENT_NAME_LEN + 1];

	if (content_dir_fd(content) < 0)
		return;
	blob_name(id, name);
	(void)unlinkat(content_dir_fd(content), name, 0);
}

static enum err
sweep_one(struct content *content, const char *name, const struct content_sweep *sweep, struct content_swept *swept)
{
	uint8_t     id[CONTENT_ID_BYTES];
	struct stat stat;
	bool        part;

	if (!read_name(str_from_c(name), id, &part)) {
		swept->foreign++;
		return OK;
	}
	if (fstatat(content_dir_fd(content), name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OK : ERR_IO;
	swept->files++;
	if (!part && sweep->needed(sweep->ctx, id))
		return OK;
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
	struct content_swept swept = { 0 };
	struct content_walk  walk;
	const char          *name;

	TRY(content_walk_open(content, &walk));
	while (walk.err == OK && (name = content_walk_next(&walk)) != NULL)
		walk.err = sweep_one(content, name, sweep, &swept);
	TRY(content_walk_close(&walk));
	*swept_out = swept;
	return OK;
}
