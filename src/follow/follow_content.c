/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "follow/follow_link.h"
#include "follow/follow_secrets.h"
#include "text/json_span.h"

#define ITEM_ARENA_MAX ((size_t)8 << 20)
#define NAME_MAX_BYTES 180
#define HOPS_MAX       3

struct content {
	const struct follow_content_conf *conf;
	struct replica                   *replica;
	struct replica_scope              scope;
	struct follow_origin              origin;
	struct follow_content_tally      *tally;
	struct arena                     *arena;     /* for one item */
	const char                       *refusal;   /* of this item: a sentence */
	int                               dir_fd;
	char                             *why;
};

static enum err
file_fault(struct content *content, const char *name)
{
	(void)snprintf(content->why, 512, "%.200s/%.200s: %s", content->conf->dir, name, strerrordesc_np(errno));
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

/* Never hidden, never empty, no slash: "r-" and the id with all but letters, digits and "-_~=" as %XX. */
/* The hash tells ids apart whose beginnings are the same. */
static const char *
file_name(struct content *content, struct str id, const char *end)
{
	struct str text = uri_encode(id, "=", content->arena);

	return arena_c(content->arena, arena_printf(content->arena, "r-%.*s-%016llx%s",
	                                            STR_ARG(str_first(text, NAME_MAX_BYTES)),
	                                            (unsigned long long)bytes_hash(BYTES_HASH_START, id), end));
}

/* ---- one file ------------------------------------------------------------------------------- */

static enum replica_content_state
state_of(unsigned status)
{
	switch (status) {
	case 404:
		return REPLICA_CONTENT_WAITING;
	case 402:
		return REPLICA_CONTENT_PAYMENT;
	default:
		return status == 429 || status >= 500 ? REPLICA_CONTENT_PARTIAL : REPLICA_CONTENT_REFUSED;
	}
}

static bool
is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool
holds_secret(const struct content *content, struct str link)
{
	return content->conf->bearer && follow_secrets_stand_in_link(content->conf->bearer->secrets, link, content->arena);
}

/* Follows at most three redirects; only the first request carries the bearer. */
static enum err
save(struct content *content, struct follow_save *ask, struct follow_saved *saved_out)
{
	struct follow_origin there;
	const char          *why_not;
	enum err             err;

	for (int hop = 0;; hop++) {
		err = follow_curl_save(content->conf->curl, ask, content->arena, saved_out);
		if (err != OK || !is_redirect(saved_out->status))
			return err;
		why_not = hop == HOPS_MAX ? "is one redirect too many" : "holds the credential";
		if (hop == HOPS_MAX || holds_secret(content, saved_out->location) ||
		    !follow_origin_of(saved_out->location, &there, &why_not)) {
			saved_out->status = 400;
			content->refusal = arena_c(content->arena, arena_printf(content->arena, "the redirect %s", why_not));
			return OK;
		}
		ask->link = saved_out->location;
		ask->bearer = STR_EMPTY;
	}
}

static enum err
publish(struct content *content, struct str id, int fd)
{
	const char *part = file_name(content, id, ".part"), *whole = file_name(content, id, "");

	if (fsync(fd) != 0 || renameat(content->dir_fd, part, content->dir_fd, whole) != 0 || fsync(content->dir_fd) != 0)
		return file_fault(content, part);
	content->tally->fetched++;
	return OK;
}

static enum err
fetch(struct content *content, struct str id, struct follow_save *ask, struct replica_content *known)
{
	AUTO(fd_close) int  fd = -1;
	struct follow_saved saved = { 0 };
	const char         *part = file_name(content, id, ".part");
	struct stat         st;
	enum err            err;

	fd = openat(content->dir_fd, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) != 0)
		return file_fault(content, part);
	ask->fd = fd;
	ask->offset = known->etag.len > 0 ? st.st_size : 0;
	ask->etag = known->etag;
	err = save(content, ask, &saved);
	if (err == ERR_IO || err == ERR_FULL)
		return file_fault(content, part);
	known->etag = saved.etag.len > 0 && saved.etag.len < 200 && !holds_secret(content, saved.etag) ? saved.etag : STR_EMPTY;
	known->state = REPLICA_CONTENT_PARTIAL;
	if (err == OK && (saved.status == 200 || saved.status == 206)) {
		TRY(publish(content, id, fd));
		known->state = REPLICA_CONTENT_DONE;
	} else if (err == OK) {
		known->state = state_of(saved.status);
		if (!content->refusal)
			content->refusal = arena_c(content->arena, arena_printf(content->arena, "the answer is %u", saved.status));
	}
	content->tally->bytes += (uint64_t)saved.written;
	return OK;
}

static void
count(struct follow_content_tally *tally, enum replica_content_state state)
{
	tally->waiting += state == REPLICA_CONTENT_WAITING;
	tally->payment += state == REPLICA_CONTENT_PAYMENT;
	tally->refused += state == REPLICA_CONTENT_REFUSED;
	tally->partial += state == REPLICA_CONTENT_PARTIAL;
}

/* ---- one item ------------------------------------------------------------------------------- */

static enum err
fetch_url(struct content *content, struct str id, struct str url)
{
	struct replica_content known = { .state = REPLICA_CONTENT_WAITING };
	struct follow_save     ask = { .link = url };
	const char            *why_not;
	struct str             why;
	enum err               err;

	content->refusal = NULL;
	err = replica_get_content(content->replica, content->scope.sid, id, content->arena, &known);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (err == OK && known.state == REPLICA_CONTENT_DONE)
		return OK;
	if (!follow_link_is_good(&content->origin, url, &why_not)) {
		known.state = REPLICA_CONTENT_REFUSED;
		content->refusal = arena_c(content->arena, arena_printf(content->arena, "its URL %s", why_not));
	} else {
		if (content->conf->bearer &&
		    content->conf->bearer->get(content->conf->bearer->ctx, false, content->arena, &ask.bearer, &why) != OK)
			return OK;
		TRY(fetch(content, id, &ask, &known));
	}
	count(content->tally, known.state);
	if (known.state == REPLICA_CONTENT_REFUSED && content->conf->refused)
		content->conf->refused(content->conf->refused_ctx, id, content->refusal);
	return replica_put_content(content->replica, content->scope.sid, id, &known);
}

static enum err
fetch_item(struct content *content, struct str id, struct str body)
{
	struct str raw, url;

	if (!json_span_member(body, STR("recordingContentUrl"), &raw) || !json_span_text(raw, content->arena, &url))
		return OK;
	return fetch_url(content, id, arena_copy(content->arena, url));
}

static enum err
fetch_all(struct content *content)
{
	char       last[STORE_ID_MAX];
	struct str id = STR_EMPTY, body;
	enum err   err;

	while (!content->conf->stopped(content->conf->stopped_ctx)) {
		arena_reset(content->arena);
		err = replica_next_item(content->replica, content->scope.sid, id, &id, &body);
		if (err != OK)
			return err == ERR_NOT_FOUND ? OK : err;
		memcpy(last, id.at, id.len);
		id = str_of(last, id.len);
		body = arena_copy(content->arena, body);
		replica_end_read(content->replica);
		TRY(fetch_item(content, id, body));
	}
	return OK;
}

enum err
follow_content(const struct follow_content_conf *conf, struct replica *replica, int64_t sid,
               struct follow_content_tally *tally_out, char why_out[512])
{
	AUTO(arena_close) struct arena *lasting = arena_open((size_t)256 << 10);
	AUTO(arena_close) struct arena *arena = arena_open(ITEM_ARENA_MAX);
	AUTO(fd_close) int              dir_fd = -1;
	struct content content = { .conf = conf, .replica = replica, .tally = tally_out, .arena = arena, .why = why_out };
	const char    *why_not;

	*tally_out = (struct follow_content_tally){ 0 };
	why_out[0] = '\0';
	TRY(replica_get_scope(replica, sid, lasting, &content.scope));
	MUST(follow_origin_of(content.scope.url, &content.origin, &why_not));
	if (mkdir(conf->dir, 0700) != 0 && errno != EEXIST)
		return file_fault(&content, "");
	dir_fd = open(conf->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return file_fault(&content, "");
	content.dir_fd = dir_fd;
	return fetch_all(&content);
}
