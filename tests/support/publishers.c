/* SPDX-License-Identifier: MIT */
#include "publishers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OFFSETS 1000000

static void *publish(void *argument)
{
    struct publishers *publishers = argument;
    const int publisher = atomic_fetch_add(&publishers->next, 1);
    char text[64];
    for (int number = 0; atomic_load(&publishers->publishing); number++) {
        int len = snprintf(text, sizeof(text), "%d:%d", publisher, number);
        if (hijack_broadcaster_publish(publishers->room, HIJACK_MESSAGE_TEXT, text, (size_t)len) < 0)
            atomic_fetch_add(&publishers->errors, 1);
        usleep(publishers->pause_us);
    }
    return NULL;
}

void publishers_start(struct publishers *publishers, hijack_broadcaster *room, unsigned pause_us)
{
    *publishers = (struct publishers){.room = room, .pause_us = pause_us, .publishing = true};
    publishers->published = calloc(OFFSETS, sizeof(*publishers->published));
    CHECK(publishers->published != NULL);
    for (int i = 0; i < PUBLISHERS; i++)
        CHECK(pthread_create(&publishers->threads[i], NULL, publish, publishers) == 0);
}

uint64_t publishers_stop(struct publishers *publishers)
{
    atomic_store(&publishers->publishing, false);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers->threads[i], NULL);
    CHECK(atomic_load(&publishers->errors) == 0);
    return publishers_newest(publishers);
}

uint64_t publishers_newest(const struct publishers *publishers)
{
    char position[64];
    CHECK(hijack_broadcaster_position(position, sizeof(position), publishers->room) > 0);
    return strtoull(position + 2, NULL, 10);
}

void publishers_read(struct publishers *publishers, uint64_t offset, const char *text)
{
    unsigned publisher, number;
    CHECK(sscanf(text, "%u:%u", &publisher, &number) == 2 && publisher < PUBLISHERS && offset < OFFSETS);
    const uint32_t value = (publisher + 1) << 24 | number;
    if (publishers->published[offset] == 0)
        publishers->published[offset] = value;
    CHECK(publishers->published[offset] == value);
}

void publishers_ask(struct client *client, const char *path, int minor, bool goes_on, uint64_t offset)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "GET %s HTTP/1.%d\r\nHost: x\r\n", path, minor);
    if (goes_on)
        len +=
            snprintf(text + len, sizeof(text) - (size_t)len, "Last-Event-ID: e-%llu\r\n", (unsigned long long)offset);
    snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
    client_puts(client, text);
}

void publishers_free(struct publishers *publishers)
{
    free(publishers->published);
}
