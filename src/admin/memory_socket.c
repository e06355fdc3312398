/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/sock_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "fetch/control_client.h"
#include "text/json_read.h"

#define PREFIX         "memory-"
#define SUFFIX         ".sock"
#define CALL_ARENA_MAX ((size_t)4 << 20)

static const char *
dir_path(struct arena *arena)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && runtime[0] == '/')
		return arena_c(arena, arena_printf(arena, "%s/tidemark", runtime));
	return arena_c(arena, arena_printf(arena, "/tmp/tidemark-%u", (unsigned)geteuid()));
}

/* A directory of this user alone, and no link to one. ERR_NOT_FOUND: it is not there. ERR_IO. */
static enum err
check_dir(const char *path, char why_out[512])
{
	AUTO(file_close) int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat          is;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (fd >= 0 && fstat(fd, &is) == 0 && is.st_uid == geteuid() && (is.st_mode & 077) == 0)
		return OK;
	str_printf(why_out, 512, "%.*s is not a folder of this user with mode 0700; remove it, or set XDG_RUNTIME_DIR",
	           STR_CUT_ARG(path, 300));
	return ERR_IO;
}

/* The path of the next socket in the directory; NULL at the end. */
static const char *
next_socket(DIR *list, const char *dir, struct arena *arena)
{
	struct dirent *entry;

	while (list && (entry = readdir(list)) != NULL) {
		struct str name = str_from_c(entry->d_name);

		if (str_starts(name, STR(PREFIX)) && str_ends(name, STR(SUFFIX)))
			return arena_c(arena, arena_printf(arena, "%s/%s", dir, entry->d_name));
	}
	return NULL;
}

static void
close_list(DIR **list)
{
	if (*list)
		(void)closedir(*list);
}

static bool
is_dead(const char *path)
{
	AUTO(file_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un   address = { .sun_family = AF_UNIX };

	(void)str_printf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0 &&
	       errno == ECONNREFUSED;
}

static void
remove_dead(const char *dir, struct arena *arena)
{
	AUTO(close_list) DIR *list = opendir(dir);
	const char           *path;

	while ((path = next_socket(list, dir, arena)) != NULL) {
		struct sock_path sock = { NULL, -1 };

		if (sock_path_fit(path, arena, &sock) == OK && is_dead(sock.path))
			(void)unlink(path);
		sock_path_close(&sock);
	}
}

enum err
memory_socket_open(struct arena *arena, struct sock_path *path_out, char why_out[512])
{
	const char *dir = dir_path(arena);

	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		str_printf(why_out, 512, "%.*s cannot be made: %s", STR_CUT_ARG(dir, 300), strerrordesc_np(errno));
		return ERR_IO;
	}
	TRY(check_dir(dir, why_out));
	remove_dead(dir, arena);
	return sock_path_fit(arena_c(arena, arena_printf(arena, "%s/" PREFIX "%d" SUFFIX, dir, (int)getpid())), arena,
	                     path_out);
}

/* Asks the server for its files. False: nobody answers. */
static bool
ask(const struct sock_path *sock, struct arena *arena, struct str *store_out, struct str *content_out)
{
	AUTO(arena_close) struct arena *call_arena = arena_open(CALL_ARENA_MAX);
	AUTO(json_drop) struct json    *root = NULL;
	struct control_call             call = { .target = STR("/-/store") };
	struct control_response         response;

	if (control_call(sock->path, &call, call_arena, &response) != OK || response.status != 200 ||
	    json_read(response.body, call_arena, &root, NULL) != OK ||
	    !json_text(json_member(root, "store"), store_out) || !json_text(json_member(root, "content"), content_out))
		return false;
	*store_out = arena_copy(arena, *store_out);
	*content_out = arena_copy(arena, *content_out);
	return true;
}

/* How many servers answer. The outputs are those of the last one. */
static unsigned
ask_all(struct cmd_run *run, const char *dir, struct sock_path *sock, struct str *content)
{
	AUTO(close_list) DIR *list = opendir(dir);
	const char           *path;
	unsigned              count = 0;

	while ((path = next_socket(list, dir, run->arena)) != NULL) {
		struct sock_path next = { NULL, -1 };

		if (sock_path_fit(path, run->arena, &next) == OK &&
		    ask(&next, run->arena, &run->conf.values[CONF_STORE].text, content)) {
			sock_path_close(sock);
			*sock = next;
			count++;
		} else {
			sock_path_close(&next);
		}
	}
	return count;
}

int
memory_socket_find(struct cmd_run *run, struct sock_path *path_out)
{
	const char *dir = dir_path(run->arena);
	struct str  content = STR_EMPTY;
	char        why[512];
	enum err    err = check_dir(dir, why);
	unsigned    count;

	if (err == ERR_IO)
		return console_fail(EXIT_PERMANENT, "the server of a memory: store cannot be reached: %s", why);
	count = err == OK ? ask_all(run, dir, path_out, &content) : 0;
	if (count == 0)
		return console_fail(
			EXIT_PERMANENT,
			"no server has a memory: store; start `tidemark serve --store memory:` first, or keep the "
			"data in a file: --store sqlite:PATH");
	if (count > 1)
		return console_fail(EXIT_PERMANENT,
		                    "%u servers have a memory: store (their sockets are in %s); stop all but one, or "
		                    "start each with an XDG_RUNTIME_DIR of its own",
		                    count, dir);
	run->content_path = content.len ? arena_c(run->arena, content) : NULL;
	return EXIT_DONE;
}
