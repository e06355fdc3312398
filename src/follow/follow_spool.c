/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "follow/follow_page.h"

#define MAGIC      0x31646165684d5444u /* names this layout */
#define LINK_SPACE ((size_t)64 << 10)
#define PAGE_SPACE ((off_t)FOLLOW_PAGE_MAX + (off_t)LINK_SPACE)

struct head {
	uint64_t magic, sid, round_ms, page, link_len, body_len, hash;
};

struct follow_spool {
	int           fd;
	const char   *path;
	struct arena *arena;
	struct head   left[FOLLOW_SPOOL_PAGES]; /* by an earlier process; magic 0: none */
};

static uint64_t
hash_of(const struct head *head, struct str link, struct str body)
{
	struct head clean = *head;

	clean.hash = 0;
	return follow_page_hash(str_of(&clean, sizeof(clean))) ^ follow_page_hash(link) * 3 ^
	       follow_page_hash(body) * 5;
}

static off_t
offset_of(uint64_t page)
{
	return (off_t)(page % FOLLOW_SPOOL_PAGES) * PAGE_SPACE;
}

static bool
read_at(int fd, void *bytes, size_t len, off_t at)
{
	size_t got;

	return lseek(fd, at, SEEK_SET) == at && file_read(fd, bytes, len, &got) && got == len;
}

static bool
write_at(int fd, struct str bytes, off_t at)
{
	return lseek(fd, at, SEEK_SET) == at && file_write(fd, bytes);
}

enum err
follow_spool_open(const char *path, struct follow_spool **spool_out)
{
	struct follow_spool *spool = handle_new(sizeof(*spool));

	spool->arena = arena_open(4096 + strlen(path));
	spool->path = arena_c(spool->arena, str_from_c(path));
	spool->fd = file_make(AT_FDCWD, path);
	if (spool->fd < 0) {
		follow_spool_close(&spool, false);
		return ERR_IO;
	}
	for (uint64_t i = 0; i < FOLLOW_SPOOL_PAGES; i++)
		if (!read_at(spool->fd, &spool->left[i], sizeof(spool->left[i]), offset_of(i)))
			spool->left[i] = (struct head){ 0 };
	*spool_out = spool;
	return OK;
}

void
follow_spool_close(struct follow_spool **spool, bool is_needed)
{
	if (!*spool)
		return;
	if ((*spool)->fd >= 0) {
		if (!is_needed)
			(void)unlink((*spool)->path);
		(void)close((*spool)->fd);
	}
	arena_close(&(*spool)->arena);
	free(*spool);
	*spool = NULL;
}

/* The head is written last: a process killed before that leaves no head that matches. */
enum err
follow_spool_put(struct follow_spool *spool, const struct follow_position *position, struct str link, struct str body)
{
	off_t       at = offset_of(position->page);
	struct head head = { .magic = MAGIC,
		             .sid = (uint64_t)position->sid,
		             .round_ms = (uint64_t)position->round_ms,
		             .page = position->page,
		             .link_len = link.len,
		             .body_len = body.len };

	if (link.len > LINK_SPACE - sizeof(head) || body.len > FOLLOW_PAGE_MAX)
		return ERR_TOO_LARGE;
	spool->left[position->page % FOLLOW_SPOOL_PAGES] = (struct head){ 0 };
	head.hash = hash_of(&head, link, body);
	if (!write_at(spool->fd, link, at + (off_t)sizeof(head)) ||
	    !write_at(spool->fd, body, at + (off_t)(sizeof(head) + link.len)) ||
	    !write_at(spool->fd, str_of(&head, sizeof(head)), at))
		return ERR_IO;
	return OK;
}

static bool
is_of(const struct head *head, const struct follow_position *position, struct str link)
{
	return head->magic == MAGIC && head->sid == (uint64_t)position->sid &&
	       head->round_ms == (uint64_t)position->round_ms && head->page == position->page &&
	       head->link_len == link.len && head->body_len <= FOLLOW_PAGE_MAX;
}

enum err
follow_spool_take(struct follow_spool *spool, const struct follow_position *position, struct str link,
                  struct buf *body_out)
{
	off_t       at = offset_of(position->page) + (off_t)(sizeof(struct head) + link.len);
	struct head head = spool->left[position->page % FOLLOW_SPOOL_PAGES];
	char       *space;

	if (!is_of(&head, position, link))
		return ERR_NOT_FOUND;
	spool->left[position->page % FOLLOW_SPOOL_PAGES] = (struct head){ 0 };
	buf_cut(body_out, 0);
	space = buf_reserve(body_out, head.body_len);
	if (!space || !read_at(spool->fd, space, head.body_len, at))
		return ERR_NOT_FOUND;
	buf_grew(body_out, head.body_len);
	/* The hash also covers the link. */
	if (hash_of(&head, link, buf_str(body_out)) != head.hash) {
		buf_cut(body_out, 0);
		return ERR_NOT_FOUND;
	}
	return OK;
}
