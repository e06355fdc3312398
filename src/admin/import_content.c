/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/import_content.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/writer.h"
#include "admin/ndjson.h"
#include "base/file.h"
#include "text/json_span.h"

#define PIECE_BYTES ((size_t)64 << 10)

int
import_content_open(struct cmd_run *run, struct store *store, const char *file, struct import_content *files_out)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	const char *dir = slash ? arena_c(run->arena, str_of(file, slash == file ? 1 : (size_t)(slash - file))) : ".";
	char       *root = arena_take_raw(run->arena, PATH_MAX);

	if (cmd_has(run, "content-root"))
		dir = cmd_value(run, "content-root");
	*files_out = (struct import_content){ .run = run, .store = store, .dir = -1 };
	MUST(conf_size(conf_get(&run->conf, CONF_MAX_CONTENT), &files_out->size_max));
	files_out->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files_out->dir < 0 || !realpath(dir, root))
		return console_fail(EXIT_OTHER, "%s: %s", dir, strerrordesc_np(errno));
	files_out->root = root;
	files_out->arena = arena_open(LINE_ARENA_MAX);
	return EXIT_DONE;
}

void
import_content_close(struct import_content *files)
{
	import_content_release(files);
	content_close(&files->content);
	arena_close(&files->arena);
	file_close(&files->dir);
}

void
import_content_release(struct import_content *files)
{
	while (files->held_count > 0) {
		content_keep(files->held[--files->held_count]);
		content_end(&files->held[files->held_count]);
	}
}

/* A backslash may be an escape in the member's name. */
bool
import_content_names(struct str line)
{
	static const char word[] = "contentFile";

	return memmem(line.at, line.len, word, sizeof(word) - 1) || memchr(line.at, '\\', line.len);
}

static enum err
refuse(struct import_content *files, struct str name, const char *reason, struct str *why_out)
{
	*why_out = arena_printf(files->arena, "\"contentFile\" %.*s: %s", STR_ARG(str_cut(name, 256)), reason);
	return ERR_BAD_REQUEST;
}

static enum err
open_file(struct import_content *files, struct str name, int *fd_out, struct str *why_out)
{
	struct str  root = strcmp(files->root, "/") == 0 ? STR_EMPTY : str_from_c(files->root), path = name;
	struct stat stat = { 0 };
	int         fd;

	if (memchr(name.at, 0, name.len))
		return refuse(files, name, "there is a NUL in the name", why_out);
	/* An absolute path into the folder is allowed, too. */
	if (str_starts(name, root) && str_starts(str_skip(name, root.len), STR("/")))
		path = str_skip(name, root.len);
	while (path.len < name.len && str_starts(path, STR("/")))
		path = str_skip(path, 1);
	fd = content_open_source(files->dir, arena_c(files->arena, path));
	if (fd < 0)
		return refuse(files, name,
		              errno == EXDEV ? "outside of the import's folder; see --content-root"
		                             : strerrordesc_np(errno),
		              why_out);
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (uint64_t)stat.st_size <= files->size_max) {
		*fd_out = fd;
		return OK;
	}
	(void)close(fd);
	return refuse(files, name, S_ISREG(stat.st_mode) ? "larger than --max-content" : "not a regular file", why_out);
}

static enum err
read_line(struct import_content *files, struct str line, struct line_op *op_out, struct str *why_out)
{
	arena_reset(files->arena);
	return line_parse(line, files->arena, op_out, why_out) == OK ? OK : ERR_BAD_REQUEST;
}

enum err
import_content_check(struct import_content *files, struct str line, struct str *why_out)
{
	struct line_op op;
	int            fd;

	TRY(read_line(files, line, &op, why_out));
	if (op.content_file.len == 0)
		return OK;
	TRY(open_file(files, op.content_file, &fd, why_out));
	(void)close(fd);
	return OK;
}

/* The content that the recording has now; false if there is none. */
static bool
known_content(struct import_content *files, const struct line_op *op, struct content_ref *ref_out)
{
	struct store_feed feed = { .owner = op->owner, .collection = op->resource->number };
	struct user       owner;
	struct item       item;
	struct str        raw, id;

	if (!json_span_member(op->value, STR("id"), &raw) || !json_span_text(raw, files->arena, &id) ||
	    directory_find_owner(files->store, &op->owner, files->arena, &owner) != OK)
		return false;
	feed.tenant = owner.tenant;
	return store_get(files->store, &feed, id, files->arena, &item) == OK &&
	       op->resource->content_of(item.body, ref_out) == OK;
}

/* Does the recording already have exactly this file? */
static bool
is_there_already(struct import_content *files, const struct line_op *op, int fd, struct content_ref *ref_out)
{
	struct content_ref known, found;
	struct stat        stat;

	if (!known_content(files, op, &known) || fstat(fd, &stat) != 0 || (uint64_t)stat.st_size != known.size)
		return false;
	if (content_measure(fd, &found) != OK || memcmp(found.sha256, known.sha256, sizeof(found.sha256)) != 0)
		return false;
	*ref_out = known;
	return content_verify(files->content, &known) == OK;
}

static enum err
copy(struct import_content *files, int fd, struct content_ref *ref_out)
{
	struct content_write *write;
	struct stat           stat;
	char                  piece[PIECE_BYTES];
	ssize_t               got = 1;
	uint64_t              copied = 0; /* a file may grow while it is read */

	if (fstat(fd, &stat) != 0)
		return ERR_IO;
	MUST(files->held_count < IMPORT_HELD_MAX);
	write = files->held[files->held_count++] = content_begin(files->content, (uint64_t)stat.st_size, NULL);
	while (got != 0 && content_write_err(write) == OK) {
		got = read(fd, piece, sizeof(piece));
		if (got < 0 && errno != EINTR)
			return ERR_IO;
		if (got > 0)
			content_put(write, piece, (size_t)got);
		copied += got > 0 ? (uint64_t)got : 0;
		if (copied > files->size_max)
			return ERR_TOO_LARGE;
	}
	return content_finish(write, ref_out);
}

enum err
import_content_bring(struct import_content *files, struct str line, struct buf *buf, struct str *why_out)
{
	struct content_ref ref;
	struct line_op     op;
	enum err           err = OK;
	int                fd;

	TRY(read_line(files, line, &op, why_out));
	if (op.content_file.len == 0) {
		buf_put(buf, line);
		buf_put_char(buf, '\n');
		return OK;
	}
	if (!files->content && content_dir_open(files->run, true, &files->content) != EXIT_DONE)
		return ERR_IO;
	if (!files->content) {
		*why_out = STR("a store in PostgreSQL has no place for the content of recordings yet");
		return ERR_BAD_REQUEST;
	}
	TRY(open_file(files, op.content_file, &fd, why_out));
	if (!is_there_already(files, &op, fd, &ref))
		err = copy(files, fd, &ref);
	(void)close(fd);
	TRY(err);
	line_put_with_content(buf, &op, &ref);
	return OK;
}
