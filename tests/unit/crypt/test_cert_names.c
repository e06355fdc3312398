/* SPDX-License-Identifier: Apache-2.0 */
/* The names in the certificate of the local authority, and who can read its folder. */
#include "crypt_test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/cert.h"

#define DAY ((int64_t)86400)
#define NOW ((int64_t)1790000000) /* 2026-09-21 */

struct fixture {
	char parent[48], dir[64], why[256];
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->parent, sizeof(fixture->parent), "/tmp/tidemark-names-XXXXXX");
	if (!mkdtemp(fixture->parent))
		return -1;
	snprintf(fixture->dir, sizeof(fixture->dir), "%s/tls", fixture->parent);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const files[] = { "ca.pem", "ca.key", "server.pem", "server.key", "" };
	struct fixture          *fixture = *state;
	char                     path[96];

	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->dir, files[i]);
		remove(path);
	}
	rmdir(fixture->parent);
	free(fixture);
	return 0;
}

static enum err
ensure(struct fixture *fixture, const char *one, const char *two, int64_t now_s)
{
	struct clock clock = clock_at(&now_s);
	struct str   hosts[] = { str_from_c(one), str_from_c(two) };

	return cert_ensure(&(struct cert_conf){ fixture->dir, hosts, two ? 2 : 1, &clock, &entropy_system },
	                   fixture->why);
}

static bool
has_name(const struct fixture *fixture, const char *name)
{
	char  path[96];
	FILE *file;
	X509 *cert;
	bool  has;

	snprintf(path, sizeof(path), "%s/server.pem", fixture->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	cert = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	assert_non_null(cert);
	has = X509_check_host(cert, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1 ||
	      X509_check_ip_asc(cert, name, 0) == 1;
	X509_free(cert);
	return has;
}

static mode_t
mode_of(const char *path)
{
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	return info.st_mode & 07777;
}

/* The folder of an earlier version is opened; a mode that somebody chose stays. Whatever the umask is. */
static void
test_cert__other_accounts_can_enter_the_folder_of_the_authority(void **state)
{
	static const mode_t modes[][2] = { { 0700, 0755 }, { 0750, 0750 }, { 0711, 0711 } };
	struct fixture     *fixture = *state;
	mode_t              mask = umask(077);

	assert_int_equal(ensure(fixture, "localhost", NULL, NOW), OK);
	umask(mask);
	assert_int_equal(mode_of(fixture->dir), 0755);
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(chmod(fixture->dir, modes[i][0]), 0);
		assert_int_equal(ensure(fixture, "localhost", NULL, NOW), OK);
		assert_int_equal(mode_of(fixture->dir), modes[i][1]);
	}
}

/* Whatever hosts were asked for before, under this authority or an earlier one. */
static void
test_cert__names_are_added_and_never_lost(void **state)
{
	static const char *const hosts[] = { "one.example.org", "10.1.2.3", "TWO.example.org", "2001:db8::1",
		                             "three.example.org" };
	struct fixture          *fixture = *state;

	for (size_t i = 0; i + 1 < COUNT(hosts); i++) {
		assert_int_equal(ensure(fixture, hosts[i], hosts[i + 1], NOW), OK);
		for (size_t k = 0; k <= i + 1; k++)
			assert_true(has_name(fixture, hosts[k]));
		assert_true(has_name(fixture, "::1") && has_name(fixture, "127.0.0.1") &&
		            has_name(fixture, "localhost"));
	}
	assert_int_equal(ensure(fixture, "0.0.0.0", NULL, NOW + 4000 * DAY), OK);
	for (size_t k = 0; k < COUNT(hosts); k++)
		assert_true(has_name(fixture, hosts[k]));
	assert_false(has_name(fixture, "0.0.0.0") || has_name(fixture, "10.1.2.4"));
}

static void
test_cert__too_many_names_are_refused_and_the_old_certificate_stays(void **state)
{
	struct fixture *fixture = *state;
	char            name[32];

	for (int i = 0; i < CERT_HOSTS_MAX - 3; i++) {
		snprintf(name, sizeof(name), "h%d.example.org", i);
		assert_int_equal(ensure(fixture, name, NULL, NOW), OK);
	}
	assert_int_equal(ensure(fixture, "more.example.org", NULL, NOW), ERR_IO);
	assert_non_null(strstr(fixture->why, "server.pem"));
	assert_true(has_name(fixture, "h0.example.org") && !has_name(fixture, "more.example.org"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_cert__other_accounts_can_enter_the_folder_of_the_authority),
		IN_FOLDER(test_cert__names_are_added_and_never_lost),
		IN_FOLDER(test_cert__too_many_names_are_refused_and_the_old_certificate_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
