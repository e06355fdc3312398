/* SPDX-License-Identifier: Apache-2.0 */
/*
 * last_write — SQLite's writes go through here, so that a process can be gone at exactly its nth: set writes_left to
 * n in a child, which then ends with the code 9.  For one file of a test program.
 */
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned long writes_left; /* 0: as many as it likes */

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at);

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	if (writes_left > 0 && --writes_left == 0)
		_exit(9);
	return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, at);
}
