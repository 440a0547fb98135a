/* SPDX-License-Identifier: MIT
 * The pages as bytes inside the program; see page.h. Read-only data, no code; the finished program reads no file. The
 * assembler looks the path up in the folders of -I, of which demos/common is one; a build that has them elsewhere
 * defines DEMO_PAGES_DIR. */
#include "page.h"

#ifndef DEMO_PAGES_DIR
#define DEMO_PAGES_DIR "../../bindings/pages"
#endif

#define PAGE(name)                                                                                                     \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".global demo_" #name "_page\n"                                                                            \
            "demo_" #name "_page:\n"                                                                                   \
            ".incbin \"" DEMO_PAGES_DIR "/" #name ".html\"\n"                                                          \
            ".global demo_" #name "_page_end\n"                                                                        \
            "demo_" #name "_page_end:\n"                                                                               \
            ".byte 0\n"                                                                                                \
            ".popsection\n")

PAGE(chat);
PAGE(rooms);
PAGE(sse);
PAGE(websocket);
