/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/writer.h"

#include "store/store.h"

int
content_dir_open(struct cmd_run *run, bool create, struct content **content_out)
{
	struct content_conf conf = { .create = create, .entropy = run->entropy };
	struct str          store = conf_get(&run->conf, CONF_STORE);
	const char         *path;
	char                why[256] = "";
	enum err            err;

	if (store_url_path(store, run->arena, &path) != OK)
		return console_fail(EXIT_USAGE, "the store has no place for recordings");
	*content_out = NULL;
	if (store_url_is_shared(store))
		return EXIT_DONE;
	MUST(conf_size(conf_get(&run->conf, CONF_MAX_CONTENT), &conf.size_max));
	(void)conf_size(conf_get(&run->conf, CONF_MIN_FREE), &conf.free_min);
	if (run->content_path)
		conf.path = run->content_path;
	else if (path[0])
		conf.path = arena_c(run->arena, arena_printf(run->arena, "%s.content", path));
	err = content_open(&conf, content_out, why);
	if (err == OK)
		return EXIT_DONE;
	return console_fail(exit_code_of(err), "the folder of recordings cannot be opened: %s", why);
}
