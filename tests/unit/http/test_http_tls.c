/* SPDX-License-Identifier: Apache-2.0 */
/* The server over TLS.  The certificate is made by the openssl command; without it the tests are skipped. */
#include "unit/http/http_fixture.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#define START_UPLOAD "POST /upload HTTP/1.1\r\nHost: x\r\n"

struct folder {
	char path[64], cert[96], key[96];
};

static int
make_certificate(void **state)
{
	static struct folder folder;
	char                 command[512];

	(void)snprintf(folder.path, sizeof(folder.path), "/tmp/tidemark-tls-XXXXXX");
	assert_non_null(mkdtemp(folder.path));
	(void)snprintf(folder.cert, sizeof(folder.cert), "%s/cert.pem", folder.path);
	(void)snprintf(folder.key, sizeof(folder.key), "%s/key.pem", folder.path);
	(void)snprintf(command, sizeof(command),
	               "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
	               "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout %s -out %s >/dev/null 2>&1",
	               folder.key, folder.cert);
	if (system(command) != 0)
		print_message("skipped: there is no openssl command to make a certificate with\n");
	else
		*state = &folder;
	return 0;
}

static int
remove_certificate(void **state)
{
	struct folder *folder = *state;

	if (folder) {
		(void)unlink(folder->cert);
		(void)unlink(folder->key);
		(void)rmdir(folder->path);
	}
	return 0;
}

static const struct folder *
folder_or_skip(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static struct http_conf
tls_conf(const struct folder *folder)
{
	return (struct http_conf){ .tls_cert = folder->cert, .tls_key = folder->key };
}

struct tls_client {
	SSL_CTX *ctx;
	SSL     *ssl;
	int      fd;
};

/* False: the server refused the handshake.  alpn: in wire form, or NULL. */
static bool
tls_open(struct tls_client *client, const struct test_server *server, const struct folder *folder, int version_max,
         const char *alpn)
{
	client->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(client->ctx);
	assert_int_equal(SSL_CTX_load_verify_locations(client->ctx, folder->cert, NULL), 1);
	SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
	/* Older versions only come out of OpenSSL when asked for by level, too. */
	SSL_CTX_set_security_level(client->ctx, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(client->ctx, TLS1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(client->ctx, version_max), 1);
	if (alpn)
		assert_int_equal(
			SSL_CTX_set_alpn_protos(client->ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
	client->fd = client_open(server);
	client->ssl = SSL_new(client->ctx);
	assert_non_null(client->ssl);
	assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
	return SSL_connect(client->ssl) == 1;
}

static void
tls_close(struct tls_client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->ctx);
	(void)close(client->fd);
	ERR_clear_error();
}

static void
tls_send(struct tls_client *client, struct str bytes)
{
	size_t put;

	assert_int_equal(SSL_write_ex(client->ssl, bytes.at, bytes.len, &put), 1);
	assert_int_equal(put, bytes.len);
}

/* Until the server ends the connection in order; the whole of what came, to be freed. */
static char *
tls_read_all(struct tls_client *client, size_t *len_out)
{
	size_t len = 0, size = (size_t)32 << 20, got;
	char  *bytes = malloc(size + 1);

	assert_non_null(bytes);
	while (len < size && SSL_read_ex(client->ssl, bytes + len, size - len, &got) == 1)
		len += got;
	assert_int_equal(SSL_get_shutdown(client->ssl), SSL_RECEIVED_SHUTDOWN);
	bytes[len] = '\0';
	*len_out = len;
	return bytes;
}

static void
test_tls__answers_pipelined_requests_in_both_versions(void **state)
{
	static const int     versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	const struct folder *folder = folder_or_skip(state);
	struct test_server   server;

	test_server_open(&server, tls_conf(folder));
	for (size_t i = 0; i < 2; i++) {
		struct tls_client client;
		size_t            len;
		char             *bytes;

		assert_true(tls_open(&client, &server, folder, versions[i], "\x08http/1.1"));
		assert_int_equal(SSL_version(client.ssl), versions[i]);
		tls_send(&client, STR("GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\n"
		                      "Content-Length: 5\r\n\r\nhel"));
		sleep_ms(5);
		tls_send(&client, STR("loGET /maybe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
		bytes = tls_read_all(&client, &len);
		assert_non_null(strstr(bytes, "path=/a query= loop"));
		assert_non_null(strstr(bytes, "\r\n\r\nhelloHTTP/1.1 200"));
		assert_non_null(strstr(bytes, "path=/maybe query= worker"));
		free(bytes);
		tls_close(&client);
	}
	test_server_close(&server);
}

static void
test_tls__speaks_nothing_below_1_2(void **state)
{
	const struct folder *folder = folder_or_skip(state);
	struct tls_client    client;
	struct test_server   server;

	test_server_open(&server, tls_conf(folder));
	assert_false(tls_open(&client, &server, folder, TLS1_1_VERSION, NULL));
	tls_close(&client);
	test_server_close(&server);
}

static void
test_tls__agrees_on_the_protocol_inside(void **state)
{
	static const struct {
		const char *offer, *chosen; /* chosen NULL: the handshake fails */
	} rows[] = {
		{ NULL, "" },       { "\x08http/1.1", "http/1.1" }, { "\x08http/1.1\x02h2", "h2" },
		{ "\x02h2", "h2" }, { "\x06spdy/3", NULL },
	};
	const struct folder *folder = folder_or_skip(state);
	struct test_server   server;

	test_server_open(&server, tls_conf(folder));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const unsigned char *chosen;
		struct tls_client    client;
		unsigned             len;
		bool                 good = tls_open(&client, &server, folder, TLS1_3_VERSION, rows[i].offer);

		assert_int_equal(good, rows[i].chosen != NULL);
		SSL_get0_alpn_selected(client.ssl, &chosen, &len);
		assert_true(str_eq(str_of(chosen, len), str_from_c(rows[i].chosen)));
		tls_close(&client);
	}
	test_server_close(&server);
}

static void
test_tls__carries_large_bodies_both_ways(void **state)
{
	const struct folder *folder = folder_or_skip(state);
	size_t               want = (size_t)4 << 20, len;
	struct tls_client    client;
	struct test_server   server;
	struct buf           request;
	char                *bytes, *body;

	test_server_open(&server, tls_conf(folder));
	assert_true(tls_open(&client, &server, folder, TLS1_3_VERSION, NULL));
	buf_open(&request, (size_t)8 << 20);
	buf_printf(&request, START_UPLOAD "Connection: close\r\nContent-Length: %zu\r\n\r\n", want);
	for (size_t i = 0; i < want; i++)
		buf_put_char(&request, (char)('a' + i % 23));
	tls_send(&client, buf_str(&request));
	sleep_ms(20);
	bytes = tls_read_all(&client, &len);
	body = strstr(bytes, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(len - (size_t)(body + 4 - bytes), want);
	assert_memory_equal(body + 4, request.at + request.len - want, want);
	free(bytes);
	buf_close(&request);
	tls_close(&client);
	test_server_close(&server);
}

static void
test_tls__refuses_inside_as_outside(void **state)
{
	const struct folder *folder = folder_or_skip(state);
	struct tls_client    client;
	struct test_server   server;
	size_t               len;
	char                *bytes;

	test_server_open(&server, tls_conf(folder));
	assert_true(tls_open(&client, &server, folder, TLS1_3_VERSION, NULL));
	tls_send(&client, STR("GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	bytes = tls_read_all(&client, &len);
	assert_true(str_starts(str_of(bytes, len), STR("HTTP/1.1 400 ")));
	assert_int_equal(atomic_load(&server.tiny.answers), 0);
	free(bytes);
	tls_close(&client);
	test_server_close(&server);
}

static void
test_tls__does_not_wait_for_a_handshake_for_ever(void **state)
{
	static const struct {
		const char *bytes;
		int64_t     wait_ms;
	} rows[] = { { "", 300 }, { "\x16\x03\x01", 300 }, { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0 } };
	const struct folder *folder = folder_or_skip(state);
	struct http_conf     conf = tls_conf(folder);
	struct test_server   server;

	conf.limits.handshake_ms = 300;
	test_server_open(&server, conf);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t from = now_ms(), until = from + PATIENCE_MS;
		int     fd = client_open(&server);
		bool    ended = false;
		char    byte;

		client_send(fd, str_from_c(rows[i].bytes));
		while (client_byte(fd, &byte, until, &ended))
			;
		assert_true(ended);
		assert_true(now_ms() - from >= rows[i].wait_ms && now_ms() - from < rows[i].wait_ms + 1500);
		(void)close(fd);
	}
	test_server_close(&server);
}

static void
test_tls__says_what_is_wrong_with_its_files(void **state)
{
	const struct folder *folder = folder_or_skip(state);
	struct tiny_app      tiny = { 0 };
	struct http_conf     conf = { .listen = STR("127.0.0.1:0"), .clock = &clock_system, .loops = 1 };
	struct http_server  *server = NULL;
	char                 why[256] = "";

	tiny.app = tiny_app_of(&tiny);
	conf.tls_cert = "/nonexistent/cert.pem";
	conf.tls_key = folder->key;
	assert_int_equal(http_open(&conf, &tiny.app, &server, why), ERR_IO);
	assert_non_null(strstr(why, "/nonexistent/cert.pem"));
	conf.tls_cert = folder->cert;
	conf.tls_key = folder->cert;
	assert_int_equal(http_open(&conf, &tiny.app, &server, why), ERR_IO);
	assert_non_null(strstr(why, "private key"));
	/* Half of the pair is a mistake and never a server in the clear. */
	conf.tls_key = NULL;
	assert_int_equal(http_open(&conf, &tiny.app, &server, why), ERR_BAD_REQUEST);
	assert_null(server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls__answers_pipelined_requests_in_both_versions),
		cmocka_unit_test(test_tls__speaks_nothing_below_1_2),
		cmocka_unit_test(test_tls__agrees_on_the_protocol_inside),
		cmocka_unit_test(test_tls__carries_large_bodies_both_ways),
		cmocka_unit_test(test_tls__refuses_inside_as_outside),
		cmocka_unit_test(test_tls__does_not_wait_for_a_handshake_for_ever),
		cmocka_unit_test(test_tls__says_what_is_wrong_with_its_files),
	};

	return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
