/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content — large bytes that belong to items: one file each, in a folder beside the store.
 *
 * A blob is named by 128 random bits, so nothing that comes from outside ever becomes a file name,
 * and is never changed once it has its name.  It is written under a name of its own kind (NAME.part),
 * synced, renamed, and the folder synced; only then does content_finish() give the reference that the
 * caller links into its item, in one commit of the store.  Cut anywhere, there is either the old
 * reference or the new one, and at worst a file nobody refers to (an orphan), which content_sweep() finds.
 *
 * Files are opened below the folder without following links, and only regular files of the length the
 * reference says are read: anything else is ERR_CORRUPT.  A folder may be shared between threads, and
 * between processes as long as one of them at most sweeps without a minimum age.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define CONTENT_ID_BYTES   16
#define CONTENT_HASH_BYTES 32
#define CONTENT_NAME_LEN   (2 * CONTENT_ID_BYTES)        /* as a file: lower-case hex */

struct content_ref {
	uint8_t  id[CONTENT_ID_BYTES];
	uint8_t  sha256[CONTENT_HASH_BYTES];
	uint64_t size;
};

struct content;
struct content_write;

struct content_conf {
	const char           *path;      /* of the folder; NULL: a temporary one, gone at close */
	bool                  create;    /* make it when the first blob is written */
	const struct entropy *entropy;
};

/* ERR_IO; the sentence is in why_out. A folder that is not there yet is an empty one. */
enum err content_open(const struct content_conf *conf, struct content **content_out, char why_out[256]) MUST_CHECK;
void     content_close(struct content **content);

/* ---- writing: sticky, look at content_finish() ----------------------------------------------------- */

/* Never NULL. `size` when it is known, so that room is taken at once; 0 if not. */
struct content_write *content_begin(struct content *content, uint64_t size);
void                  content_put(struct content_write *write, const void *bytes, size_t len);
enum err              content_write_err(const struct content_write *write);
/* ERR_FULL no room · ERR_IO.  After a failure nothing is left behind. */
enum err content_finish(struct content_write **write, struct content_ref *ref_out) MUST_CHECK;
void     content_abort(struct content_write **write);    /* for AUTO(); NULL inside is fine */

/* ---- reading ------------------------------------------------------------------------------------------ */

/* A descriptor the caller closes.  ERR_NOT_FOUND no such blob · ERR_CORRUPT not what the reference says · ERR_IO. */
enum err content_read(struct content *content, const struct content_ref *ref, int *fd_out) MUST_CHECK;
/* As content_read(), and every byte is hashed: ERR_CORRUPT when it is not what was written. */
enum err content_verify(struct content *content, const struct content_ref *ref) MUST_CHECK;
/* Size and hash of any file, as if it were written.  `fd` is read from its beginning to its end. ERR_IO. */
enum err content_measure(int fd, struct content_ref *ref_out) MUST_CHECK;

/* ---- the folder ---------------------------------------------------------------------------------------- */

/* Unlinks a blob; one that is not there is fine. */
void content_remove(struct content *content, const uint8_t id[CONTENT_ID_BYTES]);

/* Is the blob still needed? Called for each file of the folder that bears a blob's name. */
typedef bool content_needed_fn(void *ctx, const uint8_t id[CONTENT_ID_BYTES]);

struct content_sweep {
	int64_t            older_than_s; /* passes over files written to since (a writer may be at work); 0: none is */
	int64_t            now_s;
	bool               keep;         /* only count */
	content_needed_fn *needed;
	void              *ctx;
};

struct content_swept {
	uint64_t files, orphans, foreign;        /* foreign: what bears no name of ours; it is never touched */
	uint64_t orphan_bytes;
};

enum err content_sweep(struct content *content, const struct content_sweep *sweep,
                       struct content_swept *swept_out) MUST_CHECK;
