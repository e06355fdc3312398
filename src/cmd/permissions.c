/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"
#include "cmd/help.h"

static void
put_grants(struct out *out, const char *const *grants)
{
	if (!grants[0])
		out_put(out, STR("not supported"));
	for (size_t i = 0; grants[i]; i++)
		out_printf(out, "%s`%s`", i ? ", " : "", grants[i]);
}

void
help_permissions(struct out *out)
{
	out_put(out, STR("# Permissions\n\n"
	                 "Made by `tidemark help --permissions` from the table the server itself decides by "
	                 "(`src/auth/rights.c`);\na test compares the two. One of the permissions named is enough; the "
	                 "least privileged stands first.\n\n"
	                 "| call | delegated (`scp`): the signed-in user's own data | application (`roles`): any user of "
	                 "the tenant |\n|---|---|---|\n"));
	for (int right = 0; right < RIGHT_COUNT; right++) {
		const struct right_row *row = right_row((enum right)right);

		out_printf(out, "| %s | ", row->calls);
		put_grants(out, row->delegated);
		out_put(out, STR(" | "));
		put_grants(out, row->application);
		out_put(out, STR(" |\n"));
	}
	out_put(out, STR("\nA token is asked in this order: its form and header, its key and signature, `nbf` and `exp` (60 s "
	                 "of skew), `aud`, `iss`\nand `tid`, the user and client it names (tokens of the store's own issuer), "
	                 "the permission, whose data it asks for.\n`tidemark explain-access` prints each of these steps for a "
	                 "token and a URL.\n"));
}
