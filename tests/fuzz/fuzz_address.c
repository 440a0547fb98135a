/* SPDX-License-Identifier: MIT
 *
 * Addresses: what is understood is written in a form that means the same.
 */
#include <string.h>

#include <hijack/hijack.h>

#include "core/address.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hj_address address, again;
    char text[HJ_ADDRESS_TEXT_SIZE], same[HJ_ADDRESS_TEXT_SIZE];
    if (size > 9 && memcmp(data, "localhost", 9) == 0)
        return 0; /* reads a file each time */
    const int result = hj_address_parse(&address, hj_slice((const char *)data, size));
    if (result != 0) {
        HOLDS(result == HIJACK_EADDR || result == HIJACK_ERANGE || result == HIJACK_ETOOBIG ||
              result == HIJACK_EADDRNOTAVAIL);
        return 0;
    }
    if (address.kind == HJ_ADDRESS_FD) {
        HOLDS(address.fd >= 0 && address.sa_len == 0);
        return 0;
    }
    const int len = hj_address_format(text, sizeof(text), (const struct sockaddr *)&address.sa, address.sa_len);
    HOLDS(len > 0 && strlen(text) == (size_t)len);
    if (strchr(text, '%') != NULL && address.kind == HJ_ADDRESS_TCP)
        return 0; /* an interface is read by name and written by number */
    if (text[5] == '@' && address.kind == HJ_ADDRESS_UNIX)
        return 0; /* as an abstract name would be */
    HOLDS(hj_address_parse(&again, hj_slice(text, (size_t)len)) == 0 && again.kind == address.kind);
    HOLDS(hj_address_format(same, sizeof(same), (const struct sockaddr *)&again.sa, again.sa_len) == len);
    HOLDS(strcmp(text, same) == 0);
    return 0;
}
