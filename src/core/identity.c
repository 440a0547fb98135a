/* Members' numbers; see identity.h. Any thread. */
#include "core/identity.h"

#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "codec/query.h"
#include "codec/sha256.h"

#define HEADER HJ_SLICE("header:")
#define QUERY HJ_SLICE("query:")

/* Without leading zeros, so that no two texts are the same number. */
static bool is_number(uint64_t *number, struct hj_slice text)
{
    return text.len != 0 && (text.len == 1 || text.base[0] != '0') && hj_ascii_number(number, text);
}

uint64_t hj_identity_of(struct hj_slice text)
{
    uint8_t digest[HJ_SHA256_LEN];
    uint64_t number = 0;
    if (text.len == 0 || is_number(&number, text))
        return number;
    hj_sha256(digest, text.base, text.len);
    for (int i = 0; i < 8; ++i)
        number = number << 8 | digest[i];
    return number;
}

uint64_t hijack_hash(const char *text, size_t len)
{
    return text == NULL ? 0 : hj_identity_of(hj_slice(text, len));
}

/* What is behind prefix; false if option does not begin with it, or has nothing behind it. */
static bool name_behind(struct hj_slice *name, const char *option, struct hj_slice prefix)
{
    const size_t len = strlen(option);
    if (len <= prefix.len || memcmp(option, prefix.base, prefix.len) != 0)
        return false;
    *name = hj_slice(option + prefix.len, len - prefix.len);
    return true;
}

bool hj_identity_is_option(const char *text)
{
    struct hj_slice name;
    uint64_t number;
    if (name_behind(&name, text, HEADER))
        return hj_ascii_all(name, HJ_ASCII_TOKEN);
    return name_behind(&name, text, QUERY) || is_number(&number, hj_slice(text, strlen(text)));
}

uint64_t hj_identity_by_option(const char *option, const struct hj_head *request)
{
    char buffer[HJ_PARAMETER_MAX];
    struct hj_slice name, value = HJ_SLICE("");
    if (name_behind(&name, option, HEADER)) {
        for (size_t i = 0; i < request->header_count; ++i)
            if (hj_slice_equal_nocase(request->headers[i].name, name))
                value = request->headers[i].value;
        return hj_identity_of(value);
    }
    if (name_behind(&name, option, QUERY)) {
        hj_query_parameter(&value, buffer, request->target, name);
        return hj_identity_of(value);
    }
    return hj_identity_of(hj_slice(option, strlen(option)));
}
