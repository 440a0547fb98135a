/* SPDX-License-Identifier: MIT
 * libh2o alone, for requests. */
#ifndef H2O_HELLO_H
#define H2O_HELLO_H

#include "bench.h"

/* As bench_hello_start. */
uint16_t h2o_hello_start(struct bench_served *served);

#endif
