/* Tests of gateway/spool/spool.h: disks that are full, broken, slow or read-only. Nothing is told to be durable that is not, and the spool
 * goes on when the disk does. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "gateway/spool/testing-vfs.h"
#include "gateway/spool/testing.h"

#define PENDING 65536

static int set_up(void **state) {
    disk_mend();
    return site_set_up(state);
}

static int tear_down(void **state) {
    disk_mend();
    return site_tear_down(state);
}

#define DISK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* Fails while the disk does; then all is there, in order, once. */
static void fail_and_go_on(struct site *site, atomic_int *what, int result, int code, const char *remedy) {
    uint64_t id;
    site_open(site);
    site_fill(site, 1, 100);
    atomic_store(what, result);
    site_append(site, 101, 50);
    SITE_UNTIL(site, site->failures == 1);
    assert_int_equal(site->failure.code, code);
    assert_non_null(strstr(site->failure.text, site->path));
    if (!strstr(site->failure.text, remedy))
        fail_msg("%s", site->failure.text);
    while (site_statistics(site).failures < 5)
        site_step(site);
    assert_int_equal(site->failures, 1); /* the same reason is told once */
    assert_int_equal(site->durable, 100);
    assert_int_equal(site_read(site, 0).count, 100);
    assert_int_equal(site_statistics(site).pending, 50);
    atomic_store(what, SQLITE_OK);
    SITE_UNTIL(site, site->durable == 150);
    assert_int_equal(spool_append(site->spool, "odd", 151 * 3, 151, "x", 1, &id), 0);
    assert_int_equal(id, 151);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, 150);
    assert_int_equal(seen.gaps, 0);
}

static void test_a_full_disk_is_told_and_nothing_is_lost(void **state) {
    fail_and_go_on(*state, &disk_write_result, SQLITE_FULL, -ENOSPC, "make room");
}

static void test_a_broken_disk_is_told_and_nothing_is_lost(void **state) {
    fail_and_go_on(*state, &disk_write_result, SQLITE_IOERR_WRITE, -EIO, "kernel's log");
}

static void test_what_could_not_be_synced_is_not_told_to_be_durable(void **state) {
    fail_and_go_on(*state, &disk_sync_result, SQLITE_IOERR_FSYNC, -EIO, "kernel's log");
}

static void test_a_disk_that_becomes_read_only_is_told(void **state) {
    fail_and_go_on(*state, &disk_write_result, SQLITE_READONLY, -EROFS, "read-only");
}

/* Full after any number of writes: in the middle of a transaction, of a checkpoint, of a new file. */
static void test_a_disk_that_is_full_at_any_moment_loses_nothing(void **state) {
    struct site *site = *state;
    unsigned failures = 0;
    site_open(site);
    for (int writes = 0; writes < 40; writes++) {
        uint64_t next = site_statistics(site).last_id + 1;
        atomic_store(&disk_writes_left, writes);
        site_append(site, next, 60);
        SITE_UNTIL(site, site->failures > failures || site->durable == next + 59);
        failures = site->failures;
        atomic_store(&disk_writes_left, -1);
        SITE_UNTIL(site, site->durable == next + 59);
    }
    assert_in_range(failures, 10, 40);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, 40 * 60);
    assert_int_equal(seen.gaps, 0);
    site_close(site);
    for (int writes = 0; site_try(site) != 0; writes++) { /* opening too */
        atomic_store(&disk_writes_left, writes);
        assert_in_range(writes, 0, 100);
    }
    assert_int_equal(site_read(site, 0).count, 40 * 60);
}

static void test_closing_on_a_full_disk_says_how_many_are_lost(void **state) {
    struct site *site = *state;
    struct spool *spool;
    site_open(site);
    site_fill(site, 1, 100);
    atomic_store(&disk_write_result, SQLITE_FULL);
    site_append(site, 101, 7);
    spool = site->spool;
    site->spool = NULL;
    assert_int_equal(spool_close(spool, &site->error), -ENOSPC);
    assert_non_null(strstr(site->error.text, "7 messages were not saved"));
    assert_non_null(strstr(site->error.text, "make room"));
    disk_mend();
    site_open(site);
    assert_int_equal(site_read(site, 0).count, 100);
    site_fill(site, 101, 5); /* their ids were never shown to anybody */
    assert_int_equal(site_read(site, 0).gaps, 0);
}

static void test_a_slow_disk_holds_the_source_back_and_memory_is_bounded(void **state) {
    struct site *site = *state;
    uint64_t next = 1;
    char text[1024];
    site->options.pending_bytes = PENDING;
    site_open(site);
    pthread_mutex_lock(&disk_gate);
    for (int r = 0; r != -EAGAIN; next += r == 0) {
        r = spool_append(site->spool, next % 2 ? "odd" : "even", next * 3, (uint32_t)next, text, text_of(next, text), NULL);
        assert_true(r == 0 || r == -EAGAIN);
    }
    assert_in_range(site_statistics(site).pending_bytes, PENDING - 2000, PENDING);
    assert_int_equal(site_statistics(site).pending, next - 1);
    assert_int_equal(site->durable, 0);
    assert_int_equal(site->rooms, 0);
    pthread_mutex_unlock(&disk_gate);
    SITE_UNTIL(site, site->rooms == 1);
    site_append(site, next, 500);
    SITE_UNTIL(site, site->durable == next + 499);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, next + 499);
    assert_int_equal(seen.gaps, 0);
}

static void test_many_messages_share_one_commit(void **state) {
    struct site *site = *state;
    site_open(site);
    site_fill(site, 1, 1);
    uint64_t before = site_statistics(site).commits;
    pthread_mutex_lock(&disk_gate);
    site_append(site, 2, 1000);
    pthread_mutex_unlock(&disk_gate);
    SITE_UNTIL(site, site->durable == 1001);
    assert_in_range(site_statistics(site).commits - before, 1, 3);
}

static void test_a_file_that_was_deleted_in_use_takes_nothing_more(void **state) {
    struct site *site = *state;
    char away[128];
    snprintf(away, sizeof(away), "%s.away", site->path);
    site_open(site);
    site_fill(site, 1, 10);
    assert_int_equal(rename(site->path, away), 0);
    site_append(site, 11, 10);
    SITE_UNTIL(site, site->failures == 1);
    assert_int_equal(site->failure.code, -ESTALE);
    assert_non_null(strstr(site->failure.text, "put it back"));
    assert_int_equal(rename(away, site->path), 0);
    SITE_UNTIL(site, site->durable == 20);
}

/* A child, in a mount namespace of its own, as the disk is its own: killed by itself when all is well. */
#define CHECK(condition)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(condition))                                                                                                                  \
            _exit(__LINE__ % 255 + 1);                                                                                                     \
    } while (0)

static void fill_a_small_disk(struct site *site) {
    static char large[65536];
    char name[128];
    uint64_t id = 0;

    snprintf(site->path, sizeof(site->path), "%s/disk/spool", site->folder);
    snprintf(name, sizeof(name), "%s/disk/filler", site->folder);
    CHECK(site_try(site) == 0);
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, large, sizeof(large)) > 0)
        continue;
    while (site->failures == 0) {
        int r = spool_append(site->spool, "s", 0, 0, large, 1000, &id);
        CHECK(r == 0 || r == -EAGAIN);
        if (r == -EAGAIN)
            site_step(site);
    }
    CHECK(site->failure.code == -ENOSPC);
    CHECK(unlink(name) == 0);
    close(fd);
    while (site->durable < id)
        site_step(site);
    CHECK(site_statistics(site).messages == id);
    CHECK(spool_close(site->spool, &site->error) == 0);
    kill(getpid(), SIGKILL); /* not by _exit(2): valgrind would count what belongs to the parent */
}

static void test_a_real_disk_that_is_full_is_used_again_when_there_is_room(void **state) {
    struct site *site = *state;
    char disk[128];
    int status = -1;

    snprintf(disk, sizeof(disk), "%s/disk", site->folder);
    assert_int_equal(mkdir(disk, 0700), 0);
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", disk, "tmpfs", 0, "size=12m,mode=0777") < 0)
            _exit(TESTING_SKIPPED);
        fill_a_small_disk(site);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TESTING_SKIPPED) {
        print_message("skipped: no mount namespace may be made here\n");
        skip();
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended with %#x (the line that failed, modulo 255, and 1)", (unsigned)status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_a_full_disk_is_told_and_nothing_is_lost),
        DISK_TEST(test_a_broken_disk_is_told_and_nothing_is_lost),
        DISK_TEST(test_what_could_not_be_synced_is_not_told_to_be_durable),
        DISK_TEST(test_a_disk_that_becomes_read_only_is_told),
        DISK_TEST(test_a_disk_that_is_full_at_any_moment_loses_nothing),
        DISK_TEST(test_closing_on_a_full_disk_says_how_many_are_lost),
        DISK_TEST(test_a_slow_disk_holds_the_source_back_and_memory_is_bounded),
        DISK_TEST(test_many_messages_share_one_commit),
        DISK_TEST(test_a_file_that_was_deleted_in_use_takes_nothing_more),
        DISK_TEST(test_a_real_disk_that_is_full_is_used_again_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, disk_install, NULL);
}
