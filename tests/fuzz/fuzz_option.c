/* SPDX-License-Identifier: MIT
 *
 * Options: "name=value" in every scope; what is taken can be read, and set again to the same.
 */
#include <string.h>

#include <hijack/hijack.h>

#include "core/option.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *mark = size != 0 ? memchr(text, '=', size) : NULL;
    const size_t name_len = mark != NULL ? (size_t)(mark - text) : size;
    const struct hj_slice name = hj_slice(text, name_len);
    const struct hj_slice value = mark != NULL ? hj_slice(mark + 1, size - name_len - 1) : hj_slice(NULL, 0);
    for (int i = HJ_SCOPE_SERVER; i <= HJ_SCOPE_ROUTE; ++i) {
        const enum hj_option_scope scope = (enum hj_option_scope)i;
        struct hj_server_options before = {0}, options = {0}; /* the largest of all */
        char out[128], again[128];
        hj_options_default(&before, scope);
        hj_options_default(&options, scope);
        const int result = hj_option_set(&options, scope, name, value);
        if (result != 0) {
            HOLDS(result == HIJACK_EOPTION || result == HIJACK_ERANGE ||
                  (result == HIJACK_ENOTSUP && scope == HJ_SCOPE_ROUTE));
            HOLDS(memcmp(&before, &options, sizeof(options)) == 0);
            continue;
        }
        const int len = hj_option_get(out, sizeof(out), &options, scope, name);
        HOLDS(len >= 0 && strlen(out) == (size_t)len);
        HOLDS(hj_option_set(&before, scope, name, hj_slice(out, (size_t)len)) == 0);
        HOLDS(hj_option_get(again, sizeof(again), &before, scope, name) == len && strcmp(out, again) == 0);
    }
    return 0;
}
