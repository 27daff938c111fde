/* Tests of gateway/spool/spool.h: damaged files are noticed, set aside and named, and what can be read is carried over. */
#include <dirent.h>

#include <sqlite3.h>

#include "gateway/spool/testing.h"

#define COUNT 3000
#define ROUNDS 60

/* Files PATH.corrupt-* that are no -wal or -shm; the last one's name. */
static unsigned set_aside(struct site *site, char ret_name[512]) {
    DIR *folder = opendir(site->folder);
    unsigned count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "spool.corrupt-", 14) != 0 || strstr(entry->d_name, "-wal") || strstr(entry->d_name, "-shm"))
            continue;
        snprintf(ret_name, 512, "%s/%s", site->folder, entry->d_name);
        count++;
    }
    closedir(folder);
    return count;
}

static void write_at(const char *path, off_t offset, const void *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, size, offset), size);
    close(fd);
}

static off_t size_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void copy_file(const char *from, const char *to) {
    static char octets[1 << 23];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = read(in, octets, sizeof(octets));
    assert_in_range(n, 1, sizeof(octets) - 1);
    assert_int_equal(write(out, octets, (size_t)n), n);
    close(in);
    close(out);
}

/* It opens, says what it did, has what it says, and takes more. */
static struct seen expect_recovery(struct site *site, uint64_t least) {
    char name[512] = "";
    site_open(site);
    SITE_UNTIL(site, site->notices == 1);
    assert_int_equal(site_statistics(site).set_aside, 1);
    assert_int_equal(set_aside(site, name), 1);
    assert_non_null(strstr(site->notice, name));
    assert_non_null(strstr(site->notice, "carried over"));
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, site_statistics(site).messages);
    assert_in_range(seen.count, least, COUNT);
    uint64_t next = site_statistics(site).last_id + 1;
    assert_true(next > seen.last);
    site_fill(site, next, 10);
    assert_int_equal(site_read(site, next - 1).count, 10);
    return seen;
}

static void fill(struct site *site) {
    site_open(site);
    site_fill(site, 1, COUNT);
    site_close(site);
}

static void test_a_file_that_is_nothing_is_set_aside(void **state) {
    struct site *site = *state;
    char name[512];
    int fd = open(site->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "garbage, and more of it than a page has no need of", 50), 50);
    close(fd);
    expect_recovery(site, 0);
    assert_int_equal(set_aside(site, name), 1);
    assert_int_equal(size_of(name), 50);
}

static void test_a_file_without_its_header_is_set_aside(void **state) {
    struct site *site = *state;
    static const char nothing[100];
    uint8_t before[SPOOL_ID_SIZE], after[SPOOL_ID_SIZE];
    site_open(site);
    spool_id(site->spool, before);
    site_fill(site, 1, COUNT);
    site_close(site);
    write_at(site->path, 0, nothing, sizeof(nothing));
    expect_recovery(site, 0);
    spool_id(site->spool, after);
    assert_memory_not_equal(before, after, SPOOL_ID_SIZE);
}

static void test_what_other_pages_hold_is_carried_over_with_ids_and_cursors(void **state) {
    struct site *site = *state;
    static char noise[4096];
    site_open(site);
    site_fill(site, 1, COUNT);
    spool_done(site->spool, 0, 100);
    SITE_UNTIL(site, site_statistics(site).messages == COUNT - 100);
    site_close(site);
    memset(noise, 0xa5, sizeof(noise));
    write_at(site->path, size_of(site->path) / 4096 / 2 * 4096, noise, sizeof(noise));
    struct seen seen = expect_recovery(site, COUNT - 150);
    assert_int_equal(seen.gaps, 1);
    assert_int_equal(seen.last, COUNT);
    assert_int_equal(spool_cursor(site->spool, 0), 100);
    assert_int_equal(site_statistics(site).damaged, COUNT - 100 - seen.count);
    assert_non_null(strstr(site->notice, " are lost"));
}

static void test_a_flipped_bit_in_a_message_is_never_passed_on(void **state) {
    struct site *site = *state;
    sqlite3 *db = NULL;
    fill(site);
    assert_int_equal(sqlite3_open(site->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE messages SET data = 'message 77 X' WHERE id = 77", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    site_open(site);
    struct seen seen = site_read(site, 0);
    assert_int_equal(seen.count, COUNT - 1);
    assert_int_equal(seen.gaps, 1);
    site_read(site, 0);
    assert_int_equal(site_statistics(site).damaged, 1); /* once */
    site_fill(site, COUNT + 1, 1);
    site_close(site);
    site_open(site);
    assert_int_equal(site_statistics(site).damaged, 1);
}

/* See(): any message that is passed on is as it was appended, whatever is done to the file. */
static void test_damage_anywhere_loses_nothing_silently(void **state) {
    struct site *site = *state;
    char good[128], name[512];
    unsigned noticed = 0, refused = 0;
    fill(site);
    snprintf(good, sizeof(good), "%s/good", site->folder);
    copy_file(site->path, good);
    srandom(42);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned char noise[64];
        off_t size = size_of(good);
        copy_file(good, site->path);
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (unsigned char)random();
        off_t at = round < 20 ? (off_t)(random() % 4096) : (off_t)(random() % (size - 64)); /* the first page is the worst */
        write_at(site->path, at, noise, round % 3 == 0 ? 1 : 64);
        int r = site_try(site);
        if (r < 0) {
            assert_true(r == -EPROTO || r == -EEXIST); /* the version's octets, or those that say whose it is */
            refused++;
            continue;
        }
        struct seen seen = {0};
        while ((r = spool_read(site->spool, seen.last, SIZE_MAX, see, &seen, &site->error)) != 0) {
            if (r == -EUCLEAN)
                SITE_UNTIL(site, site->notices > 0);
            else
                assert_true(r > 0);
        }
        struct spool_statistics statistics = site_statistics(site);
        bool said = statistics.set_aside > 0 || statistics.damaged > 0;
        if (!said && seen.count != COUNT)
            fail_msg("round %u, octet %lld: %u of %u messages, and nothing was said", round, (long long)at, seen.count, COUNT);
        assert_int_equal(set_aside(site, name), statistics.set_aside);
        site_fill(site, statistics.last_id + 1, 3);
        noticed += said;
        site_close(site);
        if (statistics.set_aside > 0)
            unlink(name);
        site->notices = 0;
    }
    assert_in_range(noticed, ROUNDS / 4, ROUNDS);
    assert_in_range(refused, 0, ROUNDS / 10);
}

static void test_damage_while_it_is_open_is_repaired_and_nothing_pending_is_lost(void **state) {
    struct site *site = *state;
    static char noise[4096];
    char name[512];
    struct seen none = {0};
    fill(site);
    site_open(site);
    memset(noise, 0x5a, sizeof(noise));
    for (off_t at = 4096; at < size_of(site->path); at += 4096) /* all but the header: no page can be used */
        write_at(site->path, at, noise, sizeof(noise));
    site_append(site, COUNT + 1, 100);
    assert_int_equal(spool_read(site->spool, 0, SIZE_MAX, see, &none, &site->error), -EUCLEAN);
    SITE_UNTIL(site, site->notices > 0 && site->durable == COUNT + 100);
    assert_int_equal(set_aside(site, name), 1);
    struct seen seen = site_read(site, COUNT);
    /* A commit may have been before the damage was noticed: that one is lost with the file, and counted. */
    assert_int_equal(seen.last, COUNT + 100);
    assert_int_equal(seen.gaps, 0);
    assert_int_equal(site_read(site, 0).count + site_statistics(site).damaged, COUNT + 100);
    site_close(site);
    site_open(site);
    assert_int_equal(site_read(site, COUNT).count, seen.count);
}

static void test_a_replacement_that_was_cut_short_is_finished(void **state) {
    struct site *site = *state;
    char name[128];
    fill(site);
    snprintf(name, sizeof(name), "%s.new", site->path);
    assert_int_equal(rename(site->path, name), 0); /* killed between moving the old one and the new one */
    site_open(site);
    SITE_UNTIL(site, site->notices == 1);
    assert_non_null(strstr(site->notice, "set aside before"));
    assert_int_equal(site_read(site, 0).count, COUNT);
}

/* However often the reader asks meanwhile. */
static void test_a_damaged_file_is_replaced_once(void **state) {
    struct site *site = *state;
    static char noise[4096];
    struct seen seen = {0};
    fill(site);
    site_open(site);
    memset(noise, 0x5a, sizeof(noise));
    for (off_t at = 8192; at < size_of(site->path); at += 4096)
        write_at(site->path, at, noise, sizeof(noise));
    while (spool_read(site->spool, 0, SIZE_MAX, see, &seen, &site->error) == -EUCLEAN)
        continue;
    SITE_UNTIL(site, site->notices == 1);
    uint64_t next = site_statistics(site).last_id + 1;
    site_fill(site, next, 1); /* whatever was asked for before is done now */
    assert_int_equal(site_statistics(site).set_aside, 1);
}

static void test_a_database_of_another_program_is_left_alone(void **state) {
    struct site *site = *state;
    sqlite3 *db = NULL;
    char name[512];
    assert_int_equal(sqlite3_open(site->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE bookmarks (url TEXT)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(chmod(site->path, 0600), 0);
    assert_int_equal(site_try(site), -EEXIST);
    assert_non_null(strstr(site->error.text, "another program"));
    assert_int_equal(set_aside(site, name), 0);
}

static void test_a_file_of_a_newer_version_is_left_alone(void **state) {
    struct site *site = *state;
    sqlite3 *db = NULL;
    fill(site);
    assert_int_equal(sqlite3_open(site->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE state SET format = 2; PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(site_try(site), -EPROTO);
    assert_non_null(strstr(site->error.text, "newer version"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_a_file_that_is_nothing_is_set_aside),
        SITE_TEST(test_a_file_without_its_header_is_set_aside),
        SITE_TEST(test_what_other_pages_hold_is_carried_over_with_ids_and_cursors),
        SITE_TEST(test_a_flipped_bit_in_a_message_is_never_passed_on),
        SITE_TEST(test_damage_anywhere_loses_nothing_silently),
        SITE_TEST(test_damage_while_it_is_open_is_repaired_and_nothing_pending_is_lost),
        SITE_TEST(test_a_replacement_that_was_cut_short_is_finished),
        SITE_TEST(test_a_damaged_file_is_replaced_once),
        SITE_TEST(test_a_database_of_another_program_is_left_alone),
        SITE_TEST(test_a_file_of_a_newer_version_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
