/* SPDX-License-Identifier: MIT
 * The page as bytes inside the program; see page.h. Read-only data, no code; the finished program reads no file. The
 * assembler looks the path up in the folders of -I, of which demos/common is one; a build that has it elsewhere defines
 * DEMO_PAGES_DIR. */
#include "page.h"

#ifndef DEMO_PAGES_DIR
#define DEMO_PAGES_DIR "../../bindings/pages"
#endif

__asm__(".pushsection .rodata\n"
        ".global demo_page_start\n"
        "demo_page_start:\n"
        ".incbin \"" DEMO_PAGES_DIR "/sse.html\"\n"
        ".global demo_page_end\n"
        "demo_page_end:\n"
        ".byte 0\n"
        ".popsection\n");
