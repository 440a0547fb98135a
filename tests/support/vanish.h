/* SPDX-License-Identifier: MIT
 *
 * A peer that disappears without a word, as a machine that loses its power.
 */
#ifndef TESTS_SUPPORT_VANISH_H
#define TESTS_SUPPORT_VANISH_H

/* From now on the socket takes no packet: its system neither acknowledges nor resets. 0, or -errno. */
int vanish(int fd);

#endif
