/* SPDX-License-Identifier: MIT
 * Growth: what the number of connections, of broadcasters and of loop threads changes.
 *
 *     growth [connections [rounds]]
 *
 * A server process adopts SSE connections whose clients do not read. First with a tenth and with all of them: processor
 * time for each connection that is adopted, memory, processor time for a delivery to 10 members while the others are
 * idle, and the same for one message to all. Then the same number of deliveries through 1, through a
 * tenth as many, and through as many broadcasters as there are connections. Then one message to all by one loop thread
 * and by two, each on a core: time until it is written, where nobody reads meanwhile.
 *
 * More connections than this process may have descriptors are held with the option private_fds, by as many loop threads
 * as they need; the last part is left out then. A figure is the median of the rounds, which have a new process each. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define FEW 10
#define TIMES 10        /* messages to all in a round; what clients do not read stays in their kernel buffers */
#define FEW_TIMES 100   /* messages to FEW */
#define QUIET_S 9       /* until the loops have asked the kernel about each connection that was written to */
#define SPARE 500       /* descriptors that a process needs for other things */
#define TOGETHER 100    /* connections under way at a time */
#define LOOP_TARGET 1.8 /* of two loops to one */
#define FEW_TARGET 1.2  /* of a message to FEW among all to one among a tenth */
#define MAX_CLIENTS 128 /* processes */
#define PAYLOAD 64

enum question {
    OPEN,        /* so many connections in all, each of a broadcaster of its number modulo the broadcasters */
    PUBLISH,     /* one message through each broadcaster; answered with the nanoseconds until it is written */
    PUBLISH_FEW, /* one message to FEW members; answered in the same way */
};

struct server {
    long connections, broadcasters, threads;
    bool private_fds, both_cores;
    uint16_t port;
    struct bench_child child, clients[MAX_CLIENTS];
    long client_count, each; /* connections of a client process */
};

/* ---- The server process. A question is enum question in its low byte, the number above it. ---- */

struct members {
    struct bench_library library;
    hijack_broadcaster **all, *few;
    long count, open;
    int listener;
};

static void adopt_until(struct members *members, long wanted)
{
    while (members->open < wanted) {
        hijack_broadcaster *to = members->open < FEW ? members->few : members->all[members->open % members->count];
        int fd = bench_accept(members->listener);
        bench_check(hijack_broadcaster_adopt(to, fd, HIJACK_HOLD_SSE, 0, NULL, 0, NULL, 0, NULL, 0),
                    "hijack_broadcaster_adopt");
        ++members->open;
    }
    bench_library_wait(&members->library, HIJACK_STAT_HELD, (uint64_t)wanted, false);
}

/* For few members it looks often; for many seldom, because it looks from a core that a loop may need. */
static uint64_t wait_delivered(const struct members *members, uint64_t before, uint64_t value, uint64_t start)
{
    while (bench_library_stat(&members->library, HIJACK_STAT_DELIVERED) < value) {
        if (bench_now() - start > 20000000000u)
            bench_die("not all copies were written within 20 seconds");
        bench_sleep(value - before > 1000 ? 2000000 : 100000);
    }
    return bench_now() - start;
}

static uint64_t publish(const struct members *members, bool few)
{
    char payload[PAYLOAD];
    uint64_t before = bench_library_stat(&members->library, HIJACK_STAT_DELIVERED), start = bench_now();
    uint64_t addressed = 0;
    memset(payload, 'x', sizeof payload);
    for (long at = 0; at < (few ? 1 : members->count); ++at)
        addressed += (uint64_t)bench_check(hijack_broadcaster_publish(few ? members->few : members->all[at],
                                                                      HIJACK_MESSAGE_TEXT, payload, sizeof payload),
                                           "hijack_broadcaster_publish");
    return wait_delivered(members, before, before + addressed, start);
}

static void serve(int fd, void *arg)
{
    static const struct bench_place place = {.address = "127.0.0.1:0"};
    const struct server *server = arg;
    struct members members = {.count = server->broadcasters};
    char threads[16];
    uint64_t question;
    uint16_t port;
    snprintf(threads, sizeof threads, "%ld", server->threads);
    if (!server->both_cores)
        bench_pin(BENCH_CORE_SERVER);
    bench_library_start_at(&members.library, &place,
                           (struct bench_option[]){
                               {"threads", threads}, {"private_fds", server->private_fds ? "on" : "off"}, {NULL, NULL}},
                           HIJACK_HOLD_SSE);
    members.listener = bench_listen(&port);
    members.all = calloc((size_t)members.count, sizeof *members.all);
    if (members.all == NULL)
        bench_die("out of memory");
    bench_check(hijack_broadcaster_new(&members.few, members.library.server), "hijack_broadcaster_new");
    for (long i = 0; i < members.count; ++i)
        bench_check(hijack_broadcaster_new(&members.all[i], members.library.server), "hijack_broadcaster_new");
    bench_answer(fd, port);
    while (bench_next(fd, &question)) {
        uint64_t ns = 0;
        if ((question & 0xff) == OPEN)
            adopt_until(&members, (long)(question >> 8));
        else
            ns = publish(&members, (question & 0xff) == PUBLISH_FEW);
        bench_answer(fd, ns);
    }
}

static uint64_t ask(const struct server *server, enum question what, uint64_t number)
{
    return bench_ask(&server->child, number << 8 | what);
}

/* ---- The clients: a question is how many more to open; they read nothing. ---- */

static void stay(int fd, void *arg)
{
    const struct server *server = arg;
    uint64_t count;
    bench_pin(BENCH_CORE_CLIENT);
    while (bench_next(fd, &count)) {
        for (; count > 0; --count)
            bench_connect(server->port);
        bench_answer(fd, 0);
    }
}

static void start(struct server *server)
{
    server->child = bench_start(serve, server);
    server->port = (uint16_t)bench_hear(&server->child);
    server->client_count = (server->connections + server->each - 1) / server->each;
    if (server->client_count > MAX_CLIENTS)
        bench_die("more than %d processes of clients", MAX_CLIENTS);
    for (long i = 0; i < server->client_count; ++i)
        server->clients[i] = bench_start(stay, server);
}

static void open_until(const struct server *server, long from, long to)
{
    for (long open = from; open < to;) {
        long more = to - open < TOGETHER ? to - open : TOGETHER, room = server->each - open % server->each;
        more = more < room ? more : room;
        bench_ask(&server->clients[open / server->each], (uint64_t)more);
        ask(server, OPEN, (uint64_t)(open += more));
    }
}

static void end(struct server *server)
{
    for (long i = 0; i < server->client_count; ++i)
        bench_end(&server->clients[i]);
    bench_end(&server->child);
}

/* ---- What is measured. ---- */

/* Processor time of all threads of a process except its first, which asks for statistics meanwhile: nanoseconds. */
static uint64_t loops_time(pid_t pid)
{
    char path[300];
    uint64_t sum = 0;
    unsigned long long ns;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
        FILE *file = atoi(entry->d_name) <= (int)pid ? NULL : fopen(path, "r");
        if (file != NULL && fscanf(file, "%llu", &ns) == 1)
            sum += ns;
        if (file != NULL)
            fclose(file);
    }
    if (folder != NULL)
        closedir(folder);
    return sum;
}

/* Microseconds of processor time for one of count deliveries; each message is written before the next is published. */
static double cost(const struct server *server, uint64_t (*used)(pid_t), enum question what, int times, double count)
{
    ask(server, what, 0); /* to warm up */
    uint64_t before = used(server->child.pid);
    for (int i = 0; i < times; ++i)
        ask(server, what, 0);
    return (double)(used(server->child.pid) - before) / 1e3 / count;
}

struct column {
    double adopt[BENCH_MAX_ROUNDS], memory[BENCH_MAX_ROUNDS], all[BENCH_MAX_ROUNDS], few[BENCH_MAX_ROUNDS];
};

static void measure(struct column *column, const struct server *server, long from, long to, long round)
{
    double few = bench_resident(server->child.pid).rss;
    uint64_t before = bench_processor_time(server->child.pid);
    open_until(server, from, to);
    column->adopt[round] = (double)(bench_processor_time(server->child.pid) - before) / 1e3 / (double)(to - from);
    column->memory[round] = (bench_resident(server->child.pid).rss - few) / (double)(to - from);
    bench_sleep(QUIET_S * (uint64_t)1000000000);
    column->few[round] = cost(server, loops_time, PUBLISH_FEW, FEW_TIMES, FEW * FEW_TIMES);
    column->all[round] = cost(server, loops_time, PUBLISH, TIMES, (double)(to - FEW) * TIMES);
}

static void print_row(const char *name, double *first, double *second, long rounds, double target)
{
    double a = bench_median(first, (size_t)rounds), b = bench_median(second, (size_t)rounds);
    printf("%-44s %10.2f %10.2f %8.2f", name, a, b, b / a);
    if (target != 0)
        printf("   at most %.2f: %s", target, b / a <= target ? "met" : "missed");
    printf("\n");
}

static void by_connections(const struct server *like, long rounds)
{
    static struct column less, more;
    for (long round = 0; round < rounds; ++round) {
        struct server server = *like;
        start(&server);
        measure(&less, &server, 0, server.connections / 10, round);
        measure(&more, &server, server.connections / 10, server.connections, round);
        end(&server);
    }
    printf("%-44s %10ld %10ld %8s\n", "connections", like->connections / 10, like->connections, "ratio");
    print_row("adopting one, us of processor time", less.adopt, more.adopt, rounds, 0);
    print_row("memory of one, bytes", less.memory, more.memory, rounds, 0);
    print_row("a delivery of a message to all, us", less.all, more.all, rounds, 0);
    print_row("a delivery of a message to 10 of them, us", less.few, more.few, rounds, FEW_TARGET);
}

static void by_broadcasters(const struct server *like, long rounds)
{
    const long counts[] = {1, like->connections / 10, like->connections};
    double us[BENCH_MAX_ROUNDS], bytes[BENCH_MAX_ROUNDS], first = 0;
    printf("\n%-14s %24s %8s %24s\n", "broadcasters", "a delivery, us", "ratio", "resident, KiB");
    for (int i = 0; i < 3; ++i) {
        for (long round = 0; round < rounds; ++round) {
            struct server server = *like;
            server.broadcasters = counts[i];
            start(&server);
            open_until(&server, 0, server.connections);
            us[round] = cost(&server, bench_processor_time, PUBLISH, TIMES, (double)(server.connections - FEW) * TIMES);
            bytes[round] = bench_resident(server.child.pid).rss / 1024;
            end(&server);
        }
        double median = bench_median(us, (size_t)rounds);
        first = i == 0 ? median : first;
        printf("%-14ld %24.2f %8.2f %24.0f\n", counts[i], median, median / first, bench_median(bytes, (size_t)rounds));
    }
}

static double write_run(const struct server *like, long threads)
{
    double ms[TIMES];
    struct server server = *like;
    server.threads = threads;
    server.both_cores = true;
    start(&server);
    open_until(&server, 0, server.connections);
    ask(&server, PUBLISH, 0);
    for (int i = 0; i < TIMES; ++i)
        ms[i] = (double)ask(&server, PUBLISH, 0) / 1e6;
    end(&server);
    return bench_median(ms, TIMES);
}

static void by_loops(const struct server *like, long rounds)
{
    double one[BENCH_MAX_ROUNDS], two[BENCH_MAX_ROUNDS];
    for (long round = 0; round < rounds; ++round) {
        one[round] = write_run(like, 1);
        two[round] = write_run(like, 2);
    }
    struct bench_versus result = bench_versus(one, two, (size_t)rounds);
    printf("\none message to all, until it is written: one loop %.1f ms, two loops %.1f ms, ratio %.2f (%.2f to %.2f)"
           "   at least %.1f: %s\n",
           result.ours, result.theirs, result.median_of_ratios, result.least, result.most, LOOP_TARGET,
           result.median_of_ratios >= LOOP_TARGET ? "met" : "missed");
}

int main(int argc, char **argv)
{
    bench_begin("Growth: what connections, broadcasters and loop threads change");
    const long each = bench_raise_descriptor_limit() - SPARE;
    struct server like = {.broadcasters = 1, .threads = 1, .each = each};
    like.connections = bench_argument(argc, argv, 1, "connections", 19000, 100, 1000000);
    long rounds = bench_argument(argc, argv, 2, "rounds", 3, 1, BENCH_MAX_ROUNDS);
    like.private_fds = like.connections > each;
    like.threads = like.private_fds ? like.connections / (each * 9 / 10) + 1 : 1;
    printf("%ld loop thread(s)%s; medians of %ld rounds\n\n", like.threads, like.private_fds ? ", private_fds" : "",
           rounds);
    by_connections(&like, rounds);
    by_broadcasters(&like, rounds);
    if (!like.private_fds)
        by_loops(&like, rounds);
    return 0;
}
