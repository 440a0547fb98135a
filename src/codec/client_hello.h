/* What the first message of a TLS client asks for (RFC 8446 section 4.1.2), as far as it decides who answers it: the
 * server name (RFC 6066 section 3) and the application protocols (RFC 7301). Pure. */
#ifndef HJ_CODEC_CLIENT_HELLO_H
#define HJ_CODEC_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HJ_CLIENT_HELLO_MAX 16384 /* bytes of the message; with the headers of its records a bit more */
#define HJ_CLIENT_HELLO_INPUT_MAX (HJ_CLIENT_HELLO_MAX + 2048)

struct hj_client_hello {
    bool has_alpn, offers_h2, offers_http1;
    uint8_t server_name_len; /* 0: none */
    char server_name[256];   /* in lower case, without a final dot; with a NUL */
};

/* Reads the message at the beginning of what a client has sent. Returns 1; 0 if more bytes are needed; minus an alert
 * (RFC 8446 section 6) if it cannot be one. */
int hj_client_hello_parse(struct hj_client_hello *out, const uint8_t *data, size_t len);

#endif
