/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/scopes_job.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "text/json_write.h"

#define RUN_ARENA_MAX  ((size_t)2 << 20)
#define LIST_ARENA_MAX ((size_t)512 << 20) /* of 100,000 values; usually a few KiB */
#define LEFT           "no longer listed by "

static const int order[] = { EXIT_UNCHANGED, EXIT_DONE,   EXIT_EXCEPTIONS, EXIT_AGAIN,  EXIT_GUARDED, EXIT_PERMANENT,
	                     EXIT_REFUSED,   EXIT_CONFIG, EXIT_OTHER,      EXIT_LOCKED, EXIT_DAMAGED };

size_t
scopes_rank(int code)
{
	size_t rank = 0;

	while (rank + 1 < COUNT_OF(order) && order[rank] != code)
		rank++;
	return rank;
}

void
scopes_note_code(struct scopes *scopes, int code)
{
	if (code < EXIT_INTERRUPTED && scopes_rank(code) > scopes_rank(scopes->code))
		scopes->code = code;
}

/* Something that happens to a scope beside its rounds. */
static void
report(struct scopes *scopes, const char *event, struct str scope, const char *message)
{
	struct json_out json;

	cmd_say(scopes->conf.run, "%.*s: %s", STR_ARG(scope), message);
	if (!cmd_has(scopes->conf.run, "json"))
		return;
	json = json_out_object(out_buf(scopes->conf.run->out));
	json_put_member(&json, STR("event"), str_from_c(event));
	json_put_member(&json, STR("scope"), scope);
	json_put_member(&json, STR("message"), str_from_c(message));
	out_end_object(scopes->conf.run->out, &json);
	(void)out_flush(scopes->conf.run->out);
}

/* ---- jobs ---------------------------------------------------------------------------------------------------- */

static struct job *
make_job(struct scopes *scopes, struct section *section, struct str value)
{
	struct job *job = handle_new(sizeof(*job) + value.len);
	const char *fault = section->word.len > 0 ? section_value_fault(value) : NULL;
	char        text[256];

	job->section = section;
	job->value = str_of(value.len > 0 ? memcpy(job->text, value.at, value.len) : job->text, value.len);
	section->job_count++;
	if (!fault)
		return job;
	job->state = JOB_ENDED;
	str_printf(text, sizeof(text), "the value \"%.*s\" %s: it is skipped", STR_ARG(str_cut(value, 100)), fault);
	report(scopes, "skipped", section->conf->name, text);
	scopes_note_code(scopes, EXIT_EXCEPTIONS);
	return job;
}

/* Its value has left.  One that runs stays until it is listed again, or until the next look after its end. */
static struct job **
drop(struct section *section, struct job **at)
{
	struct job *job = *at;

	job->is_listed = false;
	if (job->state == JOB_RUNS)
		return &job->next;
	if (section->next_job == job)
		section->next_job = job->next;
	section->job_count--;
	*at = job->next;
	free(job);
	return at;
}

void
scopes_take_values(struct scopes *scopes, struct section *section, const struct section_values *values)
{
	struct job **at = &section->jobs, *job;

	for (size_t i = 0; i < values->count; i++) {
		while (*at && str_cmp((*at)->value, values->at[i]) < 0)
			at = drop(section, at);
		if (!*at || !str_eq((*at)->value, values->at[i])) {
			job = make_job(scopes, section, values->at[i]);
			job->next = *at;
			*at = job;
		}
		(*at)->is_listed = true;
		at = &(*at)->next;
	}
	while (*at)
		at = drop(section, at);
}

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Says so of the section's scopes whose value is none of these any more, once: their fault keeps it. */
static enum err
note_left(struct scopes *scopes, const struct section *section, struct section_values values, struct arena *arena)
{
	AUTO(arena_close) struct arena *texts = arena_open(RUN_ARENA_MAX);
	struct str                      front = arena_printf(arena, "%.*s:", STR_ARG(section->conf->name));
	const char          *why = arena_c(arena, arena_printf(arena, LEFT "%.*s: it is not followed, its data stays",
	                                                       STR_ARG(section->conf->values[CONF_SCOPE_FOR_EACH])));
	struct replica_scope scope = { .sid = 0 };
	enum err             err;

	for (size_t i = 0; i < values.count; i++)
		values.at[i] = section_name(section, values.at[i], arena);
	qsort(values.at, values.count, sizeof(*values.at), compare);
	while ((err = replica_next_scope(scopes->replica, scope.sid, texts, &scope)) == OK) {
		if (str_starts(scope.name, front) && !str_starts(scope.fault, STR(LEFT)) &&
		    !bsearch(&scope.name, values.at, values.count, sizeof(scope.name), compare)) {
			report(scopes, "left", scope.name, why);
			TRY(replica_note_fault(scopes->replica, scope.sid, str_from_c(why),
			                       clock_wall_ms(scopes->conf.run->clock)));
		}
		arena_reset(texts);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

/* Makes the list of its names anew: those who ask for it wait for no run. */
static void
note_names(struct scopes *scopes, struct section *section)
{
	AUTO(arena_close) struct arena *arena = arena_open(RUN_ARENA_MAX);
	struct names                   *names = handle_new(sizeof(*names) + section->job_count * sizeof(names->at[0])),
		     *old = section->names;

	for (const struct job *job = section->jobs; job; job = job->next) {
		arena_reset(arena);
		if (job->is_listed && job->state != JOB_ENDED)
			names->at[names->count++] = bytes_hash(BYTES_HASH_START,
			                                       section_name(section, job->value, arena));
	}
	qsort(names->at, names->count, sizeof(names->at[0]), compare_hashes);
	MUST(pthread_mutex_lock(&scopes->names_lock) == 0);
	section->names = names;
	MUST(pthread_mutex_unlock(&scopes->names_lock) == 0);
	free(old);
}

bool
scopes_await(struct scopes *scopes, struct str scope)
{
	struct str front = str_first(scope, str_find(scope, ':'));
	uint64_t   hash = bytes_hash(BYTES_HASH_START, scope);
	bool       yes = false;

	MUST(pthread_mutex_lock(&scopes->names_lock) == 0);
	for (const struct section *section = scopes->sections; section && !yes; section = section->next)
		yes = str_eq(section->conf->name, front) &&
		      (!section->names ||
		       bsearch(&hash, section->names->at, section->names->count, sizeof(hash), compare_hashes));
	MUST(pthread_mutex_unlock(&scopes->names_lock) == 0);
	return yes;
}

void
scopes_list(struct scopes *scopes, struct section *section)
{
	AUTO(arena_close) struct arena *arena = arena_open(LIST_ARENA_MAX);
	struct cmd_run                  run = *scopes->conf.run;
	struct section_values           values;
	enum err                        err;
	int                             code;

	section->is_awaited = false;
	section->list_ms = clock_mono_ms(run.clock) + (section->every_ms > 1000 ? section->every_ms : 1000);
	run.arena = arena;
	run.label = section->conf->name.at;
	code = section_list(&run, section, scopes->replica, arena, &values);
	if (code == EXIT_DONE && values.at) {
		scopes_take_values(scopes, section, &values);
		err = note_left(scopes, section, values, arena);
		code = err == OK ? EXIT_DONE : following_failed(&run, scopes->replica, err);
	}
	if (code != EXIT_DONE)
		scopes_note_code(scopes, code);
	note_names(scopes, section);
}

void
scopes_list_first(struct scopes *scopes)
{
	struct str            none = STR_EMPTY;
	struct section_values one = { &none, 1 };

	for (struct section *section = scopes->sections; section; section = section->next) {
		section->is_awaited = section->source != NULL;
		if (section->word.len == 0) {
			scopes_take_values(scopes, section, &one);
			note_names(scopes, section);
		} else if (scopes_lists_file(section)) {
			scopes_list(scopes, section);
		}
	}
}
