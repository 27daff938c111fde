/*
 * bench/bench-topics.c: what matching one message against many subscriptions costs, in kith and in libzmq, in one process, one after the
 * other, so that what else the machine does falls on both alike.
 *
 * kith: kith_topics_match() and taking the subscribers found off the list. libzmq: zmq_send() on a PUB whose only subscriber, over inproc,
 * takes nothing more in, so that a match sends nothing; less what zmq_send() costs with one subscription that departs at the first octet.
 * (libzmq 4.3.4 matches in zmq_send() itself, in the caller's thread.) Messages come in random order: those that match are a topic and
 * an octet, those that miss a topic without its last octet, the most expensive way to find nothing. Times are the thread's own of the
 * processor: both do all their work in it.
 *
 * Output, one line a repetition: SHAPE <tab> hit|miss <tab> kith's ns <tab> libzmq's ns <tab> zmq_send()'s ns with one subscription; and a
 * line "memory": SHAPE <tab> memory <tab> octets a subscription beside the topic, malloc's own included <tab> mean size of a topic.
 * tools/bench-topics makes the table of it.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#include "bench/measure.h"
#include "topic/topics.h"

#define TOPIC_MAX 64
#define LAST_TOPIC "~" /* no other begins so: tells that all subscriptions have come */

struct text {
    size_t size;
    char octets[TOPIC_MAX];
};

struct shape {
    const char *name;
    void (*make)(unsigned n, struct text *text);
};

static void serial_number(unsigned n, struct text *text) {
    text->size = (size_t)sprintf(text->octets, "sensor/%06u", n);
}

static void noise(unsigned n, struct text *text) {
    (void)n;
    text->size = 16;
    for (size_t i = 0; i < text->size; i++)
        text->octets[i] = (char)(random() % '~'); /* never the last topic */
}

static void words(unsigned n, struct text *text) {
    static const char *const exchanges[] = {"nasdaq", "nyse", "xetra", "euronext"}, *const fields[] = {"bid", "ask", "last", "volume"};
    text->size = (size_t)sprintf(text->octets, "market/%s/%c%c%c/%u/%s", exchanges[n % 4], 'A' + n / 16 % 26, 'A' + n / 416 % 26,
                                 'A' + n / 10816 % 26, n % 7, fields[n / 4 % 4]);
}

static const struct shape shapes[] = {{"serial", serial_number}, {"noise", noise}, {"words", words}};

struct plan {
    unsigned repetitions, topics, messages;
};

struct contest {
    const struct plan *plan;
    const struct shape *shape;
    struct text *topics, *messages[2]; /* that miss, that match */
    struct kith_topics set;
    struct kith_subscriber subscriber;
    void *context, *pub, *sub, *idle_pub, *idle_sub;
};

static void die(const char *what) {
    fprintf(stderr, "bench-topics: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void need(bool good, const char *what) {
    if (!good)
        die(what);
}

static void *new_socket(struct contest *contest, int type, const char *endpoint, bool binds) {
    /* Messages: one at each end, so that it is soon full. Subscriptions: all. */
    int one = 1, unlimited = 0, linger = 0;
    void *socket = zmq_socket(contest->context, type);

    need(socket, "zmq_socket");
    zmq_setsockopt(socket, type == ZMQ_PUB ? ZMQ_SNDHWM : ZMQ_RCVHWM, &one, sizeof(one));
    zmq_setsockopt(socket, type == ZMQ_PUB ? ZMQ_RCVHWM : ZMQ_SNDHWM, &unlimited, sizeof(unlimited));
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    need((binds ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) == 0, endpoint);
    return socket;
}

static void zmq_subscribe_to(void *sub, const void *topic, size_t size) {
    need(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, topic, size) == 0, "ZMQ_SUBSCRIBE");
}

/* Until the last subscription is known: what comes is more than there is room for, so the pipe is full from then on. */
static void zmq_wait_and_fill(void *pub, void *sub) {
    zmq_pollitem_t item = {.socket = sub, .events = ZMQ_POLLIN};

    zmq_subscribe_to(sub, LAST_TOPIC, 1);
    do
        need(zmq_send(pub, LAST_TOPIC, 1, 0) == 1, "zmq_send");
    while (zmq_poll(&item, 1, 0) == 0);
    for (int i = 0; i < 10; i++)
        need(zmq_send(pub, LAST_TOPIC, 1, 0) == 1, "zmq_send");
}

static void make_texts(struct contest *contest) {
    const struct plan *plan = contest->plan;

    contest->topics = calloc(plan->topics, sizeof(struct text));
    contest->messages[0] = calloc(plan->messages, sizeof(struct text));
    contest->messages[1] = calloc(plan->messages, sizeof(struct text));
    need(contest->topics && contest->messages[0] && contest->messages[1], "calloc");
    for (unsigned n = 0; n < plan->topics; n++)
        contest->shape->make(n, &contest->topics[n]);
    for (unsigned n = 0; n < plan->messages; n++) {
        const struct text *topic = &contest->topics[(unsigned long)random() % plan->topics];
        contest->messages[0][n] = contest->messages[1][n] = *topic;
        contest->messages[0][n].size--;
        contest->messages[1][n].octets[contest->messages[1][n].size++] = '!';
    }
}

/* Octets that malloc(3) has given out, large blocks (which it has from mmap(2)) too. */
static size_t taken(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void begin_kith(struct contest *contest) {
    size_t before = taken(), sizes = 0;

    kith_topics_init(&contest->set);
    kith_topics_join(&contest->set, &contest->subscriber, UINT32_MAX, SIZE_MAX);
    for (unsigned n = 0; n < contest->plan->topics; n++) {
        need(kith_topics_add(&contest->set, &contest->subscriber, contest->topics[n].octets, contest->topics[n].size) >= 0, "add");
        sizes += contest->topics[n].size;
    }
    printf("%s\tmemory\t%.1f\t%.1f\n", contest->shape->name, ((double)(taken() - before) - (double)sizes) / contest->plan->topics,
           (double)sizes / contest->plan->topics);
}

static void begin_zmq(struct contest *contest) {
    contest->context = zmq_ctx_new();
    contest->pub = new_socket(contest, ZMQ_PUB, "inproc://many", true);
    contest->sub = new_socket(contest, ZMQ_SUB, "inproc://many", false);
    contest->idle_pub = new_socket(contest, ZMQ_PUB, "inproc://one", true);
    contest->idle_sub = new_socket(contest, ZMQ_SUB, "inproc://one", false);
    for (unsigned n = 0; n < contest->plan->topics; n++)
        zmq_subscribe_to(contest->sub, contest->topics[n].octets, contest->topics[n].size);
    zmq_wait_and_fill(contest->pub, contest->sub);
    zmq_wait_and_fill(contest->idle_pub, contest->idle_sub);
}

static void end(struct contest *contest) {
    kith_topics_deinit(&contest->set);
    zmq_close(contest->pub);
    zmq_close(contest->sub);
    zmq_close(contest->idle_pub);
    zmq_close(contest->idle_sub);
    zmq_ctx_term(contest->context);
    free(contest->topics);
    free(contest->messages[0]);
    free(contest->messages[1]);
}

static double ns_of_kith(struct contest *contest, const struct text *messages, bool matches) {
    struct kith_list list = KITH_LIST_INIT(list);
    size_t found = 0, count = contest->plan->messages;
    double from = measure_seconds(CLOCK_THREAD_CPUTIME_ID);

    for (size_t n = 0; n < count; n++) {
        kith_topics_match(&contest->set, messages[n].octets, messages[n].size, &list);
        while (!kith_list_empty(&list)) {
            kith_list_unlink(list.next);
            found++;
        }
    }
    double ns = (measure_seconds(CLOCK_THREAD_CPUTIME_ID) - from) * 1e9 / (double)count;
    need(found == (matches ? count : 0), "kith found others");
    return ns;
}

static double ns_of_zmq(void *pub, const struct text *messages, size_t count) {
    double from = measure_seconds(CLOCK_THREAD_CPUTIME_ID);

    for (size_t n = 0; n < count; n++)
        need(zmq_send(pub, messages[n].octets, messages[n].size, ZMQ_DONTWAIT) >= 0, "zmq_send");
    return (measure_seconds(CLOCK_THREAD_CPUTIME_ID) - from) * 1e9 / (double)count;
}

static void run(const struct plan *plan, const struct shape *shape) {
    struct contest contest = {.plan = plan, .shape = shape};

    make_texts(&contest);
    begin_kith(&contest);
    begin_zmq(&contest);
    for (unsigned i = 0; i < plan->repetitions; i++) {
        for (int matches = 0; matches < 2; matches++) {
            const struct text *messages = contest.messages[matches];
            double kith = ns_of_kith(&contest, messages, matches), idle = ns_of_zmq(contest.idle_pub, messages, plan->messages);
            double zmq = ns_of_zmq(contest.pub, messages, plan->messages) - idle;
            printf("%s\t%s\t%.2f\t%.2f\t%.2f\n", shape->name, matches ? "hit" : "miss", kith, zmq, idle);
        }
    }
    end(&contest);
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 11, .topics = 100000, .messages = 200000};

    if (argc > 1 && strcmp(argv[1], "--quick") == 0)
        plan = (struct plan){.repetitions = 1, .topics = 1000, .messages = 2000};
    else if (argc > 1)
        plan.topics = (unsigned)strtoul(argv[1], NULL, 10);
    if (plan.topics == 0) {
        fprintf(stderr, "usage: bench-topics [--quick | TOPICS]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        run(&plan, &shapes[i]);
    return 0;
}
