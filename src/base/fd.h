/* SPDX-License-Identifier: Apache-2.0 */
/* fd — descriptors: closed, read to their end, written to the last byte.  A signal in between changes nothing. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

void fd_close(int *fd);                              /* for AUTO(); -1 inside is fine, and stays */

/* Reads until the end or until `size` bytes are there.  False: errno, and *len_out is what came before. */
bool fd_read(int fd, void *bytes, size_t size, size_t *len_out);
/* Writes all of it.  False: errno. */
bool fd_write(int fd, struct str bytes);
