/* What outgoing connections wait for; see resolver.h. Any thread. */
#include "core/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hijack/hijack.h>

#include "base/os/thread.h"
#include "core/channel.h"
#include "core/keeper.h"
#include "core/server.h"
#include "core/target.h"
#include "core/tls/outgoing.h"
#include "core/worker.h"

#define THREADS_MAX 8 /* so many names that nobody answers for hold the others up, until those are given up */

struct hj_lookup {
    struct hj_lookup *next;
    struct hj_command *command; /* the answer, made beforehand: it must not fail for want of memory */
    struct hj_worker *worker;   /* the command keeps it alive */
    bool trust;
    char host[HJ_HOST_MAX + 1], port[6]; /* host: empty if there is no name */
};

void hj_resolver_init(struct hj_resolver *resolver)
{
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->read, NULL);
}

void hj_resolver_dispose(struct hj_resolver *resolver)
{
    pthread_mutex_destroy(&resolver->lock);
    pthread_cond_destroy(&resolver->read);
}

void hj_resolver_settle(struct hj_resolver *resolver)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    ++end.tv_sec;
    pthread_mutex_lock(&resolver->lock);
    while (resolver->reading && pthread_cond_timedwait(&resolver->read, &resolver->lock, &end) == 0) {
    }
    pthread_mutex_unlock(&resolver->lock);
}

/* Takes the first one out that needs no authorities, if somebody reads them at the moment; else the first. */
static struct hj_lookup *take_lookup(struct hj_resolver *resolver)
{
    struct hj_lookup **link = &resolver->head, *before = NULL;
    while (*link != NULL && (*link)->trust && resolver->reading) {
        before = *link;
        link = &before->next;
    }
    struct hj_lookup *lookup = *link;
    if (lookup == NULL)
        return NULL;
    *link = lookup->next;
    if (resolver->tail == lookup)
        resolver->tail = before;
    return lookup;
}

/* The next one; NULL, and the thread is not counted any more. Whoever gets one with trust reads the authorities. */
static struct hj_lookup *next_lookup(struct hj_server *server)
{
    struct hj_resolver *resolver = &server->resolver;
    pthread_mutex_lock(&resolver->lock);
    struct hj_lookup *lookup = take_lookup(resolver);
    if (lookup == NULL)
        --resolver->threads;
    else if (lookup->trust && (lookup->trust = !hj_outgoing_tls_trusts(server)))
        resolver->reading = true;
    pthread_mutex_unlock(&resolver->lock);
    return lookup;
}

/* Whether the connection is still to be opened: names that nobody answers for must not hold up those asked later for
 * longer than they are waited for. */
static bool is_to_be_opened(const struct hj_command *command)
{
    const struct hj_channel *channel = (const struct hj_channel *)command->object;
    return atomic_load(&channel->state) != HJ_CHANNEL_GONE;
}

static void *look_up(void *arg);

/* keeper: who does it for a loop with a descriptor table of its own; NULL: the caller has the program's. */
static bool start_looking_up(struct hj_server *server, struct hj_keeper *keeper)
{
    pthread_t thread;
    bool started;
    hj_object_ref(&server->object);
    if (keeper != NULL)
        started = hj_keeper_start_thread(keeper, look_up, server);
    else if ((started = hj_thread_start(&thread, look_up, server)))
        pthread_detach(thread);
    if (!started)
        hj_object_unref(&server->object);
    return started;
}

/* Those who waited for that go on, side by side again. */
static int read_authorities(struct hj_server *server)
{
    struct hj_resolver *resolver = &server->resolver;
    const int rc = hj_outgoing_tls_trust(server);
    pthread_mutex_lock(&resolver->lock);
    resolver->reading = false;
    for (struct hj_lookup *it = resolver->head; it != NULL && resolver->threads < THREADS_MAX; it = it->next)
        resolver->threads += start_looking_up(server, NULL);
    pthread_cond_broadcast(&resolver->read);
    pthread_mutex_unlock(&resolver->lock);
    return rc;
}

/* Into the answer: addresses, or why there is none. */
static int answer_lookup(struct hj_server *server, const struct hj_lookup *lookup)
{
    static const char nobody[] = "the system has no certificate authorities (package ca-certificates); install them, "
                                 "or set connect_ca";
    struct hj_command *command = lookup->command;
    const int rc = lookup->trust ? read_authorities(server) : 0;
    if (!is_to_be_opened(command))
        return HIJACK_ECLOSED;
    if (rc == HIJACK_ETLS)
        command->buf = hj_buf_copy(nobody, sizeof(nobody) - 1);
    return rc != 0 || lookup->host[0] == '\0' ? rc : hj_target_resolve(&command->buf, lookup->host, lookup->port);
}

static void *look_up(void *arg)
{
    struct hj_server *server = arg;
    struct hj_lookup *lookup;
    while ((lookup = next_lookup(server)) != NULL) {
        struct hj_command *command = lookup->command;
        command->value = (uint64_t)-answer_lookup(server, lookup);
        if (!hj_worker_post(lookup->worker, command))
            hj_command_free(command);
        free(lookup);
    }
    hj_object_unref(&server->object);
    return NULL;
}

/* Puts it behind the others, for a new thread if there may be one more. False if there is no thread at all. */
static bool append_lookup(struct hj_server *server, struct hj_lookup *lookup)
{
    struct hj_resolver *resolver = &server->resolver;
    pthread_mutex_lock(&resolver->lock);
    if (resolver->threads < THREADS_MAX && start_looking_up(server, server->keeper))
        ++resolver->threads;
    const bool taken = resolver->threads != 0;
    if (taken && resolver->head == NULL)
        resolver->head = lookup;
    else if (taken)
        resolver->tail->next = lookup;
    if (taken)
        resolver->tail = lookup;
    pthread_mutex_unlock(&resolver->lock);
    return taken;
}

bool hj_resolver_ask(struct hj_channel *channel, const char *host, const char *port, bool trust)
{
    struct hj_lookup *lookup = calloc(1, sizeof(*lookup));
    struct hj_command *command = hj_command_new(HJ_OP_RESOLVED, &channel->object, NULL);
    if (lookup != NULL && command != NULL) {
        lookup->command = command;
        lookup->worker = channel->worker;
        lookup->trust = trust;
        if (host != NULL) {
            snprintf(lookup->host, sizeof(lookup->host), "%s", host);
            snprintf(lookup->port, sizeof(lookup->port), "%s", port);
        }
        if (append_lookup(channel->worker->server, lookup))
            return true;
    }
    if (command != NULL)
        hj_command_free(command);
    free(lookup);
    return false;
}
