/* SPDX-License-Identifier: Apache-2.0 */
/* server_tls — the files of a server's certificate: the user's own, or those of the local authority. */
#pragma once

#include "admin/server.h"

/*
 * The files that `conf` asks for. Makes or renews the certificate of `tls = auto`. `arena` holds the paths. An exit
 * code; the message has been printed.
 */
int server_tls_files(struct server *server, const struct conf *conf, struct arena *arena, struct tls_files *files_out);
