/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/sock_path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/un.h>

#include "base/file.h"
#include "store/store.h"

enum err
sock_path_fit(const char *path, struct arena *arena, struct sock_path *path_out)
{
	const char *slash;
	int         folder;

	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		*path_out = (struct sock_path){ path, -1 };
		return OK;
	}
	slash = strrchr(path, '/');
	if (!slash)
		return ERR_IO;
	folder = open(arena_c(arena, str_of(path, (size_t)(slash - path) + 1)), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return ERR_IO;
	*path_out = (struct sock_path){ arena_c(arena, arena_printf(arena, "/proc/self/fd/%d%s", folder, slash)),
		                        folder };
	return OK;
}

enum err
sock_path_open(struct str store_url, struct arena *arena, struct sock_path *path_out)
{
	const char *file;

	TRY(store_url_path(store_url, arena, &file));
	if (file[0] == 0)
		return ERR_NOT_FOUND;
	return sock_path_fit(arena_c(arena, arena_printf(arena, "%s.sock", file)), arena, path_out);
}

void
sock_path_close(struct sock_path *path)
{
	file_close(&path->folder);
}
