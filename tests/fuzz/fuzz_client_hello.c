/* SPDX-License-Identifier: MIT
 *
 * The ClientHello: it may be cut anywhere, the verdict stays, and what is read from it is bounded text.
 */
#include <ctype.h>
#include <string.h>

#include "codec/client_hello.h"
#include "fuzz.h"

static void check_accepted(const struct hj_client_hello *hello)
{
    HOLDS(strlen(hello->server_name) == hello->server_name_len);
    for (const char *at = hello->server_name; *at != 0; ++at)
        HOLDS(*at > ' ' && *at <= '~' && !isupper((unsigned char)*at));
    HOLDS(hello->has_alpn || (!hello->offers_h2 && !hello->offers_http1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hj_client_hello hello;
    const int result = hj_client_hello_parse(&hello, data, size);
    uint32_t random = (uint32_t)size * 2654435761u;
    HOLDS(result == 1 || result == 0 || result == -10 || result == -22 || result == -50);
    if (result == 1)
        check_accepted(&hello);
    for (size_t n = 0; n < size; n += 1 + (random >> 16) % 64) {
        struct hj_client_hello piece;
        uint8_t *copy = malloc(n != 0 ? n : 1);
        memcpy(copy, data, n);
        const int early = hj_client_hello_parse(&piece, copy, n);
        free(copy);
        HOLDS(early == 0 || early == result);
        HOLDS(early != 1 || memcmp(&piece, &hello, sizeof(hello)) == 0);
        random = random * 1664525 + 1013904223;
    }
    return 0;
}
