/* Where an outgoing connection goes; see target.h. Any thread. */
#include "core/target.h"

#include <netdb.h>
#include <stdint.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"

#define ADDRESSES_MAX 16 /* of one name */

/* Letters, digits, hyphens and dots; and underscores, which some names have. */
static bool is_host(struct hj_slice host)
{
    for (size_t i = 0; i < host.len; ++i) {
        const char c = host.base[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_')
            return false;
    }
    return host.len != 0 && host.len <= HJ_HOST_MAX;
}

/* Digits and dots alone are an address that is wrong, and no name. */
static bool is_numeric(struct hj_slice host)
{
    for (size_t i = 0; i < host.len; ++i)
        if ((host.base[i] < '0' || host.base[i] > '9') && host.base[i] != '.')
            return false;
    return true;
}

static int parse_named(struct hj_target *target, struct hj_slice host, struct hj_slice port)
{
    uint64_t number;
    if (!is_host(host) || is_numeric(host) || port.len == 0 || !hj_ascii_number(&number, port))
        return HIJACK_EADDR;
    if (number > 65535 || port.len >= sizeof(target->port))
        return HIJACK_ERANGE;
    if (number == 0)
        return HIJACK_EADDR;
    *target = (struct hj_target){.named = true};
    memcpy(target->host, host.base, host.len);
    memcpy(target->port, port.base, port.len);
    return 0;
}

/* Whether it is a port that one can connect to. */
static bool is_reachable(const struct hj_address *address)
{
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&address->sa;
    return address->kind == HJ_ADDRESS_UNIX || sin->sin_port != 0; /* IPv6 has it in the same place */
}

static int parse_plain(struct hj_target *target, struct hj_slice text)
{
    size_t colon = text.len;
    struct hj_address address;
    while (colon > 0 && text.base[colon - 1] != ':')
        --colon;
    const struct hj_slice host = hj_slice(text.base, colon == 0 ? 0 : colon - 1);
    if (hj_slice_equal(host, HJ_SLICE("localhost")))
        return parse_named(target, host, hj_slice(text.base + colon, text.len - colon));
    int rc = hj_address_parse(&address, text);
    if (rc == HIJACK_EADDR && !hj_slice_begins(text, HJ_SLICE("unix:")) && !hj_slice_begins(text, HJ_SLICE("fd:")))
        return parse_named(target, host, hj_slice(text.base + colon, text.len - colon));
    if (rc == 0 && (address.any || address.kind == HJ_ADDRESS_FD || !is_reachable(&address)))
        rc = HIJACK_EADDR;
    if (rc == 0)
        *target = (struct hj_target){.address = address};
    return rc;
}

int hj_target_parse(struct hj_target *target, struct hj_slice text)
{
    struct hj_target inner;
    if (!hj_slice_begins(text, HJ_SLICE("tls:")))
        return parse_plain(target, text);
    if (!HIJACK_TLS)
        return HIJACK_ENOTSUP;
    int rc = parse_plain(&inner, hj_slice_behind(text, HJ_SLICE("tls:")));
    if (rc == 0 && !inner.named && inner.address.kind == HJ_ADDRESS_UNIX)
        rc = HIJACK_EADDR;
    if (rc != 0)
        return rc;
    *target = inner;
    target->tls = true;
    return 0;
}

struct hj_buf *hj_target_list(const struct hj_address *address)
{
    const struct hj_target_address one = {.sa_len = address->sa_len, .sa = address->sa};
    return hj_buf_copy((const char *)&one, sizeof(one));
}

int hj_target_resolve(struct hj_buf **out, const char *host, const char *port)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct hj_target_address list[ADDRESSES_MAX];
    struct addrinfo *found;
    size_t count = 0;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return rc == EAI_MEMORY ? HIJACK_ENOMEM : HIJACK_EADDRNOTAVAIL;
    memset(list, 0, sizeof(list));
    for (const struct addrinfo *info = found; info != NULL && count < ADDRESSES_MAX; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(list[count].sa))
            continue;
        list[count].sa_len = info->ai_addrlen;
        memcpy(&list[count++].sa, info->ai_addr, info->ai_addrlen);
    }
    freeaddrinfo(found);
    if (count == 0)
        return HIJACK_EADDRNOTAVAIL;
    *out = hj_buf_copy((const char *)list, count * sizeof(list[0]));
    return *out == NULL ? HIJACK_ENOMEM : 0;
}
