/* SPDX-License-Identifier: MIT
 *
 * Reads responses as strictly as a careful client. Runs on the thread of the test; consumes what it has decoded from
 * the client's buffer, so that a next response begins where this one ends.
 */
#include "response.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CHUNK_SIZE,
    CHUNK_DATA,
    CHUNK_DATA_END,
    CHUNK_TRAILER
};

const char *response_header(struct response *response, const char *name)
{
    static char value[4096];
    const char *line = strstr(response->head, "\r\n") + 2;
    size_t name_len = strlen(name);

    for (; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        line += name_len + 1;
        line += strspn(line, " \t");
        size_t len = (size_t)(strstr(line, "\r\n") - line);
        CHECK(len < sizeof(value));
        memcpy(value, line, len);
        value[len] = 0;
        return value;
    }
    return NULL;
}

void response_head_at(struct response *out, struct client *client, const char *file, int line)
{
    size_t len = client_until_at(client, "\r\n\r\n", 4, file, line) + 4;
    const char *value;

    memset(out, 0, sizeof(*out));
    out->client = client;
    out->length = -1;
    if (len >= sizeof(out->head))
        check_fail(file, line, "the head of the response is too long: %zu bytes", len);
    memcpy(out->head, client->buf, len);
    client_consume(client, len);
    if (strncmp(out->head, "HTTP/1.", 7) != 0 || out->head[8] != ' ' || !isdigit((unsigned char)out->head[9]) ||
        (out->head[12] != ' ' && out->head[12] != '\r'))
        check_fail(file, line, "not a status line: %.40s", out->head);
    out->status = atoi(out->head + 9);
    if ((value = response_header(out, "content-length")) != NULL)
        out->length = atoll(value);
    if ((value = response_header(out, "transfer-encoding")) != NULL) {
        if (strcmp(value, "chunked") != 0 || out->length >= 0)
            check_fail(file, line, "bad framing of the response:\n%s", out->head);
        out->chunked = 1;
    }
}

static void body_append(struct response *response, const char *data, size_t len)
{
    if (response->body_len + len + 1 > response->body_cap) {
        response->body_cap = (response->body_len + len + 1) * 2;
        response->body = realloc(response->body, response->body_cap);
        CHECK(response->body != NULL);
    }
    memcpy(response->body + response->body_len, data, len);
    response->body_len += len;
    response->body[response->body_len] = 0;
}

/* One step of the chunk decoder at data; how many bytes it used, 0 if it needs more. */
static size_t chunk_step(struct response *response, const char *data, size_t len, const char *file, int line)
{
    const char *end = memmem(data, len, "\r\n", 2);
    size_t used = end == NULL ? 0 : (size_t)(end - data) + 2;

    switch (response->state) {
    case CHUNK_SIZE:
        if (end == NULL)
            return 0;
        if (!isxdigit((unsigned char)data[0]))
            check_fail(file, line, "not a chunk size: %.20s", data);
        response->chunk_left = strtoul(data, NULL, 16);
        response->state = response->chunk_left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        return used;
    case CHUNK_DATA:
        used = len < response->chunk_left ? len : response->chunk_left;
        body_append(response, data, used);
        response->chunk_left -= used;
        if (response->chunk_left == 0)
            response->state = CHUNK_DATA_END;
        return used;
    case CHUNK_DATA_END:
        if (len < 2)
            return 0;
        if (end != data)
            check_fail(file, line, "a chunk does not end with CRLF");
        response->state = CHUNK_SIZE;
        return 2;
    default:
        if (used == 2)
            response->done = 1;
        return used;
    }
}

static void decode(struct response *response, const char *file, int line)
{
    struct client *client = response->client;
    size_t at = 0;

    if (response->chunked) {
        size_t used = 1;
        while (!response->done && at < client->len && used > 0) {
            used = chunk_step(response, client->buf + at, client->len - at, file, line);
            at += used;
        }
    } else {
        at = client->len;
        if (response->length >= 0 && at > (size_t)response->length - response->body_len)
            at = (size_t)response->length - response->body_len;
        if (at > 0)
            body_append(response, client->buf, at);
        response->done = response->length >= 0 ? response->body_len == (size_t)response->length : client->ended == 1;
    }
    client_consume(client, at);
}

/* Reads on until done; fails at the deadline. 0 if the connection ended first. */
static int more(struct response *response, uint64_t end, const char *file, int line)
{
    struct client *client = response->client;
    size_t before = client->len;

    decode(response, file, line);
    if (client->len != before || response->done)
        return 1;
    if (client_peek(client) > before)
        return 1;
    if (client->ended) {
        decode(response, file, line);
        return response->done;
    }
    if (clock_ms() > end)
        check_fail(file, line, "the body of the response stops after %zu bytes:\n%s%s", response->body_len,
                   response->head, response->body == NULL ? "" : response->body);
    clock_tick();
    return 1;
}

void response_want_at(struct response *response, size_t len, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (response->body_len < len)
        if (!more(response, end, file, line) || (response->done && response->body_len < len))
            check_fail(file, line, "the body ends after %zu bytes, must have %zu", response->body_len, len);
}

void response_until_at(struct response *response, const char *text, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    size_t len = strlen(text);

    while (response->body_len < len || memmem(response->body, response->body_len, text, len) == NULL)
        if (response->done || !more(response, end, file, line))
            check_fail(file, line, "the body has ended and is without \"%s\":\n%s", text,
                       response->body == NULL ? "" : response->body);
}

void response_finish_at(struct response *response, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (!response->done)
        if (!more(response, end, file, line))
            check_fail(file, line, "the connection %s after %zu bytes of the body, before its end",
                       response->client->ended == 2 ? "was reset" : "ended", response->body_len);
}

void response_broken_at(struct response *response, const char *file, int line)
{
    client_until_end_at(response->client, file, line);
    decode(response, file, line);
    if (response->done)
        check_fail(file, line, "the body looks finished, must look broken");
}

void response_free(struct response *response)
{
    free(response->body);
    response->body = NULL;
    response->body_len = response->body_cap = 0;
}

void response_expect_at(struct client *client, int status, const char *body, const char *file, int line)
{
    struct response response;

    response_head_at(&response, client, file, line);
    if (response.status != status)
        check_fail(file, line, "the status is %d, must be %d:\n%s", response.status, status, response.head);
    response_finish_at(&response, file, line);
    if (body != NULL)
        check_bytes(response.body, response.body_len, body, strlen(body), file, line);
    response_free(&response);
}
