/* SPDX-License-Identifier: MIT
 * Text that comes from a client and goes to others: UTF-8, a value of the query, a JSON string. Any thread. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The code point at *at, which moves past it; -1, and *at stays, if what comes before end is not UTF-8. */
int32_t text_next(const char **at, const char *end);

bool text_is_utf8(const char *text, size_t len);

/* The value of the first field of this name in the query of a request's target, percent-decoded, '+' being a space, and
 * a NUL. False if there is none, if it is longer than size - 1 bytes, or if a '%' comes without two hexadecimal digits.
 */
bool text_query(char *out, size_t size, size_t *out_len, const char *target, size_t target_len, const char *name);

/* Writes the text, which is UTF-8, as a JSON string with its quotes. Only what must be escaped is, as by
 * JSON.stringify: quotes, backslashes and control characters below U+0020. */
void text_put_json(FILE *out, const char *text, size_t len);

#endif
