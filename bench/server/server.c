/* See server.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "bench/server/server.h"

/* In the child: the program anew, so that nothing of the clients' memory is in the server's. Arguments: --serve NAME PATH READY. */
static void become_server(const struct contestant *contestant, const char *path, const cpu_set_t *processor, int ready) {
    char number[16];
    snprintf(number, sizeof(number), "%d", ready);
    if (sched_setaffinity(0, sizeof(*processor), processor) == 0 && fcntl(ready, F_SETFD, 0) == 0)
        execl("/proc/self/exe", "bench-server", "--serve", contestant->name, path ? path : "", number, (char *)NULL);
    _exit(127);
}

int server_main(int argc, char **argv) {
    const struct contestant *contestant = argc == 5 ? contestant_find(argv[2]) : NULL;
    if (!contestant)
        return 2;
    struct place place = argv[3][0] ? place_unix(argv[3]) : place_tcp();
    int ready = atoi(argv[4]);
    if (kith_fd_set_cloexec(ready) < 0)
        return 2;
    int r = contestant->serve(&place, ready);
    fprintf(stderr, "bench-server: %s: the server ended: %s\n", contestant->name, kith_error_name(r));
    return 1;
}

int server_start(const struct contestant *contestant, const char *path, const cpu_set_t *processor, struct server *ret_server) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = measure_fork();
    if (pid == 0)
        become_server(contestant, path, processor, ends[1]);
    kith_close(ends[1]);
    *ret_server = (struct server){.contestant = contestant, .pid = pid};
    int r = pid < 0 ? pid : place_await(ends[0], &ret_server->place);
    kith_close(ends[0]);
    if (r == 0)
        r = -clock_getcpuclockid(pid, &ret_server->clock);
    if (r < 0 && pid > 0)
        measure_kill(pid);
    return r;
}

void server_stop(struct server *server) {
    measure_kill(server->pid);
    if (!place_is_tcp(&server->place))
        unlink(server->place.address.un.sun_path);
}
