/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure says of a long path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypt/cert.h"
#include "support/accents.h"

static void
test_cert__a_long_path_is_cut_by_character(void **state)
{
	struct clock clock = clock_system;
	char         path[ACCENTS_SIZE], why[256];

	(void)state;
	for (size_t shift = 0; shift < 2; shift++) {
		assert_int_equal(
			cert_ensure(&(struct cert_conf){ accents_path(path, shift), NULL, 0, &clock, &entropy_system },
		                    why),
			ERR_IO);
		assert_non_null(strstr(why, "\xc3\xa9: "));
		assert_true(accents_are_whole(why));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cert__a_long_path_is_cut_by_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
