/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content — large bytes that belong to items: one file each, in a folder beside the store.
 *
 * A blob is named by 128 random bits, so nothing that comes from outside ever becomes a file name.  It never changes
 * once it has its name.  It is written as NAME.part, synced, renamed, and the folder is synced.  Only then does
 * content_finish() return the reference that the caller links into its item, in one commit of the store.  Whenever
 * the process is killed, the item has either the old reference or the new one, and at worst there is a file that no
 * item refers to (an orphan), which content_sweep() finds.
 *
 * Nothing in use is removed.  The writer of a blob holds a lock (flock) on its file until the
 * reference is linked; whoever copies the folder, or checks it against a store, holds one on the folder.  The
 * kernel releases both with the process, so what a killed process leaves is an orphan at once.
 *
 * Files are opened below the folder without following links, and only regular files of the length in the
 * reference are read: anything else is ERR_CORRUPT.  A folder may be shared between threads and processes.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/guid.h"
#include "base/str.h"

#define CONTENT_ID_BYTES   16
#define CONTENT_HASH_BYTES 32
#define CONTENT_NAME_LEN   (2 * CONTENT_ID_BYTES) /* as a file: lower-case hex */

struct content_ref {
	uint8_t  id[CONTENT_ID_BYTES];
	uint8_t  sha256[CONTENT_HASH_BYTES];
	uint64_t size;
};

#define CONTENT_FREE_MIN ((uint64_t)256 << 20)

struct content;
struct content_write;

struct content_conf {
	const char *path;     /* of the folder; NULL: a temporary one, gone at close */
	bool        create;   /* make it when the first blob is written */
	uint64_t    free_min; /* bytes of the disk that blobs leave free; 0: CONTENT_FREE_MIN, or an eighth of it */
	uint64_t    size_max; /* of a blob.  Unfinished ones may have 2 times that for one owner, 4 times in all */
	const struct entropy *entropy;
};

/* ERR_IO; the sentence is in why_out. A folder that is not there yet is an empty one. */
enum err    content_open(const struct content_conf *conf, struct content **content_out, char why_out[256]) MUST_CHECK;
void        content_close(struct content **content);
const char *content_path(const struct content *content);

/* ---- writing: sticky, look at content_finish() ----------------------------------------------------- */

/*
 * Never NULL. `size`: the announced length (0: not known), which is refused if there is no space for it; only bytes
 * that arrive take space. `owner` (borrowed): whose unfinished blobs it counts among; NULL: they are not limited.
 */
struct content_write *content_begin(struct content *content, uint64_t size, const struct guid *owner);
void                  content_put(struct content_write *write, const void *bytes, size_t len);
enum err              content_write_err(const struct content_write *write);
/* ERR_FULL no space · ERR_BUSY · ERR_IO. OK: the blob is durable, and no sweep removes it before content_end(). */
enum err content_finish(struct content_write *write, struct content_ref *ref_out) MUST_CHECK;
/* Call it when the blob is linked, or may be. Does nothing for a blob that failed or is not finished. */
void content_keep(struct content_write *write);
/* Removes a blob that was not kept. For AUTO(); NULL inside is fine. */
void content_end(struct content_write **write);

/* ---- reading ------------------------------------------------------------------------------------------ */

/*
 * A descriptor that the caller closes. ERR_NOT_FOUND no such blob · ERR_CORRUPT not what the reference says · ERR_IO.
 */
enum err content_read(struct content *content, const struct content_ref *ref, int *fd_out) MUST_CHECK;
/* As content_read(), and every byte is hashed: ERR_CORRUPT when it is not what was written. */
enum err content_verify(struct content *content, const struct content_ref *ref) MUST_CHECK;
bool     content_has(struct content *content, const struct content_ref *ref); /* could it be read? */
/* Size and hash of any file, as if it were written.  `fd` is read from its beginning to its end. ERR_IO. */
enum err content_measure(int fd, struct content_ref *ref_out) MUST_CHECK;
/* Opens a file to import content from: below the folder `dir`, without links that lead out of it. -1 and errno. */
int content_open_source(int dir, const char *name);

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* Nothing is removed until the descriptor is closed; waits for a sweep. -1: there is no folder. */
int content_keep_all(struct content *content);
/* Unlinks a blob, unless it or the folder is held: then it is an orphan. */
void content_remove(struct content *content, const uint8_t id[CONTENT_ID_BYTES]);

/* Is the blob still needed? Called for each file of the folder that bears a blob's name. */
typedef bool content_needed_fn(void *ctx, const uint8_t id[CONTENT_ID_BYTES]);

struct content_sweep {
	int64_t            older_than_s; /* passes over younger files (a writer may be at work); 0: passes over none */
	int64_t            now_s;
	bool               keep;   /* only count */
	content_needed_fn *needed; /* NULL: every blob is needed, and only unfinished files are removed */
	void              *ctx;
};

struct content_swept {
	uint64_t files, orphans, foreign; /* foreign: files without a blob's name; they are never touched */
	uint64_t orphan_bytes;
};

/* ERR_LOCKED another process holds the folder · ERR_IO. */
enum err content_sweep(struct content *content, const struct content_sweep *sweep, struct content_swept *swept_out)
	MUST_CHECK;
