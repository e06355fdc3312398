/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"

#define BYTES ((size_t)1 << 20) /* more than a pipe holds: both sides go on many times */

struct writer {
	pthread_t thread;
	int       fd;
	char     *bytes;
	bool      is_written;
};

static void
on_signal(int signal)
{
	(void)signal;
}

static void *
write_all(void *ctx)
{
	struct writer *writer = ctx;

	writer->is_written = file_write(writer->fd, str_of(writer->bytes, BYTES));
	file_close(&writer->fd);
	return NULL;
}

/* The reader takes its time, so the writer waits; each wait is cut short by a signal. */
static void
test_file__all_bytes_pass_though_signals_come(void **state)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct writer    writer = { .bytes = malloc(BYTES) };
	char            *read_bytes = malloc(BYTES + 1);
	size_t           len = 0, more;
	int              ends[2];

	(void)state;
	assert_true(writer.bytes && read_bytes);
	for (size_t i = 0; i < BYTES; i++)
		writer.bytes[i] = (char)(i * 7 ^ i >> 9);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pipe(ends), 0);
	writer.fd = ends[1];
	assert_int_equal(pthread_create(&writer.thread, NULL, write_all, &writer), 0);
	while (len < BYTES - 100000) {
		(void)usleep(2000);
		(void)pthread_kill(writer.thread, SIGUSR1);
		assert_true(file_read(ends[0], read_bytes + len, 100000, &more));
		assert_int_equal(more, 100000);
		len += more;
	}
	assert_true(file_read(ends[0], read_bytes + len, BYTES + 1 - len, &more));
	assert_int_equal(len + more, BYTES);
	assert_int_equal(pthread_join(writer.thread, NULL), 0);
	assert_true(writer.is_written);
	assert_int_equal(writer.fd, -1);
	assert_memory_equal(read_bytes, writer.bytes, BYTES);
	file_close(&ends[0]);
	free(writer.bytes);
	free(read_bytes);
}

static void
test_file__a_fault_is_told_with_errno(void **state)
{
	AUTO(file_close) int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(file_close) int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	AUTO(file_close) int none = -1;
	char                 bytes[8];
	size_t               len = 9;

	(void)state;
	assert_false(file_read(folder, bytes, sizeof(bytes), &len));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(len, 0);
	assert_false(file_write(full, STR("x")));
	assert_int_equal(errno, ENOSPC);
	assert_true(file_write(full, STR_EMPTY));
	assert_true(file_read(folder, bytes, 0, &len));
	file_close(&none);
	assert_int_equal(none, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__all_bytes_pass_though_signals_come),
		cmocka_unit_test(test_file__a_fault_is_told_with_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
