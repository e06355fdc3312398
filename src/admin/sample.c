/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include "auth/directory.h"

int
sample_load(struct server *server)
{
	const struct user   none = { 0 };
	struct user         first;
	struct apply_result result;
	struct str          lines = str_of((const char *)sample_lines, sample_lines_len);
	enum err            err = directory_next_user(server->store, &none, server->run->arena, &first);

	if (err == OK)
		return console_fail(EXIT_PERMANENT,
		                    "%.*s has users already; start the server without --sample, or name a new store "
		                    "with --store",
		                    STR_ARG(conf_get(&server->run->conf, CONF_STORE)));
	if (err == ERR_NOT_FOUND)
		err = apply_lines(server->store, server->content, server->run->entropy, NULL, lines, &result);
	return err == OK ? EXIT_DONE
	                 : console_fail(exit_code_of(err), "the sample data cannot be stored: %s", err_text(err));
}
