/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and Unix sockets to listen on. */
#include "unit/http/http_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "support/accents.h"

static void
assert_next(int fd, unsigned status)
{
	struct response response = client_read(fd, false);

	if (response.status != status)
		fail_msg("%u instead of %u: %s", response.status, status, response.bytes);
	response_close(&response);
}

static enum err
try_open(const char *listen, const char *unix_path, char why_out[256])
{
	struct tiny_app     tiny = { 0 };
	struct http_conf    conf = { .unix_path = unix_path, .clock = &clock_system, .loops = 1 };
	struct http_server *server = NULL;
	enum err            err;

	conf.listen = str_from_c(listen);
	tiny.app = tiny_app_of(&tiny);
	why_out[0] = '\0';
	err = http_open(&conf, &tiny.app, &server, why_out);
	assert_true((err == OK) == (why_out[0] == '\0'));
	assert_true((err == OK) == (server != NULL));
	http_close(&server);
	return err;
}

static void
test_listen__judges_listen_addresses(void **state)
{
	static const struct {
		const char *listen;
		enum err    err;
	} rows[] = {
		{ "127.0.0.1:0", OK },
		{ "0.0.0.0:0", OK },
		{ "localhost:0", OK },
		{ "", ERR_BAD_REQUEST },
		{ "127.0.0.1", ERR_BAD_REQUEST },
		{ ":80", ERR_BAD_REQUEST },
		{ "127.0.0.1:", ERR_BAD_REQUEST },
		{ "127.0.0.1:65536", ERR_BAD_REQUEST },
		{ "127.0.0.1:-1", ERR_BAD_REQUEST },
		{ "127.0.0.1:80x", ERR_BAD_REQUEST },
		{ "::1:80", ERR_BAD_REQUEST },
		{ "[::1]", ERR_BAD_REQUEST },
		{ "[::1:80", ERR_BAD_REQUEST },
		{ "[127.0.0.1]:80", ERR_BAD_REQUEST },
		{ "[::1]80", ERR_BAD_REQUEST },
		{ "256.256.256.256:0", ERR_IO },
		{ "192.0.2.1:0", ERR_IO },
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (try_open(rows[i].listen, NULL, why) != rows[i].err)
			fail_msg("%s: %s", rows[i].listen, why);
}

static void
test_listen__says_when_an_address_is_taken(void **state)
{
	struct test_server server;
	char               why[256];

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	assert_int_equal(try_open(server.address, NULL, why), ERR_IO);
	assert_non_null(strstr(why, "in use"));
	test_server_close(&server);
}

static int
unix_client(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
	return fd;
}

/* Leaves a socket file behind, as a killed process does. */
static void
leave_dead_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
	(void)close(fd);
}

static void
test_listen__serves_on_a_unix_socket(void **state)
{
	char               folder[] = "/tmp/tidemark-http-XXXXXX", path[64], why[256];
	struct test_server server;
	struct stat        stat;
	mode_t             mask = umask(0);
	int                fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	leave_dead_socket(path);
	test_server_open(&server, (struct http_conf){ .unix_path = path });
	(void)umask(mask);
	assert_string_equal(server.address, path);
	assert_int_equal(lstat(path, &stat), 0);
	assert_int_equal(stat.st_mode & 07777, 0600);
	fd = unix_client(path);
	client_send(fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_next(fd, 200);
	/* A living one is left alone. */
	assert_int_equal(try_open("", path, why), ERR_IO);
	client_send(fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_next(fd, 200);
	(void)close(fd);
	test_server_close(&server);
	assert_int_not_equal(lstat(path, &stat), 0);
	(void)rmdir(folder);
}

static void
test_listen__replaces_nothing_but_a_dead_socket(void **state)
{
	char        folder[] = "/tmp/tidemark-http-XXXXXX", path[200], why[256];
	struct stat stat;
	int         fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/f", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(try_open("", path, why), ERR_IO);
	assert_int_equal(lstat(path, &stat), 0);
	(void)unlink(path);
	(void)rmdir(folder);
	memset(path, 'a', 199);
	path[108] = '\0';
	assert_int_equal(try_open("", path, why), ERR_BAD_REQUEST);
	assert_int_equal(try_open("", "", why), ERR_BAD_REQUEST);
}

static void
test_listen__a_long_path_is_cut_by_character(void **state)
{
	char path[ACCENTS_SIZE], why[256];

	(void)state;
	for (size_t shift = 0; shift < 2; shift++) {
		assert_int_equal(try_open("", accents_path(path, shift), why), ERR_BAD_REQUEST);
		assert_non_null(strstr(why, "\xc3\xa9: it must have"));
		assert_true(accents_are_whole(why));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen__judges_listen_addresses),
		cmocka_unit_test(test_listen__says_when_an_address_is_taken),
		cmocka_unit_test(test_listen__serves_on_a_unix_socket),
		cmocka_unit_test(test_listen__replaces_nothing_but_a_dead_socket),
		cmocka_unit_test(test_listen__a_long_path_is_cut_by_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
