/*
 * consumer.c: a program of somebody else, built against the installed library by tools/check-install: one request and its
 * reply through public headers only, and the sender's pid by the kernel's word.
 */
#include <kith/kith.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what, int error) {
    fprintf(stderr, "consumer: %s: %s\n", what, strerror(-error));
    return 1;
}

static int send_text(kith_socket *socket, const char *text) {
    kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r == 0)
        r = kith_msg_add(msg, text, strlen(text));
    if (r == 0)
        r = kith_socket_send(socket, msg, 5000);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

/* The message must say `text` and come from this very process. */
static int receive_text(kith_socket *socket, const char *text) {
    kith_msg *msg = NULL;
    int r = kith_socket_recv(socket, &msg, 5000);
    if (r < 0)
        return r;

    size_t size = 0;
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    pid_t pid = 0;
    enum kith_witness witness = kith_origin_pid(kith_msg_origin(msg), &pid);
    printf("%.*s from pid %d (%s)\n", (int)size, (const char *)data, (int)pid, kith_witness_name(witness));
    bool right = size == strlen(text) && memcmp(data, text, size) == 0 && pid == getpid() && witness == KITH_WITNESS_KERNEL_MESSAGE;
    kith_msg_free(msg);
    return right ? 0 : -EBADMSG;
}

int main(void) {
    kith_loop *loop = NULL;
    kith_socket *server = NULL;
    kith_socket *client = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "ipc://@kith-consumer-%d", (int)getpid());

    int r = kith_loop_new(&loop);
    if (r < 0)
        return fail("loop", r);
    r = kith_socket_new(loop, KITH_REP, &server);
    if (r == 0)
        r = kith_socket_bind(server, endpoint, &error);
    if (r < 0)
        return fail(error.text, r);
    r = kith_socket_new(loop, KITH_REQ, &client);
    if (r == 0)
        r = kith_socket_connect(client, endpoint, &error);
    if (r < 0)
        return fail(error.text, r);

    r = send_text(client, "question");
    if (r == 0)
        r = receive_text(server, "question");
    if (r == 0)
        r = send_text(server, "answer");
    if (r == 0)
        r = receive_text(client, "answer");
    if (r < 0)
        return fail("a request and its reply", r);

    kith_socket_free(client);
    kith_socket_free(server);
    kith_loop_free(loop);
    return 0;
}
