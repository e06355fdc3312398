/* SPDX-License-Identifier: Apache-2.0 */
/* content_fixture — a content folder of its own for a test. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "content/content.h"
#include "crypt/seal.h"

struct fixture {
	char            root[64], folder[80];
	struct content *content;
};

static inline void
fixture_open_with(struct fixture *fixture, struct content_conf conf)
{
	char why[256];

	conf.create = true;
	conf.entropy = &entropy_system;

	/* In memory where that is possible: a sync costs nothing there, and none is judged here. */
	(void)snprintf(fixture->root, sizeof(fixture->root), "%s/test_content_XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(fixture->root));
	(void)snprintf(fixture->folder, sizeof(fixture->folder), "%s/store.content", fixture->root);
	conf.path = fixture->folder;
	assert_int_equal(content_open(&conf, &fixture->content, why), OK);
}

static inline void
fixture_open(struct fixture *fixture)
{
	fixture_open_with(fixture, (struct content_conf){ .size_max = UINT64_MAX });
}

static inline void
fixture_close(struct fixture *fixture)
{
	char command[160];

	content_close(&fixture->content);
	assert_null(fixture->content);
	(void)snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
	assert_int_equal(system(command), 0);
}

static inline unsigned
files_in(const struct fixture *fixture)
{
	DIR           *dir = opendir(fixture->folder);
	struct dirent *entry;
	unsigned       count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	if (dir)
		(void)closedir(dir);
	return count;
}

static inline struct content_ref
put(struct fixture *fixture, const char *bytes, size_t len)
{
	struct content_write *write = content_begin(fixture->content, len, NULL);
	struct content_ref    ref;

	for (size_t at = 0; at < len; at += 7)
		content_put(write, bytes + at, len - at < 7 ? len - at : 7);
	assert_int_equal(content_finish(write, &ref), OK);
	content_keep(write);
	content_end(&write);
	assert_null(write);
	return ref;
}

static inline void
path_of(const struct fixture *fixture, const struct content_ref *ref, char path_out[160])
{
	char name[CONTENT_NAME_LEN];

	hex_write(ref->id, CONTENT_ID_BYTES, name);
	(void)snprintf(path_out, 160, "%s/%.*s", fixture->folder, CONTENT_NAME_LEN, name);
}

static inline bool
is_kept(void *ctx, const uint8_t id[CONTENT_ID_BYTES])
{
	return memcmp(ctx, id, CONTENT_ID_BYTES) == 0;
}
