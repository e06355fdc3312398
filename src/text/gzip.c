/* SPDX-License-Identifier: Apache-2.0 */
#include "text/gzip.h"

#include <limits.h>
#define ZLIB_CONST
#include <zlib.h>

/* A client waits while an answer is packed: speed counts more than size. */
#define LEVEL Z_BEST_SPEED
/* Window bits; 16 more ask zlib for the gzip frame. */
#define WINDOW_BITS (15 + 16)
#define MEMORY      8

bool
gzip_pack(struct str text, struct arena *arena, struct str *packed_out)
{
	z_stream stream = { 0 };
	char    *packed;
	bool     done;

	if (text.len == 0 || text.len > UINT_MAX)
		return false;
	packed = arena_take_raw(arena, text.len);
	MUST(deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK);
	stream.next_in = (const Bytef *)text.at;
	stream.avail_in = (uInt)text.len;
	stream.next_out = (Bytef *)packed;
	stream.avail_out = (uInt)text.len;
	done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
	if (done)
		*packed_out = str_of(packed, stream.total_out);
	(void)deflateEnd(&stream);
	return done;
}
