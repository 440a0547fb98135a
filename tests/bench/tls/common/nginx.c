/* SPDX-License-Identifier: MIT
 * nginx as a contender; see tls.h. One process without a master, in a folder of its own under /tmp that goes with the
 * program. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES 500 /* of 10 ms each, until it accepts */

static char folder[] = "/tmp/hijack-bench-XXXXXX";
static pid_t owner; /* of the folder: this process, and none of its children */

static const char *const paths[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"};
static const char *const files[] = {"nginx.conf", "cert.pem", "key.pem", "nginx.pid"};

static const char configuration[] =
    "daemon off; master_process off; pid nginx.pid; error_log stderr crit; worker_rlimit_nofile %ld;\n"
    "events { worker_connections %ld; }\n"
    "http { access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000;\n"
    "  server { listen 127.0.0.1:%d ssl backlog=4096; ssl_certificate cert.pem; ssl_certificate_key key.pem;\n"
    "    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:P-256:P-384; ssl_session_tickets on; ssl_session_cache "
    "off;\n"
    "    location / { return 200 \"" BENCH_HELLO "\"; } } }\n";

static const char *find_nginx(void)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

static void write_file(const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void remove_folder(void)
{
    char path[64];
    if (getpid() != owner)
        return;
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void run_nginx(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s/", folder);
    bench_pin(BENCH_CORE_SERVER);
    execl(find_nginx(), "nginx", "-p", prefix, "-c", "nginx.conf", (char *)NULL);
    bench_die("nginx: %s", strerror(errno));
}

static bool accepts(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return done;
}

bool bench_nginx_start(struct bench_child *child, uint16_t *port, const struct bench_pem *pem)
{
    char text[2048];
    if (find_nginx() == NULL)
        return false;
    if (owner == 0) {
        owner = getpid();
        if (mkdtemp(folder) == NULL)
            bench_die("%s: %s", folder, strerror(errno));
        atexit(remove_folder);
    }
    close(bench_listen(port)); /* a free one; nobody else takes it so soon */
    const long descriptors = sysconf(_SC_OPEN_MAX);
    snprintf(text, sizeof text, configuration, descriptors, descriptors, (int)*port);
    write_file("nginx.conf", text);
    write_file("cert.pem", pem->certificate);
    write_file("key.pem", pem->key);
    *child = bench_start(run_nginx, NULL);
    for (int i = 0; i < TRIES; ++i) {
        if (accepts(*port))
            return true;
        bench_sleep(10000000);
    }
    bench_die("nginx does not accept on port %d", (int)*port);
}
