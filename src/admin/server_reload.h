/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_reload — a running server reads its configuration and its certificates again.
 *
 * The logs and the certificate change. Each other setting with a new value is named in a message, because it needs a
 * restart. After a failure everything stays as it was, and a message says why.
 */
#pragma once

#include "admin/server.h"

void server_reload(struct server *server);
