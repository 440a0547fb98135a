/* What the files of this folder share: a loop's side of TLS, and its connections. Loop thread. */
#ifndef HJ_LOOP_TLS_STATE_H
#define HJ_LOOP_TLS_STATE_H

#include <stdint.h>

#include "codec/tls_record.h"
#include "core/facts.h"
#include "core/tls/certificates.h"
#include "loop/conn.h"

/* Bytes of ciphertext that one read takes: what was left of the last one comes before. */
#define HJ_TLS_INPUT_SIZE (HJ_SCRATCH_SIZE + HJ_TLS_RECORD_MAX)

/* What a connection has only now and then; NULL where there is none of it. */
struct hj_tls_bytes {
    uint32_t start, len, capacity; /* the bytes are data[start .. start + len) */
    uint8_t data[];
};

struct hj_tls_rest {
    struct hj_tls_bytes *out;   /* sealed, and not taken by the kernel: never sealed again */
    struct hj_tls_bytes *in;    /* received, and not opened: the beginning of a record */
    struct hj_tls_bytes *plain; /* opened, and not read */
    uint32_t skip;              /* bytes of a session ticket that are still to come, and nobody wants */
    uint8_t message[5];         /* the beginning of a handshake message */
    uint8_t message_len;
};

enum {
    HJ_TLS_IN_ENDED = 1,      /* close_notify was read */
    HJ_TLS_OUT_ENDED = 2,     /* close_notify or a fatal alert was sealed */
    HJ_TLS_FIN_AFTER = 4,     /* FIN follows what is in rest->out */
    HJ_TLS_FAILED = 8,        /* the peer broke the protocol */
    HJ_TLS_CUT = 16,          /* the peer sent a fatal alert, RST, or FIN without close_notify */
    HJ_TLS_TIMED_OUT = 32,    /* the kernel gave the peer up */
    HJ_TLS_NO_MEMORY = 64,    /* what was received is lost */
    HJ_TLS_UPDATE_OWED = 128, /* a KeyUpdate goes out before the next data */
    HJ_TLS_SUITE_SHIFT = 8,   /* enum hj_tls_suite, two bits */
    HJ_TLS_CLIENT = 1024      /* keyed: the connection is outgoing; above it, from HJ_TLS_EMPTY_SHIFT on, the empty
                               * records since the last one with data */
};
/* Nothing more comes. */
#define HJ_TLS_ENDED (HJ_TLS_IN_ENDED | HJ_TLS_FAILED | HJ_TLS_CUT | HJ_TLS_TIMED_OUT | HJ_TLS_NO_MEMORY)
#define HJ_TLS_EMPTY_SHIFT 16

/* The layer of an entry with HJ_TRANSPORT_TLS or HJ_TRANSPORT_TLS_OBJECT begins with this. */
struct hj_tls_layer {
    struct hj_tls_rest *rest; /* NULL: none of it */
    struct hj_facts *facts;   /* a reference; NULL until the handshake is over */
    uint32_t flags;           /* HJ_TLS_* */
    uint32_t write_seq;       /* records sealed with the keys that are in force; with an object unused */
};

/* HJ_TRANSPORT_TLS: the keys of TLS 1.3 were taken over, and OpenSSL's object is gone. In pages for secrets. */
struct hj_tls_keyed {
    struct hj_tls_layer layer; /* first */
    struct hj_tls_keys write, read;
    uint64_t read_seq;
};

/* HJ_TRANSPORT_TLS_OBJECT: OpenSSL keeps the connection. */
struct hj_tls_object {
    struct hj_tls_layer layer; /* first */
    SSL *ssl;
    struct hj_handshake_secrets *secrets; /* NULL once the handshake is over */
    size_t received;                      /* of the handshake */
};

/* The keyed layers of a loop. */
struct hj_tls_slab {
    void **chunks;
    uint32_t chunk_count, used; /* used: of the last chunk */
    struct hj_tls_keyed *free;  /* the first; layer.rest leads to the next one */
};

struct hj_tls {
    struct hj_tls_crypto *crypto;
    struct hj_tls_slab slab;
    struct hj_certificates *certificates; /* a reference; NULL without a listener with "tls:" */
    uint32_t version;                     /* of them */
    struct hj_facts *recent;              /* a reference: the next client has the same, mostly */
    BIO_METHOD *bio_method;
    uint8_t *in;                           /* HJ_TLS_INPUT_SIZE: what was received */
    const uint8_t *object_in, *object_end; /* what OpenSSL may read */
    uint8_t *out;                          /* what was sealed, or written by OpenSSL; grows for long certificates */
    size_t out_len, out_capacity;
    bool out_failed;     /* no memory for what OpenSSL wrote */
    uint32_t handshakes; /* steps in this turn */
};

#endif
