/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/conf.h"

struct variable {
	const char *name, *value;
};

static const char *
lookup(void *ctx, const char *name)
{
	for (const struct variable *at = ctx; at->name; at++)
		if (strcmp(at->name, name) == 0)
			return at->value;
	return NULL;
}

static int
open_arena(void **state)
{
	*state = arena_open((size_t)4 << 20);
	return 0;
}

static int
close_arena(void **state)
{
	struct arena *arena = *state;

	arena_close(&arena);
	return 0;
}

static const char *
file_with(const char *text, char path[64])
{
	int fd;

	(void)snprintf(path, 64, "/tmp/test-conf-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void
check(struct str got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.at, want, got.len);
}

static void
test_conf__flag_then_environment_then_file_then_default(void **state)
{
	struct variable none[] = { { "HOME", "/nowhere" }, { NULL, NULL } };
	struct variable env[] = { { "TIDEMARK_TLS", "off" }, { "HOME", "/nowhere" }, { NULL, NULL } };
	char            path[64];
	struct conf     conf;
	struct str      why;

	const struct {
		struct variable *env;
		const char      *flag, *file;
		const char      *value;
		enum conf_origin origin;
	} rows[] = {
		{ none, NULL, "", "auto", CONF_FROM_DEFAULT },
		{ none, NULL, "[server]\ntls = off\n", "off", CONF_FROM_FILE },
		{ env, NULL, "[server]\ntls = auto\n", "off", CONF_FROM_ENVIRONMENT },
		{ env, "auto", "[server]\ntls = off\n", "auto", CONF_FROM_FLAG },
		{ none, "off", "", "off", CONF_FROM_FLAG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_source source = { .env_ctx = rows[i].env, .env = lookup };

		source.config = file_with(rows[i].file, path);
		source.flags[CONF_TLS] = rows[i].flag;
		assert_int_equal(conf_read(&source, *state, &conf, &why), EXIT_DONE);
		unlink(path);
		check(conf_get(&conf, CONF_TLS), rows[i].value);
		assert_int_equal(conf.values[CONF_TLS].origin, rows[i].origin);
	}
}

static void
test_conf__an_empty_variable_is_not_set(void **state)
{
	struct variable env[] = { { "TIDEMARK_TLS", "" }, { "TIDEMARK_STORE", "" }, { "HOME", "/h" }, { NULL, NULL } };
	struct conf_source source = { .env_ctx = env, .env = lookup };
	struct conf        conf;
	struct str         why;

	assert_int_equal(conf_read(&source, *state, &conf, &why), EXIT_DONE);
	check(conf_get(&conf, CONF_TLS), "auto");
	check(conf_get(&conf, CONF_STORE), "sqlite:/h/.local/share/tidemark/tidemark.db");
}

static void
test_conf__a_relative_xdg_folder_is_not_used(void **state)
{
	struct variable    env[] = { { "XDG_DATA_HOME", "data" }, { "HOME", "/h" }, { NULL, NULL } };
	struct conf_source source = { .env_ctx = env, .env = lookup };
	struct conf        conf;
	struct str         why;

	assert_int_equal(conf_read(&source, *state, &conf, &why), EXIT_DONE);
	check(conf_get(&conf, CONF_STORE), "sqlite:/h/.local/share/tidemark/tidemark.db");
}

static void
test_conf__a_bad_value_is_blamed_on_its_source(void **state)
{
	struct variable    env[] = { { "TIDEMARK_ISSUER", "maybe" }, { NULL, NULL } };
	struct variable    none[] = { { NULL, NULL } };
	struct conf_source flag = { .env_ctx = none, .env = lookup }, file = flag;
	struct conf_source variable = { .env_ctx = env, .env = lookup };
	char               path[64], want[128];
	struct conf        conf;
	struct str         why;

	flag.flags[CONF_LISTEN] = "x";
	assert_int_equal(conf_read(&flag, *state, &conf, &why), EXIT_USAGE);
	assert_true(str_starts(why, STR("--listen: ")));
	assert_int_equal(conf_read(&variable, *state, &conf, &why), EXIT_USAGE);
	assert_true(str_starts(why, STR("TIDEMARK_ISSUER: ")));
	file.config = file_with("\n[server]\nissuer = maybe\n", path);
	assert_int_equal(conf_read(&file, *state, &conf, &why), EXIT_CONFIG);
	(void)snprintf(want, sizeof(want), "%s:3: issuer: ", path);
	assert_true(str_starts(why, str_from_c(want)));
	unlink(path);
}

static void
test_conf__a_value_of_the_file_is_checked_even_when_a_flag_wins(void **state)
{
	struct variable    none[] = { { NULL, NULL } };
	struct conf_source source = { .env_ctx = none, .env = lookup };
	char               path[64];
	struct conf        conf;
	struct str         why;

	source.config = file_with("[server]\ntls = maybe\n", path);
	source.flags[CONF_TLS] = "off";
	assert_int_equal(conf_read(&source, *state, &conf, &why), EXIT_CONFIG);
	unlink(path);
}

static void
test_conf__what_values_are_taken(void **state)
{
	static const struct {
		enum conf_id id;
		const char  *value;
		bool         good;
	} rows[] = {
		{ CONF_STORE, "memory:", true },
		{ CONF_STORE, "memory:x", false },
		{ CONF_STORE, "sqlite:x", true },
		{ CONF_STORE, "sqlite:", false },
		{ CONF_STORE, "/a/path", false },
		{ CONF_LISTEN, "127.0.0.1:0", true },
		{ CONF_LISTEN, "[::1]:8443", true },
		{ CONF_LISTEN, "localhost:65535", true },
		{ CONF_LISTEN, ":8443", false },
		{ CONF_LISTEN, "127.0.0.1", false },
		{ CONF_LISTEN, "127.0.0.1:", false },
		{ CONF_LISTEN, "127.0.0.1:+1", false },
		{ CONF_LISTEN, "127.0.0.1:000001", false },
		{ CONF_PUBLIC_URL, "https://a.example", true },
		{ CONF_PUBLIC_URL, "https://a.example:444/", true },
		{ CONF_PUBLIC_URL, "https://a.example/graph", false },
		{ CONF_PUBLIC_URL, "https://a.example?x", false },
		{ CONF_PUBLIC_URL, "https://me@a.example", false },
		{ CONF_PUBLIC_URL, "a.example", false },
		{ CONF_MAX_CONTENT, "1", true },
		{ CONF_MAX_CONTENT, "8G", true },
		{ CONF_MAX_CONTENT, "8g", false },
		{ CONF_MAX_CONTENT, "G", false },
		{ CONF_MAX_CONTENT, "-1", false },
		{ CONF_MAX_CONTENT, "99999999T", false },
		{ CONF_RETENTION, "30d", true },
		{ CONF_RETENTION, "0", true },
		{ CONF_RETENTION, "d", false },
		{ CONF_LOG_LEVEL, "debug", true },
		{ CONF_LOG_LEVEL, "loud", false },
		{ CONF_LOG_LEVEL, "or", false },
		{ CONF_LOG_LEVEL, "info,", false },
		{ CONF_TLS, "", false },
		{ CONF_TLS, "off", true },
		{ CONF_TLS_CERT, "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((conf_fault(conf_setting(rows[i].id), str_from_c(rows[i].value)) == NULL) != rows[i].good)
			fail_msg("%s = %s", conf_setting(rows[i].id)->name, rows[i].value);
}

static void
test_conf__sizes_are_powers_of_1024(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_true(conf_size(STR("90"), &bytes) && bytes == 90);
	assert_true(conf_size(STR("3K"), &bytes) && bytes == 3072);
	assert_true(conf_size(STR("2M"), &bytes) && bytes == 2097152);
	assert_true(conf_size(STR("8G"), &bytes) && bytes == 8589934592U);
	assert_true(conf_size(STR("1T"), &bytes) && bytes == 1099511627776U);
	assert_false(conf_size(STR(""), &bytes));
	assert_false(conf_size(STR("1KK"), &bytes));
}

static void
test_conf__each_setting_can_be_said_in_every_way(void **state)
{
	(void)state;
	for (int id = 0; id < CONF_COUNT; id++) {
		const struct conf_setting *setting = conf_setting((enum conf_id)id);

		assert_non_null(setting->name);
		assert_non_null(setting->arg);
		assert_non_null(setting->help);
		assert_true((setting->fault != NULL) != (setting->choices != NULL));
		assert_int_equal(strncmp(setting->env, "TIDEMARK_", 9), 0);
		if (setting->fallback)
			assert_null(conf_fault(setting, str_from_c(setting->fallback)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conf__flag_then_environment_then_file_then_default, open_arena,
		                                close_arena),
		cmocka_unit_test_setup_teardown(test_conf__an_empty_variable_is_not_set, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_conf__a_relative_xdg_folder_is_not_used, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_conf__a_bad_value_is_blamed_on_its_source, open_arena,
		                                close_arena),
		cmocka_unit_test_setup_teardown(test_conf__a_value_of_the_file_is_checked_even_when_a_flag_wins,
		                                open_arena, close_arena),
		cmocka_unit_test(test_conf__what_values_are_taken),
		cmocka_unit_test(test_conf__sizes_are_powers_of_1024),
		cmocka_unit_test(test_conf__each_setting_can_be_said_in_every_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
