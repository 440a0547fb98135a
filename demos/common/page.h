/* SPDX-License-Identifier: MIT
 * The pages of bindings/pages, which the demos of all languages show, as bytes inside the program: each from its first
 * byte to one past its last. */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

extern const char demo_chat_page[], demo_chat_page_end[];
extern const char demo_rooms_page[], demo_rooms_page_end[];
extern const char demo_sse_page[], demo_sse_page_end[];
extern const char demo_websocket_page[], demo_websocket_page_end[];

#endif
