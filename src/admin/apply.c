/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/apply.h"

/* A transaction may read the old body of each of its items. */
#define TXN_ARENA_MAX (APPLY_LINES_MAX * (STORE_BODY_MAX + ((size_t)64 << 10)))

static void
set_why(struct apply_result *result, struct str why)
{
	str_printf(result->why, sizeof(result->why), "%.*s", STR_ARG(why));
}

/* A repeated op changes nothing, so what it would have done is counted from its lines. */
static void
count_again(const struct line_op *op, struct line_counts *counts)
{
	switch (op->kind) {
	case LINE_USER:
		counts->users++;
		return;
	case LINE_CLIENT:
	case LINE_PUT:
	case LINE_POLICY:
		counts->stored++;
		return;
	case LINE_REMOVE:
	case LINE_REMOVE_USER:
	case LINE_REMOVE_CLIENT:
	case LINE_REMOVE_POLICY:
		counts->removed++;
		return;
	}
}

static enum err
apply_one(struct store_txn *txn, struct line_target *target, struct str text, struct apply_result *result)
{
	struct line_op op;
	struct str     why = STR_EMPTY;
	enum err       err;

	arena_reset(target->line_arena);
	err = line_parse(text, target->line_arena, &op, &why);
	if (err == OK && store_was_done(txn)) {
		count_again(&op, &result->counts);
		return OK;
	}
	if (err == OK) {
		line_apply(txn, target, &op, &result->counts, &why);
		err = store_txn_err(txn);
	}
	if (err == OK)
		return OK;
	if (why.len > 0) {
		result->bad_line = result->lines;
		set_why(result, why);
		return ERR_BAD_REQUEST;
	}
	return err;
}

static enum err
apply_all(struct store_txn *txn, struct line_target *target, struct str lines, struct apply_result *result)
{
	struct str text;

	result->again = store_was_done(txn);
	while (str_take_until(&lines, '\n', &text)) {
		result->lines++;
		if (result->lines > APPLY_LINES_MAX) {
			result->bad_line = result->lines;
			set_why(result, STR("more lines than a batch may have"));
			return ERR_BAD_REQUEST;
		}
		if (!line_is_blank(text))
			TRY(apply_one(txn, target, text, result));
	}
	return OK;
}

enum err
apply_lines(struct store *store, struct content *content, const struct entropy *entropy, const struct store_op *op,
            struct str lines, struct apply_result *result_out)
{
	AUTO(arena_close) struct arena     *line_arena = arena_open(LINE_ARENA_MAX);
	AUTO(arena_close) struct arena     *txn_arena = arena_open(TXN_ARENA_MAX);
	AUTO(store_abort) struct store_txn *txn = NULL;
	struct line_target                  target = {
				 .content = content, .entropy = entropy, .txn_arena = txn_arena, .line_arena = line_arena
	};
	enum err err;

	*result_out = (struct apply_result){ 0 };
	err = directory_tenant(store, line_arena, &target.tenant);
	if (err == OK) {
		txn = store_begin(store, op, txn_arena);
		err = store_txn_err(txn);
	}
	if (err == OK)
		err = apply_all(txn, &target, lines, result_out);
	if (err == OK)
		err = store_commit(&txn);
	if (err != OK && result_out->bad_line == 0) {
		struct str why;

		arena_reset(line_arena);
		why = store_why(store, line_arena);
		set_why(result_out, why.len > 0 ? why : str_from_c(err_text(err)));
	}
	return err;
}
