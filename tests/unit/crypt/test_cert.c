/* SPDX-License-Identifier: Apache-2.0 */
/* Each test has a folder of its own; OpenSSL's command line, where there is one, is the judge of the chain. */
#include "crypt_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypt/cert.h"

#define DAY           ((int64_t)86400)
#define NOW           ((int64_t)1790000000) /* 2026-09-21 */
#define FILE_SIZE_MAX 16384

struct fixture {
	char dir[64]; /* the folder under test, inside a fresh one */
	char parent[48];
	char why[256];
};

struct text {
	char   bytes[FILE_SIZE_MAX];
	size_t len;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->parent, sizeof(fixture->parent), "/tmp/tidemark-cert-XXXXXX");
	if (!mkdtemp(fixture->parent))
		return -1;
	snprintf(fixture->dir, sizeof(fixture->dir), "%s/tls", fixture->parent);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;
	DIR            *dir = opendir(fixture->dir);
	struct dirent  *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(fixture->dir);
	rmdir(fixture->parent);
	free(fixture);
	return 0;
}

static enum err
ensure_at(struct fixture *fixture, const char *host, int64_t now_s)
{
	struct clock clock = clock_at(&now_s);

	fixture->why[0] = '\0';
	return cert_ensure(
		&(struct cert_conf){ fixture->dir, &(struct str){ host, strlen(host) }, 1, &clock, &entropy_system },
		fixture->why);
}

static void
ensure(struct fixture *fixture, const char *host, int64_t now_s)
{
	if (ensure_at(fixture, host, now_s) != OK)
		fail_msg("not ensured: %s", fixture->why);
}

static const char *
path_of(const struct fixture *fixture, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	return path;
}

static struct text
read_text(const struct fixture *fixture, const char *name)
{
	struct text text = { .len = 0 };
	FILE       *file = fopen(path_of(fixture, name), "r");

	if (!file)
		fail_msg("%s is not there", name);
	else
		text.len = fread(text.bytes, 1, sizeof(text.bytes), file);
	if (file)
		fclose(file);
	return text;
}

static void
write_text(const struct fixture *fixture, const char *name, struct str text)
{
	FILE *file = fopen(path_of(fixture, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path_of(fixture, name), 0600), 0);
}

static bool
is_same(const struct text *a, const struct text *b)
{
	return str_eq(str_of(a->bytes, a->len), str_of(b->bytes, b->len));
}

static X509 *
read_cert(const struct fixture *fixture, const char *name)
{
	FILE *file = fopen(path_of(fixture, name), "r");
	X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);

	fclose(file);
	assert_non_null(cert);
	return cert;
}

/* The chain as a careful client sees it at that time, for a DNS name or an address. */
static bool
is_trusted_at(const struct fixture *fixture, const char *host, int64_t now_s)
{
	X509_STORE        *store = X509_STORE_new();
	X509_STORE_CTX    *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509              *ca = read_cert(fixture, "ca.pem"), *server = read_cert(fixture, "server.pem");
	bool               trusted;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, server, NULL);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
		X509_VERIFY_PARAM_set1_host(param, host, 0);
	trusted = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	X509_free(server);
	return trusted;
}

static void
test_cert__the_four_files_appear_with_their_rights(void **state)
{
	static const struct {
		const char *name;
		mode_t      mode;
	} files[] = { { "ca.pem", 0644 }, { "ca.key", 0600 }, { "server.pem", 0644 }, { "server.key", 0600 } };
	struct fixture *fixture = *state;
	struct stat     info;
	mode_t          mask = umask(0);

	ensure(fixture, "127.0.0.1", NOW);
	umask(mask);
	assert_int_equal(stat(fixture->dir, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0755);
	for (size_t i = 0; i < COUNT(files); i++) {
		assert_int_equal(stat(path_of(fixture, files[i].name), &info), 0);
		assert_int_equal(info.st_mode & 07777, files[i].mode);
	}
}

static void
test_cert__clients_trust_it_for_its_hosts_and_no_others(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "tide.example.org", NOW);
	assert_true(is_trusted_at(fixture, "tide.example.org", NOW));
	assert_true(is_trusted_at(fixture, "localhost", NOW));
	assert_true(is_trusted_at(fixture, "127.0.0.1", NOW));
	assert_true(is_trusted_at(fixture, "::1", NOW));
	assert_true(is_trusted_at(fixture, "localhost", NOW - DAY / 2));
	assert_false(is_trusted_at(fixture, "example.org", NOW));
	assert_false(is_trusted_at(fixture, "other.example.org", NOW));
	assert_false(is_trusted_at(fixture, "127.0.0.2", NOW));
	assert_false(is_trusted_at(fixture, "localhost", NOW + 399 * DAY));
}

static void
test_cert__addresses_of_both_families_are_names(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "192.0.2.7", NOW);
	assert_true(is_trusted_at(fixture, "192.0.2.7", NOW));
	ensure(fixture, "[2001:db8::7]", NOW);
	assert_true(is_trusted_at(fixture, "2001:db8::7", NOW));
	assert_true(is_trusted_at(fixture, "localhost", NOW));
	assert_true(is_trusted_at(fixture, "192.0.2.7", NOW));
	assert_false(is_trusted_at(fixture, "192.0.2.8", NOW));
	ensure(fixture, "fe80::7%eth0", NOW);
	assert_true(is_trusted_at(fixture, "fe80::7", NOW));
}

static void
test_cert__openssl_verifies_the_chain(void **state)
{
	struct fixture *fixture = *state;
	int64_t         now_s = clock_wall_s(&clock_system);
	char            command[512];

	if (system("openssl version >/dev/null 2>&1") != 0) {
		print_message("skipped: there is no openssl command here\n");
		skip();
	}
	ensure(fixture, "tide.example.org", now_s);
	snprintf(command, sizeof(command),
	         "cd %s && openssl verify -CAfile ca.pem server.pem >/dev/null && "
	         "openssl verify -x509_strict -purpose sslserver -verify_hostname tide.example.org -CAfile ca.pem "
	         "server.pem >/dev/null && ! openssl verify -verify_hostname other.example.org -CAfile ca.pem "
	         "server.pem >/dev/null 2>&1",
	         fixture->dir);
	assert_int_equal(system(command), 0);
}

static void
test_cert__a_second_start_changes_nothing(void **state)
{
	static const char *const hosts[] = { "localhost", "LOCALHOST", "127.0.0.1", "::1", "0.0.0.0", "::", "*", "" };
	static const char *const names[] = { "ca.pem", "ca.key", "server.pem", "server.key" };
	struct fixture          *fixture = *state;
	struct text              before[COUNT(names)];

	ensure(fixture, "localhost", NOW);
	for (size_t i = 0; i < COUNT(names); i++)
		before[i] = read_text(fixture, names[i]);
	for (size_t h = 0; h < COUNT(hosts); h++) {
		ensure(fixture, hosts[h], NOW + 300 * DAY);
		for (size_t i = 0; i < COUNT(names); i++) {
			struct text after = read_text(fixture, names[i]);

			assert_true(is_same(&before[i], &after));
		}
	}
}

/* ca.pem and the server's key stay, only the certificate is another. */
static void
renews(struct fixture *fixture, const char *host, int64_t now_s)
{
	struct text ca = read_text(fixture, "ca.pem"), key = read_text(fixture, "server.key");
	struct text cert = read_text(fixture, "server.pem"), ca_now, key_now, cert_now;

	ensure(fixture, host, now_s);
	ca_now = read_text(fixture, "ca.pem");
	key_now = read_text(fixture, "server.key");
	cert_now = read_text(fixture, "server.pem");
	assert_true(is_same(&ca, &ca_now));
	assert_true(is_same(&key, &key_now));
	assert_false(is_same(&cert, &cert_now));
	assert_true(is_trusted_at(fixture, "localhost", now_s));
	assert_true(is_trusted_at(fixture, host, now_s));
}

static void
test_cert__is_renewed_under_the_same_authority(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "localhost", NOW);
	renews(fixture, "localhost", NOW + 369 * DAY);         /* ends within 30 days */
	renews(fixture, "localhost", NOW + 2000 * DAY);        /* has ended */
	renews(fixture, "tide.example.org", NOW + 2000 * DAY); /* another host */
	renews(fixture, "localhost", NOW);                     /* not begun: the clock was set back */
}

static void
test_cert__the_last_renewal_ends_with_the_authority(void **state)
{
	struct fixture *fixture = *state;
	X509           *ca, *server;

	ensure(fixture, "localhost", NOW);
	renews(fixture, "localhost", NOW + 3600 * DAY);
	ca = read_cert(fixture, "ca.pem");
	server = read_cert(fixture, "server.pem");
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(ca), X509_get0_notAfter(server)), 0);
	X509_free(ca);
	X509_free(server);
}

static void
test_cert__an_expired_authority_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct text     before, after;

	ensure(fixture, "localhost", NOW);
	before = read_text(fixture, "ca.pem");
	ensure(fixture, "localhost", NOW + 3660 * DAY);
	after = read_text(fixture, "ca.pem");
	assert_false(is_same(&before, &after));
	assert_true(is_trusted_at(fixture, "localhost", NOW + 3660 * DAY));
}

static void
test_cert__damage_to_the_server_pair_is_mended(void **state)
{
	struct fixture *fixture = *state;
	struct text     ca, key;

	ensure(fixture, "localhost", NOW);
	ca = read_text(fixture, "ca.pem");
	key = read_text(fixture, "server.key");
	write_text(fixture, "server.pem", STR("-----BEGIN CERTIFICATE-----\ngarbage\n"));
	renews(fixture, "localhost", NOW);
	write_text(fixture, "server.pem", str_of(ca.bytes, ca.len)); /* a certificate, but another */
	renews(fixture, "localhost", NOW);
	assert_int_equal(unlink(path_of(fixture, "server.pem")), 0);
	ensure(fixture, "localhost", NOW);
	assert_true(is_trusted_at(fixture, "localhost", NOW));

	write_text(fixture, "server.key", STR("garbage"));
	ensure(fixture, "localhost", NOW);
	assert_true(is_trusted_at(fixture, "localhost", NOW));
	write_text(fixture, "server.key", str_of(key.bytes, key.len)); /* fits the certificate no more */
	renews(fixture, "localhost", NOW);
}

static void
test_cert__a_key_under_a_password_is_made_anew_without_asking(void **state)
{
	struct fixture *fixture = *state;
	EVP_PKEY       *key = EVP_EC_gen("P-256");
	FILE           *file;

	ensure(fixture, "localhost", NOW);
	file = fopen(path_of(fixture, "server.key"), "w");
	assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, EVP_aes_256_cbc(), "word", 4, NULL, NULL), 1);
	fclose(file);
	EVP_PKEY_free(key);
	ensure(fixture, "localhost", NOW);
	assert_null(strstr(read_text(fixture, "server.key").bytes, "ENCRYPTED"));
	assert_true(is_trusted_at(fixture, "localhost", NOW));
}

/* An authority that somebody brought along: whoever checks could not find it by what it issues. */
static void
test_cert__an_authority_that_cannot_be_named_is_refused(void **state)
{
	struct fixture *fixture = *state;
	X509           *ca;
	FILE           *file;

	ensure(fixture, "localhost", NOW);
	ca = read_cert(fixture, "ca.pem");
	X509_EXTENSION_free(X509_delete_ext(ca, X509_get_ext_by_NID(ca, NID_subject_key_identifier, -1)));
	assert_true(i2d_re_X509_tbs(ca, NULL) > 0);
	file = fopen(path_of(fixture, "ca.pem"), "w");
	assert_int_equal(PEM_write_X509(file, ca), 1);
	fclose(file);
	X509_free(ca);
	assert_int_equal(ensure_at(fixture, "localhost", NOW), ERR_IO);
	assert_non_null(strstr(fixture->why, "no subject key identifier"));
}

/* As after a crash in the middle of the first start: a key that nothing names, and half of a file. */
static void
test_cert__what_a_killed_start_left_does_no_harm(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(mkdir(fixture->dir, 0700), 0);
	write_text(fixture, "ca.key", STR("half of a k"));
	write_text(fixture, ".ca.key.new", STR("half"));
	write_text(fixture, ".server.pem.new", STR("half"));
	ensure(fixture, "localhost", NOW);
	assert_true(is_trusted_at(fixture, "localhost", NOW));
	assert_int_not_equal(access(path_of(fixture, ".ca.key.new"), F_OK), 0);
	assert_int_not_equal(access(path_of(fixture, ".server.pem.new"), F_OK), 0);
}

static void
refuses(struct fixture *fixture, const char *host, int64_t now_s, enum err err, const char *word)
{
	assert_int_equal(ensure_at(fixture, host, now_s), err);
	if (!strstr(fixture->why, word))
		fail_msg("'%s' does not name '%s'", fixture->why, word);
}

static void
test_cert__the_key_of_the_authority_may_be_kept_elsewhere(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "localhost", NOW);
	assert_int_equal(unlink(path_of(fixture, "ca.key")), 0);
	ensure(fixture, "localhost", NOW + 300 * DAY);
	refuses(fixture, "localhost", NOW + 380 * DAY, ERR_IO, "ca.key");
}

static void
test_cert__an_authority_it_does_not_understand_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct text     server_key, key;

	ensure(fixture, "localhost", NOW);
	server_key = read_text(fixture, "server.key");
	key = read_text(fixture, "ca.key");
	write_text(fixture, "ca.key", str_of(server_key.bytes, server_key.len));
	refuses(fixture, "localhost", NOW, ERR_IO, "ca.key");
	write_text(fixture, "ca.key", STR("garbage"));
	refuses(fixture, "localhost", NOW, ERR_IO, "ca.key");
	write_text(fixture, "ca.key", str_of(key.bytes, key.len));
	ensure(fixture, "localhost", NOW);
	write_text(fixture, "ca.pem", STR("garbage"));
	refuses(fixture, "localhost", NOW, ERR_IO, "ca.pem");
}

static void
test_cert__keys_and_folders_open_to_others_are_refused(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "localhost", NOW);
	assert_int_equal(chmod(path_of(fixture, "ca.key"), 0604), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "ca.key");
	assert_int_equal(chmod(path_of(fixture, "ca.key"), 0600), 0);
	assert_int_equal(chmod(path_of(fixture, "server.key"), 0604), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "server.key");
	assert_int_equal(chmod(path_of(fixture, "server.key"), 0600), 0);
	assert_int_equal(chmod(fixture->dir, 0702), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "by others");
	assert_int_equal(chmod(fixture->dir, 0770), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "by others");
	assert_int_equal(chmod(fixture->dir, 0700), 0);
	ensure(fixture, "localhost", NOW);
}

static void
test_cert__links_and_other_things_in_place_of_files_are_refused(void **state)
{
	struct fixture *fixture = *state;

	ensure(fixture, "localhost", NOW);
	assert_int_equal(unlink(path_of(fixture, "server.key")), 0);
	assert_int_equal(symlink("ca.key", path_of(fixture, "server.key")), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "server.key");
	assert_int_equal(unlink(path_of(fixture, "server.key")), 0);
	assert_int_equal(mkfifo(path_of(fixture, "server.key"), 0600), 0);
	refuses(fixture, "localhost", NOW, ERR_IO, "server.key");
	assert_int_equal(unlink(path_of(fixture, "server.key")), 0);
}

static void
test_cert__a_host_that_is_no_name_is_refused(void **state)
{
	static const char *const hosts[] = {
		"a b", "a,DNS:evil", "*.example.org",
		"-a",  "a-",         "a..b",
		".a",  "a.",         "b\xc3\xbcro",
		"a/b", "1:2",        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct fixture *fixture = *state;
	char            longest[260];

	for (size_t i = 0; i < COUNT(hosts); i++)
		refuses(fixture, hosts[i], NOW, ERR_BAD_REQUEST, "host");
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 9; i < sizeof(longest); i += 10)
		longest[i] = '.';
	longest[254] = '\0';
	refuses(fixture, longest, NOW, ERR_BAD_REQUEST, "host");
	assert_int_not_equal(access(fixture->dir, F_OK), 0);
	longest[253] = '\0';
	ensure(fixture, longest, NOW);
	assert_true(is_trusted_at(fixture, longest, NOW));
}

static void
test_cert__a_folder_that_cannot_be_made_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct fixture  nowhere = *fixture;

	snprintf(nowhere.dir, sizeof(nowhere.dir), "%s/no/tls", fixture->parent);
	refuses(&nowhere, "localhost", NOW, ERR_IO, "/no/tls");
}

static void
test_cert__serials_come_from_the_given_randomness(void **state)
{
	struct fixture *fixture = *state;
	int64_t         now_s = NOW;
	uint8_t         next = 0x80;
	struct clock    clock = clock_at(&now_s);
	struct entropy  entropy = counting_from(&next);
	X509           *ca;
	BIGNUM         *serial;
	char           *hex;

	assert_int_equal(cert_ensure(&(struct cert_conf){ fixture->dir, NULL, 0, &clock, &entropy }, fixture->why), OK);
	ca = read_cert(fixture, "ca.pem");
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(ca), NULL);
	hex = BN_bn2hex(serial);
	assert_string_equal(hex, "408182838485868788898A8B8C8D8E8F");
	OPENSSL_free(hex);
	BN_free(serial);
	X509_free(ca);
}

static void
test_cert__waits_for_another_start(void **state)
{
	struct fixture *fixture = *state;
	int             fd, status = -1;
	pid_t           child;

	ensure(fixture, "localhost", NOW);
	fd = open(fixture->dir, O_RDONLY | O_DIRECTORY);
	alarm(30);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(fd);
		_exit(ensure_at(fixture, "later.example.org", NOW) == OK ? 0 : 1);
	}
	usleep(200000);
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	assert_false(is_trusted_at(fixture, "later.example.org", NOW));
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	alarm(0);
	assert_true(is_trusted_at(fixture, "later.example.org", NOW));
}

static void
test_cert__starts_at_the_same_time_agree(void **state)
{
	struct fixture *fixture = *state;
	pid_t           children[8];

	for (size_t i = 0; i < COUNT(children); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(ensure_at(fixture, "localhost", NOW) == OK && is_trusted_at(fixture, "::1", NOW) ? 0 : 1);
	}
	for (size_t i = 0; i < COUNT(children); i++) {
		int status = -1;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_cert__the_four_files_appear_with_their_rights),
		IN_FOLDER(test_cert__clients_trust_it_for_its_hosts_and_no_others),
		IN_FOLDER(test_cert__addresses_of_both_families_are_names),
		IN_FOLDER(test_cert__openssl_verifies_the_chain),
		IN_FOLDER(test_cert__a_second_start_changes_nothing),
		IN_FOLDER(test_cert__is_renewed_under_the_same_authority),
		IN_FOLDER(test_cert__the_last_renewal_ends_with_the_authority),
		IN_FOLDER(test_cert__an_expired_authority_is_replaced),
		IN_FOLDER(test_cert__damage_to_the_server_pair_is_mended),
		IN_FOLDER(test_cert__a_key_under_a_password_is_made_anew_without_asking),
		IN_FOLDER(test_cert__an_authority_that_cannot_be_named_is_refused),
		IN_FOLDER(test_cert__what_a_killed_start_left_does_no_harm),
		IN_FOLDER(test_cert__the_key_of_the_authority_may_be_kept_elsewhere),
		IN_FOLDER(test_cert__an_authority_it_does_not_understand_is_left_alone),
		IN_FOLDER(test_cert__keys_and_folders_open_to_others_are_refused),
		IN_FOLDER(test_cert__links_and_other_things_in_place_of_files_are_refused),
		IN_FOLDER(test_cert__a_host_that_is_no_name_is_refused),
		IN_FOLDER(test_cert__a_folder_that_cannot_be_made_is_named),
		IN_FOLDER(test_cert__serials_come_from_the_given_randomness),
		IN_FOLDER(test_cert__waits_for_another_start),
		IN_FOLDER(test_cert__starts_at_the_same_time_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
