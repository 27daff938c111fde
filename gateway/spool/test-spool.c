/* Tests of gateway/spool/spool.h: order, ids, cursors, bounds, whose the file is. */
#include <signal.h>

#include "gateway/spool/testing.h"

static void test_messages_come_in_order_and_whole(void **state) {
    struct site *site = *state;
    site_open(site);
    site_fill(site, 1, 5000);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, 5000);
    assert_int_equal(seen.first, 1);
    assert_int_equal(seen.gaps, 0);
    assert_int_equal(seen.again, 0);
    seen = site_read(site, 4990);
    assert_int_equal(seen.count, 10);
    struct spool_statistics statistics = site_statistics(site);
    assert_int_equal(statistics.messages, 5000);
    assert_int_equal(statistics.appended, 5000);
    assert_int_equal(statistics.pending, 0);
    assert_int_equal(statistics.last_id, 5000);
    assert_in_range(statistics.commits, 1, 5000);
}

static int stop_at_once(const struct spool_message *message, void *userdata) {
    *(uint64_t *)userdata = message->id;
    return 1;
}

static void test_reading_stops_when_the_reader_says_so_or_has_enough(void **state) {
    struct site *site = *state;
    uint64_t id = 0;
    struct seen seen = {0};
    site_open(site);
    site_fill(site, 1, 100);
    assert_int_equal(spool_read(site->spool, 41, 100000, stop_at_once, &id, &site->error), 1);
    assert_int_equal(id, 42);
    assert_int_equal(spool_read(site->spool, 0, 1, see, &seen, &site->error), 1);
    assert_int_equal(spool_read(site->spool, 100, 100000, see, &seen, &site->error), 0);
}

static void test_nothing_is_read_before_it_is_told_to_be_durable(void **state) {
    struct site *site = *state;
    struct pollfd fd;
    struct seen seen = {0};
    site_open(site);
    site_append(site, 1, 1);
    fd = (struct pollfd){.fd = spool_fd(site->spool), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, TESTING_PATIENCE_MS), 1); /* it is committed and not told */
    assert_int_equal(spool_read(site->spool, 0, 1000, see, &seen, &site->error), 0);
    SITE_UNTIL(site, site->durable == 1);
    assert_int_equal(spool_read(site->spool, 0, 1000, see, &seen, &site->error), 1);
}

static void test_closing_saves_everything_and_a_new_process_goes_on(void **state) {
    struct site *site = *state;
    uint8_t before[SPOOL_ID_SIZE], after[SPOOL_ID_SIZE];
    char name[128];
    site_open(site);
    spool_id(site->spool, before);
    site_append(site, 1, 3000);
    site_close(site);
    snprintf(name, sizeof(name), "%s-wal", site->path);
    assert_int_equal(access(name, F_OK), -1);
    site_open(site);
    spool_id(site->spool, after);
    assert_memory_equal(before, after, SPOOL_ID_SIZE);
    site_fill(site, 3001, 10);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, 3010);
    assert_int_equal(seen.gaps, 0);
    assert_int_equal(seen.again, 3000);
}

static void test_ids_go_on_after_everything_was_deleted(void **state) {
    struct site *site = *state;
    site_open(site);
    site_fill(site, 1, 500);
    spool_done(site->spool, 0, 500);
    SITE_UNTIL(site, site_statistics(site).messages == 0);
    assert_int_equal(site_statistics(site).bytes, 0);
    assert_int_equal(site_statistics(site).dropped, 0);
    site_close(site);
    site_open(site);
    assert_int_equal(spool_cursor(site->spool, 0), 500);
    site_fill(site, 501, 1);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.first, 501);
    assert_int_equal(seen.count, 1);
}

static void test_spools_have_ids_of_their_own(void **state) {
    struct site *site = *state;
    uint8_t one[SPOOL_ID_SIZE], other[SPOOL_ID_SIZE];
    site_open(site);
    spool_id(site->spool, one);
    site_close(site);
    strcat(site->path, "2");
    site_open(site);
    spool_id(site->spool, other);
    assert_memory_not_equal(one, other, SPOOL_ID_SIZE);
}

static const char *const two_targets[] = {"collector", "archive", NULL};
static const char *const other_targets[] = {"archive", "newcomer", NULL};

static void test_a_message_stays_until_all_targets_are_done_with_it(void **state) {
    struct site *site = *state;
    site->options.targets = two_targets;
    site_open(site);
    site_fill(site, 1, 20000);
    spool_done(site->spool, 0, 20000);
    spool_done(site->spool, 1, 30);
    SITE_UNTIL(site, site_statistics(site).messages == 19970);
    spool_done(site->spool, 1, 20); /* never back */
    assert_int_equal(spool_cursor(site->spool, 1), 30);
    assert_int_equal(site_read(site, 0).first, 31);
    spool_done(site->spool, 1, UINT64_MAX); /* not beyond what there is */
    assert_int_equal(spool_cursor(site->spool, 1), 20000);
    SITE_UNTIL(site, site_statistics(site).messages == 0);
}

static void test_cursors_are_kept_and_targets_that_are_gone_hold_nothing(void **state) {
    struct site *site = *state;
    site->options.targets = two_targets;
    site_open(site);
    site_fill(site, 1, 100);
    spool_done(site->spool, 1, 60);
    site_close(site);
    site_open(site);
    assert_int_equal(spool_cursor(site->spool, 0), 0);
    assert_int_equal(spool_cursor(site->spool, 1), 60);
    site_close(site);
    site->options.targets = other_targets;
    site_open(site);
    assert_int_equal(spool_cursor(site->spool, 0), 60);
    assert_int_equal(spool_cursor(site->spool, 1), 0);
    spool_done(site->spool, 0, 100);
    spool_done(site->spool, 1, 100);
    SITE_UNTIL(site, site_statistics(site).messages == 0); /* the collector, at 0, is gone */
}

static void test_a_full_spool_refuses_and_tells_when_there_is_room(void **state) {
    struct site *site = *state;
    char data[936] = "";
    int r = 0;
    site->options.max_bytes = 10000;
    site_open(site);
    for (int i = 0; i < 9; i++)
        assert_int_equal(spool_append(site->spool, "s", 0, 0, data, sizeof(data), NULL), 0);
    r = spool_append(site->spool, "s", 0, 0, data, sizeof(data), NULL);
    assert_int_equal(r, -ENOSPC);
    SITE_UNTIL(site, site->durable == 9);
    assert_int_equal(site->rooms, 0);
    assert_int_equal(spool_append(site->spool, "s", 0, 0, data, sizeof(data), NULL), -ENOSPC);
    spool_done(site->spool, 0, 1);
    SITE_UNTIL(site, site->rooms == 1);
    assert_int_equal(spool_append(site->spool, "s", 0, 0, data, sizeof(data), NULL), 0);
    assert_int_equal(site_statistics(site).dropped, 0);
}

static void test_a_full_spool_drops_the_oldest_and_counts_them(void **state) {
    struct site *site = *state;
    site->options.max_bytes = 100000;
    site->options.overflow = SPOOL_DROP_OLDEST;
    site_open(site);
    site_fill(site, 1, 1000);
    struct spool_statistics statistics = site_statistics(site);
    assert_in_range(statistics.bytes, 98000, 100000);
    assert_int_equal(statistics.dropped + statistics.messages, 1000);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, statistics.messages);
    assert_int_equal(seen.last, 1000);
    assert_int_equal(seen.gaps, 0);
    site_close(site);
    site_open(site);
    assert_int_equal(site_statistics(site).dropped, statistics.dropped); /* kept in the file */
}

static void test_old_messages_are_dropped_and_counted(void **state) {
    struct site *site = *state;
    site->options.max_age_ms = 50;
    site_open(site);
    site_fill(site, 1, 100);
    SITE_UNTIL(site, site_statistics(site).messages == 0);
    assert_int_equal(site_statistics(site).expired, 100);
    assert_int_equal(site_statistics(site).dropped, 0);
}

static void test_messages_that_no_bound_has_room_for_are_refused(void **state) {
    struct site *site = *state;
    static char large[70000];
    char name[SPOOL_NAME_MAX + 2];
    site->options.pending_bytes = 65536;
    site_open(site);
    assert_int_equal(spool_append(site->spool, "s", 0, 0, large, sizeof(large), NULL), -EMSGSIZE);
    assert_int_equal(spool_append(site->spool, "", 0, 0, large, 1, NULL), -EINVAL);
    memset(name, 'n', sizeof(name));
    name[SPOOL_NAME_MAX + 1] = '\0';
    assert_int_equal(spool_append(site->spool, name, 0, 0, large, 1, NULL), -EINVAL);
    assert_int_equal(spool_append(site->spool, name + 1, 0, 0, large, 1, NULL), 0);
    assert_int_equal(spool_append(site->spool, "s", 0, 0, NULL, 0, NULL), 0);
}

static void expect_refusal(struct site *site, int code, const char *text) {
    assert_int_equal(site_try(site), code);
    assert_int_equal(site->error.code, code);
    if (!strstr(site->error.text, text))
        fail_msg("%s", site->error.text);
    assert_null(site->spool);
}

static void test_a_second_opener_is_refused_by_name(void **state) {
    struct site *site = *state;
    struct spool *first;
    char pid[32];
    site_open(site);
    first = site->spool;
    site->spool = NULL;
    snprintf(pid, sizeof(pid), "pid %d", getpid());
    expect_refusal(site, -EBUSY, pid);
    expect_refusal(site, -EBUSY, "give each route a file of its own");
    site->spool = first;
    site_close(site);
    site_open(site);
}

static void test_symbolic_links_and_files_of_others_are_refused(void **state) {
    struct site *site = *state;
    char real[128];
    snprintf(real, sizeof(real), "%s/real", site->folder);
    assert_int_equal(symlink(real, site->path), 0);
    expect_refusal(site, -ELOOP, "symbolic link");
    assert_int_equal(access(real, F_OK), -1);
    unlink(site->path);
    int fd = open(site->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(fchmod(fd, 0666), 0);
    close(fd);
    expect_refusal(site, -EPERM, "chmod 0600");
    if (geteuid() == 0) {
        assert_int_equal(chmod(site->path, 0600), 0);
        assert_int_equal(chown(site->path, 1, (gid_t)-1), 0);
        expect_refusal(site, -EPERM, "uid 1");
    }
    unlink(site->path);
    assert_int_equal(mkdir(site->path, 0700), 0);
    assert_true(site_try(site) < 0);
}

static void test_the_log_is_not_followed_through_a_symbolic_link(void **state) {
    struct site *site = *state;
    char real[128], log[128];
    snprintf(real, sizeof(real), "%s/precious", site->folder);
    snprintf(log, sizeof(log), "%s-wal", site->path);
    assert_int_equal(symlink(real, log), 0);
    if (site_try(site) == 0)
        site_fill(site, 1, 1); /* SQLite took the link away, or would not have got here */
    assert_int_equal(access(real, F_OK), -1);
}

static void test_files_are_for_their_owner_alone(void **state) {
    struct site *site = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    mode_t before = umask(0);
    site_open(site);
    umask(before);
    site_fill(site, 1, 1);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(suffixes); i++) {
        struct stat status;
        char name[128];
        snprintf(name, sizeof(name), "%s%s", site->path, suffixes[i]);
        assert_int_equal(stat(name, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
    }
}

static void test_options_that_make_no_sense_are_refused(void **state) {
    struct site *site = *state;
    static const char *const none[] = {NULL}, *const twice[] = {"a", "a", NULL}, *const nameless[] = {"", NULL};
    site->options.targets = none;
    expect_refusal(site, -EINVAL, "0 targets");
    site->options.targets = twice;
    expect_refusal(site, -EINVAL, "twice");
    site->options.targets = nameless;
    expect_refusal(site, -EINVAL, "octets");
    site->options.targets = one_target;
    site->options.pending_bytes = (size_t)1 << 40;
    expect_refusal(site, -EINVAL, "pending");
    site->options.pending_bytes = 0;
    snprintf(site->path, sizeof(site->path), "%s/no/spool", site->folder);
    expect_refusal(site, -ENOENT, "folder");
}

static void test_a_child_of_fork_leaves_the_spool_alone(void **state) {
    struct site *site = *state;
    int status = -1;
    site_open(site);
    site_append(site, 1, 100);
    pid_t child = fork();
    /* Not by _exit(2): valgrind would count what the writer's thread, which is not here, had in use. */
    if (child == 0)
        kill(getpid(), spool_close(site->spool, NULL) == -ECHILD ? SIGKILL : SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    SITE_UNTIL(site, site->durable == 100);
    site_fill(site, 101, 100);
    assert_int_equal(site_read(site, 0).count, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_messages_come_in_order_and_whole),
        SITE_TEST(test_reading_stops_when_the_reader_says_so_or_has_enough),
        SITE_TEST(test_nothing_is_read_before_it_is_told_to_be_durable),
        SITE_TEST(test_closing_saves_everything_and_a_new_process_goes_on),
        SITE_TEST(test_ids_go_on_after_everything_was_deleted),
        SITE_TEST(test_spools_have_ids_of_their_own),
        SITE_TEST(test_a_message_stays_until_all_targets_are_done_with_it),
        SITE_TEST(test_cursors_are_kept_and_targets_that_are_gone_hold_nothing),
        SITE_TEST(test_a_full_spool_refuses_and_tells_when_there_is_room),
        SITE_TEST(test_a_full_spool_drops_the_oldest_and_counts_them),
        SITE_TEST(test_old_messages_are_dropped_and_counted),
        SITE_TEST(test_messages_that_no_bound_has_room_for_are_refused),
        SITE_TEST(test_a_second_opener_is_refused_by_name),
        SITE_TEST(test_symbolic_links_and_files_of_others_are_refused),
        SITE_TEST(test_the_log_is_not_followed_through_a_symbolic_link),
        SITE_TEST(test_files_are_for_their_owner_alone),
        SITE_TEST(test_options_that_make_no_sense_are_refused),
        SITE_TEST(test_a_child_of_fork_leaves_the_spool_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
