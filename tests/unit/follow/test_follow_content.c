/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which followed content reaches the disk.  All writes and syncs of this program pass here, so that at
 * each write of the store we know what a power cut would leave of the folder: whatever the store then records must be
 * on the disk.
 */
#include "follow_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "follow/follow_content.h"

/* ---- what is on the disk -------------------------------------------------------------------- */

static struct {
	char parent[64], dir[72];
	bool is_watched, has_bytes, has_names,
		is_named; /* not yet on the disk: bytes, names; the folder's own name is */
	unsigned records, faults;
} disk;

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at);

static bool
path_is(int fd, const char *start, bool whole)
{
	char    link[64], path[256];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return whole ? strcmp(path, start) == 0 : strncmp(path, start, strlen(start)) == 0;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	if (disk.is_watched && path_is(fd, disk.dir, false))
		disk.has_bytes = disk.has_names = true;
	return syscall(SYS_write, fd, bytes, len);
}

static void
note_sync(int fd)
{
	if (!disk.is_watched)
		return;
	if (path_is(fd, disk.dir, true))
		disk.has_names = false;
	else if (path_is(fd, disk.dir, false))
		disk.has_bytes = false;
	else if (path_is(fd, disk.parent, true))
		disk.is_named = true;
}

int
fsync(int fd)
{
	note_sync(fd);
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	note_sync(fd);
	return (int)syscall(SYS_fdatasync, fd);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	disk.faults += disk.has_bytes; /* a whole file's name, for bytes that may be zeros */
	disk.has_names = true;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	if (disk.is_watched) {
		disk.records++;
		disk.faults += disk.has_bytes || disk.has_names || !disk.is_named;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, at);
}

/* ---- a remote that gives each connection the next answer ------------------------------------- */

struct content_remote {
	int                listener;
	uint16_t           port;
	const char *const *answers;
	pthread_t          thread;
};

static void *
answer_all(void *ctx)
{
	struct content_remote *remote = ctx;
	char                   request[8192];

	for (size_t i = 0; remote->answers[i]; i++) {
		int     fd = accept(remote->listener, NULL, NULL);
		size_t  len = 0;
		ssize_t n = 1;

		while (n > 0 && !memmem(request, len, "\r\n\r\n", 4)) {
			n = recv(fd, request + len, sizeof(request) - len, 0);
			len += n > 0 ? (size_t)n : 0;
		}
		assert_true(send(fd, remote->answers[i], strlen(remote->answers[i]), MSG_NOSIGNAL) >= 0);
		close(fd);
	}
	return NULL;
}

static void
remote_open(struct content_remote *remote, const char *const *answers)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof(at);

	remote->answers = answers;
	remote->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(remote->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(remote->listener, 16), 0);
	assert_int_equal(getsockname(remote->listener, (struct sockaddr *)&at, &len), 0);
	remote->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&remote->thread, NULL, answer_all, remote), 0);
}

static enum err
one_page(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
         struct str *why_out)
{
	const struct content_remote *remote = ctx;

	(void)request;
	(void)why_out;
	*response_out = (struct follow_response){
		.status = 200,
		.body = arena_printf(arena,
		                     "{\"value\":[{\"id\":\"a\",\"recordingContentUrl\":\"http://127.0.0.1:%u/a\"}],"
		                     "\"@odata.deltaLink\":\"http://127.0.0.1:%u/delta?$deltatoken=1\"}",
		                     remote->port, remote->port)
	};
	return OK;
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

/* Six seconds pass at each look: so each piece of a transfer is recorded. */
static int64_t
racing(void *ctx)
{
	return *(int64_t *)ctx += (int64_t)6000 * 1000000;
}

/* ---- the rule -------------------------------------------------------------------------------- */

static const char *const answers[] = {
	"HTTP/1.1 200 X\r\nContent-Length: 9\r\nETag: \"1\"\r\n\r\nabcd",
	"HTTP/1.1 206 X\r\nContent-Length: 5\r\nETag: \"1\"\r\nContent-Range: bytes 4-8/9\r\n\r\ne",
	"HTTP/1.1 200 X\r\nContent-Length: 7\r\nETag: \"2\"\r\n\r\nAB",
	"HTTP/1.1 206 X\r\nContent-Length: 5\r\nETag: \"2\"\r\nContent-Range: bytes 2-6/7\r\n\r\nCDEFG", NULL
};

static uint64_t
fetch_content(struct kit *kit, struct fetch *fetch)
{
	int64_t                     now_ns = 0;
	struct clock                clock = { .ctx = &now_ns, .wall_ns = racing, .mono_ns = racing };
	struct follow_content_conf  conf = { .dir = disk.dir,
		                             .fetch = fetch,
		                             .clock = &clock,
		                             .size_max = 1000,
		                             .time_max_ms = 600000,
		                             .stopped = never };
	struct follow_content_tally tally;
	char                        why[512];
	int64_t                     sid = kit_sid(kit);
	unsigned                    before = disk.records;

	disk.is_watched = true;
	if (follow_content(&conf, kit->replica, sid, &tally, why) != OK)
		fail_msg("%s", why);
	disk.is_watched = false;
	assert_true(disk.records > before);
	assert_int_equal(disk.faults, 0);
	return tally.fetched;
}

static void
test_content__is_on_the_disk_before_the_store_says_so(void **state)
{
	struct fetch_conf     conf = { .agent = "test", .stopped = never };
	struct follow_source  source = { .fetch = one_page };
	struct content_remote remote = { 0 };
	struct fetch         *fetch;
	struct kit            kit;
	char                  url[64];

	(void)state;
	kit_open(&kit, 1);
	(void)snprintf(disk.parent, sizeof(disk.parent), "%s", kit.dir);
	(void)snprintf(disk.dir, sizeof(disk.dir), "%s/out", kit.dir);
	remote_open(&remote, answers);
	source.ctx = &remote;
	kit.conf.source = &source;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/delta", remote.port);
	kit.conf.url = str_from_c(url);
	kit_open_replica(&kit);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	assert_int_equal(fetch_open(&conf, &fetch), OK);
	for (size_t i = 0; answers[i]; i++)
		assert_int_equal(fetch_content(&kit, fetch), answers[i + 1] ? 0 : 1);
	assert_int_equal(pthread_join(remote.thread, NULL), 0);
	close(remote.listener);
	fetch_close(&fetch);
	kit_close(&kit);
}

/* Somebody has changed the store by hand. */
static void
test_content__a_stored_url_that_cannot_be_followed_is_damage(void **state)
{
	struct replica_scope        scope = { .name = STR("x"), .url = STR("nonsense"), .resource = STR("recordings") };
	struct follow_content_conf  conf = { .dir = "/nowhere", .clock = &clock_system, .stopped = never };
	struct follow_content_tally tally;
	struct kit                  kit;
	char                        why[512];
	int64_t                     sid;

	(void)state;
	kit_open(&kit, 2);
	kit_open_replica(&kit);
	assert_int_equal(replica_add_scope(kit.replica, &scope, &sid), OK);
	assert_int_equal(follow_content(&conf, kit.replica, sid, &tally, why), ERR_CORRUPT);
	assert_true(strncmp(why, "the store's URL of this scope is not an absolute URL", 52) == 0);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content__is_on_the_disk_before_the_store_says_so),
		cmocka_unit_test(test_content__a_stored_url_that_cannot_be_followed_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
