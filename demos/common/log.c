/* SPDX-License-Identifier: MIT
 * The chat's last messages; see log.h. Main thread only. */
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define KEPT 1000
#define KEPT_TEXT "1000"
#define BACKLOG_BYTES "1m" /* a burst of messages behind the longest list of names */

static hijack_broadcaster *messages;
static FILE *file;                  /* NULL without CHAT_LOG */
static char ids[KEPT][LOG_ID_SIZE]; /* of the messages that are kept, "" for one without */
static size_t published;

static void set(const char *name, const char *value)
{
    demo_check(hijack_broadcaster_set(messages, name, strlen(name), value, strlen(value)), value);
}

/* A line of which a part is missing must not get another one behind it. */
static void append(const char *line, size_t len)
{
    if (fwrite(line, 1, len, file) != len || fputc('\n', file) == EOF || fflush(file) == EOF)
        demo_fail("CHAT_LOG", strerror(errno));
}

static void keep(const char *json, size_t len, const char *id)
{
    demo_check(hijack_broadcaster_publish(messages, HIJACK_MESSAGE_TEXT, json, len), "hijack_broadcaster_publish");
    snprintf(ids[published++ % KEPT], LOG_ID_SIZE, "%s", id);
}

/* The id of a message, as publish_text has written it; "" for none. */
static void find_id(char id[LOG_ID_SIZE], char *json)
{
    char *at = strstr(json, ",\"id\":\""); /* within a string the quotes have backslashes */
    if (at == NULL || sscanf(at, ",\"id\":\"%64[A-Za-z0-9-]", id) != 1)
        id[0] = '\0';
}

/* The next line without its end; NULL: there is none. */
static char *next_line(char **line, size_t *size)
{
    ssize_t len = getline(line, size, file);
    if (len < 1 || (*line)[len - 1] != '\n')
        return NULL;
    (*line)[len - 1] = '\0';
    return *line;
}

/* How many whole lines there are. Of one more a part may be there, which nobody got; it goes. */
static size_t count_lines(char **line, size_t *size)
{
    size_t lines = 0;
    long end = 0;
    for (; next_line(line, size) != NULL; ++lines)
        end = ftell(file);
    if (ferror(file) || ftruncate(fileno(file), end) < 0)
        demo_fail("CHAT_LOG", strerror(errno));
    rewind(file);
    return lines;
}

/* Begins the history behind what is not kept of the file, as a client's position counts all messages of it. */
static void begin(const char *epoch, size_t skipped)
{
    char position[256];
    const int len = snprintf(position, sizeof position, "%.200s-%zu", epoch, skipped);
    if (hijack_broadcaster_set(messages, HIJACK_STR("history_position"), position, (size_t)len) < 0)
        demo_fail("CHAT_LOG", "its first line is not the epoch of a history");
}

static void read_back(void)
{
    char *line = NULL, position[LOG_POSITION_SIZE], id[LOG_ID_SIZE];
    size_t size = 0, lines = count_lines(&line, &size), skipped = lines > KEPT + 1 ? lines - KEPT - 1 : 0;
    if (lines == 0) {
        log_position(position);
        append(position, (size_t)(strrchr(position, '-') - position));
    } else {
        begin(next_line(&line, &size), skipped);
    }
    for (; lines > 1; --lines) {
        next_line(&line, &size);
        if (skipped != 0) {
            --skipped;
            continue;
        }
        find_id(id, line);
        keep(line, strlen(line), id);
    }
    free(line);
    fseek(file, 0, SEEK_END); /* what follows is written */
}

void log_open(hijack_server *server)
{
    demo_check(hijack_broadcaster_new(&messages, server), "hijack_broadcaster_new");
    set("backlog_bytes", BACKLOG_BYTES);
    set("history_messages", KEPT_TEXT);
    const char *path = getenv("CHAT_LOG");
    if (path == NULL || *path == '\0')
        return;
    file = fopen(path, "a+");
    if (file == NULL) {
        fprintf(stderr, "CHAT_LOG: ");
        demo_fail(path, strerror(errno));
    }
    read_back();
}

size_t log_position(char position[LOG_POSITION_SIZE])
{
    return (size_t)demo_check(hijack_broadcaster_position(position, LOG_POSITION_SIZE, messages),
                              "hijack_broadcaster_position");
}

int log_add(void *connection, const char *position, size_t len)
{
    char now[LOG_POSITION_SIZE];
    if (position != NULL && len == 0) {
        len = log_position(now);
        position = now;
    }
    return hijack_broadcaster_add(messages, connection, 0, position, len);
}

bool log_is_id(const char *text, size_t len)
{
    return len > 0 && len < LOG_ID_SIZE &&
           len == strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
}

void log_publish(const char *json, size_t len, const char *id)
{
    for (size_t i = 0; *id != '\0' && i < KEPT; ++i) {
        if (strcmp(id, ids[i]) == 0)
            return; /* a client sends again what it does not know to have arrived */
    }
    if (file != NULL)
        append(json, len);
    keep(json, len, id);
}

void log_close(void)
{
    if (file != NULL)
        fclose(file);
    hijack_broadcaster_free(messages);
}
