"""Names that all languages need besides those of the header: what a request says of itself and its connection, which
headers another server's answer has for itself alone, and the codes of RFC 6455."""

# The words of a request's first line: Ruby's name, and what it is.
LINE = (
    ("request_method", '"GET"'),
    ("target", 'path and query as sent, "/a?b=1"'),
    ("http_version", '"HTTP/1.1" or "HTTP/1.0"'),
    ("peer", '"127.0.0.1:50312", "[::1]:50312" or "unix:"'),
    ("scheme", '"http" or "https"'),
)
# What hijack_request_info has of TLS: its name without tls_, Go's, what it is, and when there is none.
TLS = (
    ("version", "Version", '"TLSv1.3" or "TLSv1.2"', None),
    (
        "cipher",
        "CipherSuite",
        '"TLS_AES_256_GCM_SHA384"; one of TLS 1.2 as OpenSSL names it, "ECDHE-RSA-AES128-GCM-SHA256"',
        None,
    ),
    ("server_name", "ServerName", "the name that the client asked for (SNI)", "if it sent none"),
    (
        "subject",
        "Subject",
        'whom the client\'s certificate is for, which was verified, "CN=ann,O=us" (RFC 4514)',
        "without one",
    ),
    ("certificate", "Certificate", "the client's certificate as PEM", "without one"),
)

# Headers of another server's answer that are about its connection, or about the body that it would have sent
# (RFC 9110 section 7.6.1). The other lists are what a language's servers and libraries add.
NOT_TAKEN = (
    "connection content-encoding content-length content-md5 content-range date etag keep-alive last-modified "
    "proxy-connection te trailer transfer-encoding upgrade".split()
)
NOT_TAKEN_OF = {
    "ruby": "status x-sendfile x-accel-redirect".split(),
    "python": "content-digest proxy-authenticate repr-digest sec-websocket-accept sec-websocket-extensions "
    "sec-websocket-protocol".split(),
    "go": "content-digest repr-digest sec-websocket-accept sec-websocket-extensions sec-websocket-protocol "
    "sec-websocket-version".split(),
}
# What the library itself writes into a head of Server-Sent Events.
OF_EVENTS = ("content-type", "cache-control", "x-accel-buffering")
# Of these the lines of both go into a head, another server's and the program's.
ADDED = ("set-cookie", "vary")

# Codes of a WebSocket's close frame: RFC 6455 section 7.4, and its registry.
CLOSE_CODES = (
    (1000, "NORMAL_CLOSURE", "all is done"),
    (1001, "GOING_AWAY", "the page was left, or the server stops"),
    (1002, "PROTOCOL_ERROR", "the other side broke the rules"),
    (1003, "UNSUPPORTED_DATA", "a binary message where texts are expected, for example"),
    (1005, "NO_STATUS_RCVD", "never sent: the close frame had no code"),
    (1006, "ABNORMAL_CLOSURE", "never sent: the connection ended without a close frame"),
    (1007, "INVALID_FRAME_PAYLOAD_DATA", "a text that is not UTF-8"),
    (1008, "POLICY_VIOLATION", "none of the others fits"),
    (1009, "MESSAGE_TOO_BIG", "a message over the limit"),
    (1010, "MANDATORY_EXTENSION", "sent by clients that want an extension"),
    (1011, "INTERNAL_ERROR", "something unexpected happened"),
    (1012, "SERVICE_RESTART", "come again"),
    (1013, "TRY_AGAIN_LATER", "too much to do"),
    (1014, "BAD_GATEWAY", "a server behind this one failed"),
    (1015, "TLS_HANDSHAKE", "never sent: TLS failed"),
)


def not_taken(language):
    return sorted(NOT_TAKEN + NOT_TAKEN_OF[language])
