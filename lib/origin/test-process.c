/* The guard and the cache, against a kernel made to order. Each test counts the open descriptors. */
#include "origin/fake-source.h"
#include "origin/internal.h"
#include "origin/testing.h"

#include <stdio.h>

static struct kith_process *new_process(struct fake *fake, bool exact) {
    struct kith_process *process;
    int pidfd = exact ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

    assert_int_equal(kith_process_new_from(&fake->source, 812, pidfd, exact, &process), 0);
    return process;
}

/* How many of the six facts are known. */
static size_t count_known(struct kith_process *process) {
    static const enum kith_fact texts[] = {KITH_FACT_EXE, KITH_FACT_CGROUP, KITH_FACT_UNIT, KITH_FACT_LABEL};
    const char *text;
    const gid_t *groups;
    uint64_t ticks;
    size_t count = 0;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++)
        count += kith_process_text(process, texts[i], &text);
    count += kith_process_groups(process, &groups, &(size_t){0});
    count += kith_process_number(process, KITH_FACT_START_TIME, &ticks);
    return count;
}

static void know(struct kith_process *process, enum kith_fact fact) {
    const gid_t *groups;
    const char *text;
    uint64_t number;
    size_t count;
    bool known = fact == KITH_FACT_GROUPS        ? kith_process_groups(process, &groups, &count)
                 : kith_process_has_number(fact) ? kith_process_number(process, fact, &number)
                                                 : kith_process_text(process, fact, &text);

    assert_true(known);
}

static void test_each_fact_is_looked_up_once(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const gid_t *groups;
    size_t group_count;
    const char *text;
    uint64_t ticks;

    assert_int_equal(fake.reads, 0); /* nobody has asked yet */
    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_string_equal(text, "/usr/sbin/nginx");
    assert_true(kith_process_text(process, KITH_FACT_UNIT, &text));
    assert_string_equal(text, "nginx.service");
    assert_true(kith_process_text(process, KITH_FACT_CGROUP, &text));
    assert_string_equal(text, "/system.slice/nginx.service");
    assert_true(kith_process_text(process, KITH_FACT_LABEL, &text));
    assert_string_equal(text, "unconfined");
    assert_true(kith_process_groups(process, &groups, &group_count));
    assert_int_equal(group_count, 2);
    assert_int_equal(groups[1], 27);
    assert_true(kith_process_number(process, KITH_FACT_START_TIME, &ticks));
    assert_int_equal(ticks, 4711);
    assert_int_equal(fake.reads, 5); /* unit and cgroup share a file */
    assert_int_equal(count_known(process), 6);
    assert_int_equal(fake.reads, 5);
    kith_process_unref(process);
}

static struct kith_process *with_exe_known(struct fake *fake) {
    struct kith_process *process = new_process(fake, true);
    const char *text;

    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    return process;
}

static void test_another_program_or_unused_memory_is_an_exec(void **state) {
    static const struct kith_program others[] = {{.device = 2, .inode = 4711}, {.device = 1, .inode = 4712}};

    for (size_t i = 0; i <= KITH_ARRAY_SIZE(others); i++) {
        struct fake fake = fake_init();
        struct kith_process *process = with_exe_known(&fake);

        assert_false(kith_process_execed(process));
        if (i < KITH_ARRAY_SIZE(others))
            fake.program = others[i];
        else
            fake.memory_used = 0;
        assert_true(kith_process_execed(process));
        fake.program = fake_init().program;
        fake.memory_used = 1;
        assert_true(kith_process_execed(process)); /* never goes back */
        kith_process_unref(process);
    }
}

/* What was told of a program is told of another one after an exec, whichever fact it was. */
static void test_an_exec_is_noticed_by_each_fact_that_it_changes(void **state) {
    static const enum kith_fact facts[] = {KITH_FACT_EXE, KITH_FACT_LABEL, KITH_FACT_MAY_FORGE};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(facts); i++) {
        struct fake fake = fake_init();
        struct kith_process *process = new_process(&fake, true);

        know(process, facts[i]);
        fake.program.inode++;
        assert_true(kith_process_execed(process));
        kith_process_unref(process);
    }
}

static void test_nobody_is_asked_about_an_exec_when_nothing_was_looked_up_that_it_changes(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    assert_true(kith_process_text(process, KITH_FACT_UNIT, &text));
    fake.program.inode++;
    assert_false(kith_process_execed(process));
    assert_int_equal(fake.program_reads, 0);
    kith_process_unref(process);
}

static void test_a_process_that_ends_or_ended_has_not_execed(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = with_exe_known(&fake);

    fake.memory_used = 0; /* exit(2) drops the memory first, */
    fake.program_error = -ENOENT;
    assert_false(kith_process_execed(process));
    fake.program_error = 0;
    fake.questions = 0; /* then the process */
    assert_false(kith_process_execed(process));
    kith_process_set_dead(process);
    assert_false(kith_process_execed(process));
    kith_process_unref(process);
}

/* Whoever may not be read any more has not escaped: the memory is another, whatever is in it. */
static void test_an_exec_of_what_may_not_be_seen_is_one(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = with_exe_known(&fake);

    fake.program_error = -EACCES; /* it has only asked not to be looked into */
    assert_false(kith_process_execed(process));
    fake.memory_used = 0;
    assert_true(kith_process_execed(process));
    kith_process_unref(process);
}

/* Without the right to see memory or program that which can be seen is compared. */
static void test_half_of_the_anchor_is_enough(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process;

    fake.memory_error = -EACCES;
    process = with_exe_known(&fake);
    fake.memory_used = 0; /* of no descriptor: not asked */
    assert_false(kith_process_execed(process));
    fake.program.inode++;
    assert_true(kith_process_execed(process));
    kith_process_unref(process);
    fake = fake_init();
    fake.program_error = -EACCES;
    process = with_exe_known(&fake);
    assert_false(kith_process_execed(process));
    fake.program_error = 0;
    assert_false(kith_process_execed(process));
    fake.memory_used = 0;
    assert_true(kith_process_execed(process));
    kith_process_unref(process);
}

static void test_a_renewed_process_is_looked_up_again(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = with_exe_known(&fake), *renewed;
    const char *text;

    fake.program.inode++;
    fake.exe = "/usr/bin/ssh";
    assert_true(kith_process_execed(process));
    assert_int_equal(kith_process_renew(process, &renewed), 0);
    assert_true(kith_process_exact(renewed));
    assert_int_equal(kith_process_pid(renewed), 812);
    assert_true(kith_process_text(renewed, KITH_FACT_EXE, &text));
    assert_string_equal(text, "/usr/bin/ssh");
    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_string_equal(text, "/usr/sbin/nginx"); /* what was told stays */
    assert_false(kith_process_execed(renewed));
    kith_process_unref(renewed);
    kith_process_set_dead(process);
    assert_int_equal(kith_process_renew(process, &renewed), -ESRCH);
    kith_process_unref(process);
}

/* Who was found by the pid alone is not known any better after an exec. */
static void test_a_renewed_process_is_as_exact_as_it_was(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, false), *renewed;

    know(process, KITH_FACT_EXE);
    fake.program.inode++;
    assert_true(kith_process_execed(process));
    assert_int_equal(kith_process_renew(process, &renewed), 0);
    assert_false(kith_process_exact(renewed));
    kith_process_unref(renewed);
    kith_process_unref(process);
}

/* What it takes to name other ids than one's own, unix(7). */
static void test_who_may_forge(void **state) {
    static const struct {
        const char *permitted; /* CAP_SYS_ADMIN 0x200000, CAP_SETUID 0x80, CAP_SETGID 0x40 */
        int owns_pid_namespace;
        const char *uid_map, *gid_map;
        int expected;
    } cases[] = {
        {"0000000000000000", 1, "0 0 4294967295\n", "0 0 4294967295\n", 0},
        {"000001ffffdfff3f", 1, "0 0 4294967295\n", "0 0 4294967295\n", 0}, /* all but the three */
        {"0000000000200000", 1, "0 0 4294967295\n", "0 0 4294967295\n", 1},
        {"0000000000200000", 0, "0 0 4294967295\n", "0 0 4294967295\n", 0},
        {"0000000000200000", -EACCES, "0 0 4294967295\n", "0 0 4294967295\n", 1}, /* cannot be seen */
        {"0000000000000080", 0, "0 0 4294967295\n", "0 1000 1\n", 1},
        {"0000000000000080", 0, "0 1000 1\n", "0 0 4294967295\n", 0}, /* has but one to state */
        {"0000000000000080", 0, "0 1000 1\n1 100000 65536\n", "", 1},
        {"0000000000000040", 0, "0 1000 1\n", "0 0 4294967295\n", 1},
        {"0000000000000040", 0, "0 0 4294967295\n", "0 1000 1\n", 0},
        {"0000000000000040", 0, NULL, NULL, 1},
        {"000001ffffffffff", 0, "0 1000 1\n", "0 1000 1\n", 0}, /* unshare -r */
        {"000001ffffffffff", -EMFILE, "0 1000 1\n", "0 1000 1\n", -1},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct fake fake = fake_init();
        struct kith_process *process = new_process(&fake, true);
        char status[64];
        uint64_t may = 7;

        snprintf(status, sizeof(status), "Name:\tx\nCapPrm:\t%s\n", cases[i].permitted);
        fake.status = status;
        fake.owns_pid_namespace = cases[i].owns_pid_namespace;
        fake.uid_map = cases[i].uid_map;
        fake.gid_map = cases[i].gid_map;
        assert_int_equal(kith_process_number(process, KITH_FACT_MAY_FORGE, &may), cases[i].expected >= 0);
        assert_int_equal(kith_process_asked(process, KITH_FACT_MAY_FORGE), cases[i].expected >= 0);
        assert_int_equal(may, cases[i].expected >= 0 ? cases[i].expected : 7);
        kith_process_unref(process);
    }
}

static void test_other_facts_are_not_a_process_s(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    assert_false(kith_process_text(process, KITH_FACT_ADDRESS, &text));
    assert_false(kith_process_text(process, KITH_FACT_PID, &text));
    assert_false(kith_process_text(process, KITH_FACT_GROUPS, &text));
    assert_int_equal(fake.reads, 0);
    kith_process_unref(process);
}

static void test_what_the_kernel_does_not_tell_is_asked_for_once_too(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    fake.read_error = -EACCES;
    assert_int_equal(count_known(process), 0);
    fake.read_error = 0;
    assert_int_equal(fake.reads, 5);
    assert_false(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_int_equal(fake.reads, 5);
    kith_process_unref(process);
}

static void test_a_path_that_may_mislead_is_unknown(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    fake.exe_credible = 0;
    assert_false(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_int_equal(count_known(process), 5);
    kith_process_unref(process);
}

static void test_without_descriptors_to_ask_whether_a_path_misleads_it_is_asked_again(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    fake.exe_credible = -EMFILE;
    assert_false(kith_process_text(process, KITH_FACT_EXE, &text));
    fake.exe_credible = 1;
    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    kith_process_unref(process);
}

static void test_own_lack_of_descriptors_or_memory_is_not_remembered(void **state) {
    static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(errors); i++) {
        struct fake fake = fake_init();
        struct kith_process *process = new_process(&fake, true);

        fake.read_error = errors[i];
        unsigned unanswered = kith_origin_unanswered();
        assert_int_equal(count_known(process), 0);
        assert_true(kith_origin_unanswered() > unanswered);
        fake.read_error = 0;
        unanswered = kith_origin_unanswered();
        assert_int_equal(count_known(process), 6);
        assert_int_equal(kith_origin_unanswered(), unanswered);
        kith_process_unref(process);
    }
}

static void test_of_a_process_that_has_ended_nothing_is_read(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);

    fake.questions = 0; /* and /proc/812 shows whoever has the pid now */
    assert_int_equal(count_known(process), 0);
    assert_int_equal(fake.reads, 0);
    assert_false(kith_process_alive(process, false));
    kith_process_unref(process);
}

static void test_what_was_read_while_the_pid_changed_hands_is_thrown_away(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text = "untouched";

    fake.questions = 2; /* alive before its program is noted and before the reading, not after */
    assert_false(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_int_equal(fake.reads, 1);
    assert_string_equal(text, "untouched");
    assert_int_equal(count_known(process), 0);
    assert_int_equal(fake.reads, 1);
    kith_process_unref(process);
}

/* Between the reading and the question the pid may have changed hands. */
static void test_after_the_last_reading_it_is_alive(void **state) {
    static const enum kith_fact facts[] = {KITH_FACT_EXE,        KITH_FACT_CGROUP,        KITH_FACT_LABEL,          KITH_FACT_GROUPS,
                                           KITH_FACT_START_TIME, KITH_FACT_PID_NAMESPACE, KITH_FACT_USER_NAMESPACE, KITH_FACT_MAY_FORGE};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(facts); i++) {
        struct fake fake = fake_init();
        struct kith_process *process = new_process(&fake, true);

        fake.status = "Groups:\t4 27 \nCapPrm:\t0000000000200000\n"; /* CAP_SYS_ADMIN */
        know(process, facts[i]);
        assert_true(fake.reads > 0);
        assert_false(fake.unguarded);
        kith_process_unref(process);
    }
}

static void test_facts_known_before_the_end_stay(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    kith_process_set_dead(process);
    fake.exe = "/bin/evil";
    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    assert_string_equal(text, "/usr/sbin/nginx");
    assert_int_equal(count_known(process), 1);
    assert_int_equal(fake.reads, 1);
    kith_process_unref(process);
}

static void test_the_number_in_proc_is_the_pidfd_s_not_the_message_s(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    const char *text;

    fake.located = 33; /* /proc was mounted in another pid namespace */
    assert_true(kith_process_text(process, KITH_FACT_EXE, &text));
    kith_process_unref(process);

    process = new_process(&fake, true);
    fake.located = -ENODATA; /* not visible there at all */
    assert_int_equal(count_known(process), 0);
    assert_int_equal(kith_process_pid(process), 812);
    kith_process_unref(process);
}

static void test_without_a_pidfd_nothing_is_looked_up(void **state) {
    static const int errors[] = {-ESRCH, -EMFILE, -ENOSYS};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(errors); i++) {
        struct fake fake = fake_init();
        struct kith_process *process;

        fake.open_error = errors[i];
        process = new_process(&fake, false);
        assert_int_equal(kith_process_pidfd(process), -1);
        assert_false(kith_process_exact(process));
        assert_int_equal(kith_process_alive(process, true), errors[i] != -ESRCH);
        assert_int_equal(count_known(process), 0);
        assert_int_equal(fake.reads, 0);
        kith_process_unref(process);
    }
}

static void test_a_pid_of_0_opens_nothing_and_knows_nothing(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process;

    assert_int_equal(kith_process_new_from(&fake.source, 0, -1, true, &process), 0);
    assert_int_equal(kith_process_pidfd(process), -1);
    assert_false(kith_process_exact(process));
    assert_int_equal(count_known(process), 0);
    kith_process_unref(process);
}

static void test_credentials_are_asked_for_in_one_step_or_read_under_the_guard(void **state) {
    for (int atomic = 0; atomic <= 1; atomic++) {
        struct fake fake = fake_init();
        struct kith_process *process = new_process(&fake, true);
        struct kith_credentials credentials;

        fake.atomic = atomic;
        assert_int_equal(kith_process_credentials(process, &credentials), 0);
        assert_int_equal(fake.reads, !atomic);
        assert_int_equal(credentials.pid, 812);
        assert_int_equal(credentials.uid, 1000); /* the real ones: effective they are 0 */
        assert_int_equal(credentials.gid, 100);

        fake.questions = 1; /* ends while they are asked for */
        assert_int_equal(kith_process_credentials(process, &credentials), -ESRCH);
        kith_process_unref(process);
    }
}

static void test_credentials_of_another_pid_are_refused(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, true);
    struct kith_credentials credentials;

    fake.credentials.pid = 813;
    assert_int_equal(kith_process_credentials(process, &credentials), -ESRCH);
    kith_process_unref(process);
}

static void test_the_last_reference_closes_the_pidfd(void **state) {
    struct fake fake = fake_init();
    struct kith_process *process = new_process(&fake, false);
    int pidfd = kith_process_pidfd(process);

    assert_true(pidfd >= 0);
    assert_ptr_equal(kith_process_ref(process), process);
    assert_null(kith_process_unref(process));
    assert_int_not_equal(fcntl(pidfd, F_GETFD), -1);
    assert_null(kith_process_unref(process));
    assert_int_equal(fcntl(pidfd, F_GETFD), -1);
    assert_null(kith_process_unref(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(test_each_fact_is_looked_up_once),
        COUNTED(test_another_program_or_unused_memory_is_an_exec),
        COUNTED(test_an_exec_of_what_may_not_be_seen_is_one),
        COUNTED(test_an_exec_is_noticed_by_each_fact_that_it_changes),
        COUNTED(test_nobody_is_asked_about_an_exec_when_nothing_was_looked_up_that_it_changes),
        COUNTED(test_a_process_that_ends_or_ended_has_not_execed),
        COUNTED(test_half_of_the_anchor_is_enough),
        COUNTED(test_a_renewed_process_is_looked_up_again),
        COUNTED(test_a_renewed_process_is_as_exact_as_it_was),
        COUNTED(test_who_may_forge),
        COUNTED(test_other_facts_are_not_a_process_s),
        COUNTED(test_what_the_kernel_does_not_tell_is_asked_for_once_too),
        COUNTED(test_a_path_that_may_mislead_is_unknown),
        COUNTED(test_without_descriptors_to_ask_whether_a_path_misleads_it_is_asked_again),
        COUNTED(test_own_lack_of_descriptors_or_memory_is_not_remembered),
        COUNTED(test_of_a_process_that_has_ended_nothing_is_read),
        COUNTED(test_what_was_read_while_the_pid_changed_hands_is_thrown_away),
        COUNTED(test_after_the_last_reading_it_is_alive),
        COUNTED(test_facts_known_before_the_end_stay),
        COUNTED(test_the_number_in_proc_is_the_pidfd_s_not_the_message_s),
        COUNTED(test_without_a_pidfd_nothing_is_looked_up),
        COUNTED(test_a_pid_of_0_opens_nothing_and_knows_nothing),
        COUNTED(test_credentials_are_asked_for_in_one_step_or_read_under_the_guard),
        COUNTED(test_credentials_of_another_pid_are_refused),
        COUNTED(test_the_last_reference_closes_the_pidfd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
