/*
 * cache/test-random.c: random calls with a clock of our own, on the store and on a plain list that is searched from end to end.
 *
 * The list shares no code with the store. Every answer, every state that leaves and in which order, all counts and the next time are
 * compared. The seed is fixed, so a failure repeats; KITH_TEST_SEED tries another.
 */
#include "cache/testing.h"

#include "cache/store.h"

#define ROUNDS 60000
#define NAMES 12
#define PLACES 200

static const char *const programs[] = {NULL, "/bin/a", "/bin/b"};
/* Milliseconds: from one to days, and for ever. */
static const uint64_t times[] = {1, 2, 10, 1000, 60000, 86400000, 604800000, UINT64_MAX};

static uint64_t random_state;

/* xorshift64* */
static unsigned pick(unsigned below) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * 2685821657736338717u) >> 33) % below;
}

/* The plain list ---------------------------------------------------------------------------------------------------- */

struct plain_session {
    unsigned name;
    struct kith_cache_who who; /* exe is compared by its address: they are those above */
    void *state;
    size_t octets;
    uint64_t ttl, until, stamp, serial;
};

struct plain {
    struct plain_session sessions[PLACES];
    size_t count;
    size_t max_sessions, max_octets, max_uid_sessions;
    uint64_t stamp, serial;
    struct {
        void *state;
        enum kith_cache_reason why;
    } dead[PLACES];
    size_t dead_count;
};

static void plain_remove(struct plain *plain, size_t i) {
    plain->sessions[i] = plain->sessions[--plain->count];
}

static void plain_mourn(struct plain *plain, void *state, enum kith_cache_reason why) {
    plain->dead[plain->dead_count].state = state;
    plain->dead[plain->dead_count++].why = why;
}

static void plain_expire(struct plain *plain, uint64_t now) {
    for (;;) {
        size_t first = PLACES;
        for (size_t i = 0; i < plain->count; i++) {
            const struct plain_session *s = &plain->sessions[i], *f = &plain->sessions[first % PLACES];
            if (s->until <= now && (first == PLACES || s->until < f->until || (s->until == f->until && s->serial < f->serial)))
                first = i;
        }
        if (first == PLACES)
            return;
        plain_mourn(plain, plain->sessions[first].state, KITH_CACHE_EXPIRED);
        plain_remove(plain, first);
    }
}

static int plain_find(const struct plain *plain, unsigned name, const struct kith_cache_who *who, size_t *ret_place) {
    bool taken = false;
    for (size_t i = 0; i < plain->count; i++) {
        const struct plain_session *s = &plain->sessions[i];
        if (s->name != name)
            continue;
        taken = true;
        if (!who || s->who.owner != who->owner || s->who.exe != who->exe)
            continue;
        *ret_place = i;
        return who->uid_witness >= s->who.uid_witness && who->exe_witness >= s->who.exe_witness ? 0 : -EPERM;
    }
    return taken ? -EACCES : -ENOENT;
}

struct holding {
    size_t sessions, octets, oldest; /* place */
};

static struct holding plain_holding(const struct plain *plain, uint64_t owner) {
    struct holding holding = {.oldest = PLACES};
    for (size_t i = 0; i < plain->count; i++) {
        const struct plain_session *s = &plain->sessions[i];
        if (s->who.owner != owner)
            continue;
        holding.sessions++;
        holding.octets += s->octets;
        if (holding.oldest == PLACES || s->stamp < plain->sessions[holding.oldest].stamp)
            holding.oldest = i;
    }
    return holding;
}

/* The place of the session that has to go for that of `putting`; PLACES when the bounds hold. */
static size_t plain_victim(const struct plain *plain, uint64_t putting) {
    size_t octets = 0, best = 0, place = PLACES;
    for (size_t i = 0; i < plain->count; i++)
        octets += plain->sessions[i].octets;
    struct holding own = plain_holding(plain, putting);
    if (putting != KITH_CACHE_NOBODY && own.sessions > plain->max_uid_sessions)
        return own.oldest;
    bool by_sessions = plain->count > plain->max_sessions;
    if (!by_sessions && octets <= plain->max_octets)
        return PLACES;
    for (size_t i = 0; i < plain->count; i++) {
        struct holding h = plain_holding(plain, plain->sessions[i].who.owner);
        size_t amount = by_sessions ? h.sessions : h.octets;
        if (amount > best || (amount == best && plain->sessions[h.oldest].stamp < plain->sessions[place].stamp)) {
            best = amount;
            place = h.oldest;
        }
    }
    return place;
}

static int plain_put(struct plain *plain, unsigned name, const struct kith_cache_who *who, const struct plain_session *fresh,
                     uint64_t now) {
    size_t place = PLACES, victim;
    int r = plain_find(plain, name, who, &place);
    if (r == -EPERM)
        return -EACCES;
    if (fresh->octets > plain->max_octets)
        return -E2BIG;
    struct plain_session before = {0}, after = *fresh;
    bool replaces = place != PLACES;
    if (replaces)
        before = plain->sessions[place];
    else
        place = plain->count++;
    after.name = name;
    after.who = *who;
    after.stamp = ++plain->stamp;
    after.serial = replaces ? before.serial : ++plain->serial;
    after.until = fresh->ttl == UINT64_MAX ? UINT64_MAX : now + fresh->ttl;
    plain->sessions[place] = after;
    while ((victim = plain_victim(plain, who->owner)) != PLACES) {
        if (plain->sessions[victim].stamp == after.stamp) {
            before.stamp = after.stamp;
            plain->sessions[victim] = before;
            if (!replaces)
                plain_remove(plain, victim);
            return -EDQUOT;
        }
        plain_mourn(plain, plain->sessions[victim].state, KITH_CACHE_EVICTED);
        plain_remove(plain, victim);
    }
    if (replaces)
        plain_mourn(plain, before.state, KITH_CACHE_REPLACED);
    return 0;
}

/* Both ------------------------------------------------------------------------------------------------------------- */

struct both {
    struct kith_store store;
    struct plain plain;
    struct kith_cache_name names[NAMES];
    uint64_t now;
    unsigned answers[8]; /* how often: hit, miss, refused, put, replaced, too big, no room, expired */
};

static struct kith_cache_who random_who(void) {
    static const uint64_t owners[] = {0, 1000, 1000, 1001, 1002, KITH_CACHE_NOBODY};
    struct kith_cache_who who = {.owner = owners[pick(KITH_ARRAY_SIZE(owners))], .exe = programs[pick(KITH_ARRAY_SIZE(programs))]};

    /* Mostly strong ones: else the sessions of the strong could hardly be taken. */
    if (who.owner != KITH_CACHE_NOBODY)
        who.uid_witness = pick(4) ? KITH_WITNESS_KERNEL_MESSAGE : KITH_WITNESS_KERNEL_CONNECT;
    if (who.exe)
        who.exe_witness = pick(4) ? KITH_WITNESS_KERNEL_CONNECT : KITH_WITNESS_INFERRED;
    return who;
}

static void both_put(struct both *both, uintptr_t n) {
    struct kith_cache_who who = random_who();
    unsigned name = pick(NAMES);
    struct kith_store_item item = {.state = number(n), .size = pick(20) ? pick(1000) : pick(9000)};
    uint64_t ms = times[pick(KITH_ARRAY_SIZE(times))];
    struct plain_session fresh = {.state = item.state};

    item.ttl_ns = ms == UINT64_MAX ? UINT64_MAX : ms * KITH_NS_PER_MS;
    fresh.ttl = item.ttl_ns;
    fresh.octets = item.size + both->names[name].size + KITH_CACHE_SESSION_COST;
    int r = kith_store_put(&both->store, &both->names[name], &who, &item, both->now);
    assert_int_equal(r, plain_put(&both->plain, name, &who, &fresh, both->now));
    both->answers[r == 0 ? 3 : r == -EACCES ? 2 : r == -E2BIG ? 5 : 6]++;
}

static void both_find(struct both *both) {
    struct kith_cache_who who = random_who();
    bool nobody = pick(10) == 0, renew = pick(2);
    unsigned name = pick(NAMES);
    struct kith_session *session = NULL;
    size_t place = PLACES;

    int r = kith_store_find(&both->store, &both->names[name], nobody ? NULL : &who, &session);
    int expected = plain_find(&both->plain, name, nobody ? NULL : &who, &place);
    assert_int_equal(r, expected == -EPERM ? -EACCES : expected);
    both->answers[r == 0 ? 0 : r == -ENOENT ? 1 : 2]++;
    if (r < 0)
        return;
    struct plain_session *plain = &both->plain.sessions[place];
    assert_ptr_equal(session->state, plain->state);
    if (pick(2)) {
        assert_ptr_equal(kith_store_take(&both->store, session), plain->state);
        plain_remove(&both->plain, place);
        return;
    }
    kith_store_use(&both->store, session, renew, both->now);
    plain->stamp = ++both->plain.stamp;
    if (renew && plain->ttl != UINT64_MAX)
        plain->until = both->now + plain->ttl;
}

static void compare(struct both *both) {
    size_t octets = 0, dead = 0;
    uint64_t next = UINT64_MAX;
    enum kith_cache_reason why;
    void *state;

    for (size_t i = 0; i < both->plain.count; i++) {
        octets += both->plain.sessions[i].octets;
        if (both->plain.sessions[i].until < next)
            next = both->plain.sessions[i].until;
    }
    assert_int_equal(both->store.owners.sessions, both->plain.count);
    assert_int_equal(both->store.owners.octets, octets);
    assert_int_equal(kith_store_next(&both->store), next);
    while (kith_store_bury(&both->store, &state, &why)) {
        assert_true(dead < both->plain.dead_count);
        assert_ptr_equal(state, both->plain.dead[dead].state);
        assert_int_equal(why, both->plain.dead[dead].why);
        both->answers[4] += why == KITH_CACHE_REPLACED;
        both->answers[7] += why == KITH_CACHE_EXPIRED;
        dead++;
    }
    assert_int_equal(dead, both->plain.dead_count);
    both->plain.dead_count = 0;
}

static void begin(struct both *both, size_t max_sessions, size_t max_octets, size_t max_uid_sessions) {
    *both = (struct both){.now = 1};
    kith_store_init(&both->store, max_sessions, max_octets, max_uid_sessions);
    both->plain.max_sessions = max_sessions;
    both->plain.max_octets = max_octets;
    both->plain.max_uid_sessions = max_uid_sessions;
    for (unsigned i = 0; i < NAMES; i++) {
        char text[NAMES + 1] = "xxxxxxxxxxxx";
        struct kith_cache_key key;
        assert_int_equal(kith_cache_key_octets(text, i + 1, &key), 0);
        assert_int_equal(kith_cache_name_of(&key, &both->names[i]), 0);
    }
}

static void test_the_store_does_what_a_plain_list_does(void **state) {
    static const struct {
        size_t sessions, octets, uid_sessions;
    } bounds[] = {{1, 4000, 1}, {10, 1000000, 5}, {20, 8000, 1000}, {150, 15000, 1000}, {30, 12000, 12}};
    const char *seed = getenv("KITH_TEST_SEED");
    unsigned answers[8] = {0};
    struct both *both = malloc(sizeof(*both));
    assert_non_null(both);
    random_state = seed ? strtoull(seed, NULL, 0) | 1 : 20240229;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(bounds); i++) {
        begin(both, bounds[i].sessions, bounds[i].octets, bounds[i].uid_sessions);
        for (uintptr_t n = 1; n <= ROUNDS / KITH_ARRAY_SIZE(bounds); n++) {
            /* Mostly a little later, sometimes days. */
            both->now += pick(200) ? pick(3) * (KITH_NS_PER_MS / 2) : times[pick(7)] * KITH_NS_PER_MS;
            kith_store_expire(&both->store, both->now);
            plain_expire(&both->plain, both->now);
            if (pick(5) < 3)
                both_put(both, n);
            else
                both_find(both);
            compare(both);
        }
        kith_store_kill_all(&both->store, KITH_CACHE_FREED);
        for (struct plain *plain = &both->plain; plain->count > 0;)
            plain_remove(plain, 0);
        assert_int_equal(kith_store_next(&both->store), UINT64_MAX);
        assert_int_equal(both->store.owners.by_id.count + both->store.names.count + both->store.programs.count, 0);
        void *dead;
        enum kith_cache_reason why;
        while (kith_store_bury(&both->store, &dead, &why))
            assert_int_equal(why, KITH_CACHE_FREED);
        kith_store_deinit(&both->store);
        for (size_t a = 0; a < KITH_ARRAY_SIZE(answers); a++)
            answers[a] += both->answers[a];
    }
    free(both);
    /* Everything that can happen did, more than by chance. */
    for (size_t a = 0; a < KITH_ARRAY_SIZE(answers); a++)
        assert_true(answers[a] > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_store_does_what_a_plain_list_does),
    };
    return cmocka_run_group_tests_name("cache/random", tests, NULL, NULL);
}
