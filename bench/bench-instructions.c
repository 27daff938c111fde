/*
 * bench/bench-instructions.c: a PUSH and a PULL of one process over ipc, each on a loop of its own, whose work is in two functions that
 * callgrind tells apart: send_round() and receive_round(). tools/bench-instructions runs it under valgrind.
 *
 * A round is to fit into the kernel's buffers, so that nobody waits for anybody: the instructions are the same each time, whatever else
 * the machine does. The application's own work, to make a message and to look at one, is in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "base/error.h"

#define ENDPOINT "ipc://*"

static struct plan {
    unsigned long rounds, messages, size;
    unsigned long rules; /* of the PULL's policy: the last one decides; 0: there is no policy */
    bool topics;         /* they are about the topic, of which there are sixteen, and not about who sends */
    bool shm;            /* through shared memory */
} plan;

static unsigned received;

static uint8_t mark(unsigned number) {
    return (uint8_t)(plan.topics ? number % 16 : number);
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    size_t size;
    const uint8_t *octets = kith_msg_frame(msg, 0, &size);
    received += size == plan.size && octets[0] == mark(received);
    kith_msg_free(msg);
}

static __attribute__((noinline)) int send_round(kith_loop *loop, kith_socket *socket, uint8_t *octets) {
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < plan.messages; i++) {
        kith_msg *msg;
        octets[0] = mark(i);
        r = kith_msg_new(&msg);
        if (r >= 0)
            r = kith_msg_add(msg, octets, plan.size);
        if (r >= 0)
            r = kith_socket_send(socket, msg, 0);
    }
    return r < 0 ? r : kith_loop_step(loop, 0);
}

static __attribute__((noinline)) int receive_round(kith_loop *loop) {
    int r = 0;
    received = 0;
    while (r >= 0 && received < plan.messages)
        r = kith_loop_step(loop, -1);
    return r;
}

static int add_rule(kith_policy *policy, unsigned number) {
    bool last = number + 1 == plan.rules;
    char name[32], value[32];
    kith_policy_rule *rule;
    (void)snprintf(name, sizeof(name), "rule %u", number);
    (void)snprintf(value, sizeof(value), "%s%u%s", plan.topics ? "topic-" : "", 70000 + number, plan.topics ? "**" : "");
    int r = kith_policy_add_rule(policy, name, true, KITH_VERB_ALL, &rule, NULL);
    if (r < 0)
        return r;
    if (last)
        return kith_policy_rule_add(rule, plan.topics ? KITH_CONDITION_TOPIC : KITH_CONDITION_EXE, plan.topics ? "**" : "/**", NULL);
    return kith_policy_rule_add(rule, plan.topics ? KITH_CONDITION_TOPIC : KITH_CONDITION_UID, value, NULL);
}

static int set_policy(kith_socket *socket) {
    kith_policy *policy;
    int r = plan.rules > 0 ? kith_policy_new(&policy) : 0;
    if (r < 0 || plan.rules == 0)
        return r;
    for (unsigned i = 0; r >= 0 && i < plan.rules; i++)
        r = add_rule(policy, i);
    if (r >= 0 && plan.topics) { /* who connects has none */
        kith_policy_rule *rule;
        r = kith_policy_add_rule(policy, "connect", true, KITH_VERB_CONNECT, &rule, NULL);
    }
    if (r >= 0)
        kith_socket_set_policy(socket, policy);
    kith_policy_unref(policy);
    return r;
}

static int run(uint8_t *octets) {
    static const struct kith_socket_handler handler = {.message = on_message};
    kith_loop *near = NULL, *far = NULL;
    kith_socket *push = NULL, *pull = NULL;
    int r = kith_loop_new(&near);
    if (r >= 0)
        r = kith_loop_new(&far);
    if (r >= 0)
        r = kith_socket_new(near, KITH_PUSH, &push);
    if (r >= 0)
        r = kith_socket_new(far, KITH_PULL, &pull);
    if (r >= 0 && plan.shm)
        r = kith_socket_set_number(push, KITH_OPTION_SHM, 1, NULL);
    if (r >= 0 && plan.shm)
        r = kith_socket_set_number(pull, KITH_OPTION_SHM, 1, NULL);
    if (r >= 0)
        r = set_policy(pull);
    if (r >= 0)
        r = kith_socket_bind(pull, ENDPOINT, NULL);
    if (r >= 0)
        r = kith_socket_connect(push, kith_socket_last_endpoint(pull), NULL);
    kith_socket_set_handler(pull, &handler, NULL);
    while (r >= 0 && kith_socket_peer_count(push) == 0) {
        r = kith_loop_step(near, 0);
        if (r >= 0)
            r = kith_loop_step(far, 0);
    }
    for (unsigned i = 0; r >= 0 && i < plan.rounds; i++) {
        r = send_round(near, push, octets);
        if (r >= 0)
            r = receive_round(far);
    }
    kith_socket_free(push);
    kith_socket_free(pull);
    kith_loop_free(near);
    kith_loop_free(far);
    return r;
}

static bool read_number(const char *text, unsigned long *ret_number) {
    return (*ret_number = strtoul(text, NULL, 10)) > 0;
}

int main(int argc, char **argv) {
    plan.shm = argc > 4 && strcmp(argv[4], "shm") == 0;
    char **rest = argv + 4 + plan.shm; /* RULES and what they are about */
    int more = argc - 4 - plan.shm;
    plan.topics = more == 2 && strcmp(rest[1], "topics") == 0;
    if (more < 0 || more > 2 || (more == 2 && !plan.topics) || (more > 0 && !read_number(rest[0], &plan.rules)) ||
        !read_number(argv[1], &plan.rounds) || !read_number(argv[2], &plan.messages) || !read_number(argv[3], &plan.size)) {
        fprintf(stderr, "usage: bench-instructions ROUNDS MESSAGES SIZE [shm] [RULES [topics]] (so many messages a round)\n");
        return 2;
    }
    uint8_t *octets = calloc(1, plan.size);
    int r = octets ? run(octets) : -ENOMEM;
    free(octets);
    if (r < 0)
        fprintf(stderr, "bench-instructions: %s\n", kith_error_name(r));
    return r < 0;
}
