/* SPDX-License-Identifier: Apache-2.0 */
/* sample — the sample data of `serve --sample`; the lines are built in from samples/. */
#pragma once

#include "admin/server.h"

/* The user of samples/seed.jsonl. */
#define SAMPLE_USER "samanthab@contoso.com"

extern const unsigned char sample_lines[];
extern const size_t        sample_lines_len;

/* Refuses a store that has users. An exit code; the message has been printed. */
int sample_load(struct server *server);
