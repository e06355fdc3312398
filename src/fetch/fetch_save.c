/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_save.h"

#include <errno.h>
#include <netdb.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "fetch/fetch_handle.h"

#define SLOW_BYTES 1000L /* a second */
#define ETAG_MAX   200
#define TOO_LARGE  "it is larger than --max-content"
#define SKIP_MAX   ((size_t)64 << 10) /* of a body that is not content; the rest is not read */
#define DISK_SPARE ((off_t)64 << 20)  /* stays free on the disk, for the store */

struct sink {
	struct fetch            *fetch;
	const struct fetch_save *request;
	struct fetch_saved      *saved;
	struct arena            *arena;
	enum err                 err;                 /* why no more bytes are taken */
	int                      fault;               /* errno */
	size_t                   skipped;             /* of a body that is not content */
	char                     refused[NI_MAXHOST]; /* the address that the redirect may not lead to */
};

static enum err
refuse(struct sink *sink, enum err err, const char *why)
{
	sink->saved->why = str_from_c(why);
	return err;
}

static enum err
file_fault(struct sink *sink, int fault)
{
	sink->fault = fault;
	return file_fault_is_full(fault) ? ERR_FULL : ERR_IO;
}

/* A header that comes twice matches nothing. */
static struct str
only_header(struct sink *sink, const char *name)
{
	struct curl_header *found;

	if (curl_easy_header(sink->fetch->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return STR_EMPTY;
	return found->amount > 1 ? STR("?") : fetch_header(sink->fetch, name, sink->arena);
}

static bool
is_strong(struct str etag)
{
	return etag.len > 2 && etag.len < ETAG_MAX && etag.at[0] == '"' && fetch_is_visible(etag);
}

/* OK: the body is exactly the missing rest, or the whole content with a known end.  The file goes on at saved->part. */
static enum err
validate(struct sink *sink, unsigned status)
{
	const struct fetch_part *held = &sink->request->part;
	struct fetch_part       *part = &sink->saved->part;
	struct str               etag = only_header(sink, "ETag"), length = only_header(sink, "Content-Length"), rest;
	struct str               coding = only_header(sink, "Content-Encoding");
	bool                     is_plain = coding.len == 0 || str_eq_nocase(coding, STR("identity"));
	long                     version = 0;
	uint64_t                 total = 0;

	rest = arena_printf(sink->arena, "bytes %lld-%lld/%lld", (long long)held->have, (long long)held->total - 1,
	                    (long long)held->total);
	if (status != 200 && held->have > 0)
		return is_plain && str_eq(etag, held->etag) && str_eq(only_header(sink, "Content-Range"), rest)
		               ? OK
		               : ERR_STALE;
	if (status != 200 || !is_plain)
		return refuse(sink, ERR_UP_GARBLED,
		              is_plain ? "the answer is a part that nobody asked for" : "the answer is packed");
	/* Chunks and HTTP/2 streams mark their end themselves. */
	MUST(curl_easy_getinfo(sink->fetch->easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK);
	*part = (struct fetch_part){ .total = -1, .etag = is_strong(etag) ? etag : STR_EMPTY };
	if (only_header(sink, "Transfer-Encoding").len > 0 || (length.len == 0 && version >= CURL_HTTP_VERSION_2_0))
		return OK;
	if (!str_to_u64(length, &total))
		return refuse(sink, ERR_UP_GARBLED, "the answer does not say where it ends");
	part->total = (int64_t)total;
	return OK;
}

/* Cuts the file to the bytes that stay, and looks whether the disk has room for the others. */
static enum err
begin_file(struct sink *sink)
{
	int            fd = sink->request->fd;
	off_t          at = sink->saved->part.have, more = sink->saved->part.total - at;
	struct statvfs space;

	if (sink->saved->part.total > sink->request->size_max)
		return refuse(sink, ERR_TOO_LARGE, TOO_LARGE);
	sink->saved->has_begun = true;
	if (ftruncate(fd, at) != 0 || lseek(fd, at, SEEK_SET) != at || fstatvfs(fd, &space) != 0)
		return file_fault(sink, errno);
	sink->request->holds(sink->request->ctx, &sink->saved->part);
	more = (more > 0 ? more : 0) + DISK_SPARE;
	return space.f_blocks > 0 && (uint64_t)more > space.f_bavail * space.f_frsize ? file_fault(sink, ENOSPC) : OK;
}

/* Called before the first byte, or at the end of an empty body.  True if the body is content. */
static bool
is_content(struct sink *sink)
{
	unsigned status = fetch_status(sink->fetch);
	/* Servers that dislike a request for the rest answer so. */
	bool is_of_rest = sink->request->part.have > 0 &&
	                  (status == 304 || status == 400 || status == 412 || status == 416);

	if (sink->saved->status == 0 && (status == 200 || status == 206 || is_of_rest)) {
		sink->err = validate(sink, status);
		if (sink->err == OK)
			sink->err = begin_file(sink);
	}
	sink->saved->status = status;
	return sink->saved->has_begun;
}

static size_t
take_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct sink       *sink = ctx;
	struct fetch_part *part = &sink->saved->part;
	size_t             total = one * len, done = 0;

	if (!is_content(sink)) {
		sink->skipped += total;
		return sink->err == OK && sink->skipped <= SKIP_MAX ? total : 0;
	}
	if (sink->err == OK && part->have + (int64_t)total > (part->total < 0 ? sink->request->size_max : part->total))
		sink->err = refuse(sink, ERR_TOO_LARGE, part->total < 0 ? TOO_LARGE : "more came than was announced");
	while (sink->err == OK && done < total) {
		ssize_t n = write(sink->request->fd, bytes + done, total - done);

		if (n < 0 && errno != EINTR)
			sink->err = file_fault(sink, errno);
		done += n > 0 ? (size_t)n : 0;
	}
	part->have += (int64_t)done;
	sink->saved->written += (int64_t)done;
	sink->request->holds(sink->request->ctx, part);
	return sink->err == OK ? done : 0;
}

/* Checks each address before anything is sent there. */
static curl_socket_t
open_checked(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct sink *sink = ctx;

	(void)purpose;
	if (fetch_net_may_lead(sink->request->from, fetch_net_of(&addr->addr)))
		return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
	(void)getnameinfo(&addr->addr, addr->addrlen, sink->refused, sizeof(sink->refused), NULL, 0, NI_NUMERICHOST);
	return CURL_SOCKET_BAD;
}

static void
set_up(struct fetch *fetch, const struct fetch_save *request, struct sink *sink, struct arena *arena)
{
	fetch_prepare(fetch, request->link, arena);
	FETCH_SET(fetch, CURLOPT_ACCEPT_ENCODING, NULL);
	FETCH_SET(fetch, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	FETCH_SET(fetch, CURLOPT_TIMEOUT_MS, (long)request->time_max_ms);
	FETCH_SET(fetch, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)0);
	FETCH_SET(fetch, CURLOPT_WRITEFUNCTION, take_bytes);
	FETCH_SET(fetch, CURLOPT_WRITEDATA, sink);
	/* The address of an open connection was checked for another link. */
	FETCH_SET(fetch, CURLOPT_FRESH_CONNECT, (long)request->is_redirected);
	if (request->is_redirected && fetch_link_goes_by_proxy(request->link))
		FETCH_SET(fetch, CURLOPT_NOPROXY, "");
	else if (request->is_redirected)
		FETCH_SET(fetch, CURLOPT_OPENSOCKETFUNCTION, open_checked);
	FETCH_SET(fetch, CURLOPT_OPENSOCKETDATA, sink);
	fetch_add_header(fetch, "Accept-Encoding: identity");
	fetch_add_header(fetch, fetch_bearer_header(request->bearer, arena));
	if (request->part.have > 0) {
		FETCH_SET(fetch, CURLOPT_RANGE,
		          arena_c(arena, arena_printf(arena, "%lld-", (long long)request->part.have)));
		fetch_add_header(fetch,
		                 arena_c(arena, arena_printf(arena, "If-Range: %.*s", STR_ARG(request->part.etag))));
	}
}

static enum err
end(struct sink *sink, enum err err)
{
	struct fetch_saved *saved = sink->saved;
	char               *address = NULL;

	if (err == OK)
		(void)is_content(sink);
	MUST(curl_easy_getinfo(sink->fetch->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK);
	saved->net = fetch_net_of_host(fetch_link_goes_by_proxy(sink->request->link)
	                                       ? fetch_link_host(sink->request->link)
	                                       : str_from_c(address));
	saved->location = fetch_header(sink->fetch, "Location", sink->arena);
	saved->retry_after = fetch_header(sink->fetch, "Retry-After", sink->arena);
	saved->date = fetch_header(sink->fetch, "Date", sink->arena);
	errno = sink->fault;
	/* A body that is not content may have been given up; its status is known. */
	if (sink->err != OK || (saved->status != 0 && !saved->has_begun))
		return sink->err;
	if (err == OK)
		return saved->part.total >= 0 && saved->part.have != saved->part.total ? ERR_BUSY : OK;
	return err == ERR_UP_REFUSED ? err : ERR_BUSY;
}

static enum err
refuse_address(struct sink *sink, struct str address)
{
	sink->saved->why = arena_printf(
		sink->arena,
		"the redirect leads to %.*s, an address that is neither public nor of the "
		"kind of the server's own; nothing was sent there. To allow it, follow the server by an "
		"address of that network",
		STR_ARG(address));
	return ERR_UP_REFUSED;
}

enum err
fetch_save(struct fetch *fetch, const struct fetch_save *request, struct arena *arena, struct fetch_saved *saved_out)
{
	struct sink sink = { .fetch = fetch, .request = request, .saved = saved_out, .arena = arena };
	struct str  why = STR_EMPTY;
	enum err    err;

	*saved_out = (struct fetch_saved){ .part = request->part };
	if (request->is_redirected &&
	    !fetch_net_may_lead(request->from, fetch_net_of_host(fetch_link_host(request->link))))
		return refuse_address(&sink, fetch_link_host(request->link));
	set_up(fetch, request, &sink, arena);
	err = fetch_transfer(fetch, arena, &why);
	if (err != OK && sink.refused[0] && saved_out->status == 0)
		return refuse_address(&sink, str_from_c(sink.refused));
	if (sink.err == OK)
		saved_out->why = why;
	return end(&sink, err);
}
