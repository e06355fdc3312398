/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which followed content reaches the disk.  All writes and syncs of this program pass here, so that at
 * each write of the store we know what a power cut would leave of the folder: whatever the store then records must be
 * on the disk.
 */
#include "follow_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "follow/follow_content.h"
#include "store/replica_content.h"

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

/* ---- the lock ------------------------------------------------------------------------------- */

static pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned        lock_was_free;

int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (count == 0 && pthread_mutex_trylock(&the_lock) == 0) {
		lock_was_free++;
		assert_int_equal(pthread_mutex_unlock(&the_lock), 0);
	}
	return (int)syscall(SYS_poll, fds, count, timeout_ms);
}

/* ---- a remote that gives each connection the next answer ------------------------------------- */

struct content_remote {
	int                listener;
	uint16_t           port;
	const char *const *answers;
	pthread_t          thread;
	unsigned           items; /* of a page */
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

	struct str items = STR_EMPTY;

	(void)request;
	(void)why_out;
	for (unsigned i = 0; i < remote->items; i++)
		items = arena_printf(arena, "%.*s%s{\"id\":\"%c%c\",\"recordingContentUrl\":\"http://127.0.0.1:%u/a\"}",
		                     STR_ARG(items), i ? "," : "", 'a' + i / 26, 'a' + i % 26, remote->port);
	*response_out = (struct follow_response){
		.status = 200,
		.body = arena_printf(arena,
		                     "{\"value\":[%.*s],"
		                     "\"@odata.deltaLink\":\"http://127.0.0.1:%u/delta?$deltatoken=1\"}",
		                     STR_ARG(items), remote->port)
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
	struct follow_content_past  past = { .is_whole = false };
	struct follow_content_conf  conf = { .dir = disk.dir,
		                             .past = &past,
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

/* A scope of so many items, and a remote that gives these answers. */
struct scene {
	struct kit            kit;
	struct content_remote remote;
	struct follow_source  source;
	struct fetch         *fetch;
	char                  url[64];
};

static void
scene_open(struct scene *scene, unsigned items, const char *const *given)
{
	struct fetch_conf conf = { .agent = "test", .stopped = never };
	struct kit       *kit = &scene->kit;

	*scene = (struct scene){ .remote.items = items };
	kit_open(kit, 1);
	(void)snprintf(disk.parent, sizeof(disk.parent), "%s", kit->dir);
	(void)snprintf(disk.dir, sizeof(disk.dir), "%s/out", kit->dir);
	remote_open(&scene->remote, given);
	scene->source = (struct follow_source){ .ctx = &scene->remote, .fetch = one_page };
	kit->conf.source = &scene->source;
	(void)snprintf(scene->url, sizeof(scene->url), "http://127.0.0.1:%u/delta", scene->remote.port);
	kit->conf.url = str_from_c(scene->url);
	kit_open_replica(kit);
	assert_int_equal(kit_sync(kit).next, FOLLOW_CAUGHT_UP);
	assert_int_equal(fetch_open(&conf, &scene->fetch), OK);
}

/* All answers have been given. */
static void
scene_close(struct scene *scene)
{
	assert_int_equal(pthread_join(scene->remote.thread, NULL), 0);
	close(scene->remote.listener);
	fetch_close(&scene->fetch);
	kit_close(&scene->kit);
}

static void
test_content__is_on_the_disk_before_the_store_says_so(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, 1, answers);
	for (size_t i = 0; answers[i]; i++)
		assert_int_equal(fetch_content(&scene.kit, scene.fetch), answers[i + 1] ? 0 : 1);
	scene_close(&scene);
}

/* ---- passes ---------------------------------------------------------------------------------- */

static int64_t
standing(void *ctx)
{
	return *(int64_t *)ctx;
}

static struct follow_content_tally
pass(struct scene *scene, struct follow_content_conf *conf, int64_t now_s)
{
	int64_t                     now_ns = now_s * 1000000000;
	struct clock                clock = { .ctx = &now_ns, .wall_ns = standing, .mono_ns = standing };
	struct follow_content_tally tally;
	char                        why[512];

	if (conf->max_wait_ms > 0) /* time passes */
		clock.mono_ns = racing;
	conf->dir = conf->dir ? conf->dir : disk.dir;
	conf->fetch = scene->fetch;
	conf->clock = &clock;
	conf->size_max = 1000;
	conf->time_max_ms = 600000;
	conf->stopped = never;
	disk.is_watched = true;
	disk.records = 0;
	if (follow_content(conf, scene->kit.replica, kit_sid(&scene->kit), &tally, why) != OK)
		fail_msg("%s", why);
	disk.is_watched = false;
	return tally;
}

#define ANSWER(status, header, body) "HTTP/1.1 " status " X\r\n" header "Content-Length: 1\r\n\r\n" body

static void
test_content__that_failed_is_left_alone_longer_and_longer_and_committed_once(void **state)
{
	const char *const           given[] = { ANSWER("402", "", "x"), ANSWER("402", "", "x"), ANSWER("200", "", "y"),
		                                ANSWER("200", "", "y"), NULL };
	struct follow_content_past  past = { .is_whole = false }, other = { .is_whole = false };
	struct follow_content_conf  conf = { .past = &past };
	struct follow_content_tally tally;
	struct scene                scene;

	(void)state;
	scene_open(&scene, 1, given);
	assert_int_equal(pass(&scene, &conf, 1000).payment, 1);
	assert_true(disk.records > 0);
	conf.has_changes = true;
	assert_int_equal(pass(&scene, &conf, 1059).payment, 1); /* not asked for */
	assert_int_equal(pass(&scene, &conf, 1061).payment, 1);
	assert_int_equal(disk.records, 0);
	assert_int_equal(pass(&scene, &conf, 1180).payment, 1); /* not asked for */
	tally = pass(&scene, &conf, 1182);
	assert_int_equal(tally.fetched, 1);
	assert_int_equal(tally.payment, 0);
	/* Nothing has changed: nothing is looked at, and the folder is not made. */
	conf.has_changes = false;
	conf.dir = "/nowhere/at/all";
	assert_int_equal(pass(&scene, &conf, 9999).fetched, 0);
	/* Another process, and another folder. */
	conf = (struct follow_content_conf){ .past = &other, .dir = scene.kit.dir };
	assert_int_equal(pass(&scene, &conf, 9999).fetched, 1);
	scene_close(&scene);
}

static void
test_content__of_a_remote_that_asks_to_stay_away_is_left_for_later(void **state)
{
	const char *const           given[] = { ANSWER("429", "Retry-After: 100\r\n", "x"), ANSWER("200", "", "x"),
		                                ANSWER("200", "", "y"), NULL };
	struct follow_pause         pause = { 0 };
	struct follow_content_past  past = { .is_whole = false };
	struct follow_content_conf  conf = { .past = &past, .pause = &pause };
	struct follow_content_tally tally;
	struct scene                scene;

	(void)state;
	scene_open(&scene, 2, given);
	assert_int_equal(pass(&scene, &conf, 1000).partial, 1);
	assert_int_equal(pause.until_mono_ms, 1100000);
	tally = pass(&scene, &conf, 1099);
	assert_int_equal(tally.fetched, 0);
	assert_int_equal(pass(&scene, &conf, 1100).fetched, 2);
	scene_close(&scene);
}

/* It would wait for the pause of another scope. */
static void
test_content__of_a_run_that_ends_waits_for_no_pause_of_its_own(void **state)
{
	const char *const           given[] = { ANSWER("503", "Retry-After: 100\r\n", "x"), ANSWER("200", "", "x"),
		                                ANSWER("200", "", "y"), NULL };
	struct follow_pause         pause = { .until_mono_ms = 1100000 };
	struct follow_content_past  past = { .is_whole = false }, other = { .is_whole = false };
	struct follow_content_conf  conf = { .past = &past, .pause = &pause, .max_wait_ms = 300000 };
	struct follow_content_tally tally;
	struct scene                scene;

	(void)state;
	scene_open(&scene, 2, given);
	tally = pass(&scene, &conf, 1000);
	assert_int_equal(tally.partial, 1);
	assert_int_equal(tally.fetched, 0);
	conf.past = &other;
	assert_int_equal(pass(&scene, &conf, 9999).fetched, 2);
	scene_close(&scene);
}

static void
test_content__that_is_there_keeps_the_lock_from_nobody(void **state)
{
	static const char *const   given[] = { NULL };
	struct replica_content     done = { .state = REPLICA_CONTENT_DONE };
	struct follow_content_past past = { .is_whole = true };
	struct follow_content_conf conf = { .past = &past, .has_changes = true, .lock = &the_lock };
	struct scene               scene;
	char                       id[3] = "";

	(void)state;
	scene_open(&scene, 400, given);
	for (int i = 0; i < 400; i++) {
		id[0] = (char)('a' + i / 26);
		id[1] = (char)('a' + i % 26);
		assert_int_equal(replica_put_content(scene.kit.replica, kit_sid(&scene.kit), str_from_c(id), &done),
		                 OK);
	}
	lock_was_free = 0;
	assert_int_equal(pthread_mutex_lock(&the_lock), 0);
	(void)pass(&scene, &conf, 1000);
	assert_int_equal(pthread_mutex_unlock(&the_lock), 0);
	assert_true(lock_was_free >= 4);
	assert_true(past.is_whole);
	scene_close(&scene);
}

/* Somebody has changed the store by hand. */
static void
test_content__a_stored_url_that_cannot_be_followed_is_damage(void **state)
{
	struct replica_scope       scope = { .name = STR("x"), .url = STR("nonsense"), .resource = STR("recordings") };
	struct follow_content_past past = { .is_whole = false };
	struct follow_content_conf conf = {
		.dir = "/nowhere", .past = &past, .clock = &clock_system, .stopped = never
	};
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
		cmocka_unit_test(test_content__that_failed_is_left_alone_longer_and_longer_and_committed_once),
		cmocka_unit_test(test_content__of_a_remote_that_asks_to_stay_away_is_left_for_later),
		cmocka_unit_test(test_content__of_a_run_that_ends_waits_for_no_pause_of_its_own),
		cmocka_unit_test(test_content__that_is_there_keeps_the_lock_from_nobody),
		cmocka_unit_test(test_content__a_stored_url_that_cannot_be_followed_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
