/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

static enum err
fail(const char *path, char why_out[256])
{
	str_printf(why_out, 256, "%s: %s", path, file_fault_text(errno));
	return ERR_IO;
}

static enum err
open_scratch(struct content *content, char why_out[256])
{
	char why[512];

	if (scratch_dir_open(SCRATCH_ON_DISK, &content->scratch, why) != OK) {
		str_printf(why_out, 256, "%s", why);
		return ERR_IO;
	}
	/* A folder in it, because the lock of the scratch folder is taken. */
	MUST(asprintf(&content->path, "%s/content", content->scratch.path) > 0);
	content->is_durable = true;
	content->fd = file_open_folder(content->path, true);
	return content->fd >= 0 ? OK : fail(content->path, why_out);
}

static enum err
open_named(struct content *content, const struct content_conf *conf, char why_out[256])
{
	content->path = strdup(conf->path);
	MUST(content->path);
	content->create = conf->create;
	content->fd = file_open_folder(content->path, false);
	return content->fd >= 0 || errno == ENOENT ? OK : fail(content->path, why_out);
}

enum err
content_open(const struct content_conf *conf, struct content **content_out, char why_out[256])
{
	AUTO(content_close) struct content *content = handle_new(sizeof(*content));

	MUST(pthread_mutex_init(&content->lock, NULL) == 0);
	content->fd = -1;
	content->entropy = conf->entropy;
	content->free_min = conf->free_min;
	content->size_max = conf->size_max;
	TRY(conf->path ? open_named(content, conf, why_out) : open_scratch(content, why_out));
	*content_out = content;
	content = NULL;
	return OK;
}

const char *
content_path(const struct content *content)
{
	return content->path;
}

void
content_close(struct content **content)
{
	struct content *old = *content;

	if (!old)
		return;
	scratch_dir_close(&old->scratch);
	if (old->fd >= 0)
		(void)close(old->fd);
	(void)pthread_mutex_destroy(&old->lock);
	free(old->path);
	free(old);
	*content = NULL;
}

/* Another process (an import beside a server) may have made the folder since it was looked for. */
int
content_dir_fd(struct content *content)
{
	if (content->fd < 0) {
		MUST(pthread_mutex_lock(&content->lock) == 0);
		if (content->fd < 0)
			content->fd = file_open_folder(content->path, false);
		MUST(pthread_mutex_unlock(&content->lock) == 0);
	}
	return content->fd;
}

enum err
content_dir_make(struct content *content)
{
	if (content->is_durable)
		return OK;
	if (!content->create)
		return ERR_IO;
	if (mkdir(content->path, 0700) != 0 && errno != EEXIST)
		return file_fault_is_full(errno) ? ERR_FULL : ERR_IO;
	/*
	 * The folder's name must be durable too, or its files are lost with it. The process that made it may have
	 * been killed before the sync.
	 */
	if (!file_sync_folder_of(AT_FDCWD, content->path) || content_dir_fd(content) < 0)
		return ERR_IO;
	content->is_durable = true;
	return OK;
}

static int
open_below(int dir, const char *name, int flags, mode_t mode, uint64_t links)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | links,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	/* Without openat2 (an old kernel, a sandbox), O_NOFOLLOW is at least as strict for a name without a slash. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM) && !strchr(name, '/'))
		fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
	return (int)fd;
}

int
content_open_source(int dir, const char *name)
{
	return open_below(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 0);
}

int
content_dir_open_file(struct content *content, const char *name, int flags, mode_t mode)
{
	int dir = content_dir_fd(content);

	errno = ENOENT;
	return dir < 0 ? -1 : open_below(dir, name, flags | O_NOFOLLOW, mode, RESOLVE_NO_SYMLINKS);
}

/* ---- walking ---------------------------------------------------------------------------------------------- */

enum err
content_walk_open(struct content *content, struct content_walk *walk_out)
{
	AUTO(file_close) int fd = -1;
	int                  dir = content_dir_fd(content);

	*walk_out = (struct content_walk){ .err = OK };
	if (dir < 0)
		return OK;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	walk_out->dir = fd < 0 ? NULL : fdopendir(fd);
	if (!walk_out->dir)
		return ERR_IO;
	fd = -1;
	return OK;
}

const char *
content_walk_next(struct content_walk *walk)
{
	struct dirent *entry = NULL;

	while (walk->dir) {
		errno = 0;
		entry = readdir(walk->dir);
		if (!entry && errno != 0)
			walk->err = ERR_IO;
		if (!entry || (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0))
			break;
	}
	return entry ? entry->d_name : NULL;
}

enum err
content_walk_close(struct content_walk *walk)
{
	if (walk->dir)
		(void)closedir(walk->dir);
	walk->dir = NULL;
	return walk->err;
}
