/* Members' numbers; see identity.h. Any thread. */
#include "core/identity.h"

#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "codec/query.h"
#include "codec/sha256.h"
#include "core/route.h"

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

/* The name in an option of the form "header:NAME"; empty where it has another. */
static struct hj_slice header_of(const char *option)
{
    return hj_slice_behind(hj_slice(option, strlen(option)), HJ_SLICE("header:"));
}

bool hj_identity_is_option(const char *text)
{
    const struct hj_slice header = header_of(text);
    uint64_t number;
    if (header.len != 0)
        return hj_ascii_all(header, HJ_ASCII_TOKEN);
    return hj_route_parameter(text).len != 0 || is_number(&number, hj_slice(text, strlen(text)));
}

uint64_t hj_identity_by_option(const char *option, const struct hj_head *request)
{
    char buffer[HJ_PARAMETER_MAX];
    const struct hj_slice header = header_of(option), parameter = hj_route_parameter(option);
    struct hj_slice value = HJ_SLICE("");
    if (header.len != 0)
        hj_head_field(&value, request, header);
    else if (parameter.len != 0)
        hj_query_parameter(&value, buffer, request->target, parameter);
    else
        value = hj_slice(option, strlen(option));
    return hj_identity_of(value);
}
