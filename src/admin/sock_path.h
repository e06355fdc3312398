/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_path — the path of a store's control socket, in a form that fits a Unix address.
 *
 * An address holds 107 bytes; for a longer path it goes through /proc/self/fd of the folder.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct sock_path {
	const char *path;   /* to bind or to connect to */
	int         folder; /* descriptor that `path` uses, or -1 */
};

/* A socket at that path. ERR_IO. */
enum err sock_path_fit(const char *path, struct arena *arena, struct sock_path *path_out) MUST_CHECK;
/* ERR_NOT_FOUND: the store has no file (memory_socket.h then has its socket).  ERR_IO. */
enum err sock_path_open(struct str store_url, struct arena *arena, struct sock_path *path_out) MUST_CHECK;
void     sock_path_close(struct sock_path *path);
