/* SPDX-License-Identifier: MIT
 * What the demos share: arguments, signals, starting and stopping. Main thread only. Nothing here is special to
 * libhijack; every call of the library is in plain sight in the demos themselves, but for start, stop and answer. */
#ifndef DEMO_H
#define DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hijack/hijack.h>

#define DEMO_TEXT "text/plain; charset=utf-8"
#define DEMO_HTML "text/html; charset=utf-8"

/* Ends the program with the sentence "what: why". */
_Noreturn void demo_fail(const char *what, const char *why);

/* Ends the program with a sentence when result is a HIJACK_E* code; else returns result. what: the call's name. */
int demo_check(int result, const char *what);

/* The port to listen on: first argument, else the variable PORT, else 9292. 0 means any free one. */
int demo_port(int argc, char **argv);

/* A whole number from the environment, or fallback. Out of min..max ends the program with a sentence. */
long demo_env(const char *name, long fallback, long min, long max);

/* Blocks SIGINT and SIGTERM and returns a descriptor that is readable once one of them came. Call it before anything
 * starts a thread. */
int demo_signals(void);

/* Lets the process open as many descriptors as the system permits it: each connection is one. */
void demo_raise_descriptor_limit(void);

/* Listens on 127.0.0.1, starts the server and prints its URL. The variables TLS_CERT and TLS_KEY, the paths of a
 * certificate and its key, make it speak https. */
void demo_start(hijack_server *server, int port);

/* Waits until queue has an event (true), timeout_ms are over (true) or a signal asks to stop (false). queue may be
 * NULL. */
bool demo_wait(hijack_queue *queue, int signals, int64_t timeout_ms);

/* Milliseconds on a clock that never jumps. */
int64_t demo_now(void);

/* The path of a request, without what follows a '?' and without a "http://host" before it. False: the request has
 * ended. */
bool demo_path(const char **out, size_t *out_len, hijack_request *request);

/* Whether that is the path of the request. */
bool demo_path_is(hijack_request *request, const char *path);

bool demo_method_is(hijack_request *request, const char *method);

/* Answers with these bytes and frees the request. */
void demo_answer(hijack_request *request, uint32_t status, const char *content_type, const char *body, size_t len);

/* The same with plain text that ends with a NUL. */
void demo_answer_text(hijack_request *request, uint32_t status, const char *text);

/* The same with these header lines, each with its CRLF. */
void demo_answer_with(hijack_request *request, uint32_t status, const char *headers, const char *text);

/* Stops the server; frees the requests and closes the descriptors whose events came too late. queue may be NULL. The
 * server, the queue and everything else remain for their owner to free. */
void demo_stop(hijack_server *server, hijack_queue *queue);

#endif
