/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps: what is taken, and what a sweep at any moment must leave alone. */
#include "unit/content/content_fixture.h"

static void
test_content__a_sweep_takes_orphans_and_nothing_else(void **state)
{
	struct fixture        fixture;
	struct content_ref    kept, orphan;
	struct content_write *write;
	struct content_swept  swept;
	struct content_sweep  sweep = { .needed = is_kept, .now_s = time(NULL), .keep = true };
	char                  path[160];
	int                   fd;

	(void)state;
	fixture_open(&fixture);
	kept = put(&fixture, "kept", 4);
	orphan = put(&fixture, "orphan", 6);
	write = content_begin(fixture.content, 0, NULL);
	content_put(write, "part", 4);
	(void)snprintf(path, sizeof(path), "%s/README", fixture.folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	sweep.ctx = kept.id;

	assert_int_equal(content_sweep(fixture.content, &sweep, &swept), OK);
	assert_int_equal(swept.files, 3);
	assert_int_equal(swept.orphans, 1);
	assert_int_equal(swept.orphan_bytes, 6);
	assert_int_equal(swept.foreign, 1);
	assert_int_equal(files_in(&fixture), 4);

	/* A writer may be at work: what was written to a moment ago stays. */
	sweep.keep = false;
	sweep.older_than_s = 60;
	assert_int_equal(content_sweep(fixture.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 0);
	assert_int_equal(files_in(&fixture), 4);
	sweep.now_s += 61;
	assert_int_equal(content_sweep(fixture.content, &sweep, &swept), OK);
	assert_int_equal(swept.orphans, 1);
	assert_int_equal(files_in(&fixture), 3);
	assert_int_equal(content_read(fixture.content, &kept, &fd), OK);
	(void)close(fd);
	assert_int_equal(content_read(fixture.content, &orphan, &fd), ERR_NOT_FOUND);
	content_end(&write);
	fixture_close(&fixture);
}

/* ---- what is under way ------------------------------------------------------------------------------------ */

#define WRITES 6
#define LINKS  200
#define STEPS  1500

struct model {
	struct fixture        fixture;
	struct content_write *writes[WRITES];
	bool                  finished[WRITES];
	struct content_ref    refs[WRITES]; /* of finished ones */
	struct content_ref    links[LINKS]; /* what the store refers to */
	size_t                link_count;
	int                   kept; /* of content_keep_all(), or -1 */
	unsigned              seed;
};

static bool
is_linked(void *ctx, const uint8_t id[CONTENT_ID_BYTES])
{
	struct model *model = ctx;

	for (size_t i = 0; i < model->link_count; i++)
		if (memcmp(model->links[i].id, id, CONTENT_ID_BYTES) == 0)
			return true;
	return false;
}

/* As an importer or a server that is killed in the middle, or between its file and its commit. */
static void
leave_orphan(struct model *model, bool whole)
{
	struct content_write *write;
	struct content_ref    ref;
	pid_t                 child = fork();
	int                   status = -1;

	if (child == 0) {
		write = content_begin(model->fixture.content, 0, NULL);
		content_put(write, "left", 4);
		_exit(whole && content_finish(write, &ref) != OK);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

/* Every file looks as if it were two hours old. */
static void
grow_old(const struct model *model)
{
	char command[200];

	(void)snprintf(command, sizeof(command), "find %s -type f -exec touch -d '2 hours ago' {} +",
	               model->fixture.folder);
	assert_int_equal(system(command), 0);
}

static void
step_write(struct model *model, unsigned at)
{
	struct content_write **write = &model->writes[at];

	if (!*write) {
		*write = content_begin(model->fixture.content, 0, NULL);
		model->finished[at] = false;
	} else if (!model->finished[at] && rand_r(&model->seed) % 2) {
		content_put(*write, "some bytes", 10);
		assert_int_equal(content_write_err(*write), OK);
	} else if (!model->finished[at]) {
		assert_int_equal(content_finish(*write, &model->refs[at]), OK);
		model->finished[at] = true;
	} else {
		bool link = rand_r(&model->seed) % 4 && model->link_count < LINKS;

		if (link)
			model->links[model->link_count++] = model->refs[at];
		if (link || rand_r(&model->seed) % 2)
			content_keep(*write); /* or the commit is unsure */
		content_end(write);
	}
}

static void
step(struct model *model)
{
	unsigned kind = (unsigned)rand_r(&model->seed) % 40;

	if (kind == 0) {
		leave_orphan(model, rand_r(&model->seed) % 2);
	} else if (kind == 1 && rand_r(&model->seed) % 4 == 0) {
		grow_old(model);
	} else if (kind < 4 && model->kept < 0) {
		model->kept = content_keep_all(model->fixture.content);
	} else if (kind < 8 && model->kept >= 0) {
		(void)close(model->kept);
		model->kept = -1;
	} else if (kind < 14 && model->link_count > 0) {
		/* Replaced: the commit is done, the file can go. */
		struct content_ref old = model->links[--model->link_count];

		content_remove(model->fixture.content, old.id);
		assert_int_equal(content_verify(model->fixture.content, &old), model->kept < 0 ? ERR_NOT_FOUND : OK);
	} else {
		step_write(model, (unsigned)rand_r(&model->seed) % WRITES);
	}
}

static void
sweep_and_look(struct model *model)
{
	struct content_sweep sweep = { .needed = is_linked, .ctx = model, .now_s = time(NULL) };
	struct content_swept swept;
	int                  fd;

	sweep.older_than_s = rand_r(&model->seed) % 2 ? 3600 : 0;
	assert_int_equal(content_sweep(model->fixture.content, &sweep, &swept), model->kept < 0 ? OK : ERR_LOCKED);
	for (size_t i = 0; i < model->link_count; i++)
		assert_int_equal(content_verify(model->fixture.content, &model->links[i]), OK);
	for (size_t i = 0; i < WRITES; i++) {
		if (!model->writes[i] || !model->finished[i])
			continue;
		assert_int_equal(content_read(model->fixture.content, &model->refs[i], &fd), OK);
		(void)close(fd);
	}
}

/*
 * A sweep after every step of everything else: nothing that is linked or will be is missed, and at the end nothing is
 * left.
 */
static void
test_content__a_sweep_at_any_moment_loses_nothing_and_leaves_nothing(void **state)
{
	struct model         model = { .kept = -1, .seed = (unsigned)time(NULL) };
	struct content_sweep sweep = { .needed = is_linked, .ctx = &model };
	struct content_swept swept;

	(void)state;
	print_message("seed %u\n", model.seed);
	fixture_open(&model.fixture);
	for (int i = 0; i < STEPS; i++) {
		step(&model);
		sweep_and_look(&model);
	}
	if (model.kept >= 0)
		(void)close(model.kept);
	for (size_t i = 0; i < WRITES; i++)
		content_end(&model.writes[i]);
	assert_int_equal(content_sweep(model.fixture.content, &sweep, &swept), OK);
	assert_int_equal(files_in(&model.fixture), model.link_count);
	fixture_close(&model.fixture);
}

/* It was written hours ago; the sweep has read the references just before it was linked, and comes to it just after. */
static void
test_content__what_was_just_linked_is_young_again(void **state)
{
	struct model          model = { .kept = -1 };
	struct content_sweep  sweep = { .needed = is_linked, .ctx = &model, .now_s = time(NULL), .older_than_s = 3600 };
	struct content_swept  swept;
	struct content_write *write;
	struct content_ref    ref;

	(void)state;
	fixture_open(&model.fixture);
	write = content_begin(model.fixture.content, 0, NULL);
	assert_int_equal(content_finish(write, &ref), OK);
	grow_old(&model);
	content_keep(write);
	content_end(&write);
	assert_int_equal(content_sweep(model.fixture.content, &sweep, &swept), OK);
	assert_true(content_has(model.fixture.content, &ref));
	grow_old(&model);
	assert_int_equal(content_sweep(model.fixture.content, &sweep, &swept), OK);
	assert_false(content_has(model.fixture.content, &ref));
	fixture_close(&model.fixture);
}

/* A commit that was refused: what was to be linked goes at once, not with the next sweep. */
int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content__a_sweep_takes_orphans_and_nothing_else),
		cmocka_unit_test(test_content__a_sweep_at_any_moment_loses_nothing_and_leaves_nothing),
		cmocka_unit_test(test_content__what_was_just_linked_is_young_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
