/* SPDX-License-Identifier: Apache-2.0 */
/* server_hints — what a server prints when it is ready: the file to trust, and how to get a token. */
#pragma once

#include "admin/server.h"

/* `upn`: the user for the example; NULL: the first user of the store. */
void server_hints(struct server *server, const char *upn);
