/* SPDX-License-Identifier: Apache-2.0 */
/* http_io — bytes through a non-blocking socket, in the clear. */
#pragma once

#include <stddef.h>

#include "base/str.h"

enum http_io {
	HTTP_IO_DONE,        /* at least a byte went through, or the handshake is over */
	HTTP_IO_WAIT,        /* nothing can go through now */
	HTTP_IO_END,         /* the peer sends no more */
	HTTP_IO_BROKEN       /* the connection is of no more use */
};

enum http_io http_io_read(int fd, void *bytes, size_t size, size_t *len_out);
/* Bytes written to the socket that the peer has not yet taken; 0 if that is not known. */
size_t       http_io_untaken(int fd);
/* A stretch of a file, without passing through this process. */
enum http_io http_io_send_file(int fd, int file, uint64_t from, uint64_t left, size_t *len_out);
enum http_io http_io_write(int fd, const struct str *parts, unsigned count, size_t *len_out);   /* at most 3 parts */
