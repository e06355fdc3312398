/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scratch_dir.h"

struct content {
	pthread_mutex_t       lock;      /* around the making of the folder */
	_Atomic int           fd;
	char                 *path;
	bool                  create;
	struct scratch_dir    scratch;
	const struct entropy *entropy;
};

static enum err
fail(const char *path, char why_out[256])
{
	(void)snprintf(why_out, 256, "%s: %s", path, strerrordesc_np(errno));
	return ERR_IO;
}

static int
open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum err
open_scratch(struct content *content, char why_out[256])
{
	char why[512];

	if (scratch_dir_open(SCRATCH_ON_DISK, &content->scratch, why) != OK) {
		(void)snprintf(why_out, 256, "%.255s", why);
		return ERR_IO;
	}
	content->path = strdup(content->scratch.path);
	MUST(content->path);
	content->fd = open_folder(content->path);
	return content->fd >= 0 ? OK : fail(content->path, why_out);
}

static enum err
open_named(struct content *content, const struct content_conf *conf, char why_out[256])
{
	content->path = strdup(conf->path);
	MUST(content->path);
	content->create = conf->create;
	content->fd = open_folder(content->path);
	return content->fd >= 0 || errno == ENOENT ? OK : fail(content->path, why_out);
}

enum err
content_open(const struct content_conf *conf, struct content **content_out, char why_out[256])
{
	AUTO(content_close) struct content *content = calloc(1, sizeof(*content));

	MUST(content && pthread_mutex_init(&content->lock, NULL) == 0);
	content->fd = -1;
	content->entropy = conf->entropy;
	TRY(conf->path ? open_named(content, conf, why_out) : open_scratch(content, why_out));
	*content_out = content;
	content = NULL;
	return OK;
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
			content->fd = open_folder(content->path);
		MUST(pthread_mutex_unlock(&content->lock) == 0);
	}
	return content->fd;
}

const struct entropy *
content_dir_entropy(const struct content *content)
{
	return content->entropy;
}

/* The folder's own entry must last as well, or its files are lost with it. */
static enum err
sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char       *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int         fd;
	enum err    err;

	MUST(parent);
	fd = open_folder(parent);
	free(parent);
	if (fd < 0)
		return ERR_IO;
	err = fsync(fd) == 0 ? OK : ERR_IO;
	(void)close(fd);
	return err;
}

enum err
content_dir_make(struct content *content)
{
	if (content_dir_fd(content) >= 0)
		return OK;
	if (!content->create)
		return ERR_IO;
	if (mkdir(content->path, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
	TRY(sync_parent(content->path));
	return content_dir_fd(content) >= 0 ? OK : ERR_IO;
}

int
content_dir_open_file(struct content *content, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int  dir = content_dir_fd(content);
	long fd;

	if (dir < 0) {
		errno = ENOENT;
		return -1;
	}
	fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
	/* A kernel or a sandbox without openat2: our names hold no slash, so O_NOFOLLOW says the same. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
	return (int)fd;
}

/* ---- walking ---------------------------------------------------------------------------------------------- */

enum err
content_walk_open(struct content *content, struct content_walk *walk_out)
{
	int fd, dir = content_dir_fd(content);

	*walk_out = (struct content_walk){ .err = OK };
	if (dir < 0)
		return OK;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	walk_out->dir = fdopendir(fd);
	if (!walk_out->dir) {
		(void)close(fd);
		return ERR_IO;
	}
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
