/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a few lines that every engine is compared with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define FEEDS 3
#define IDS   14
#define KEYS  4
#define NOTES 6

struct line { /* seq 0: the id was never there, or is purged */
	uint64_t seq, made;
	int64_t  ms;
	int      key, body;
	bool     is_live;
};

struct model_feed {
	bool        exists;
	uint64_t    head, purged_through;
	int64_t     purged_through_ms, last_ms;
	int         pinned; /* 0: none, else id + 1 */
	struct line lines[IDS];
};

struct model {
	struct model_feed feeds[FEEDS];
	int               kv[NOTES]; /* 0: none */
};

static inline struct line *
model_to_end(struct model_feed *feed, int id, int64_t now_ms)
{
	struct line *line = &feed->lines[id];

	if (feed->head == 0 || now_ms > feed->last_ms)
		feed->last_ms = now_ms;
	feed->head++;
	*line = (struct line){ .seq = feed->head,
		               .made = line->is_live ? line->made : feed->head,
		               .ms = feed->last_ms };
	return line;
}

static inline uint32_t
model_purge(struct model_feed *feed, int64_t until_ms, uint32_t max)
{
	uint32_t purged = 0;

	while (purged < max) {
		struct line *oldest = NULL;

		for (int id = 0; id < IDS; id++) {
			struct line *line = &feed->lines[id];

			if (line->seq && !line->is_live && (!oldest || line->seq < oldest->seq))
				oldest = line;
		}
		if (!oldest || oldest->ms > until_ms)
			break;
		feed->purged_through = oldest->seq;
		feed->purged_through_ms = oldest->ms;
		*oldest = (struct line){ 0 };
		purged++;
	}
	return purged;
}

static inline int
model_next(const struct model_feed *feed, uint64_t after, uint64_t until, bool live_only)
{
	int best = -1;

	for (int id = 0; id < IDS; id++) {
		const struct line *line = &feed->lines[id];

		if (line->seq <= after || line->seq > until || (live_only && !line->is_live))
			continue;
		if (best < 0 || line->seq < feed->lines[best].seq)
			best = id;
	}
	return best;
}

static inline int
model_next_made(const struct model_feed *feed, uint64_t after)
{
	int best = -1;

	for (int id = 0; id < IDS; id++)
		if (feed->lines[id].is_live && feed->lines[id].made > after &&
		    (best < 0 || feed->lines[id].made < feed->lines[best].made))
			best = id;
	return best;
}
