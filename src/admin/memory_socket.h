/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_socket — how other commands reach the server of a memory: store.
 *
 * Such a store has no path that its user knows. So its control socket stands in the runtime directory, as
 * memory-PID.sock: $XDG_RUNTIME_DIR/tidemark, else /tmp/tidemark-UID. That directory must be one of this user alone.
 */
#pragma once

#include "admin/sock_path.h"
#include "cli/command.h"

/* For a server: makes the directory, removes the sockets of killed servers. ERR_IO, and a sentence in why_out. */
enum err memory_socket_open(struct arena *arena, struct sock_path *path_out, char why_out[512]) MUST_CHECK;

/*
 * For other commands: the socket of the only server of a memory: store. The run's store is then the file of that
 * server, and its content folder the one of that server. An exit code; the message has been printed.
 */
int memory_socket_find(struct cmd_run *run, struct sock_path *path_out);
