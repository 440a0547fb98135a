/* SPDX-License-Identifier: MIT
 * The double hijack: every connection is held for good, and all of them get BEEP every three seconds.
 *
 *     /     answers with a head, so that "curl -N" shows what comes
 *     /raw  answers with nothing but BEEP: not even a head is written
 *
 * The server has no queue, since there is nothing to decide: both routes lead straight to the broadcaster. The variable
 * BEEP_INTERVAL_MS changes the three seconds. After each run a line says how many clients are connected, how long
 * writing to all of them took, and how much memory the process has resident. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "run.h"

#define BEEP "BEEP\n"
#define LONGEST_RUN_MS 2000 /* a run that is not over by then is reported as it stands */

static double beep(hijack_server *server, hijack_broadcaster *clients, int *addressed)
{
    demo_run run = demo_run_begin(server);
    *addressed = demo_check(hijack_broadcaster_publish(clients, HIJACK_MESSAGE_TEXT, BEEP, strlen(BEEP)),
                            "hijack_broadcaster_publish");
    return demo_run_end(&run, server, *addressed, LONGEST_RUN_MS);
}

int main(int argc, char **argv)
{
    static const char headers[] = "content-type: " DEMO_TEXT "\r\n";
    int signals = demo_signals();
    int64_t interval = demo_env("BEEP_INTERVAL_MS", 3000, 1, 3600000);
    demo_raise_descriptor_limit();

    hijack_server *server;
    hijack_broadcaster *clients;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_server_new(&server, NULL), "hijack_server_new");
    demo_check(hijack_broadcaster_new(&clients, server), "hijack_broadcaster_new");
    demo_check(hijack_server_hold(server, HIJACK_STR("/"), HIJACK_HOLD_STREAM, headers, strlen(headers), clients),
               "hijack_server_hold");
    demo_check(hijack_server_hold(server, HIJACK_STR("/raw"), HIJACK_HOLD_RAW, NULL, 0, clients), "hijack_server_hold");
    demo_start(server, demo_port(argc, argv));

    int64_t next = demo_now() + interval;
    while (demo_wait(NULL, signals, next - demo_now())) {
        if (demo_now() < next)
            continue;
        int addressed;
        double took = beep(server, clients, &addressed);
        printf("BEEP to %d clients in %.1f ms, %.1f MiB resident\n", addressed, took, demo_resident_mib());
        next += interval;
        if (next < demo_now())
            next = demo_now() + interval;
    }

    demo_stop(server, NULL);
    hijack_broadcaster_free(clients);
    hijack_server_free(server);
    close(signals);
    return 0;
}
