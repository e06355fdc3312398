/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_path — the path of a store's control socket, in a form that fits a Unix address.
 *
 * An address holds 107 bytes; for a longer path it goes through /proc/self/fd of the folder.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "cli/command.h"

struct sock_path {
	const char *path;   /* to bind or to connect to */
	int         folder; /* descriptor that `path` uses, or -1 */
};

/* A socket at that path. ERR_IO. */
enum err sock_path_fit(const char *path, struct arena *arena, struct sock_path *path_out) MUST_CHECK;
/* ERR_NOT_FOUND: the store has no file (memory_socket.h then has its socket).  ERR_IO. */
enum err sock_path_open(struct str store_url, struct arena *arena, struct sock_path *path_out) MUST_CHECK;
void     sock_path_close(struct sock_path *path);

/*
 * memory_socket — how other commands reach the server of a memory: store.
 *
 * Such a store has no path that its user knows. So its control socket stands in the runtime directory, as
 * memory-PID.sock: $XDG_RUNTIME_DIR/tidemark, else /tmp/tidemark-UID. That directory must be one of this user alone.
 */
/* For a server: makes the directory, removes the sockets of killed servers. ERR_IO, and a sentence in why_out. */
enum err memory_socket_open(struct arena *arena, struct sock_path *path_out, char why_out[512]) MUST_CHECK;

/*
 * For other commands: the socket of the only server of a memory: store. The run's store is then the file of that
 * server, and its content folder the one of that server. An exit code; the message has been printed.
 */
int memory_socket_find(struct cmd_run *run, struct sock_path *path_out);
