/* SPDX-License-Identifier: MIT
 *
 * Connections whose keys were taken over: what happens to records that the kernel takes in part or not at all, and when
 * the keys have sealed enough.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/tls/bytes.h"
#include "loop/tls/keyed.h"
#include "loop/tls/output.h"
#include "support/check.h"

#define SUITE HJ_TLS_AES_256_GCM_SHA384
#define RECORDS_MAX (1u << 23)

struct fixture {
    struct hj_tls tls;
    struct hj_tls_keyed keyed;
    struct hj_tls_keys peer; /* opens what keyed.write seals */
    uint64_t seq;            /* of the next record that the peer opens */
    int fd[2];
};

static struct fixture *begin(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    CHECK(f != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->fd) == 0);
    f->tls.crypto = hj_tls_crypto_new();
    f->tls.out_capacity = 2 * HJ_TLS_RECORD_MAX;
    f->tls.out = malloc(f->tls.out_capacity);
    CHECK(f->tls.crypto != NULL && f->tls.out != NULL);
    memset(f->keyed.write.secret, 7, sizeof(f->keyed.write.secret));
    f->keyed.layer.flags = (uint32_t)SUITE << HJ_TLS_SUITE_SHIFT;
    CHECK(hj_tls_keys_derive(f->tls.crypto, SUITE, &f->keyed.write));
    f->peer = f->keyed.write;
    return f;
}

static void end(struct fixture *f)
{
    hj_tls_rest_free(&f->keyed.layer);
    hj_tls_crypto_free(f->tls.crypto);
    free(f->tls.out);
    close(f->fd[0]);
    close(f->fd[1]);
    free(f);
}

static ssize_t write_text(struct fixture *f, const void *data, size_t len)
{
    struct hj_buf *buf = hj_buf_copy(data, len);

    CHECK(buf != NULL);
    ssize_t n = hj_tls_keyed_write(&f->tls, f->fd[0], &f->keyed, &buf, 1, 0);
    hj_buf_unref(buf);
    return n;
}

static void receive_bytes(struct fixture *f, uint8_t *out, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = recv(f->fd[1], out + have, len - have, 0);
        if (n <= 0 && hj_tls_output_flush(f->fd[0], &f->keyed.layer) >= 0 && hj_tls_unsent(&f->keyed.layer) == 0)
            n = recv(f->fd[1], out + have, len - have, 0);
        CHECK(n > 0);
        have += (size_t)n;
    }
}

/* The next record, opened: its length; its bytes are in record from HJ_TLS_HEADER on. */
static int next_record(struct fixture *f, uint8_t record[HJ_TLS_RECORD_MAX], enum hj_tls_content *type)
{
    receive_bytes(f, record, HJ_TLS_HEADER);
    int len = hj_tls_record_len(record, HJ_TLS_HEADER);
    CHECK(len > HJ_TLS_HEADER);
    receive_bytes(f, record + HJ_TLS_HEADER, (size_t)len - HJ_TLS_HEADER);
    int n = hj_tls_open(f->tls.crypto, SUITE, &f->peer, f->seq, record, (size_t)len, type);
    if (n >= 0)
        ++f->seq;
    return n;
}

static void expect_data(struct fixture *f, const void *data, size_t len)
{
    static uint8_t record[HJ_TLS_RECORD_MAX];
    enum hj_tls_content type;

    CHECK(next_record(f, record, &type) == (int)len);
    CHECK(type == HJ_TLS_APPLICATION_DATA && memcmp(record + HJ_TLS_HEADER, data, len) == 0);
}

/* Fills the kernel's buffers until nothing more is taken. */
static size_t fill(struct fixture *f)
{
    char bytes[4096] = {0};
    size_t filled = 0;
    ssize_t n;

    for (size_t len = sizeof bytes; len != 0; len /= 2)
        while ((n = send(f->fd[0], bytes, len, MSG_DONTWAIT)) > 0)
            filled += (size_t)n;
    return filled;
}

static void drain_bytes(struct fixture *f, size_t len)
{
    char bytes[4096];

    while (len != 0) {
        ssize_t n = recv(f->fd[1], bytes, len < sizeof bytes ? len : sizeof bytes, 0);
        CHECK(n > 0);
        len -= (size_t)n;
    }
}

static void renewed_before_the_limit(void **state)
{
    struct fixture *f = begin();
    static uint8_t record[HJ_TLS_RECORD_MAX];
    enum hj_tls_content type;

    (void)state;
    f->seq = f->keyed.layer.write_seq = RECORDS_MAX - 1;
    CHECK(write_text(f, "last", 4) == 4);
    expect_data(f, "last", 4);
    CHECK(write_text(f, "first", 5) == 5);
    CHECK(next_record(f, record, &type) == 5);
    CHECK(type == HJ_TLS_HANDSHAKE && memcmp(record + HJ_TLS_HEADER, "\x18\0\0\x01\0", 5) == 0);
    CHECK(hj_tls_keys_update(f->tls.crypto, SUITE, &f->peer));
    f->seq = 0;
    expect_data(f, "first", 5);
    CHECK(f->keyed.layer.write_seq == 1);
    end(f);
}

/* Nobody has seen the record: the next one has its number. */
static void refused_record_has_no_number(void **state)
{
    struct fixture *f = begin();

    (void)state;
    size_t filled = fill(f);
    CHECK(write_text(f, "dropped", 7) == 0);
    CHECK(f->keyed.layer.write_seq == 0 && f->keyed.layer.rest == NULL);
    drain_bytes(f, filled);
    CHECK(write_text(f, "kept", 4) == 4);
    expect_data(f, "kept", 4);
    end(f);
}

/* What the kernel took of a record cannot be taken back: the rest of the same record follows. */
static void record_taken_in_part_is_kept(void **state)
{
    struct fixture *f = begin();
    const int size = 4096;
    char *data = malloc(HJ_TLS_PLAIN_MAX);

    (void)state;
    CHECK(data != NULL);
    memset(data, 'p', HJ_TLS_PLAIN_MAX);
    /* a stream socket of this family takes whole pieces; TCP is what takes parts */
    close(f->fd[0]);
    close(f->fd[1]);
    struct sockaddr_storage address = {.ss_family = AF_INET};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listener != -1 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    f->fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(f->fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    CHECK(connect(f->fd[0], (struct sockaddr *)&address, len) == 0);
    f->fd[1] = accept(listener, NULL, NULL);
    close(listener);
    CHECK(f->fd[1] != -1);

    int records = 0;
    while (hj_tls_unsent(&f->keyed.layer) == 0 && records < 1000)
        records += write_text(f, data, HJ_TLS_PLAIN_MAX) > 0;
    CHECK(hj_tls_unsent(&f->keyed.layer) != 0);
    CHECK((int)f->keyed.layer.write_seq == records);
    for (int i = 0; i < records; i++) {
        static uint8_t record[HJ_TLS_RECORD_MAX];
        enum hj_tls_content type;
        for (size_t have = 0; have < HJ_TLS_PLAIN_MAX + HJ_TLS_OVERHEAD;) {
            hj_tls_output_flush(f->fd[0], &f->keyed.layer);
            ssize_t n = recv(f->fd[1], record + have, HJ_TLS_PLAIN_MAX + HJ_TLS_OVERHEAD - have, 0);
            CHECK(n > 0);
            have += (size_t)n;
        }
        CHECK(hj_tls_open(f->tls.crypto, SUITE, &f->peer, (uint64_t)i, record, HJ_TLS_PLAIN_MAX + HJ_TLS_OVERHEAD,
                          &type) == HJ_TLS_PLAIN_MAX);
        CHECK(memcmp(record + HJ_TLS_HEADER, data, HJ_TLS_PLAIN_MAX) == 0);
    }
    CHECK(f->keyed.layer.rest == NULL);
    free(data);
    end(f);
}

/* A record from the peer; text may have a NUL. What is asked of the layer: its answer, and what it has delivered. */
static int open_record(struct fixture *f, enum hj_tls_content type, const char *text, size_t len, char got[16])
{
    static uint8_t record[HJ_TLS_RECORD_MAX];
    const struct hj_slice part = {text, len};
    struct hj_tls_sink sink = {got, 16, 0};
    size_t used, sealed = hj_tls_seal(f->tls.crypto, SUITE, &f->keyed.read, f->keyed.read_seq, type, &part, 1, record);

    CHECK(sealed != 0);
    memset(got, 0, 16);
    int rc = hj_tls_keyed_open(&f->tls, &f->keyed, record, sealed, &used, &sink);
    CHECK(rc != 0 || used == sealed);
    hj_tls_rest_settle(&f->keyed.layer);
    f->tls.out_len = 0;
    return rc;
}

static struct fixture *begin_client(void)
{
    struct fixture *f = begin();

    f->keyed.layer.flags |= HJ_TLS_CLIENT;
    f->keyed.read = f->keyed.write;
    return f;
}

#define RECORD(f, type, literal) open_record((f), (type), (literal), sizeof(literal) - 1, got)
#define TICKET_OF_5 "\x04\0\0\x05VWXYZ"

/* Whole, several in a record, and in pieces, before a KeyUpdate too: a ticket is as if it had not come. */
static void tickets_are_dropped(void **state)
{
    struct fixture *f = begin_client();
    char got[16];

    (void)state;
    CODE(RECORD(f, HJ_TLS_HANDSHAKE, TICKET_OF_5), 0);
    CODE(RECORD(f, HJ_TLS_HANDSHAKE, TICKET_OF_5 TICKET_OF_5), 0);
    CHECK(f->keyed.layer.rest == NULL);
    CODE(RECORD(f, HJ_TLS_APPLICATION_DATA, "data"), 0);
    CHECK(strcmp(got, "data") == 0);
    for (size_t i = 0; i < sizeof(TICKET_OF_5) - 1; i++)
        CODE(open_record(f, HJ_TLS_HANDSHAKE, &TICKET_OF_5[i], 1, got), 0);
    CHECK(f->keyed.layer.rest == NULL);
    CODE(RECORD(f, HJ_TLS_HANDSHAKE, TICKET_OF_5 "\x04\0\0"), 0);
    CODE(RECORD(f, HJ_TLS_HANDSHAKE, "\x02XY\x18\0\0\x01"), 0);
    CODE(RECORD(f, HJ_TLS_HANDSHAKE, "\0"), 0);
    CHECK(f->keyed.read_seq == 0 && f->keyed.layer.rest == NULL);
    CODE(RECORD(f, HJ_TLS_APPLICATION_DATA, "more"), 0);
    CHECK(strcmp(got, "more") == 0);
    end(f);
}

static void what_no_ticket_may_be(void **state)
{
    static const struct {
        const char *first, *second;
        size_t first_len, second_len;
        enum hj_tls_content type;
        uint32_t flags;
    } table[] = {
        {TICKET_OF_5, NULL, 9, 0, 0, 0},                    /* from a client */
        {"\x0d\0\0\x05", NULL, 4, 0, 0, HJ_TLS_CLIENT},     /* a CertificateRequest, which was not allowed */
        {"\x04\xff\xff\xff", NULL, 4, 0, 0, HJ_TLS_CLIENT}, /* longer than one can be */
        {TICKET_OF_5, "data", 8, 4, HJ_TLS_APPLICATION_DATA, HJ_TLS_CLIENT}, /* data within it */
        {"\x04\0", "\x01\0", 2, 2, HJ_TLS_ALERT, HJ_TLS_CLIENT},             /* an alert within its head */
        {TICKET_OF_5, "", 8, 0, HJ_TLS_HANDSHAKE, HJ_TLS_CLIENT},            /* an empty piece */
        {"\x18\0\0\x01\0\x04", NULL, 6, 0, 0, HJ_TLS_CLIENT},                /* behind a change of keys */
    };
    char got[16];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fixture *f = begin_client();
        check_context("case %zu", i);
        f->keyed.layer.flags = (f->keyed.layer.flags & ~(uint32_t)HJ_TLS_CLIENT) | table[i].flags;
        int rc = open_record(f, HJ_TLS_HANDSHAKE, table[i].first, table[i].first_len, got);
        if (table[i].second != NULL) {
            CODE(rc, 0);
            rc = open_record(f, table[i].type, table[i].second, table[i].second_len, got);
        }
        CODE(rc, HIJACK_EPROTOCOL);
        CHECK((f->keyed.layer.flags & HJ_TLS_FAILED) != 0);
        end(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewed_before_the_limit),     cmocka_unit_test(refused_record_has_no_number),
        cmocka_unit_test(record_taken_in_part_is_kept), cmocka_unit_test(tickets_are_dropped),
        cmocka_unit_test(what_no_ticket_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
