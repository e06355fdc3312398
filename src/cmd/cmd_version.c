/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "text/json_write.h"

static const struct {
	const char *name;
	const char *version;
} libraries[] = {
	{ "openssl", TIDEMARK_OPENSSL_VERSION },
	{ "libsodium", TIDEMARK_SODIUM_VERSION },
	{ "sqlite", TIDEMARK_SQLITE_VERSION },
	{ "inih", TIDEMARK_INIH_VERSION },
};

static int
run_version(struct cmd_run *run)
{
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_put(run->out, STR("tidemark " TIDEMARK_VERSION "\n"));
		return EXIT_DONE;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("version"), STR(TIDEMARK_VERSION));
	json_put_name(&json, STR("libraries"));
	json_put_object(&json);
	for (size_t i = 0; i < COUNT_OF(libraries); i++)
		json_put_member(&json, str_from_c(libraries[i].name), str_from_c(libraries[i].version));
	json_end_object(&json);
	out_end_object(run->out, &json);
	return EXIT_DONE;
}

const struct cmd cmd_version = {
	.name = "version",
	.summary = "print the version",
	.options = OPTIONS({ "json", NULL,
	                     "one JSON object: version, and `libraries` with the versions it was built with", false }),
	.about = ABOUT("Prints the version of the program."),
	.run = run_version,
};
