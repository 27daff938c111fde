/*
 * bench/bench-inproc.c: messages within one process, kith and libzmq, PAIR to PAIR over inproc://.
 *
 * - one thread: it sends a burst of 500 and receives them,.
 * - two threads, one way: one sends in a blocking loop, the other receives in one. How fast that goes on a busy machine is for the
 * scheduler to say (who sleeps at a high-water mark waits for its turn), so processor time is told as well.
 * - round trip: one asks, the other answers.
 *
 * All contestants run in one invocation, in an order shuffled anew for each repetition; what is printed are medians of the repetitions, the
 * spread of the first figure, and ratios of the medians to libzmq's of the same kind: only ratios of one run are to be trusted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kith/socket.h>
#include <zmq.h>

#include "bench/measure.h"

#define REPETITIONS_MAX 101
#define BURST 500
/* A round trip between threads takes so many times as long as a message, or more. */
#define ASKED 100
#define SIZE_MAX_ 65536

enum kind {
    ONE_THREAD,
    ONE_WAY,
    ROUND_TRIP,
    KINDS,
};

static const char *const kinds[KINDS] = {
    [ONE_THREAD] = "one thread", [ONE_WAY] = "two threads, one way", [ROUND_TRIP] = "two threads, round trip"};

/* Another one each time: libzmq gives a name back some time after its socket was closed. */
static char endpoint[64];

/* One end of a pair; int results are 0 or a negative errno. */
struct library {
    const char *name;
    int (*open)(void *shared, bool bind, void **ret_end);
    int (*send)(void *end, const void *octets, size_t size);
    int (*receive)(void *end, void *octets, size_t size);
    void (*close)(void *end);
};

/* kith --------------------------------------------------------------------------------------------------------------------- */

struct kith_end {
    kith_loop *loop; /* ours, unless it is the shared one */
    kith_socket *socket;
};

static void kith_close(void *userdata) {
    struct kith_end *end = userdata;
    kith_socket_free(end->socket);
    kith_loop_free(end->loop);
    free(end);
}

static int kith_open(void *shared, bool bind, void **ret_end) {
    struct kith_end *end = calloc(1, sizeof(*end));
    if (!end)
        return -ENOMEM;
    int r = shared ? 0 : kith_loop_new(&end->loop);
    if (r >= 0)
        r = kith_socket_new(shared ? shared : end->loop, KITH_PAIR, &end->socket);
    if (r >= 0)
        r = bind ? kith_socket_bind(end->socket, endpoint, NULL) : kith_socket_connect(end->socket, endpoint, NULL);
    if (r < 0)
        kith_close(end);
    else
        *ret_end = end;
    return r;
}

static int kith_put(void *userdata, const void *octets, size_t size) {
    const struct kith_end *end = userdata;
    kith_msg *msg;
    int r = kith_msg_new(&msg);
    if (r < 0)
        return r;
    r = kith_msg_add(msg, octets, size);
    if (r >= 0)
        r = kith_socket_send(end->socket, msg, -1);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

static int kith_get(void *userdata, void *octets, size_t size) {
    const struct kith_end *end = userdata;
    kith_msg *msg;
    int r = kith_socket_recv(end->socket, &msg, -1);
    if (r < 0)
        return r;
    size_t got;
    const uint8_t *frame = kith_msg_frame(msg, 0, &got);
    memcpy(octets, frame, got < size ? got : size);
    kith_msg_free(msg);
    return 0;
}

/* libzmq ------------------------------------------------------------------------------------------------------------------- */

static void *zmq_context;

static int zmq_open(void *shared, bool bind, void **ret_end) {
    (void)shared;
    void *socket = zmq_socket(zmq_context, ZMQ_PAIR);
    if (!socket || (bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) < 0)
        return -errno;
    *ret_end = socket;
    return 0;
}

static int zmq_put(void *end, const void *octets, size_t size) {
    return zmq_send(end, octets, size, 0) < 0 ? -errno : 0;
}

static int zmq_get(void *end, void *octets, size_t size) {
    return zmq_recv(end, octets, size, 0) < 0 ? -errno : 0;
}

static void zmq_end_close(void *end) {
    zmq_close(end);
}

static const struct library libraries[] = {
    {"kith", kith_open, kith_put, kith_get, kith_close},
    {"libzmq", zmq_open, zmq_put, zmq_get, zmq_end_close},
};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))
#define CONTESTANTS (KINDS * LIBRARIES)

/* -------------------------------------------------------------------------------------------------------------------------- */

struct plan {
    unsigned repetitions;
    unsigned long count;
    size_t size;
    cpu_set_t allowed;
};

struct figures {
    double us, cpu_us;
};

static struct figures now(void) {
    return (struct figures){measure_seconds(CLOCK_MONOTONIC) * 1e6, measure_seconds(CLOCK_PROCESS_CPUTIME_ID) * 1e6};
}

/* From `start` on, a message. */
static void since(const struct figures *start, unsigned long count, struct figures *ret_figures) {
    struct figures end = now();
    *ret_figures = (struct figures){(end.us - start->us) / (double)count, (end.cpu_us - start->cpu_us) / (double)count};
}

struct peer {
    const struct library *library;
    size_t size;
    unsigned long count;
    const cpu_set_t *allowed;
    bool answers;
    int result;
    pthread_barrier_t ready;
};

static int receive_all(const struct peer *peer, void *end) {
    char octets[SIZE_MAX_] = {0};
    int r = peer->library->send(end, octets, 1);
    for (unsigned long i = 0; i < peer->count && r >= 0; i++) {
        r = peer->library->receive(end, octets, sizeof(octets));
        if (r >= 0 && peer->answers)
            r = peer->library->send(end, octets, peer->size);
    }
    /* All has come. */
    return r < 0 ? r : peer->library->send(end, octets, 1);
}

static void *peer_main(void *userdata) {
    struct peer *peer = userdata;
    void *end = NULL;
    (void)measure_pin(peer->allowed, true);
    peer->result = peer->library->open(NULL, true, &end);
    pthread_barrier_wait(&peer->ready);
    if (peer->result >= 0)
        peer->result = receive_all(peer, end);
    pthread_barrier_wait(&peer->ready);
    if (end)
        peer->library->close(end);
    return NULL;
}

static int send_all(const struct peer *peer, void *end, struct figures *ret_figures) {
    char octets[SIZE_MAX_] = {0};
    int r = peer->library->receive(end, octets, sizeof(octets)); /* they are connected */
    struct figures start = now();
    for (unsigned long i = 0; i < peer->count && r >= 0; i++) {
        r = peer->library->send(end, octets, peer->size);
        if (r >= 0 && peer->answers)
            r = peer->library->receive(end, octets, sizeof(octets));
    }
    if (r >= 0)
        r = peer->library->receive(end, octets, sizeof(octets));
    since(&start, peer->count, ret_figures);
    return r;
}

static int run_two_threads(const struct library *library, const struct plan *plan, bool answers, struct figures *ret_figures) {
    struct peer peer = {.library = library, .size = plan->size, .allowed = &plan->allowed, .answers = answers};
    peer.count = answers ? (plan->count + ASKED - 1) / ASKED : plan->count;
    pthread_t thread;
    void *end = NULL;
    pthread_barrier_init(&peer.ready, NULL, 2);
    int r = -pthread_create(&thread, NULL, peer_main, &peer);
    if (r < 0)
        return r;
    pthread_barrier_wait(&peer.ready);
    r = peer.result < 0 ? peer.result : library->open(NULL, false, &end);
    if (r >= 0)
        r = send_all(&peer, end, ret_figures);
    pthread_barrier_wait(&peer.ready);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&peer.ready);
    if (end)
        library->close(end);
    return r;
}

static int run_bursts(const struct library *library, const struct plan *plan, void *ends[2], struct figures *ret_figures) {
    char octets[SIZE_MAX_] = {0};
    struct figures start = now();
    int r = 0;
    for (unsigned long sent = 0; sent < plan->count && r >= 0; sent += BURST) {
        for (unsigned i = 0; i < BURST && r >= 0; i++)
            r = library->send(ends[0], octets, plan->size);
        for (unsigned i = 0; i < BURST && r >= 0; i++)
            r = library->receive(ends[1], octets, sizeof(octets));
    }
    since(&start, plan->count, ret_figures);
    return r;
}

static int run_one_thread(const struct library *library, const struct plan *plan, struct figures *ret_figures) {
    void *ends[2] = {0};
    kith_loop *loop;
    int r = kith_loop_new(&loop);
    if (r < 0)
        return r;
    r = library->open(loop, true, &ends[1]);
    if (r >= 0)
        r = library->open(loop, false, &ends[0]);
    if (r >= 0)
        r = run_bursts(library, plan, ends, ret_figures);
    for (int i = 0; i < 2; i++)
        if (ends[i])
            library->close(ends[i]);
    kith_loop_free(loop);
    return r;
}

static int measure(size_t contestant, const struct plan *plan, struct figures *ret_figures) {
    const struct library *library = &libraries[contestant % LIBRARIES];
    enum kind kind = (enum kind)(contestant / LIBRARIES);
    static unsigned number;
    snprintf(endpoint, sizeof(endpoint), "inproc://bench-%u", number++);
    return kind == ONE_THREAD ? run_one_thread(library, plan, ret_figures)
                              : run_two_threads(library, plan, kind == ROUND_TRIP, ret_figures);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts what is there of one figure; returns the median. */
static double median(double *values, unsigned count) {
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void print(double us[CONTESTANTS][REPETITIONS_MAX], double cpu_us[CONTESTANTS][REPETITIONS_MAX], const struct plan *plan) {
    unsigned count = plan->repetitions;
    printf("%zu octets a message\n", plan->size);
    for (size_t i = 0; i < CONTESTANTS; i++) {
        size_t base = i / LIBRARIES * LIBRARIES + LIBRARIES - 1;
        double time = median(us[i], count), cpu = median(cpu_us[i], count);
        printf("%-24s %-7s %8.3f us (%.3f to %.3f), %8.3f us CPU; / libzmq %.2f, CPU %.2f\n", kinds[i / LIBRARIES],
               libraries[i % LIBRARIES].name, time, us[i][count / 4], us[i][count - 1 - count / 4], cpu, time / median(us[base], count),
               cpu / median(cpu_us[base], count));
    }
}

static int run(const struct plan *plan) {
    static double us[CONTESTANTS][REPETITIONS_MAX], cpu_us[CONTESTANTS][REPETITIONS_MAX];
    size_t order[CONTESTANTS];
    for (unsigned repetition = 0; repetition < plan->repetitions; repetition++) {
        measure_shuffle(order, CONTESTANTS);
        for (size_t i = 0; i < CONTESTANTS; i++) {
            struct figures figures;
            int r = measure(order[i], plan, &figures);
            if (r < 0) {
                fprintf(stderr, "bench-inproc: %s: %s\n", libraries[order[i] % LIBRARIES].name, strerror(-r));
                return 1;
            }
            us[order[i]][repetition] = figures.us;
            cpu_us[order[i]][repetition] = figures.cpu_us;
        }
    }
    print(us, cpu_us, plan);
    return 0;
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 11, .count = 200000, .size = 64};
    for (int i = 1; i < argc; i++) {
        long value = i + 1 < argc ? atol(argv[i + 1]) : 0;
        if (strcmp(argv[i], "--count") == 0 && value > 0)
            plan.count = (unsigned long)value;
        else if (strcmp(argv[i], "--size") == 0 && value > 0 && value <= SIZE_MAX_)
            plan.size = (size_t)value;
        else if (strcmp(argv[i], "--repetitions") == 0 && value > 0 && value <= REPETITIONS_MAX)
            plan.repetitions = (unsigned)value;
        else {
            fprintf(stderr, "usage: bench-inproc [--size N] [--count N] [--repetitions N]\n");
            return 2;
        }
        i++;
    }
    srandom((unsigned)time(NULL));
    int r = sched_getaffinity(0, sizeof(plan.allowed), &plan.allowed) < 0 ? -errno : measure_pin(&plan.allowed, true);
    if (r == 0)
        r = measure_pin(&plan.allowed, false);
    if (r < 0) {
        fprintf(stderr, "bench-inproc: cannot choose a processor and a second one: %s\n", strerror(-r));
        return 1;
    }
    zmq_context = zmq_ctx_new();
    r = zmq_context ? run(&plan) : 1;
    zmq_ctx_term(zmq_context);
    return r;
}
