/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_content.h"
#include "store/replica_content.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "crypt/digest.h"
#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "fetch/fetch_wait.h"
#include "resource/followed.h"
#include "text/b64.h"
#include "text/json_span.h"

#define ITEM_ARENA_MAX ((size_t)16 << 20)
#define PIECE_BYTES    ((size_t)64 << 10)
#define HOPS_MAX       3
#define RECORD_BYTES   ((int64_t)8 << 20) /* a kill costs at most so much, */
#define RECORD_MS      5000               /* or what came in this time */
#define RECORD_ROOM    ((size_t)1 << 20)
#define STAY_MS        60000 /* after 429 without Retry-After */
#define STAY_MAX_MS    3600000
#define AGAIN_MS       60000 /* the first pause after what has failed; doubled while nothing happens */
#define AGAIN_MAX_MS   1800000
#define SLICE_MS       50
#define LOOKED_MAX     100 /* items, before others may have the lock */
#define OVER_MS        10  /* more than two clocks differ: after libcurl's timeout ours has passed too */

struct content {
	const struct follow_content_conf *conf;
	struct replica                   *replica;
	struct replica_scope              scope;
	struct fetch_origin               origin;
	struct follow_content_tally      *tally;
	struct arena                     *arena;        /* for one item */
	struct str                        id, url;      /* of this item */
	const struct fetch_save          *request;      /* and what is asked for now */
	const char                       *part, *whole; /* its file's names */
	const char                       *error;        /* a sentence */
	struct digest                    *digest;       /* of its first bytes, see begin_digest() */
	int64_t                           digested, recorded_ms, until_ms;
	int                               dir_fd;
	bool                              was_whole, is_due; /* at the start: past->is_whole; past->again_ms is over */
	bool                              has_news, goes_on; /* new to the store; one that came in part will go on */
	bool                              has_asked;
	bool                              is_over; /* the remote asks to stay away */
	unsigned                          looked;
	char                             *why;
};

static void
lock(const struct content *content)
{
	if (content->conf->lock)
		MUST(pthread_mutex_lock(content->conf->lock) == 0);
}

static void
unlock(const struct content *content)
{
	if (content->conf->lock)
		MUST(pthread_mutex_unlock(content->conf->lock) == 0);
}

static enum err
folder_fault(struct content *content)
{
	str_printf(content->why, 512, "%.400s: %s", content->conf->dir, file_fault_text(errno));
	return file_fault_is_full(errno) ? ERR_FULL : ERR_IO;
}

static const char *
file_name(struct content *content, const char *end)
{
	struct str name = resource_content_file(content->scope.url, content->scope.owner, content->id, content->arena);

	return arena_c(content->arena, arena_printf(content->arena, "%.*s%s", STR_ARG(name), end));
}

/* Of an item that is done.  Somebody may have named another folder since, or removed it. */
static bool
has_file(const struct content *content, const struct replica_content *known)
{
	struct str  name = known->part.len ? known->part : resource_content_file_older(content->id, content->arena);
	struct stat info;

	return fstatat(content->dir_fd, arena_c(content->arena, name), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(info.st_mode);
}

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
holds_secret(const struct content *content, struct str link, struct arena *arena)
{
	return content->conf->bearer && fetch_secrets_stand_in_link(content->conf->bearer->secrets, link, arena);
}

static enum replica_content_state
refuse(struct content *content, const char *why)
{
	content->error = why;
	return REPLICA_CONTENT_REFUSED;
}

/* Only this file fails; the next item goes on. */
static enum replica_content_state
refuse_file(struct content *content)
{
	return refuse(content, arena_c(content->arena, arena_printf(content->arena, "%.400s/%s: %s", content->conf->dir,
	                                                            content->part, strerrordesc_np(errno))));
}

/* ---- what a part file holds ----------------------------------------------------------------- */

/*
 * The digest covers the item's URL, the link that the bytes come from without its query, and the bytes: a redirect's
 * query may hold a date or a signature that changes.
 */
static void
begin_digest(struct content *content, struct str link)
{
	digest_close(&content->digest);
	content->digest = digest_open();
	content->digested = 0;
	digest_put(content->digest, content->url.at, content->url.len);
	digest_put(content->digest, " ", 1);
	digest_put(content->digest, link.at, str_find(link, '?'));
	digest_put(content->digest, " ", 1);
}

/* "HAVE TOTAL DIGEST ETAG"; empty if the file has fewer bytes.  Reads what the digest does not cover yet. */
static struct str
record_of(struct content *content, int fd, const struct fetch_part *part, struct arena *arena)
{
	char   *piece = arena_take_raw(arena, PIECE_BYTES);
	uint8_t bytes[DIGEST_BYTES];

	while (content->digested < part->have) {
		int64_t left = part->have - content->digested;
		ssize_t n = pread(fd, piece, left < (int64_t)PIECE_BYTES ? (size_t)left : PIECE_BYTES,
		                  content->digested);

		if (n <= 0)
			return STR_EMPTY;
		digest_put(content->digest, piece, (size_t)n);
		content->digested += n;
	}
	digest_read(content->digest, bytes);
	return arena_printf(arena, "%lld %lld %.*s %.*s", (long long)part->have, (long long)part->total,
	                    STR_ARG(b64_encode(B64_URL, bytes, sizeof(bytes), arena)), STR_ARG(part->etag));
}

/* The part that a request for this link may continue; have is 0 unless the record and the file agree. */
static struct fetch_part
part_of(struct content *content, int fd, struct str record, struct str link)
{
	struct fetch_part part = { .etag = record };
	struct str        have, total, digest;
	uint64_t          numbers[2];

	if (!str_take_until(&part.etag, ' ', &have) || !str_take_until(&part.etag, ' ', &total) ||
	    !str_take_until(&part.etag, ' ', &digest) || !str_to_u64(have, &numbers[0]) ||
	    !str_to_u64(total, &numbers[1]))
		return (struct fetch_part){ .total = -1 };
	part.have = (int64_t)numbers[0];
	part.total = (int64_t)numbers[1];
	begin_digest(content, link);
	return str_eq(record, record_of(content, fd, &part, content->arena)) ? part
	                                                                     : (struct fetch_part){ .total = -1 };
}

/* Syncs a part and makes its record; empty if it cannot be continued. */
static struct str
keep_part(struct content *content, int fd, const struct fetch_part *part, struct arena *arena)
{
	if (part->have == 0 || part->total < 0 || part->etag.len == 0 || holds_secret(content, part->etag, arena) ||
	    fdatasync(fd) != 0 || fsync(content->dir_fd) != 0)
		return STR_EMPTY;
	return record_of(content, fd, part, arena);
}

/* Records a part now and then, so that a run that is killed is continued.  The last record of an item says more. */
static void
record_part(void *ctx, const struct fetch_part *part)
{
	struct content        *content = ctx;
	int64_t                now_ms = clock_mono_ms(content->conf->clock);
	struct replica_content known = { .state = REPLICA_CONTENT_PARTIAL };
	enum err               err = OK;

	if (part->have == 0)
		begin_digest(content, content->request->link);
	if (part->have - content->digested < RECORD_BYTES && now_ms - content->recorded_ms < RECORD_MS)
		return;

	AUTO(arena_close) struct arena *scratch = arena_open(RECORD_ROOM);

	known.part = keep_part(content, content->request->fd, part, scratch);
	lock(content);
	if (known.part.len > 0)
		err = replica_put_content(content->replica, content->scope.sid, content->id, &known);
	unlock(content);
	if (err == OK) /* else the last one fails too, and says so */
		content->recorded_ms = now_ms;
}

/* ---- when the remote asks to stay away ------------------------------------------------------ */

static void
note_pause(struct content *content, const struct fetch_save *request, const struct fetch_saved *saved)
{
	const struct clock  *clock = content->conf->clock;
	struct follow_pause *pause = request->is_redirected ? NULL : content->conf->pause;
	int64_t ms = fetch_wait_requested(saved->retry_after, fetch_wait_now(saved->date, clock->wall_ns(clock->ctx)));

	if (saved->status != 429 && (saved->status != 503 || ms < 0))
		return;
	ms = ms < 0 ? STAY_MS : ms < STAY_MAX_MS ? ms : STAY_MAX_MS;
	content->is_over = true;
	content->conf->past->until_ms = clock_mono_ms(clock) + ms;
	if (pause && pause->until_mono_ms < content->conf->past->until_ms)
		pause->until_mono_ms = content->conf->past->until_ms;
	content->error = arena_c(content->arena,
	                         arena_printf(content->arena,
	                                      "the answer is %u: the remote asks to stay away for %.1f s, so the rest "
	                                      "is left for later",
	                                      saved->status, (double)ms / 1000));
}

/* Waits out a short pause, which another scope of the host began. */
static bool
may_ask(struct content *content)
{
	const struct follow_content_conf *conf = content->conf;
	int64_t                           until_ms, left_ms;

	for (;;) {
		until_ms = conf->past->until_ms;
		if (conf->pause && conf->pause->until_mono_ms > until_ms)
			until_ms = conf->pause->until_mono_ms;
		left_ms = until_ms - clock_mono_ms(conf->clock);
		if (left_ms <= 0 || left_ms > conf->max_wait_ms || conf->stopped(conf->stopped_ctx))
			return left_ms <= 0;
		unlock(content);
		(void)poll(NULL, 0, SLICE_MS);
		lock(content);
	}
}

/* ---- one file ------------------------------------------------------------------------------- */

/* The redirect becomes the next request.  False: it is not followed; see content->error. */
static bool
follow_redirect(struct content *content, struct fetch_save *request, const struct fetch_saved *saved, int hop)
{
	struct fetch_origin there;
	const char         *why_not = NULL;

	if (hop > HOPS_MAX)
		why_not = "is one redirect too many";
	else if (holds_secret(content, saved->location, content->arena))
		why_not = "holds the credential";
	else if (fetch_origin_of(saved->location, &there, &why_not) && str_starts(request->link, STR("https:")) &&
	         !str_eq(there.scheme, STR("https")))
		why_not = "leads from https to http";
	if (why_not) {
		content->error = arena_c(content->arena, arena_printf(content->arena, "the redirect %s", why_not));
		return false;
	}
	request->from = request->is_redirected ? request->from : saved->net;
	request->is_redirected = true;
	request->link = saved->location;
	request->bearer = STR_EMPTY;
	return true;
}

/* Follows up to HOPS_MAX redirects.  Only the first request carries the bearer token. */
static enum err
save(struct content *content, struct fetch_save *request, struct str record, struct fetch_saved *saved_out)
{
	int64_t  left_ms;
	enum err err;

	for (int hop = 0;;) {
		request->part = part_of(content, request->fd, record, request->link);
		left_ms = content->until_ms - clock_mono_ms(content->conf->clock);
		request->time_max_ms = left_ms > 0 ? left_ms + OVER_MS : 1;
		unlock(content);
		err = fetch_save(content->conf->fetch, request, content->arena, saved_out);
		lock(content);
		if (err == ERR_STALE)
			record = STR_EMPTY;
		else if (err != OK || !is_redirect(saved_out->status) ||
		         !follow_redirect(content, request, saved_out, ++hop))
			return err;
	}
}

/* Locks the file.  A process that had it before may have renamed it: then this is another file. */
static int
open_part(struct content *content)
{
	int         fd = file_make(content->dir_fd, content->part);
	struct stat ours, named;

	if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &ours) != 0 ||
	                fstatat(content->dir_fd, content->part, &named, 0) != 0 || named.st_ino != ours.st_ino)) {
		file_close(&fd);
		errno = EBUSY;
	}
	return fd;
}

static enum replica_content_state
publish(struct content *content, int fd)
{
	if (!file_publish(fd, content->dir_fd, content->part, content->whole))
		return refuse_file(content);
	content->tally->fetched++;
	content->has_news = true;
	return REPLICA_CONTENT_DONE;
}

/* The state of an item whose content is not complete. */
static enum replica_content_state
end_of(struct content *content, const struct fetch_saved *saved, enum err err)
{
	if (err == ERR_IO || err == ERR_FULL)
		return refuse_file(content);
	if (err == ERR_BUSY && clock_mono_ms(content->conf->clock) >= content->until_ms)
		return refuse(content, "it took longer than --content-time");
	if (err != OK)
		content->error = arena_c(content->arena, saved->why);
	else if (!content->error)
		content->error = arena_c(content->arena,
		                         arena_printf(content->arena, "the answer is %u", saved->status));
	return err == ERR_BUSY ? REPLICA_CONTENT_PARTIAL
	       : err == OK     ? state_of(saved->status)
	                       : REPLICA_CONTENT_REFUSED;
}

static void
fetch(struct content *content, struct fetch_save *request, struct replica_content *known)
{
	AUTO(file_close) int fd = open_part(content);
	struct fetch_saved   saved = { 0 };
	enum err             err;

	request->fd = fd;
	request->size_max = content->conf->size_max;
	request->holds = record_part;
	request->ctx = content;
	content->request = request;
	content->recorded_ms = clock_mono_ms(content->conf->clock);
	err = fd < 0 ? ERR_IO : save(content, request, known->part, &saved);
	content->tally->bytes += (uint64_t)saved.written;
	note_pause(content, request, &saved);
	known->state = err == OK && saved.has_begun ? publish(content, fd) : end_of(content, &saved, err);
	content->goes_on |= known->state == REPLICA_CONTENT_PARTIAL && saved.written > 0;
	if (saved.has_begun)
		known->part = err == ERR_BUSY ? keep_part(content, fd, &saved.part, content->arena) : STR_EMPTY;
	/* A part without a record is useless. */
	if (fd >= 0 && known->part.len == 0 && known->state != REPLICA_CONTENT_DONE && ftruncate(fd, 0) != 0)
		known->state = refuse_file(content);
	if (known->state == REPLICA_CONTENT_DONE)
		known->part = str_from_c(content->whole);
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

static void
fetch_url(struct content *content, struct replica_content *known)
{
	struct fetch_save request = { .link = content->url };
	const char       *why_not;
	struct str        why;

	if (!fetch_link_is_good(&content->origin, content->url, &why_not))
		known->state = refuse(content,
		                      arena_c(content->arena, arena_printf(content->arena, "its URL %s", why_not)));
	else if (content->conf->bearer && content->conf->bearer->get(content->conf->bearer->ctx, false, content->arena,
	                                                             &request.bearer, &why) != OK)
		known->state = refuse(content,
		                      arena_c(content->arena, arena_printf(content->arena, "%.*s", STR_ARG(why))));
	else
		fetch(content, &request, known);
	if (content->conf->refused && !content->conf->stopped(content->conf->stopped_ctx) &&
	    (known->state == REPLICA_CONTENT_REFUSED || known->state == REPLICA_CONTENT_PARTIAL))
		content->conf->refused(content->conf->refused_ctx, content->id, known->state == REPLICA_CONTENT_PARTIAL,
		                       content->error);
}

/* Only what changes is committed. */
static enum err
fetch_due(struct content *content)
{
	struct replica_content before = { .state = REPLICA_CONTENT_WAITING }, known;
	int64_t                sid = content->scope.sid;
	enum err               err = replica_get_content(content->replica, sid, content->id, content->arena, &before);
	bool                   is_new = err == ERR_NOT_FOUND || before.state == REPLICA_CONTENT_DONE;

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (before.state == REPLICA_CONTENT_DONE && (content->was_whole || has_file(content, &before)))
		return OK;
	known = before;
	if (is_new)
		known = (struct replica_content){ .state = REPLICA_CONTENT_WAITING };
	if (is_new || content->is_due) {
		content->is_over = !may_ask(content);
		if (content->is_over)
			return OK;
		content->has_asked = true;
		fetch_url(content, &known);
	}
	count(content->tally, known.state);
	content->has_news |= is_new;
	if (err == OK && known.state == before.state && str_eq(known.part, before.part))
		return OK;
	return replica_put_content(content->replica, sid, content->id, &known);
}

static enum err
fetch_item(struct content *content, struct str id, struct str body)
{
	const struct resource *resource = resource_of_item(content->scope.resource, body, content->arena);
	struct str             raw, url;

	if (!resource->content || !json_span_member(body, str_from_c(resource->content), &raw) ||
	    !json_span_text(raw, content->arena, &url))
		return OK;
	content->id = id;
	content->url = arena_copy(content->arena, url);
	content->part = file_name(content, ".part");
	content->whole = file_name(content, "");
	content->error = NULL;
	content->until_ms = clock_mono_ms(content->conf->clock) + content->conf->time_max_ms;
	return fetch_due(content);
}

/* A waiting thread gets a lock only if the other one is away for a moment. */
static void
let_others(struct content *content)
{
	if (!content->conf->lock || ++content->looked % LOOKED_MAX != 0)
		return;
	unlock(content);
	(void)poll(NULL, 0, 1);
	lock(content);
}

static enum err
fetch_all(struct content *content)
{
	char       last[STORE_ID_MAX];
	struct str id = STR_EMPTY, body;
	enum err   err;

	while (!content->is_over && !content->conf->stopped(content->conf->stopped_ctx)) {
		arena_reset(content->arena);
		let_others(content);
		err = replica_next_item(content->replica, content->scope.sid, id, &id, &body);
		content->conf->past->is_whole = err == ERR_NOT_FOUND;
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

/* Is there anything that a pass after a whole one could do? */
static bool
has_work(const struct content *content)
{
	const struct follow_content_tally *left = &content->conf->past->left;

	return !content->was_whole || content->conf->has_changes ||
	       (content->is_due && left->waiting + left->payment + left->refused + left->partial > 0);
}

static void
note_pass(struct content *content)
{
	struct follow_content_past *past = content->conf->past;
	bool                        was_tried = content->is_due && content->has_asked;
	int64_t                     again_ms;

	past->left = *content->tally;
	past->left.fetched = past->left.bytes = 0;
	if (content->has_news || past->pause_ms == 0)
		past->pause_ms = AGAIN_MS;
	else if (was_tried && past->pause_ms < AGAIN_MAX_MS)
		past->pause_ms *= 2;
	again_ms = clock_mono_ms(content->conf->clock) + (content->goes_on ? 0 : past->pause_ms);
	if (was_tried || (content->has_news && again_ms < past->again_ms))
		past->again_ms = again_ms;
}

enum err
follow_content(const struct follow_content_conf *conf, struct replica *replica, int64_t sid,
               struct follow_content_tally *tally_out, char why_out[512])
{
	AUTO(arena_close) struct arena *lasting = arena_open((size_t)256 << 10);
	AUTO(arena_close) struct arena *arena = arena_open(ITEM_ARENA_MAX);
	AUTO(file_close) int            dir_fd = -1;
	struct content                  content = {
				 .conf = conf, .replica = replica, .tally = tally_out, .arena = arena, .why = why_out
	};
	const char *why_not;
	enum err    err;

	*tally_out = conf->past->left;
	why_out[0] = '\0';
	content.was_whole = conf->past->is_whole;
	content.is_due = clock_mono_ms(conf->clock) >= conf->past->again_ms;
	if (!has_work(&content))
		return OK;
	*tally_out = (struct follow_content_tally){ 0 };
	conf->past->is_whole = false;
	TRY(replica_get_scope(replica, sid, lasting, &content.scope));
	if (!fetch_origin_of(content.scope.url, &content.origin, &why_not)) {
		str_printf(why_out, 512, "the store's URL of this scope %s", why_not);
		return ERR_CORRUPT;
	}
	/* Sync the folder's name even if it exists: a killed run may have made it, and a power cut would remove it. */
	dir_fd = file_open_folder(conf->dir, true);
	if (dir_fd < 0 || !file_sync_folder_of(AT_FDCWD, conf->dir))
		return folder_fault(&content);
	content.dir_fd = dir_fd;
	err = fetch_all(&content);
	note_pass(&content);
	digest_close(&content.digest);
	return err;
}
