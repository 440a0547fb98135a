/* SPDX-License-Identifier: MIT
 *
 * What the tests of outgoing connections with TLS share: a listener of the test's, and an authority that the server
 * trusts.
 */
#ifndef TESTS_TLS_OUTGOING_H
#define TESTS_TLS_OUTGOING_H

#include "support/outgoing.h"
#include "support/tls_peer.h"

/* A certificate that the authority has signed, for localhost and 127.0.0.1; made once. */
extern struct certificate authority, trusted;

/* RUN_TESTS, with them and their files made before and removed after. */
#define RUN_OUTGOING_TESTS(tests, argc, argv)                                                                          \
    (fixture_main((argc), (argv)), cmocka_run_group_tests_name(__FILE__, (tests), outgoing_setup, outgoing_teardown))
int outgoing_setup(void **state);
int outgoing_teardown(void **state);
/* The path of that file; that of one with the key of `trusted`, and of one with its chain and key. */
const char *outgoing_authority(void);
const char *outgoing_key(void);
const char *outgoing_chain_and_key(void);
/* The server trusts the authority, and starts. The port of a listener of the test's. */
int outgoing_start(struct fixture *fixture, int *listener);
/* The server connects to host with TLS. */
hijack_socket *outgoing_connect(struct fixture *fixture, const char *host, int port);

#endif
