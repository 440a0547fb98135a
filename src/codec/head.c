/* The strict HTTP/1 request head parser; see head.h. Pure; any thread.
 *
 * What always holds: a head is refused for its first fault in the order request line, line ends, length, headers, and
 * each step looks at bytes that a shorter part of the same data had already, so feeding byte by byte gives the same
 * answer as feeding it whole. */
#include "codec/head.h"

#include <string.h>

#include "base/ascii.h"

/* What the headers seen so far said; what it means together is settled at the end of the head. */
struct facts {
    unsigned hosts;
    bool close, keep_alive, connection_upgrade, has_upgrade, has_transfer_encoding;
};

static int refuse_head(struct hj_head *head, int status, const char *problem)
{
    head->problem = problem;
    return -status;
}

/* Finds the method, and refuses from the first bytes on what cannot become one: TLS, binary protocols, endless words.
 * Where this returns 0 for a complete line, head->method is set. */
static int parse_method(struct hj_head *head, const char *data, size_t len)
{
    size_t i = 0;
    while (i < len && hj_ascii_is(data[i], HJ_ASCII_TOKEN)) {
        if (i++ == HJ_HEAD_MAX_METHOD)
            return refuse_head(head, 501, "the method is too long");
    }
    if (i < len && (i == 0 || data[i] != ' '))
        return refuse_head(head, 400, "the request does not start with a method");
    head->method = hj_slice(data, i);
    return 0;
}

static int parse_version(struct hj_head *head, const char *at, const char *end)
{
    if (end - at != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' || at[7] < '0' ||
        at[7] > '9')
        return refuse_head(head, 400, "the request line does not end in an HTTP version");
    if (at[5] != '1')
        return refuse_head(head, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    head->minor_version = at[7] != '0';
    head->version = at[7] != '0' ? HJ_SLICE("HTTP/1.1") : HJ_SLICE("HTTP/1.0");
    return 0;
}

/* uri-host [ ":" port ], as a Host value and in absolute-form targets. */
static bool authority_ok(struct hj_slice text)
{
    size_t i = 0;
    if (text.len != 0 && text.base[0] == '[') {
        for (i = 1; i < text.len && text.base[i] != ']'; ++i)
            if (!hj_ascii_is(text.base[i], HJ_ASCII_HEX) && text.base[i] != ':' && text.base[i] != '.')
                return false;
        if (i == text.len || i == 1)
            return false;
        ++i;
    } else {
        while (i < text.len && hj_ascii_is(text.base[i], HJ_ASCII_HOST))
            ++i;
    }
    if (i == text.len)
        return true;
    if (text.base[i] != ':' || i == 0)
        return false;
    for (++i; i < text.len; ++i)
        if (text.base[i] < '0' || text.base[i] > '9')
            return false;
    return true;
}

static int parse_absolute_target(struct hj_head *head)
{
    const struct hj_slice target = head->target;
    size_t authority = 0;
    if (target.len > 7 && hj_slice_equal_lower(hj_slice(target.base, 7), HJ_SLICE("http://")))
        authority = 7;
    else if (target.len > 8 && hj_slice_equal_lower(hj_slice(target.base, 8), HJ_SLICE("https://")))
        authority = 8;
    else
        return refuse_head(head, 400, "the request target is neither a path nor an http URL");
    size_t path = authority;
    while (path < target.len && target.base[path] != '/' && target.base[path] != '?')
        ++path;
    if (path == authority || target.base[authority] == ':' ||
        !authority_ok(hj_slice(target.base + authority, path - authority)))
        return refuse_head(head, 400, "the host in the request target is malformed");
    if (path < target.len && target.base[path] == '/')
        head->path = hj_slice(target.base + path, target.len - path);
    else
        head->path = HJ_SLICE("/");
    return 0;
}

/* uri-host ":" port, as CONNECT has it. */
static int parse_authority_target(struct hj_head *head)
{
    const struct hj_slice target = head->target;
    size_t colon = target.len;
    uint64_t port;
    while (colon > 0 && target.base[colon - 1] != ':')
        --colon;
    if (colon < 2 || !authority_ok(target) ||
        !hj_ascii_number(&port, hj_slice(target.base + colon, target.len - colon)) || port == 0 || port > 65535)
        return refuse_head(head, 400, "the target of CONNECT is not host:port");
    head->path = target;
    return 0;
}

static int parse_target(struct hj_head *head)
{
    const bool serves_connect = head->connect;
    head->connect = hj_slice_equal(head->method, HJ_SLICE("CONNECT"));
    if (head->connect)
        return serves_connect ? parse_authority_target(head) : refuse_head(head, 501, "CONNECT is not served here");
    if (head->target.base[0] == '/') {
        head->path = head->target;
    } else if (hj_slice_equal(head->target, HJ_SLICE("*"))) {
        if (!hj_slice_equal(head->method, HJ_SLICE("OPTIONS")))
            return refuse_head(head, 400, "the request target * goes with OPTIONS only");
        head->path = head->target;
    } else {
        int status = parse_absolute_target(head);
        if (status != 0)
            return status;
    }
    const char *query = memchr(head->path.base, '?', head->path.len);
    if (query != NULL)
        head->path.len = (size_t)(query - head->path.base);
    return 0;
}

/* After parse_method. end: the line's CRLF. */
static int parse_request_line(struct hj_head *head, const char *end)
{
    const char *target = head->method.base + head->method.len + 1, *at = target;
    while (at < end && hj_ascii_is(*at, HJ_ASCII_TARGET))
        ++at;
    if (at == target || at == end || *at != ' ')
        return refuse_head(head, 400, "the request target is missing or has a character that must be %-encoded");
    head->target = hj_slice(target, (size_t)(at - target));
    int status = parse_version(head, at + 1, end);
    return status != 0 ? status : parse_target(head);
}

static int parse_transfer_encoding(struct hj_head *head, struct facts *facts, struct hj_slice value)
{
    if (facts->has_transfer_encoding)
        return refuse_head(head, 400, "more than one Transfer-Encoding");
    facts->has_transfer_encoding = true;
    if (hj_slice_equal_lower(value, HJ_SLICE("chunked"))) {
        head->chunked = true;
        return 0;
    }
    if (value.len == 0 || !hj_ascii_all(value, HJ_ASCII_TOKEN))
        return refuse_head(head, 400, "Transfer-Encoding must be chunked alone");
    return refuse_head(head, 501, "only the transfer encoding chunked is understood");
}

static int parse_content_length(struct hj_head *head, struct hj_slice value)
{
    if (head->has_content_length)
        return refuse_head(head, 400, "more than one Content-Length");
    head->has_content_length = true;
    if (!hj_ascii_number(&head->content_length, value))
        return refuse_head(head, 400, "Content-Length is not a number");
    return 0;
}

static int parse_connection(struct facts *facts, struct hj_slice value)
{
    facts->close |= hj_ascii_list_has(value, HJ_SLICE("close"));
    facts->keep_alive |= hj_ascii_list_has(value, HJ_SLICE("keep-alive"));
    facts->connection_upgrade |= hj_ascii_list_has(value, HJ_SLICE("upgrade"));
    return 0;
}

/* Looks at the few headers that decide how the rest is read; all others pass. */
static int interpret(struct hj_head *head, struct facts *facts, struct hj_slice name, struct hj_slice value)
{
    switch (name.len) {
    case 4:
        if (hj_slice_equal_lower(name, HJ_SLICE("host"))) {
            if (++facts->hosts > 1)
                return refuse_head(head, 400, "more than one Host");
            if (!authority_ok(value))
                return refuse_head(head, 400, "Host is malformed");
        }
        return 0;
    case 6:
        if (hj_slice_equal_lower(name, HJ_SLICE("expect")) && head->minor_version == 1) {
            if (!hj_slice_equal_lower(value, HJ_SLICE("100-continue")))
                return refuse_head(head, 417, "the only expectation understood is 100-continue");
            head->expect_continue = true;
        }
        return 0;
    case 7:
        facts->has_upgrade |= hj_slice_equal_lower(name, HJ_SLICE("upgrade"));
        return 0;
    case 10:
        return hj_slice_equal_lower(name, HJ_SLICE("connection")) ? parse_connection(facts, value) : 0;
    case 14:
        return hj_slice_equal_lower(name, HJ_SLICE("content-length")) ? parse_content_length(head, value) : 0;
    case 17:
        return hj_slice_equal_lower(name, HJ_SLICE("transfer-encoding")) ? parse_transfer_encoding(head, facts, value)
                                                                         : 0;
    default:
        return 0;
    }
}

/* One header line; *cursor moves past its CRLF. Every LF has a CR before it by now, and the head ends in CRLF, so that
 * a line end is always found. */
static int parse_header(struct hj_head *head, struct facts *facts, const char **cursor)
{
    const char *name = *cursor, *at = name;
    while (hj_ascii_is(*at, HJ_ASCII_TOKEN))
        ++at;
    if (at == name && (*at == ' ' || *at == '\t'))
        return refuse_head(head, 400, "a header line starts with white space (folded headers are obsolete)");
    if (at == name || *at != ':')
        return refuse_head(head, 400, "a header line is not \"name: value\"");
    const char *name_end = at++;
    while (*at == ' ' || *at == '\t')
        ++at;
    const char *value = at;
    while (hj_ascii_is(*at, HJ_ASCII_VALUE))
        ++at;
    if (at[0] != '\r' || at[1] != '\n')
        return refuse_head(head, 400, "a header value has a control character");
    *cursor = at + 2;
    while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
        --at;
    if (head->header_count == HJ_HEAD_MAX_HEADERS)
        return refuse_head(head, 431, "too many headers");
    struct hj_header *header = &head->headers[head->header_count++];
    header->name = hj_slice(name, (size_t)(name_end - name));
    header->value = hj_slice(value, (size_t)(at - value));
    return interpret(head, facts, header->name, header->value);
}

static int conclude(struct hj_head *head, const struct facts *facts)
{
    if (facts->hosts == 0 && head->minor_version == 1)
        return refuse_head(head, 400, "Host is missing");
    if (facts->has_transfer_encoding && head->minor_version == 0)
        return refuse_head(head, 400, "Transfer-Encoding does not exist in HTTP/1.0");
    if (facts->has_transfer_encoding && head->has_content_length)
        return refuse_head(head, 400, "both Content-Length and Transfer-Encoding");
    const bool has_body = head->chunked || head->content_length != 0;
    if (head->connect && has_body)
        return refuse_head(head, 400, "CONNECT has no body");
    head->expect_continue &= has_body;
    /* a request with a body is served as if it had no Upgrade (RFC 9110 section 7.8 allows it): Java's HttpClient and
     * curl --http2 offer h2c with every POST, and the body would stand in the way of the other protocol's first bytes
     */
    head->upgrade =
        facts->has_upgrade && facts->connection_upgrade && head->minor_version == 1 && !has_body && !head->connect;
    head->keep_alive = !facts->close && !head->connect && (head->minor_version == 1 || facts->keep_alive);
    return 0;
}

/* at: the first header line; end: the empty line that ends the head. */
static int parse_headers(struct hj_head *head, const char *at, const char *end)
{
    struct facts facts = {0};
    head->http2 = head->chunked = head->has_content_length = head->expect_continue = false;
    head->content_length = 0;
    head->header_count = 0;
    while (at < end) {
        int status = parse_header(head, &facts, &at);
        if (status != 0)
            return status;
    }
    return conclude(head, &facts);
}

/* The first header line, where the request line's end is in [line, end). */
static const char *find_headers(const char *line, const char *end)
{
    const char *lf = end > line ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    return lf != NULL ? lf + 1 : NULL;
}

/* Follows the line ends from data[from] on, to the end of the head or of the data. After parse_method, which says where
 * the request line starts. full: there is no room for more data. */
static int parse_lines(struct hj_head *head, const char *data, size_t from, size_t limit, bool full)
{
    const char *const line = head->method.base, *const known = data + from, *const end = data + limit;
    const char *headers = NULL; /* looked for only where a line ends, which keeps byte after byte linear */
    bool line_parsed = false;
    int status;
    for (const char *at = known, *lf; at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL; at = lf + 1) {
        if (lf[-1] != '\r')
            return refuse_head(head, 400, "a line ends in LF without CR");
        if (headers == NULL)
            headers = find_headers(line, known);
        if (headers == NULL) {
            headers = lf + 1;
            line_parsed = true;
            if ((status = parse_request_line(head, lf - 1)) != 0)
                return status;
        } else if (lf[-2] == '\n') {
            if (!line_parsed && (status = parse_request_line(head, headers - 2)) != 0)
                return status;
            status = parse_headers(head, headers, lf - 1);
            return status != 0 ? status : (int)(lf + 1 - data);
        }
    }
    if (!full)
        return 0;
    return find_headers(line, end) == NULL ? refuse_head(head, 414, "the request line is too long")
                                           : refuse_head(head, 431, "the request head is too long");
}

static int parse_head(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len)
{
    const size_t limit = len < max_len ? len : max_len;
    const size_t start = limit >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0; /* of the request line */
    head->problem = NULL;
    head->method = HJ_SLICE(""); /* a refusal looks at it */
    if (limit == 0 || (limit == 1 && data[0] == '\r'))
        return 0;
    int status = parse_method(head, data + start, limit - start);
    if (status != 0)
        return status;
    const size_t from = scanned < start ? start : scanned < limit ? scanned : limit;
    return parse_lines(head, data, from, limit, len >= max_len);
}

int hj_head_parse(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len)
{
    head->connect = false;
    return parse_head(head, data, len, scanned, max_len);
}

int hj_head_parse_with_connect(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len)
{
    head->connect = true; /* until the request line is read: whether it is served */
    return parse_head(head, data, len, scanned, max_len);
}

void hj_head_field(struct hj_slice *value, const struct hj_head *head, struct hj_slice name)
{
    for (size_t i = 0; i < head->header_count; ++i)
        if (hj_slice_equal_nocase(head->headers[i].name, name))
            *value = head->headers[i].value;
}
