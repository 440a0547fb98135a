/* SPDX-License-Identifier: MIT
 * bindings/pages/sse.html, the page that the demos of all languages show, as bytes inside the program. */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

extern const char demo_page_start[]; /* its first byte */
extern const char demo_page_end[];   /* one past its last */

#endif
