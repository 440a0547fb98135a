/* Addresses from and to text; see address.h. Any thread, but parsing "localhost" reads /etc/hosts through getaddrinfo.
 */
#include "core/address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <hijack/hijack.h>

#include "base/ascii.h"

/* A copy with a NUL; false where it does not fit or has a NUL of its own. */
static bool copy_text(char *out, size_t out_size, struct hj_slice text)
{
    if (text.len >= out_size || memchr(text.base, '\0', text.len) != NULL)
        return false;
    memcpy(out, text.base, text.len);
    out[text.len] = '\0';
    return true;
}

static int parse_fd(struct hj_address *address, struct hj_slice number)
{
    uint64_t fd;
    if (!hj_ascii_number(&fd, number) || fd > INT_MAX)
        return HIJACK_EADDR;
    address->kind = HJ_ADDRESS_FD;
    address->fd = (int)fd;
    return 0;
}

static int parse_unix(struct hj_address *address, struct hj_slice path)
{
    struct sockaddr_un *sun = (struct sockaddr_un *)&address->sa;
    if (path.len >= sizeof(sun->sun_path))
        return HIJACK_ETOOBIG;
    if (path.len == 0 || !copy_text(address->path, sizeof(address->path), path) ||
        !copy_text(sun->sun_path, sizeof(sun->sun_path), path))
        return HIJACK_EADDR;
    address->kind = HJ_ADDRESS_UNIX;
    sun->sun_family = AF_UNIX;
    address->sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return 0;
}

static void set_v4(struct hj_address *address, struct in_addr host, in_port_t port)
{
    struct sockaddr_in *sin = (struct sockaddr_in *)&address->sa;
    sin->sin_family = AF_INET;
    sin->sin_addr = host;
    sin->sin_port = port;
    address->sa_len = sizeof(*sin);
}

static struct sockaddr_in6 *set_v6(struct hj_address *address, struct in6_addr host, in_port_t port)
{
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&address->sa;
    sin6->sin6_family = AF_INET6;
    sin6->sin6_addr = host;
    sin6->sin6_port = port;
    address->sa_len = sizeof(*sin6);
    return sin6;
}

/* "::1", or with an interface "fe80::1%eth0". */
static int parse_v6(struct hj_address *address, char *host, in_port_t port)
{
    struct in6_addr v6;
    unsigned scope = 0;
    char *percent = strchr(host, '%');
    if (percent != NULL)
        *percent = '\0';
    if (inet_pton(AF_INET6, host, &v6) != 1 || (percent != NULL && percent[1] == '\0'))
        return HIJACK_EADDR;
    if (percent != NULL && (scope = if_nametoindex(percent + 1)) == 0)
        return HIJACK_EADDRNOTAVAIL;
    set_v6(address, v6, port)->sin6_scope_id = scope;
    return 0;
}

static int parse_localhost(struct hj_address *address, in_port_t port)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    if (getaddrinfo("localhost", NULL, &hints, &list) != 0)
        return HIJACK_EADDRNOTAVAIL;
    const struct addrinfo *best = NULL;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
        if (info->ai_family == AF_INET || (info->ai_family == AF_INET6 && best == NULL)) {
            best = info;
            if (info->ai_family == AF_INET)
                break;
        }
    if (best != NULL && best->ai_family == AF_INET)
        set_v4(address, ((const struct sockaddr_in *)(const void *)best->ai_addr)->sin_addr, port);
    else if (best != NULL)
        set_v6(address, ((const struct sockaddr_in6 *)(const void *)best->ai_addr)->sin6_addr, port);
    freeaddrinfo(list);
    return best != NULL ? 0 : HIJACK_EADDRNOTAVAIL;
}

/* 0, HIJACK_EADDR (not a number) or ERANGE. */
static int parse_port(in_port_t *out, struct hj_slice text)
{
    uint64_t number = UINT64_MAX;
    if (text.len == 0)
        return HIJACK_EADDR;
    for (size_t i = 0; i < text.len; ++i)
        if (text.base[i] < '0' || text.base[i] > '9')
            return HIJACK_EADDR;
    if (!hj_ascii_number(&number, text) || number > 65535)
        return HIJACK_ERANGE;
    *out = htons((uint16_t)number);
    return 0;
}

static int parse_host(struct hj_address *address, char *host, in_port_t port)
{
    const size_t len = strlen(host);
    struct in_addr v4;
    if (strcmp(host, "*") == 0) {
        address->any = true;
        set_v6(address, in6addr_any, port);
        return 0;
    }
    if (strcmp(host, "localhost") == 0)
        return parse_localhost(address, port);
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        return parse_v6(address, host + 1, port);
    }
    if (inet_pton(AF_INET, host, &v4) != 1)
        return HIJACK_EADDR;
    set_v4(address, v4, port);
    return 0;
}

static int parse_tcp(struct hj_address *address, struct hj_slice text)
{
    size_t colon = text.len;
    while (colon > 0 && text.base[colon - 1] != ':')
        --colon;
    in_port_t port;
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 3];
    if (colon < 2 || !copy_text(host, sizeof(host), hj_slice(text.base, colon - 1)))
        return HIJACK_EADDR;
    address->kind = HJ_ADDRESS_TCP;
    int port_rc = parse_port(&port, hj_slice(text.base + colon, text.len - colon));
    if (port_rc == HIJACK_EADDR)
        return port_rc;
    /* a port out of range is named only where the rest is right: else the form is wrong altogether */
    int rc = parse_host(address, host, port_rc == 0 ? port : 0);
    return rc != 0 ? rc : port_rc;
}

int hj_address_parse(struct hj_address *address, struct hj_slice text)
{
    struct hj_address parsed;
    memset(&parsed, 0, sizeof(parsed));
    parsed.fd = -1;
    int rc = HIJACK_EADDR;
    if (hj_slice_begins(text, HJ_SLICE("unix:")))
        rc = parse_unix(&parsed, hj_slice(text.base + 5, text.len - 5));
    else if (hj_slice_begins(text, HJ_SLICE("fd:")))
        rc = parse_fd(&parsed, hj_slice(text.base + 3, text.len - 3));
    else if (text.len != 0)
        rc = parse_tcp(&parsed, text);
    if (rc == 0)
        *address = parsed;
    return rc;
}

void hj_address_use_v4(struct hj_address *address)
{
    const in_port_t port = ((const struct sockaddr_in6 *)&address->sa)->sin6_port;
    memset(&address->sa, 0, sizeof(address->sa));
    set_v4(address, (struct in_addr){htonl(INADDR_ANY)}, port);
}

static int format_v4(char *out, size_t out_size, const void *host, in_port_t port)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, host, text, sizeof(text));
    return snprintf(out, out_size, "%s:%u", text, (unsigned)ntohs(port));
}

static int format_v6(char *out, size_t out_size, const struct sockaddr_in6 *sin6)
{
    if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
        return format_v4(out, out_size, sin6->sin6_addr.s6_addr + 12, sin6->sin6_port);
    char text[INET6_ADDRSTRLEN], scope[16] = "";
    inet_ntop(AF_INET6, &sin6->sin6_addr, text, sizeof(text));
    if (sin6->sin6_scope_id != 0)
        snprintf(scope, sizeof(scope), "%%%u", (unsigned)sin6->sin6_scope_id);
    return snprintf(out, out_size, "[%s%s]:%u", text, scope, (unsigned)ntohs(sin6->sin6_port));
}

/* A path without a NUL at its end is fine for the kernel; an abstract name starts with a NUL. */
static int format_unix(char *out, size_t out_size, const struct sockaddr_un *sun, socklen_t len)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    const char *path = sun->sun_path;
    size_t path_len = len > head ? len - head : 0;
    if (path_len > sizeof(sun->sun_path))
        path_len = sizeof(sun->sun_path);
    const bool abstract = path_len > 1 && path[0] == '\0';
    if (abstract) {
        ++path;
        --path_len;
    }
    path_len = strnlen(path, path_len);
    return snprintf(out, out_size, "unix:%s%.*s", abstract ? "@" : "", (int)path_len, path);
}

int hj_address_format(char *out, size_t out_size, const struct sockaddr *sa, socklen_t len)
{
    /* Copied, because sa need not be aligned for its family's type. */
    struct sockaddr_storage copy;
    memset(&copy, 0, sizeof(copy));
    memcpy(&copy, sa, len < sizeof(copy) ? len : sizeof(copy));
    int result;
    if (copy.ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *)&copy;
        result = format_v4(out, out_size, &sin->sin_addr, sin->sin_port);
    } else if (copy.ss_family == AF_INET6) {
        result = format_v6(out, out_size, (const struct sockaddr_in6 *)&copy);
    } else if (copy.ss_family == AF_UNIX) {
        result = format_unix(out, out_size, (const struct sockaddr_un *)&copy, len);
    } else {
        result = snprintf(out, out_size, "unknown:");
    }
    return result >= 0 && (size_t)result < out_size ? result : HIJACK_ETOOBIG;
}

struct hj_slice hj_address_of_peer(char *out, size_t out_size, int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    int n = getpeername(fd, (struct sockaddr *)&sa, &len);
    if (n == 0)
        n = hj_address_format(out, out_size, (const struct sockaddr *)&sa, len);
    return n < 0 ? HJ_SLICE("unknown:") : hj_slice(out, (size_t)n);
}
