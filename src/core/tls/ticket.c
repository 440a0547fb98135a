/* Session tickets; see ticket.h. The callback runs on loop threads, inside of handshakes. */
#include "core/tls/ticket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <hijack/hijack.h>

#include "base/os/file.h"

#define PERIOD_S (12 * 3600)
#define SECRET_MIN 32

static pthread_once_t tickets_once = PTHREAD_ONCE_INIT;
static int tickets_index;

static void make_tickets_index(void)
{
    tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static bool derive_block(uint8_t out[64], const struct hj_tickets *tickets, uint64_t period, uint8_t label)
{
    uint8_t input[9];
    unsigned len;
    memcpy(input, &period, sizeof(period));
    input[8] = label;
    return HMAC(EVP_sha512(), tickets->secret, HJ_TICKET_SECRET, input, sizeof(input), out, &len) != NULL;
}

static bool make_key(struct hj_ticket_key *key, const struct hj_tickets *tickets, uint64_t period)
{
    uint8_t block[2][64];
    bool done = derive_block(block[0], tickets, period, 0) && derive_block(block[1], tickets, period, 1);
    key->period = period;
    memcpy(key->cipher, block[0], 32);
    memcpy(key->mac, block[0] + 32, 32);
    memcpy(key->name, block[1], 16);
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

/* The key of this period (NULL name), or the one of this name; 0: none, 1: the newest, 2: the one before. */
static int find_key(struct hj_ticket_key *out, struct hj_tickets *tickets, const uint8_t *name)
{
    const uint64_t period = (uint64_t)time(NULL) / PERIOD_S;
    int found = name == NULL ? 1 : 0;
    pthread_mutex_lock(&tickets->lock);
    if (tickets->keys[0].period != period &&
        (!make_key(&tickets->keys[0], tickets, period) || !make_key(&tickets->keys[1], tickets, period - 1)))
        tickets->keys[0].period = 0;
    for (int i = 0; name != NULL && i < 2 && found == 0; ++i)
        if (memcmp(tickets->keys[i].name, name, sizeof(tickets->keys[i].name)) == 0)
            found = i + 1;
    if (tickets->keys[0].period != period)
        found = -1;
    if (found > 0)
        *out = tickets->keys[found - 1];
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

/* Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb describes. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int sealing)
{
    struct hj_tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index);
    struct hj_ticket_key key;
    int found = find_key(&key, tickets, sealing ? NULL : name);
    if (found <= 0)
        return found;
    bool done = true;
    if (sealing) {
        memcpy(name, key.name, sizeof(key.name));
        done = RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"sha256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    done = done && EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex(cipher, tickets->cipher, NULL, key.cipher, iv, sealing) == 1;
    OPENSSL_cleanse(&key, sizeof(key));
    if (!done)
        return -1;
    /* 2: good, and the client gets a new one; in TLS 1.3 always, since it uses each ticket once (RFC 8446 appendix
     * C.4) */
    return !sealing && SSL_version(ssl) == TLS1_3_VERSION ? 2 : found;
}

static int read_secret(struct hj_tickets *tickets, const char *path)
{
    uint8_t data[4096];
    unsigned len;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return hj_file_error(errno);
    size_t n = fread(data, 1, sizeof(data), file);
    const bool broken = ferror(file) != 0;
    fclose(file);
    if (broken)
        return HIJACK_EIO;
    bool done = n >= SECRET_MIN && EVP_Digest(data, n, tickets->secret, &len, EVP_sha512(), NULL) == 1;
    OPENSSL_cleanse(data, sizeof(data));
    return done ? 0 : HIJACK_ETLS;
}

int hj_tickets_open(struct hj_tickets *tickets, const char *path)
{
    memset(tickets, 0, sizeof(*tickets));
    pthread_mutex_init(&tickets->lock, NULL);
    if ((tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL)) == NULL)
        return HIJACK_ENOMEM;
    if (path[0] != '\0')
        return read_secret(tickets, path);
    return RAND_bytes(tickets->secret, sizeof(tickets->secret)) == 1 ? 0 : HIJACK_ETLS;
}

void hj_tickets_close(struct hj_tickets *tickets)
{
    OPENSSL_cleanse(tickets->secret, sizeof(tickets->secret));
    OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
    EVP_CIPHER_free(tickets->cipher);
    pthread_mutex_destroy(&tickets->lock);
}

bool hj_tickets_use(struct hj_tickets *tickets, SSL_CTX *ctx)
{
    pthread_once(&tickets_once, make_tickets_index);
    return SSL_CTX_set_ex_data(ctx, tickets_index, tickets) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
