/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_token_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "text/json_read.h"
#include "text/json_write.h"

#define LOCK_TRIES   150
#define LOCK_WAIT_NS 20000000

static enum err
no_identity(const struct oauth_client *client, const char *what, struct arena *arena, struct str *why_out)
{
	*why_out = arena_printf(arena, "the file of the sign-in, %.*s, %s",
	                        STR_ARG(str_cut(str_from_c(client->token_store), 300)), what);
	return ERR_NO_IDENTITY;
}

static bool
is_member(const struct json *root, const char *name, struct str wanted)
{
	struct str text;

	return json_text(json_member(root, name), &text) && str_eq(text, wanted);
}

static bool
read_bytes(int fd, struct buf *text)
{
	size_t len;
	bool   is_read = file_read(fd, buf_reserve(text, OAUTH_TOKEN_STORE_MAX), OAUTH_TOKEN_STORE_MAX, &len);

	buf_grew(text, len);
	return is_read && len < OAUTH_TOKEN_STORE_MAX;
}

static enum err
take_token(const struct oauth_client *client, struct str text, struct arena *arena, struct str *token_out,
           struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   token;

	if (json_read(text, arena, &root, NULL) != OK || !json_text(json_member(root, "refreshToken"), &token) ||
	    token.len == 0)
		return no_identity(client, "cannot be understood; remove it and sign in again", arena, why_out);
	if (!is_member(root, "authority", client->authority) || !is_member(root, "tenantId", client->tenant) ||
	    !is_member(root, "clientId", client->id))
		return ERR_NOT_FOUND;
	*token_out = arena_copy(arena, token);
	return OK;
}

enum err
oauth_token_store_read(const struct oauth_client *client, struct arena *arena, struct str *token_out,
                       struct str *why_out)
{
	AUTO(file_close) int       fd = open(client->token_store, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO(buf_close) struct buf text = { 0 };
	struct stat                about;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (fd < 0 || fstat(fd, &about) != 0)
		return no_identity(client, file_fault_text(errno), arena, why_out);
	if (!S_ISREG(about.st_mode))
		return no_identity(client, "is no file", arena, why_out);
	if (about.st_mode & (S_IRWXG | S_IRWXO))
		return no_identity(client, "can be read by others; `chmod 600` it, or remove it and sign in again",
		                   arena, why_out);
	buf_open(&text, OAUTH_TOKEN_STORE_MAX);
	if (!read_bytes(fd, &text))
		return no_identity(client, "cannot be read, or is too long", arena, why_out);
	return take_token(client, buf_str(&text), arena, token_out, why_out);
}

/* A regular file of this user that nobody else may open. */
static bool
is_private(const struct stat *about)
{
	return S_ISREG(about->st_mode) && about->st_nlink == 1 && about->st_uid == geteuid() &&
	       !(about->st_mode & (S_IRWXG | S_IRWXO));
}

/* True if the file is this user's, is locked now, and still has its name. */
static bool
holds_lock(int fd, const char *path)
{
	struct stat open_one, named;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &open_one) == 0 && is_private(&open_one) &&
	       lstat(path, &named) == 0 && named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev;
}

/*
 * Opens and locks the new file that will replace the old one.  The lock says which process may do that; the others
 * wait. A file of another user in its place is removed.  -1: errno.
 */
static int
take_lock(const char *path)
{
	const struct timespec moment = { .tv_nsec = LOCK_WAIT_NS };

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		AUTO(file_close) int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
		struct stat          about;
		int                  mine = fd;

		if (fd < 0 && errno != ELOOP && errno != EACCES)
			return -1;
		if (fd >= 0 && holds_lock(fd, path)) {
			fd = -1;
			return mine;
		}
		if (lstat(path, &about) == 0 && !is_private(&about) && unlink(path) != 0)
			return -1;
		(void)nanosleep(&moment, NULL);
	}
	errno = EBUSY;
	return -1;
}

static const char *
new_path(const struct oauth_client *client, struct arena *arena)
{
	return arena_c(arena, arena_printf(arena, "%s.new", client->token_store));
}

static bool
replace(const struct oauth_client *client, struct str text, struct arena *arena)
{
	const char          *new_name = new_path(client, arena);
	AUTO(file_close) int fd = take_lock(new_name);

	return fd >= 0 && ftruncate(fd, 0) == 0 && file_write(fd, text) &&
	       file_publish(fd, AT_FDCWD, new_name, client->token_store);
}

enum err
oauth_token_store_write(const struct oauth_client *client, struct str token, struct arena *arena, struct str *why_out)
{
	AUTO(buf_close) struct buf text = { 0 };
	struct json_out            out;

	buf_open(&text, OAUTH_TOKEN_STORE_MAX);
	out = json_out_object(&text);
	json_put_member(&out, STR("authority"), client->authority);
	json_put_member(&out, STR("tenantId"), client->tenant);
	json_put_member(&out, STR("clientId"), client->id);
	json_put_member(&out, STR("refreshToken"), token);
	json_end_object(&out);
	if (buf_err(&text) != OK)
		return no_identity(client, "would be too long", arena, why_out);
	return replace(client, buf_str(&text), arena) ? OK
	                                              : no_identity(client, strerrordesc_np(errno), arena, why_out);
}

bool
oauth_token_store_forget(const struct oauth_client *client, struct str token, struct arena *arena)
{
	const char          *new_name = new_path(client, arena);
	AUTO(file_close) int fd = take_lock(new_name);
	struct str           kept, why;

	if (oauth_token_store_read(client, arena, &kept, &why) == OK && !str_eq(kept, token))
		return false;
	(void)unlink(client->token_store);
	if (fd >= 0)
		(void)unlink(new_name);
	return true;
}
