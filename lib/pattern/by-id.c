/* pattern/by-id.c: see by-id.h. */
#include "pattern/by-id.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

void kith_by_id_remove(struct kith_by_id *by_id, struct kith_session *session) {
    if (!session->mapped)
        return;
    kith_map_remove(&by_id->map, &session->id_node);
    session->mapped = false;
}

void kith_by_id_deinit(struct kith_by_id *by_id, struct kith_pattern *pattern) {
    kith_list_foreach (&pattern->peers, node)
        kith_by_id_remove(by_id, kith_list_entry(node, struct kith_session, pattern_link));
    kith_map_deinit(&by_id->map);
}

struct kith_session *kith_by_id_find(const struct kith_by_id *by_id, const void *id, size_t size) {
    struct kith_map_node *node = kith_map_find(&by_id->map, id, size);
    return node ? KITH_CONTAINER_OF(node, struct kith_session, id_node) : NULL;
}

static int by_id_add(struct kith_by_id *by_id, struct kith_session *session, const void *id, size_t size) {
    int r = kith_map_insert(&by_id->map, &session->id_node, id, size);
    session->mapped = r >= 0;
    if (r == -ENOMEM)
        kith_session_tell(session, KITH_EVENT_HANDSHAKE_FAILED, r, 0, "out of memory for its routing id");
    return r;
}

int kith_by_id_add(struct kith_by_id *by_id, struct kith_session *session) {
    return by_id_add(by_id, session, session->routing_id, session->routing_id_size);
}

int kith_by_id_add_number(struct kith_by_id *by_id, struct kith_session *session) {
    return by_id_add(by_id, session, &session->number, sizeof(session->number));
}

int kith_by_id_number(struct kith_by_id *by_id, struct kith_session *session) {
    if (!by_id->seeded) {
        (void)getrandom(&by_id->next, sizeof(by_id->next), GRND_NONBLOCK);
        by_id->seeded = true;
    }
    int r;
    do {
        uint8_t id[1 + sizeof(uint32_t)] = {0};
        uint32_t number = htonl(by_id->next++);
        memcpy(id + 1, &number, sizeof(number));
        (void)kith_session_set_routing_id(session, id, sizeof(id)); /* a short one takes no memory */
        r = kith_by_id_add(by_id, session);
    } while (r == -EEXIST);
    return r;
}

int kith_by_id_pass(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    int r = kith_pattern_check_room(session);
    if (r < 0)
        return r;
    uint8_t id[255];
    size_t size = kith_msg_at(msg, 0)->slice.size;
    memcpy(id, session->routing_id, size);
    kith_msg_drop(msg, 1);
    r = kith_session_send(session, msg);
    if (r < 0 && kith_msg_prepend(msg, id, size) < 0)
        return -ENOMEM;
    if (r == 0)
        pattern->last = session;
    return r == -EPIPE ? -EHOSTUNREACH : r;
}
