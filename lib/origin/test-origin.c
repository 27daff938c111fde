/* Facts and their witnesses: none is ever reported with a stronger one than it has. */
#include "origin/fake-source.h"
#include "origin/testing.h"

static kith_origin *new_origin(void) {
    kith_origin *origin;

    assert_int_equal(kith_origin_new(&origin), 0);
    return origin;
}

/* What a message of process 812 gets; exact: with a pidfd that came with it. */
static kith_origin *new_message_origin(struct fake *fake, bool exact) {
    static const struct kith_credentials credentials = {.pid = 812, .uid = 1000, .gid = 100};
    int pidfd = exact ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    struct kith_process *process;
    kith_origin *origin;

    assert_int_equal(kith_process_new_from(&fake->source, 812, pidfd, exact, &process), 0);
    assert_int_equal(kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_MESSAGE, process, &origin), 0);
    kith_process_unref(process);
    return origin;
}

static void assert_all_unknown(kith_origin *origin) {
    pid_t pid = 4711;
    uid_t uid = 4711;
    gid_t gid = 4711;
    uint64_t ticks = 4711;
    const gid_t *groups = (const gid_t *)1;
    size_t count = 4711;

    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_gid(origin, &gid), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_start_time(origin, &ticks), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_groups(origin, &groups, &count), KITH_WITNESS_NONE);
    assert_true(pid == 4711 && uid == 4711 && gid == 4711 && ticks == 4711 && groups == (const gid_t *)1 && count == 4711);
    for (int fact = 0; fact < KITH_FACT_COUNT_; fact++) {
        const char *text = "untouched";

        assert_int_equal(kith_origin_text(origin, (enum kith_fact)fact, &text), KITH_WITNESS_NONE);
        assert_int_equal(kith_origin_number(origin, (enum kith_fact)fact, &ticks), KITH_WITNESS_NONE);
        assert_string_equal(text, "untouched");
        assert_int_equal(ticks, 4711);
    }
    assert_false(kith_origin_alive(origin));
}

static void test_a_new_origin_knows_nothing(void **state) {
    kith_origin *origin = new_origin();

    assert_all_unknown(origin);
    assert_null(kith_origin_unref(origin));
    assert_null(kith_origin_unref(NULL));
}

static void test_what_came_with_the_message_and_what_was_looked_up_have_each_their_witness(void **state) {
    struct fake fake = fake_init();
    kith_origin *origin = new_message_origin(&fake, true);
    const gid_t *groups;
    const char *text;
    size_t count;
    pid_t pid;
    uid_t uid;
    gid_t gid;

    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_gid(origin, &gid), KITH_WITNESS_KERNEL_MESSAGE);
    assert_true(pid == 812 && uid == 1000 && gid == 100);
    assert_int_equal(fake.reads, 0);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_KERNEL_CONNECT);
    assert_string_equal(text, "/usr/sbin/nginx");
    assert_int_equal(kith_origin_groups(origin, &groups, &count), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_start_time(origin, NULL), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_ADDRESS, &text), KITH_WITNESS_NONE);
    assert_true(kith_origin_alive(origin));
    fake.questions = 0;
    assert_false(kith_origin_alive(origin));
    kith_origin_unref(origin);
}

static void test_facts_found_by_pid_alone_are_inferred(void **state) {
    struct fake fake = fake_init(); /* may be another process by now: nobody can tell */
    kith_origin *origin = new_message_origin(&fake, false);

    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_INFERRED);
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_INFERRED);
    assert_int_equal(kith_origin_start_time(origin, NULL), KITH_WITNESS_INFERRED);
    kith_origin_unref(origin);
}

/* Whoever has the number now is not the sender, or no longer who he was: a message of one user must not be given the groups of another. */
static void test_a_process_with_other_ids_found_by_pid_alone_tells_nothing(void **state) {
    static const struct kith_credentials others[] = {{.pid = 812, .uid = 0, .gid = 100}, {.pid = 812, .uid = 1000, .gid = 0}};

    for (size_t i = 0; i < 2; i++) {
        for (int exact = 0; exact <= 1; exact++) {
            struct fake fake = fake_init();
            kith_origin *origin = new_message_origin(&fake, exact);
            enum kith_witness expected = exact ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_NONE;

            fake.credentials = others[i];
            assert_int_equal(kith_origin_groups(origin, NULL, NULL), expected);
            assert_int_equal(kith_origin_text(origin, KITH_FACT_UNIT, NULL), expected);
            assert_int_equal(kith_origin_start_time(origin, NULL), expected);
            assert_int_equal(kith_origin_alive(origin), exact);
            assert_int_equal(kith_origin_uid(origin, NULL), KITH_WITNESS_KERNEL_MESSAGE);
            kith_origin_unref(origin);
        }
    }
}

static void test_a_pid_recycled_between_receipt_and_lookup_tells_nothing_of_its_new_owner(void **state) {
    struct fake fake = fake_init();
    kith_origin *origin = new_message_origin(&fake, true);
    const char *text;

    fake.questions = 1;         /* ends during the first lookup ... */
    fake.exe = "/usr/bin/sudo"; /* ... which reads this */
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_UNIT, &text), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_KERNEL_MESSAGE); /* it did send it */
    assert_false(kith_origin_alive(origin));
    kith_origin_unref(origin);
}

static void test_an_unknown_sender_is_nobody(void **state) {
    static const struct kith_credentials unknown = {.pid = 0, .uid = 65534, .gid = 65534};
    kith_origin *origin;

    assert_int_equal(kith_origin_new_credentials(&unknown, KITH_WITNESS_KERNEL_MESSAGE, NULL, &origin), 0);
    assert_all_unknown(origin);
    kith_origin_unref(origin);
}

static void test_a_sender_of_another_pid_namespace_has_ids_and_no_pid(void **state) {
    static const struct kith_credentials foreign = {.pid = 0, .uid = 1000, .gid = 65534};
    kith_origin *origin;

    assert_int_equal(kith_origin_new_credentials(&foreign, KITH_WITNESS_KERNEL_MESSAGE, NULL, &origin), 0);
    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_uid(origin, NULL), KITH_WITNESS_KERNEL_MESSAGE);
    kith_origin_unref(origin);
}

static void test_nobody_with_a_pid_is_somebody(void **state) {
    static const struct kith_credentials nobody = {.pid = 5, .uid = 65534, .gid = 65534};
    kith_origin *origin;
    uid_t uid;

    assert_int_equal(kith_origin_new_credentials(&nobody, KITH_WITNESS_KERNEL_CONNECT, NULL, &origin), 0);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(uid, 65534);
    kith_origin_unref(origin);
}

static void test_facts_can_be_set_by_hand_and_go_before_lookups(void **state) {
    static const gid_t groups[2] = {4, 27};
    struct fake fake = fake_init();
    kith_origin *origin = new_message_origin(&fake, true);
    const gid_t *got;
    const char *text;
    uint64_t ticks;
    size_t count;
    uid_t uid;

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 0, KITH_WITNESS_CLAIMED), 0);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_CLAIMED);
    assert_int_equal(uid, 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_START_TIME, UINT64_MAX, KITH_WITNESS_INFERRED), 0);
    assert_int_equal(kith_origin_start_time(origin, &ticks), KITH_WITNESS_INFERRED);
    assert_true(ticks == UINT64_MAX);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, "/bin/a", KITH_WITNESS_KEY), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, "/bin/b", KITH_WITNESS_KEY), 0);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_KEY);
    assert_string_equal(text, "/bin/b");
    assert_int_equal(kith_origin_set_groups(origin, groups, 2, KITH_WITNESS_CLAIMED), 0);
    assert_int_equal(kith_origin_groups(origin, &got, &count), KITH_WITNESS_CLAIMED);
    assert_int_equal(count, 2);
    assert_int_equal(got[1], 27);
    assert_int_equal(kith_origin_set_groups(origin, NULL, 0, KITH_WITNESS_CLAIMED), 0);
    assert_int_equal(kith_origin_groups(origin, &got, &count), KITH_WITNESS_CLAIMED);
    assert_int_equal(count, 0);
    kith_origin_unref(origin);
}

static void test_what_cannot_be_a_fact_is_refused(void **state) {
    kith_origin *origin = new_origin();

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_PID, 0, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_PID, (uint64_t)INT32_MAX + 1, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, (uint64_t)UINT32_MAX + 1, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_EXE, 1, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 1, KITH_WITNESS_NONE), -EINVAL);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 1, (enum kith_witness)99), -EINVAL);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_PID, "1", KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, NULL, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_int_equal(kith_origin_set_groups(origin, NULL, 1, KITH_WITNESS_CLAIMED), -EINVAL);
    assert_all_unknown(origin);
    kith_origin_unref(origin);
}

static void test_claims_are_kept_in_order_and_apart_from_facts(void **state) {
    kith_origin *origin = new_origin();
    const uint8_t *value;
    const char *name;
    size_t size;

    assert_int_equal(kith_origin_claim(origin, 0, &name, &value, &size), 0);
    assert_int_equal(kith_origin_add_claim(origin, "uid", "0", 1), 0);
    assert_int_equal(kith_origin_add_claim(origin, "Identity", "\0\xff", 2), 0);
    assert_int_equal(kith_origin_add_claim(origin, "Empty", NULL, 0), 0);
    assert_int_equal(kith_origin_claim(origin, 1, &name, &value, &size), 1);
    assert_string_equal(name, "Identity");
    assert_int_equal(size, 2);
    assert_memory_equal(value, "\0\xff", 2);
    assert_int_equal(kith_origin_claim(origin, 2, &name, &value, &size), 1);
    assert_int_equal(size, 0);
    assert_int_equal(kith_origin_claim(origin, 3, &name, &value, &size), 0);
    assert_all_unknown(origin);
    kith_origin_unref(origin);
}

static void test_claims_have_limits(void **state) {
    kith_origin *origin = new_origin();
    char name[257];

    memset(name, 'n', 256);
    name[256] = '\0';
    assert_int_equal(kith_origin_add_claim(origin, name, "v", 1), -E2BIG);
    name[255] = '\0';
    for (int i = 0; i < 64; i++)
        assert_int_equal(kith_origin_add_claim(origin, name, "v", 1), 0);
    assert_int_equal(kith_origin_add_claim(origin, "n", "v", 1), -E2BIG);
    assert_int_equal(kith_origin_add_claim(origin, NULL, "v", 1), -EINVAL);
    assert_int_equal(kith_origin_add_claim(origin, "n", NULL, 1), -EINVAL);
    kith_origin_unref(origin);
}

static void test_origins_share_the_claims_of_their_connection_until_one_adds_its_own(void **state) {
    kith_origin *first = new_origin(), *second = new_origin();
    const uint8_t *value, *other;
    struct kith_claims *claims;
    const char *name;
    size_t size;

    assert_int_equal(kith_claims_new(&claims), 0);
    assert_int_equal(kith_claims_add(claims, "User-Id", "root", 4), 0);
    kith_origin_set_claims(first, claims);
    kith_origin_set_claims(second, claims);
    kith_origin_set_claims(second, claims);
    assert_null(kith_claims_unref(claims));

    assert_int_equal(kith_origin_claim(first, 0, &name, &value, &size), 1);
    assert_int_equal(kith_origin_claim(second, 0, &name, &other, &size), 1);
    assert_ptr_equal(value, other);

    assert_int_equal(kith_origin_add_claim(first, "Own", "x", 1), 0);
    assert_int_equal(kith_origin_claim(first, 1, &name, &value, &size), 1);
    assert_int_equal(kith_origin_claim(first, 0, &name, &value, &size), 1);
    assert_memory_equal(value, "root", 4);
    assert_int_equal(kith_origin_claim(second, 1, &name, &value, &size), 0);
    kith_origin_unref(first);
    kith_origin_unref(second);
    assert_null(kith_claims_unref(NULL));
}

static void test_names_of_witnesses_and_facts_are_those_of_json(void **state) {
    enum kith_witness witness;

    for (int i = KITH_WITNESS_NONE; i <= KITH_WITNESS_KERNEL_MESSAGE; i++) {
        assert_int_equal(kith_witness_parse(kith_witness_name((enum kith_witness)i), &witness), 0);
        assert_int_equal(witness, i);
    }
    assert_string_equal(kith_witness_name(KITH_WITNESS_KERNEL_MESSAGE), "kernel-message");
    assert_string_equal(kith_witness_name((enum kith_witness)99), "unknown");
    assert_int_equal(kith_witness_parse("kernel", &witness), -EINVAL);
    assert_string_equal(kith_fact_name(KITH_FACT_START_TIME), "start_time");
    assert_string_equal(kith_fact_name(KITH_FACT_COUNT_), "unknown");
    for (int i = 0; i < KITH_FACT_COUNT_; i++)
        assert_non_null(kith_fact_name((enum kith_fact)i));
}

static void test_an_origin_of_a_pid_is_the_kernel_s_word_of_now(void **state) {
    struct fake fake = fake_init();
    kith_origin *origin;
    uid_t uid;

    assert_int_equal(kith_origin_of_pid_from(&fake.source, 812, &origin, NULL), 0);
    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(uid, 1000);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_KERNEL_CONNECT);
    kith_origin_unref(origin);
}

static void test_why_there_is_no_origin_of_a_pid_is_told_apart(void **state) {
    static const struct {
        pid_t pid;
        int open_error, questions, read_error, expected;
        const char *text;
    } cases[] = {
        {0, 0, -1, 0, -EINVAL, "pid 0: the number of a process is 1 or more"},
        {812, -ESRCH, -1, 0, -ESRCH, "pid 812: no such process"},
        {812, -EINVAL, -1, 0, -ESRCH, "pid 812: a thread, not a process: take the number after Tgid in /proc/812/status"},
        {812, -ENOENT, -1, 0, -ESRCH, "pid 812: a thread, not a process: take the number after Tgid in /proc/812/status"},
        {812, -EMFILE, -1, 0, -EMFILE, "pid 812: no descriptor left to hold it: raise the limit (ulimit -n)"},
        {812, 0, 1, 0, -ESRCH, "pid 812: the process has ended"},
        {812, 0, 0, 0, -ESRCH, "pid 812: the process has ended"},
        {812, 0, -1, -ENOENT, -EPERM, "pid 812: /proc does not show it: is /proc mounted, and without hidepid?"},
        {812, 0, -1, -ENOMEM, -ENOMEM, NULL},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        struct fake fake = fake_init();
        kith_origin *origin = NULL;

        fake.open_error = cases[i].open_error;
        fake.questions = cases[i].questions;
        fake.read_error = cases[i].read_error;
        fake.atomic = false;
        assert_int_equal(kith_origin_of_pid_from(&fake.source, cases[i].pid, &origin, &error), cases[i].expected);
        assert_int_equal(error.code, cases[i].expected);
        assert_null(origin);
        if (cases[i].text)
            assert_string_equal(error.text, cases[i].text);
    }
}

/* Also of a sender found by its number, whose fit would have to be looked up first. */
static void test_a_line_from_what_is_at_hand_looks_nothing_up(void **state) {
    for (int exact = 0; exact <= 1; exact++) {
        struct fake fake = fake_init();
        kith_origin *origin = new_message_origin(&fake, exact);
        const char *text = NULL;
        char line[128];

        fake.questions = 0; /* whoever asks hears that it has ended */
        kith_origin_format_at_hand(origin, line, sizeof(line));
        assert_string_equal(line, "pid 812 uid 1000 gid 100");
        assert_int_equal(kith_origin_text_at_hand(origin, KITH_FACT_EXE, &text), KITH_WITNESS_NONE);
        assert_null(text);
        assert_int_equal(fake.reads, 0);
        fake.questions = -1;
        assert_int_not_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
        size_t reads = fake.reads;
        kith_origin_format_at_hand(origin, line, sizeof(line));
        assert_string_equal(line, "pid 812 uid 1000 gid 100 exe /usr/sbin/nginx");
        assert_int_equal(fake.reads, reads);
        kith_origin_unref(origin);
    }
}

static void test_a_datagram_has_facts_of_its_own(void **state) {
    static const enum kith_fact octets[] = {KITH_FACT_TTL, KITH_FACT_TOS};
    kith_origin *origin = new_origin();
    const char *text;
    uint64_t number;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(kith_origin_set_number(origin, octets[i], 256, KITH_WITNESS_KERNEL_MESSAGE), -EINVAL);
        assert_int_equal(kith_origin_number(origin, octets[i], &number), KITH_WITNESS_NONE);
        assert_int_equal(kith_origin_set_number(origin, octets[i], 255, KITH_WITNESS_KERNEL_MESSAGE), 0);
        assert_int_equal(kith_origin_number(origin, octets[i], &number), KITH_WITNESS_KERNEL_MESSAGE);
        assert_int_equal(number, 255);
    }
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_TIME, UINT64_MAX, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_TIME, &number), KITH_WITNESS_KERNEL_MESSAGE);
    assert_true(number == UINT64_MAX);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_INTERFACE, "eth0", KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_DESTINATION, "239.1.1.1:5555", KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_INTERFACE, &text), KITH_WITNESS_KERNEL_MESSAGE);
    assert_string_equal(text, "eth0");
    assert_int_equal(kith_origin_number(origin, KITH_FACT_INTERFACE, &number), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_COUNT_, &number), KITH_WITNESS_NONE);
    kith_origin_unref(origin);
}

static void test_the_machine_of_a_peer_is_a_number_that_is_shown(void **state) {
    kith_origin *origin = new_origin();
    uint64_t number;
    char text[256];

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_CID, (uint64_t)UINT32_MAX + 1, KITH_WITNESS_KERNEL_CONNECT), -EINVAL);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_CID, &number), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_CID, 2, KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_CID, &number), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(number, 2);
    assert_true(kith_origin_to_json(origin, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "\"cid\":2"));
    kith_origin_unref(origin);
}

static void test_numbers_have_one_accessor_too(void **state) {
    struct fake fake = fake_init();
    kith_origin *origin = new_message_origin(&fake, true);
    uint64_t number, ticks;

    assert_int_equal(kith_origin_number(origin, KITH_FACT_PID, &number), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(number, 812);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_GID, &number), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(number, 100);
    assert_int_equal(fake.reads, 0);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_START_TIME, &number), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_start_time(origin, &ticks), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(number, ticks);
    assert_int_equal(kith_origin_number(NULL, KITH_FACT_TTL, NULL), KITH_WITNESS_NONE);
    kith_origin_unref(origin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(test_a_new_origin_knows_nothing),
        COUNTED(test_what_came_with_the_message_and_what_was_looked_up_have_each_their_witness),
        COUNTED(test_facts_found_by_pid_alone_are_inferred),
        COUNTED(test_a_process_with_other_ids_found_by_pid_alone_tells_nothing),
        COUNTED(test_a_pid_recycled_between_receipt_and_lookup_tells_nothing_of_its_new_owner),
        COUNTED(test_an_unknown_sender_is_nobody),
        COUNTED(test_a_sender_of_another_pid_namespace_has_ids_and_no_pid),
        COUNTED(test_nobody_with_a_pid_is_somebody),
        COUNTED(test_facts_can_be_set_by_hand_and_go_before_lookups),
        COUNTED(test_what_cannot_be_a_fact_is_refused),
        COUNTED(test_a_datagram_has_facts_of_its_own),
        cmocka_unit_test(test_the_machine_of_a_peer_is_a_number_that_is_shown),
        COUNTED(test_numbers_have_one_accessor_too),
        COUNTED(test_claims_are_kept_in_order_and_apart_from_facts),
        COUNTED(test_claims_have_limits),
        COUNTED(test_origins_share_the_claims_of_their_connection_until_one_adds_its_own),
        COUNTED(test_names_of_witnesses_and_facts_are_those_of_json),
        COUNTED(test_an_origin_of_a_pid_is_the_kernel_s_word_of_now),
        COUNTED(test_why_there_is_no_origin_of_a_pid_is_told_apart),
        COUNTED(test_a_line_from_what_is_at_hand_looks_nothing_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
