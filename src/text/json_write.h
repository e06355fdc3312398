/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write — writes JSON into a buffer.
 *
 * It writes commas and colons; the caller decides the order.  Sticky like its buffer:
 * check once, with buf_err().  Any bytes may be given as text: what is not UTF-8
 * is written as U+FFFD.  Data is checked where it comes in, so this is for text that is only
 * shown: names of files, messages of a remote, a store that another program changed.
 */
#pragma once

#include "base/buf.h"
#include "base/guid.h"

struct json_out {
	struct buf *buf;
	unsigned    depth;
	bool        first; /* nothing yet written at this level */
};

void            json_out_open(struct json_out *out, struct buf *buf);
struct json_out json_out_object(struct buf *buf); /* opened, and an object begun */

void json_put_object(struct json_out *out); /* { */
void json_put_array(struct json_out *out);  /* [ */
void json_end_object(struct json_out *out);
void json_end_array(struct json_out *out);
void json_put_name(struct json_out *out, struct str name);
void json_put_text(struct json_out *out, struct str text);
void json_put_raw(struct json_out *out, struct str json); /* already JSON */
void json_put_bool(struct json_out *out, bool value);
void json_put_int(struct json_out *out, int64_t value);

/* name + value in one call, the usual thing inside an object */
void json_put_member(struct json_out *out, struct str name, struct str text);
void json_put_member_raw(struct json_out *out, struct str name, struct str json);
void json_put_member_bool(struct json_out *out, struct str name, bool value);
void json_put_member_int(struct json_out *out, struct str name, int64_t value);
/* An array of the words that blanks divide. */
void json_put_member_words(struct json_out *out, struct str name, struct str words);

/* Only the quoted, escaped text, with no state around it. */
void json_quote(struct buf *buf, struct str text);
void json_put_member_guid(struct json_out *out, struct str name, const struct guid *guid);
