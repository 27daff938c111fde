/* Tests of gateway/spool/spool.h: what was told to be durable is there after SIGKILL at any moment. */
#include <signal.h>
#include <sys/prctl.h>

#include <sqlite3.h>

#include "gateway/spool/testing.h"

#define ROUNDS 30

/* The child: appends as fast as it can and says what it was told, until it is killed. */
static void append_for_ever(struct site *site, int told) {
    uint64_t said = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (site_try(site) < 0)
        _exit(1);
    struct spool_statistics statistics = site_statistics(site);
    for (uint64_t n = statistics.last_id + 1;; n++) {
        char text[1024];
        size_t size = text_of(n, text);
        uint64_t id = 0;
        int r;
        while ((r = spool_append(site->spool, n % 2 ? "odd" : "even", n * 3, (uint32_t)n, text, size, &id)) == -EAGAIN)
            site_step(site);
        if (r < 0 || id != n)
            _exit(2);
        spool_dispatch(site->spool);
        spool_done(site->spool, 0, site->durable > 2000 ? site->durable - 2000 : 0);
        if (site->durable > said && write(told, &site->durable, sizeof(site->durable)) != sizeof(said))
            _exit(3);
        said = site->durable;
    }
}

/* Reads what the child says until it has said `times` things, kills it, and reads the rest. The last that it was told. */
static uint64_t kill_after(pid_t child, int told, unsigned times) {
    uint64_t durable = 0, id;
    ssize_t n;

    for (unsigned i = 0; (n = read(told, &id, sizeof(id))) == sizeof(id); i++) {
        assert_true(id > durable);
        durable = id;
        if (i == times)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    assert_int_equal(n, 0);
    return durable;
}

/* Every row of the file, without the spool's own code. */
static void look_at_the_file(struct site *site, uint64_t durable) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open(site->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM messages", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0), first = sqlite3_column_int64(statement, 2),
            last = sqlite3_column_int64(statement, 3);
    assert_int_equal(sqlite3_column_int64(statement, 1), count);
    assert_int_equal(last - first + 1, count);
    assert_true((uint64_t)last >= durable);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void test_what_was_told_to_be_durable_survives_sigkill(void **state) {
    struct site *site = *state;
    uint8_t before[SPOOL_ID_SIZE] = {0}, now[SPOOL_ID_SIZE];
    uint64_t last = 0;

    site->options.pending_bytes = 262144;
    srandom(7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0)
            append_for_ever(site, ends[1]);
        assert_true(child > 0);
        close(ends[1]);
        uint64_t durable = kill_after(child, ends[0], (unsigned)random() % 12);
        close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_true(durable > last);
        if (round % 4 == 0)
            look_at_the_file(site, durable);
        site_open(site);
        assert_string_equal(site->notice, "");
        struct seen seen = site_read(site, 0);
        assert_true(seen.last >= durable);
        assert_int_equal(seen.gaps, 0);
        assert_true(seen.first <= durable); /* 2,000 are never done with */
        assert_int_equal(seen.last, site_statistics(site).last_id);
        spool_id(site->spool, now);
        assert_true(round == 0 || memcmp(before, now, sizeof(now)) == 0);
        memcpy(before, now, sizeof(now));
        last = seen.last;
        site_close(site);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {SITE_TEST(test_what_was_told_to_be_durable_survives_sigkill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
