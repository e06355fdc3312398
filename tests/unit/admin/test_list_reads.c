/* SPDX-License-Identifier: Apache-2.0 */
/* What a page of a list costs: the rows it reads from the store are bounded by the page, wherever in the list it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store_backend.h"
#include "support/own_remote.h"

#define ITEMS 1500
#define TOP   50 /* and three rows more: the default item, one to see whether there are more, the end */
#define OWNER "00000001-0000-4000-8000-000000000001"

/* The server's own engine, with the rows that it gives counted. */
static struct store_backend counting;
static struct store_reads   counting_reads, engine_reads;
static atomic_uint          rows;

static enum err
count_scan_next(void *scan, struct item *item_out)
{
	atomic_fetch_add(&rows, 1);
	return engine_reads.scan_next(scan, item_out);
}

static enum err
count_next_kv(void *engine, const char *ns, struct str after, struct arena *arena, struct str *name_out,
              struct str *value_out)
{
	atomic_fetch_add(&rows, 1);
	return engine_reads.next_kv(engine, ns, after, arena, name_out, value_out);
}

static void
count_rows_of(struct store *store)
{
	counting = *store->backend;
	engine_reads = counting_reads = *counting.reads;
	counting_reads.scan_next = count_scan_next;
	counting_reads.next_kv = count_next_kv;
	counting.reads = &counting_reads;
	store->backend = &counting;
}

static void
fill(struct own_remote *own, struct arena *arena)
{
	own_apply(own,
	          STR("{\"op\":\"user\",\"value\":{\"id\":\"" OWNER "\",\"userPrincipalName\":\"a@contoso.com\"}}\n"));
	for (int i = 0; i < ITEMS; i++) {
		own_apply(own, arena_printf(arena,
		                            "{\"op\":\"put\",\"feed\":\"users/" OWNER
		                            "/calendars\",\"value\":{\"name\":\"N%d\"}}\n"
		                            "{\"op\":\"user\",\"value\":{\"id\":\"%08d-0000-4000-8000-000000000000\","
		                            "\"userPrincipalName\":\"u%d@contoso.com\"}}\n",
		                            i, i + 2, i));
		arena_reset(arena);
	}
}

/* The path and query of the nextLink; false: there is none. */
static bool
next_path(const struct own_client *client, char path_out[2048])
{
	static const char name[] = "\"@odata.nextLink\":\"http://";
	const char       *link = memmem(client->body.at, client->body.len, name, sizeof(name) - 1);
	struct str        rest = link ? str_of(link, client->body.len - (size_t)(link - client->body.at)) : STR_EMPTY;

	rest = str_skip(rest, sizeof(name) - 1);
	rest = str_skip(rest, str_find(rest, '/'));
	(void)snprintf(path_out, 2048, "%.*s", STR_ARG(str_first(rest, str_find(rest, '"'))));
	return path_out[0] != '\0';
}

static void
walk(struct own_client *client, const char *path, unsigned rows_max)
{
	char     link[2048];
	unsigned pages = 0;

	(void)snprintf(link, sizeof(link), "%s", path);
	do {
		atomic_store(&rows, 0);
		own_request(client, "GET", link, "");
		assert_int_equal(client->status, 200);
		if (atomic_load(&rows) > rows_max)
			fail_msg("page %u of %s read %u rows", pages, path, atomic_load(&rows));
		pages++;
	} while (next_path(client, link));
	assert_true(pages >= ITEMS / TOP);
}

static void
test_list_reads__a_page_reads_no_more_rows_than_it_has(void **state)
{
	struct own_remote *own = calloc(1, sizeof(*own));
	struct own_client *client = calloc(1, sizeof(*client));
	struct arena      *arena = arena_open((size_t)1 << 20);
	char               dir[] = "/tmp/tidemark-list-XXXXXX", command[64];

	(void)state;
	assert_true(own && client && mkdtemp(dir));
	own_open(own, dir, true);
	*client = (struct own_client){ .own = own, .fd = -1 };
	fill(own, arena);
	count_rows_of(own->server.store);
	walk(client, "/v1.0/users/" OWNER "/calendars?$top=50", TOP + 3);
	walk(client, "/v1.0/users/" OWNER "/calendars?$top=50&$count=true", TOP + 3);
	walk(client, "/v1.0/users/" OWNER "/calendars?$top=50&$filter=canEdit", TOP + 3);
	walk(client, "/v1.0/users?$top=50", TOP + 3);
	own_client_close(client);
	own_close(own);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	arena_close(&arena);
	free(client);
	free(own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_reads__a_page_reads_no_more_rows_than_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
