/* inproc/test-pipe.c: pipes within one loop, and between two loops of one thread: what is accepted arrives, and ends are told. */
#include "inproc/testing.h"

#include <sys/wait.h>
#include <unistd.h>

#include "inproc/registry.h"

#define NAME "kith-test-pipe"

/* Everything happens on `loops[0]`, or with the listener's side on `loops[1]`: *state says which. */
struct world {
    kith_loop *loops[2];
    kith_loop *near, *far;
    size_t fds_before;
    struct end client, server;
    struct end *ends[1];
    struct reception reception;
};

static struct world *world_new(bool two) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->fds_before = testing_fd_count();
    for (int i = 0; i < 1 + two; i++)
        assert_int_equal(kith_loop_new(&world->loops[i]), 0);
    world->near = world->loops[0];
    world->far = world->loops[two];
    world->ends[0] = &world->server;
    world->reception = (struct reception){.ends = world->ends, .count = 1};
    return world;
}

static int setup_one(void **state) {
    *state = world_new(false);
    return 0;
}

static int setup_two(void **state) {
    *state = world_new(true);
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    kith_inproc_listener_free(world->reception.listener);
    end_deinit(&world->client);
    end_deinit(&world->server);
    kith_loop_free(world->loops[0]);
    kith_loop_free(world->loops[1]);
    int r = testing_fd_count() == world->fds_before ? 0 : -1;
    struct kith_registry *registry = kith_registry_lock();
    if (registry->listeners.count > 0 || !kith_list_empty(&registry->waiting) || !kith_list_empty(&registry->ports))
        r = -1;
    kith_registry_unlock(registry);
    free(world);
    return r;
}

/* One round of both. */
static void step(struct world *world) {
    for (int i = 0; i < 2; i++)
        if (world->loops[i])
            assert_true(kith_loop_step(world->loops[i], 0) >= 0);
}

#define until(world, condition)                                                                                                            \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            step(world);                                                                                                                   \
        }                                                                                                                                  \
    } while (0)

static void settle_down(struct world *world) {
    for (int i = 0; i < 20; i++)
        step(world);
}

static void listen_at(struct world *world, const char *name) {
    assert_int_equal(kith_inproc_listener_new(world->far, name, &reception_ops, &world->reception, &world->reception.listener), 0);
}

static void connect_to(struct world *world, struct end *end, const char *name) {
    assert_int_equal(kith_pipe_connect(world->near, name, true, &wide, &end_ops, end, &end->pipe), 0);
}

static void join(struct world *world) {
    listen_at(world, NAME);
    connect_to(world, &world->client, NAME);
    until(world, world->client.opened == 1 && world->server.pipe);
}

static void test_messages_arrive_in_order_both_ways(void **state) {
    struct world *world = *state;
    join(world);
    assert_true(end_write(&world->client, 0, 900, 100));
    assert_true(end_write(&world->server, 0, 700, 10));
    assert_int_equal(world->server.count, 0); /* never inside the writer's call */
    until(world, world->server.count == 900 && world->client.count == 700);
    assert_false(world->server.disorder || world->client.disorder);
}

static void test_a_connector_may_come_first(void **state) {
    struct world *world = *state;
    struct end other = {0};
    connect_to(world, &other, "another name");
    connect_to(world, &world->client, NAME);
    settle_down(world);
    assert_int_equal(world->client.opened + world->client.closed, 0);
    assert_false(end_write(&world->client, 0, 1, 0));
    listen_at(world, NAME);
    until(world, world->client.opened == 1);
    assert_int_equal(other.opened, 0);
    assert_true(end_write(&world->client, 0, 1, 0));
    until(world, world->server.count == 1);
    end_deinit(&other);
}

static void test_who_may_not_wait_is_refused_when_nobody_listens(void **state) {
    struct world *world = *state;
    assert_int_equal(kith_pipe_connect(world->near, NAME, false, &wide, &end_ops, &world->client, &world->client.pipe), -ECONNREFUSED);
    assert_null(world->client.pipe);
    listen_at(world, NAME);
    assert_int_equal(kith_pipe_connect(world->near, NAME, false, &wide, &end_ops, &world->client, &world->client.pipe), 0);
    until(world, world->client.opened == 1);
}

static void test_names_are_taken_once_and_given_back(void **state) {
    struct world *world = *state;
    struct kith_inproc_listener *second = NULL;
    listen_at(world, NAME);
    assert_int_equal(kith_inproc_listener_new(world->near, NAME, &reception_ops, &world->reception, &second), -EADDRINUSE);
    world->reception.listener = kith_inproc_listener_free(world->reception.listener);
    assert_int_equal(kith_inproc_listener_new(world->near, NAME, &reception_ops, &world->reception, &second), 0);
    kith_inproc_listener_free(second);
}

static void test_names_have_1_to_255_octets(void **state) {
    struct world *world = *state;
    struct kith_inproc_listener *listener;
    struct kith_pipe *pipe;
    char name[KITH_INPROC_NAME_MAX + 2] = "";
    assert_int_equal(kith_inproc_listener_new(world->near, name, &reception_ops, NULL, &listener), -EINVAL);
    assert_int_equal(kith_pipe_connect(world->near, name, true, &wide, &end_ops, NULL, &pipe), -EINVAL);
    memset(name, 'n', KITH_INPROC_NAME_MAX + 1);
    assert_int_equal(kith_inproc_listener_new(world->near, name, &reception_ops, NULL, &listener), -EINVAL);
    assert_int_equal(kith_pipe_connect(world->near, name, true, &wide, &end_ops, NULL, &pipe), -EINVAL);
    name[KITH_INPROC_NAME_MAX] = '\0';
    listen_at(world, name);
    connect_to(world, &world->client, name);
    until(world, world->client.opened == 1);
}

static void test_who_is_not_accepted_yet_waits_for_the_next_listener(void **state) {
    struct world *world = *state;
    listen_at(world, NAME);
    connect_to(world, &world->client, NAME);
    world->reception.listener = kith_inproc_listener_free(world->reception.listener);
    settle_down(world);
    assert_int_equal(world->client.opened + world->client.closed, 0);
    listen_at(world, NAME);
    until(world, world->client.opened == 1);
}

static void test_a_refusal_is_told(void **state) {
    struct world *world = *state;
    world->reception.count = 0;
    listen_at(world, NAME);
    connect_to(world, &world->client, NAME);
    until(world, world->client.closed == 1);
    assert_int_equal(world->client.error, -EUSERS);
    assert_int_equal(world->client.opened, 0);
}

static void test_at_the_limit_the_writer_waits_for_room(void **state) {
    static const struct kith_pipe_limits ten = {.messages = 10, .octets = 1000000};
    struct world *world = *state;
    world->reception.limits = &ten;
    world->server.hold = true;
    join(world);
    assert_false(end_write(&world->client, 0, 11, 0));
    until(world, world->server.count == 10);
    settle_down(world);
    assert_int_equal(world->client.writable, 0); /* the server holds them still */
    assert_false(end_write(&world->client, 10, 11, 0));

    end_release(&world->server);
    kith_pipe_set_reading(world->server.pipe, true);
    until(world, world->client.writable == 1);
    assert_true(end_write(&world->client, 10, 20, 0));
    until(world, world->server.count == 20);
    assert_false(world->server.disorder);
}

static void test_octets_are_a_limit_too(void **state) {
    static const struct kith_pipe_limits little = {.messages = 1000, .octets = 3000};
    struct world *world = *state;
    world->reception.limits = &little;
    join(world);
    assert_true(end_write(&world->client, 0, 2, 1500));
    assert_false(end_write(&world->client, 2, 3, 1));
    until(world, world->client.writable == 1);
    assert_int_equal(world->server.count, 2);
    assert_true(end_write(&world->client, 2, 3, 1));
}

static void test_words_of_the_protocol_pass_a_full_pipe(void **state) {
    static const struct kith_pipe_limits one = {.messages = 1, .octets = 1};
    struct world *world = *state;
    world->reception.limits = &one;
    join(world);
    assert_true(end_write(&world->client, 0, 1, 0));
    assert_false(end_write(&world->client, 1, 2, 0));
    assert_int_equal(kith_pipe_say(world->client.pipe, numbered(1, 0)), 0);
    until(world, world->server.count == 2);
    assert_false(world->server.disorder);
}

static void test_a_reader_that_pauses_gets_nothing_until_it_resumes(void **state) {
    struct world *world = *state;
    join(world);
    kith_pipe_set_reading(world->server.pipe, false);
    assert_true(end_write(&world->client, 0, 5, 0));
    world->client.pipe = kith_pipe_free(world->client.pipe);
    settle_down(world);
    assert_int_equal(world->server.count + world->server.closed, 0);
    kith_pipe_set_reading(world->server.pipe, true);
    until(world, world->server.closed == 1);
    assert_int_equal(world->server.count, 5);
}

static void test_what_was_accepted_is_delivered_before_the_end(void **state) {
    struct world *world = *state;
    join(world);
    assert_true(end_write(&world->client, 0, 1000, 1000));
    world->client.pipe = kith_pipe_free(world->client.pipe);
    until(world, world->server.closed == 1);
    assert_int_equal(world->server.count, 1000);
    assert_false(world->server.disorder);
    assert_int_equal(world->server.error, 0);
    assert_false(end_write(&world->server, 0, 1, 0));
}

static void test_a_drained_end_is_told_its_end_too(void **state) {
    struct world *world = *state;
    join(world);
    assert_true(end_write(&world->client, 0, 3, 0));
    assert_true(end_write(&world->server, 0, 3, 0));
    kith_pipe_drain(world->client.pipe);
    assert_int_equal(world->client.closed, 0);
    assert_false(end_write(&world->client, 3, 4, 0));
    until(world, world->client.closed == 1 && world->server.closed == 1);
    assert_int_equal(world->server.count, 3);
    assert_int_equal(world->client.count, 0);
}

static void test_a_writer_to_nobody_loses_nothing_it_has_not_written(void **state) {
    struct world *world = *state;
    join(world);
    world->server.pipe = kith_pipe_free(world->server.pipe);
    (void)end_write(&world->client, 0, 50, 0); /* it may not know yet */
    until(world, world->client.closed == 1);
    kith_msg *msg = numbered(0, 0);
    assert_int_equal(kith_pipe_write(world->client.pipe, msg), -EPIPE);
    kith_msg_free(msg);
}

/* Wake-ups ----------------------------------------------------------------------------------------------------------------- */

static unsigned raised; /* eventfds */

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size) {
    raised += size == sizeof(uint64_t);
    return __real_write(fd, data, size);
}

static void write_more(struct end *end, kith_msg *msg) {
    struct world *world = end->extra;
    kith_msg_free(msg);
    if (end->count > 50)
        return;
    assert_true(end_write(&world->client, end->count, end->count + 1, 0));
    kith_pipe_flush(world->client.pipe);
}

static void test_a_reader_that_looks_by_itself_is_not_woken(void **state) {
    struct world *world = *state;
    bool two = world->near != world->far;
    join(world);
    settle_down(world);
    raised = 0;
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(end_write(&world->client, i, i + 1, 0));
        kith_pipe_flush(world->client.pipe);
    }
    assert_int_equal(raised, two); /* once, and never within a loop */
    until(world, world->server.count == 10);
    settle_down(world);

    world->server.count = 0;
    world->server.on_message = write_more; /* there is more before it has taken all: it goes on by itself */
    world->server.extra = world;
    raised = 0;
    assert_true(end_write(&world->client, 0, 1, 0));
    kith_pipe_flush(world->client.pipe);
    until(world, world->server.count == 51);
    assert_int_equal(raised, two);
}

/* Bodies ------------------------------------------------------------------------------------------------------------------ */

static void keep_body(struct end *end, kith_msg *msg) {
    end->kept[end->kept_count++] = msg;
}

static void test_a_body_moves_when_nobody_else_has_it(void **state) {
    struct world *world = *state;
    join(world);
    world->server.on_message = keep_body;
    kith_msg *msg = numbered(1, 5000);
    const uint8_t *octets = kith_msg_frame(msg, 1, NULL);
    assert_int_equal(kith_pipe_write(world->client.pipe, msg), 0);
    until(world, world->server.count == 1);
    assert_ptr_equal(kith_msg_frame(world->server.kept[0], 1, NULL), octets);
}

static void on_freed(void *data, void *userdata) {
    (void)data;
    ++*(int *)userdata;
}

/* The writer's references are the writer's to drop: within a loop they are shared, between loops the reader gets octets of its own. */
static void test_a_body_that_others_have_is_copied_between_loops(void **state) {
    struct world *world = *state;
    static uint8_t octets[300];
    int freed = 0;
    kith_buffer *shared, *adopted;
    kith_msg *msg;
    join(world);
    world->server.on_message = keep_body;
    memset(octets, 9, sizeof(octets));
    assert_int_equal(kith_buffer_new(300, &shared), 0);
    memset(kith_buffer_data(shared), 9, 300);
    assert_int_equal(kith_buffer_new_take(octets, sizeof(octets), on_freed, &freed, &adopted), 0);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){shared, kith_buffer_data(shared) + 100, 200}), 0);
    assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){adopted, octets, sizeof(octets)}), 0);
    kith_buffer_unref(adopted);
    assert_int_equal(kith_pipe_write(world->client.pipe, msg), 0);
    bool two = world->near != world->far;
    assert_int_equal(freed, two);
    assert_int_equal(kith_buffer_shared(shared), !two);
    until(world, world->server.count == 1);
    size_t size;
    assert_memory_equal(kith_msg_frame(world->server.kept[0], 0, &size), octets, 200);
    assert_int_equal(size, 200);
    assert_memory_equal(kith_msg_frame(world->server.kept[0], 1, &size), octets, 300);
    assert_int_equal(size, 300);
    end_release(&world->server);
    assert_int_equal(freed, 1);
    kith_buffer_unref(shared);
}

static void test_group_id_and_command_travel_along(void **state) {
    struct world *world = *state;
    join(world);
    world->server.on_message = keep_body;
    kith_msg *msg = numbered(0, 0);
    assert_int_equal(kith_msg_set_group(msg, "weather"), 0);
    kith_msg_set_routing_id(msg, 17);
    msg->command = 3;
    assert_int_equal(kith_pipe_write(world->client.pipe, msg), 0);
    until(world, world->server.count == 1);
    assert_string_equal(kith_msg_group(world->server.kept[0]), "weather");
    assert_int_equal(kith_msg_routing_id(world->server.kept[0]), 17);
    assert_int_equal(world->server.kept[0]->command, 3);
}

/* Freeing anything anywhere ------------------------------------------------------------------------------------------------ */

static void free_itself(struct end *end, kith_msg *msg) {
    kith_msg_free(msg);
    end->pipe = kith_pipe_free(end->pipe);
}

static void test_an_end_may_be_freed_in_its_callbacks(void **state) {
    struct world *world = *state;
    join(world);
    world->server.on_message = free_itself;
    assert_true(end_write(&world->client, 0, 10, 0));
    until(world, world->client.closed == 1);
    assert_int_equal(world->server.count, 1);
    assert_int_equal(world->server.closed, 0);
}

static void free_the_other(struct end *end, kith_msg *msg) {
    struct end *other = end->extra;
    kith_msg_free(msg);
    other->pipe = kith_pipe_free(other->pipe);
}

static void test_the_other_end_may_be_freed_in_a_callback(void **state) {
    struct world *world = *state;
    join(world);
    world->server.on_message = free_the_other;
    world->server.extra = &world->client;
    assert_true(end_write(&world->client, 0, 10, 0));
    until(world, world->server.closed == 1);
    assert_int_equal(world->server.count, 10);
}

static int accept_and_free_listener(struct kith_inproc_listener *listener, struct kith_pipe *pipe, void *userdata) {
    struct reception *reception = userdata;
    (void)pipe;
    kith_inproc_listener_free(listener);
    reception->listener = NULL;
    return -EPERM;
}

static void test_a_listener_may_be_freed_in_its_callback(void **state) {
    static const struct kith_inproc_listener_ops ops = {.accept = accept_and_free_listener};
    struct world *world = *state;
    struct end second = {0};
    assert_int_equal(kith_inproc_listener_new(world->far, NAME, &ops, &world->reception, &world->reception.listener), 0);
    connect_to(world, &world->client, NAME);
    connect_to(world, &second, NAME);
    until(world, world->client.closed == 1);
    assert_int_equal(world->client.error, -EPERM);
    assert_int_equal(second.closed, 0); /* waits for somebody else */
    end_deinit(&second);
}

static void free_the_loop(struct end *end, kith_msg *msg) {
    struct world *world = end->extra;
    kith_msg_free(msg);
    kith_loop_free(world->far);
}

static void test_the_loop_may_be_freed_in_a_callback(void **state) {
    struct world *world = *state;
    join(world);
    world->server.on_message = free_the_loop;
    world->server.extra = world;
    assert_true(end_write(&world->client, 0, 10, 0));
    uint64_t end = kith_time_now() + PATIENCE_NS;
    while (world->server.count == 0) {
        assert_true(kith_time_now() < end);
        if (world->near != world->far)
            assert_true(kith_loop_step(world->near, 0) >= 0);
        assert_true(kith_loop_step(world->far, 0) >= 0);
    }
    assert_int_equal(world->server.count, 1);
    world->loops[world->near != world->far] = NULL;
    if (world->near != world->far)
        until(world, world->client.closed == 1);
    assert_false(end_write(&world->server, 0, 1, 0));
}

static void test_a_loop_that_goes_first_closes_its_ends(void **state) {
    struct world *world = *state;
    struct kith_inproc_listener *again;
    join(world);
    assert_true(end_write(&world->server, 0, 10, 0));
    kith_loop_free(world->far);
    world->loops[world->near != world->far] = NULL;
    assert_false(end_write(&world->server, 10, 11, 0));
    if (world->near != world->far) {
        until(world, world->client.closed == 1);
        assert_int_equal(world->client.count, 10);
        assert_int_equal(kith_inproc_listener_new(world->near, NAME, &reception_ops, NULL, &again), 0); /* the name is free */
        kith_inproc_listener_free(again);
    }
}

static void test_an_end_that_waits_may_be_freed(void **state) {
    struct world *world = *state;
    connect_to(world, &world->client, NAME);
    end_deinit(&world->client);
    listen_at(world, NAME);
    connect_to(world, &world->client, NAME);
    end_deinit(&world->client); /* it has come to the listener, who has not seen it */
    settle_down(world);
    assert_int_equal(world->reception.used, 0);
}

/* A loop's port goes with its last guest: the descriptor that wakes it as well. */
static void test_no_descriptor_stays_behind(void **state) {
    struct world *world = *state;
    size_t before = testing_fd_count();
    join(world);
    assert_int_equal(testing_fd_count(), before + 1 + (world->near != world->far));
    world->reception.listener = kith_inproc_listener_free(world->reception.listener);
    end_deinit(&world->client);
    end_deinit(&world->server);
    assert_int_equal(testing_fd_count(), before);
}

/* In the child every name is free, and freeing what it inherited disturbs nobody. Status: what went wrong. */
static int child(struct world *world) {
    struct kith_inproc_listener *listener = NULL;
    struct kith_pipe *pipe;
    kith_loop *loop;
    if (kith_inproc_listener_new(world->near, NAME, &reception_ops, NULL, &listener) != -ECHILD)
        return 1;
    if (kith_pipe_connect(world->near, NAME, true, &wide, &end_ops, NULL, &pipe) != -ECHILD)
        return 2;
    end_deinit(&world->client);
    end_deinit(&world->server);
    kith_inproc_listener_free(world->reception.listener);
    kith_loop_free(world->loops[0]);
    kith_loop_free(world->loops[1]);
    if (kith_loop_new(&loop) < 0 || kith_inproc_listener_new(loop, NAME, &reception_ops, NULL, &listener) < 0)
        return 3;
    kith_inproc_listener_free(listener);
    kith_loop_free(loop);
    return 0;
}

static void test_a_child_has_names_of_its_own(void **state) {
    struct world *world = *state;
    struct end waiting = {0};
    join(world);
    connect_to(world, &waiting, "nobody");
    assert_true(end_write(&world->client, 0, 10, 0));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        end_deinit(&waiting);
        _exit(child(world));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(end_write(&world->client, 10, 20, 0));
    until(world, world->server.count == 20);
    assert_int_equal(world->server.closed + world->client.closed, 0);
    end_deinit(&waiting);
}

static const struct CMUnitTest suite[] = {
    cmocka_unit_test(test_messages_arrive_in_order_both_ways),
    cmocka_unit_test(test_a_connector_may_come_first),
    cmocka_unit_test(test_who_may_not_wait_is_refused_when_nobody_listens),
    cmocka_unit_test(test_names_are_taken_once_and_given_back),
    cmocka_unit_test(test_names_have_1_to_255_octets),
    cmocka_unit_test(test_who_is_not_accepted_yet_waits_for_the_next_listener),
    cmocka_unit_test(test_a_refusal_is_told),
    cmocka_unit_test(test_at_the_limit_the_writer_waits_for_room),
    cmocka_unit_test(test_octets_are_a_limit_too),
    cmocka_unit_test(test_words_of_the_protocol_pass_a_full_pipe),
    cmocka_unit_test(test_a_reader_that_pauses_gets_nothing_until_it_resumes),
    cmocka_unit_test(test_what_was_accepted_is_delivered_before_the_end),
    cmocka_unit_test(test_a_drained_end_is_told_its_end_too),
    cmocka_unit_test(test_a_writer_to_nobody_loses_nothing_it_has_not_written),
    cmocka_unit_test(test_a_reader_that_looks_by_itself_is_not_woken),
    cmocka_unit_test(test_a_body_moves_when_nobody_else_has_it),
    cmocka_unit_test(test_a_body_that_others_have_is_copied_between_loops),
    cmocka_unit_test(test_group_id_and_command_travel_along),
    cmocka_unit_test(test_an_end_may_be_freed_in_its_callbacks),
    cmocka_unit_test(test_the_other_end_may_be_freed_in_a_callback),
    cmocka_unit_test(test_a_listener_may_be_freed_in_its_callback),
    cmocka_unit_test(test_the_loop_may_be_freed_in_a_callback),
    cmocka_unit_test(test_a_loop_that_goes_first_closes_its_ends),
    cmocka_unit_test(test_an_end_that_waits_may_be_freed),
    cmocka_unit_test(test_no_descriptor_stays_behind),
    cmocka_unit_test(test_a_child_has_names_of_its_own),
};

int main(void) {
    enum { TESTS = KITH_ARRAY_SIZE(suite) };
    struct CMUnitTest tests[2 * TESTS];
    static char names[KITH_ARRAY_SIZE(tests)][128];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(tests); i++) {
        bool two = i >= TESTS;
        tests[i] = suite[i % TESTS];
        snprintf(names[i], sizeof(names[i]), "%s: %s", two ? "two loops" : "one loop", tests[i].name);
        tests[i].name = names[i];
        tests[i].setup_func = two ? setup_two : setup_one;
        tests[i].teardown_func = teardown;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
