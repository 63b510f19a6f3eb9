/* The load generator: `loadgen SCENARIO name=value ...`, one process, one thread.
 *
 * It says "ready" when its sessions are, begins at the next line of its standard input, and prints its result as one
 * JSON object. Standard input's end ends it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "scenarios.h"
#include "session.h"

static void allow_many_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **words) {
    static const struct { const char *name; void (*run)(void); } known[] = {
        {"orders", run_orders}, {"fanout", run_fanout}, {"hold", run_hold}, {"logins", run_logins},
    };
    given = options_read(count, words);
    allow_many_files();
    prctl(PR_SET_TIMERSLACK, 1);            /* An open loop waits for exact times. */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(given.scenario, known[i].name)) continue;
        known[i].run();
        return 0;
    }
    fprintf(stderr, "loadgen SCENARIO name=value ...: SCENARIO must be orders, fanout, hold or logins\n");
    return 2;
}
