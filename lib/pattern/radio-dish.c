/*
 * pattern/radio-dish.c: RADIO sends each message to the peers that have joined its group; DISH says which groups it wants. RFC 48.
 *
 * On its way a message has two frames, the group and the body; applications see one, and the group beside it (kith_msg_group()). Over a
 * stream a DISH tells its groups with JOIN and LEAVE and gets what it asked for. Over UDP nothing is told: everything goes to everybody,
 * and the DISH takes what it has joined; so it looks at the group in any case.
 *
 * RADIO: a membership is in the list of its group and in the map of its peer; a group is there as long as it has members. A message costs
 * one look-up and one send for each member; joining and leaving cost the same however many groups a peer has. Nothing blocks: a peer
 * without room loses the message, which is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pattern/denials.h"
#include "pattern/fanout.h"

struct group {
    struct kith_map_node node;
    struct kith_list members; /* RADIO: memberships, by group_link */
    uint8_t size;
    uint8_t name[]; /* any octets */
};

static struct group *group_find(const struct kith_map *map, const void *name, size_t size) {
    struct kith_map_node *node = kith_map_find(map, name, size);
    return node ? KITH_CONTAINER_OF(node, struct group, node) : NULL;
}

/* One that is not in the map yet. Errors: -ENOMEM. */
static int group_new(struct kith_map *map, const void *name, size_t size, struct group **ret_group) {
    struct group *group = malloc(sizeof(*group) + size);
    if (!group)
        return -ENOMEM;
    kith_list_init(&group->members);
    group->size = (uint8_t)size;
    if (size > 0)
        memcpy(group->name, name, size);
    int r = kith_map_insert(map, &group->node, group->name, size);
    if (r < 0) {
        free(group);
        return r;
    }
    *ret_group = group;
    return 0;
}

static void group_free(struct kith_map *map, struct group *group) {
    kith_map_remove(map, &group->node);
    free(group);
}

/* RADIO ------------------------------------------------------------------------------------------------------------------ */

struct radio {
    struct kith_pattern base;
    struct kith_map groups;
    struct kith_fanout fanout;
    size_t one_way_count; /* peers that tell no groups: they get everything */
};

/* What a RADIO knows of a peer: its session's pattern_data. */
struct listener {
    struct kith_fanout_peer fanout;
    struct kith_map memberships;    /* by the group's name */
    uint64_t refused, refused_told; /* groups */
};

struct membership {
    struct kith_map_node node; /* the key is the group's name */
    struct kith_list group_link;
    struct listener *listener;
    struct group *group;
};

static int radio_init(struct kith_pattern *pattern) {
    kith_fanout_init(&((struct radio *)pattern)->fanout);
    return 0;
}

static int radio_attach(struct kith_pattern *pattern, struct kith_session *session) {
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        kith_session_tell(session, KITH_EVENT_PEER_REFUSED, -ENOMEM, 1, "refused: out of memory");
        return -ENOMEM;
    }
    kith_fanout_join(&listener->fanout, session);
    session->pattern_data = listener;
    if (session->link->one_way)
        ((struct radio *)pattern)->one_way_count++;
    return 0;
}

static void radio_leave(struct radio *radio, struct membership *membership) {
    struct group *group = membership->group;
    kith_map_remove(&membership->listener->memberships, &membership->node);
    kith_list_unlink(&membership->group_link);
    free(membership);
    if (kith_list_empty(&group->members))
        group_free(&radio->groups, group);
}

static void radio_forget(struct kith_pattern *pattern, struct kith_session *session) {
    struct radio *radio = (struct radio *)pattern;
    struct listener *listener = session->pattern_data;
    kith_map_foreach_safe (&listener->memberships, node)
        radio_leave(radio, KITH_CONTAINER_OF(node, struct membership, node));
    kith_map_deinit(&listener->memberships);
    kith_fanout_leave(&listener->fanout);
    free(listener);
    session->pattern_data = NULL;
    if (session->link->one_way)
        radio->one_way_count--;
}

static void radio_tell_refused(struct kith_session *session, uint64_t count) {
    if (count > 0)
        kith_session_tell(session, KITH_EVENT_SUBSCRIPTIONS_REFUSED, -ENOBUFS, count,
                          "%llu group%s refused: more than max-subscriptions allows, or than there is memory for",
                          (unsigned long long)count, count == 1 ? " was" : "s were");
}

static void radio_detach(struct kith_pattern *pattern, struct kith_session *session) {
    struct listener *listener = session->pattern_data;
    struct kith_fanout_peer fanout = listener->fanout;
    uint64_t refused = listener->refused - listener->refused_told;
    radio_forget(pattern, session);
    kith_fanout_tell_rest(&fanout);
    radio_tell_refused(session, refused);
}

static void radio_deinit(struct kith_pattern *pattern) {
    kith_list_foreach (&pattern->peers, node)
        radio_forget(pattern, kith_list_entry(node, struct kith_session, pattern_link));
    kith_map_deinit(&((struct radio *)pattern)->groups);
}

/* Errors: -ENOMEM; then nothing has changed. */
static int radio_enter(struct radio *radio, struct listener *listener, const void *name, size_t size) {
    struct group *group = group_find(&radio->groups, name, size);
    int r = group ? 0 : group_new(&radio->groups, name, size, &group);
    if (r < 0)
        return r;
    struct membership *membership = malloc(sizeof(*membership));
    r = membership ? kith_map_insert(&listener->memberships, &membership->node, group->name, group->size) : -ENOMEM;
    if (r < 0) {
        free(membership);
        if (kith_list_empty(&group->members))
            group_free(&radio->groups, group);
        return r;
    }
    membership->listener = listener;
    membership->group = group;
    kith_list_push_back(&group->members, &membership->group_link);
    return 0;
}

static void radio_join(struct radio *radio, struct listener *listener, const void *name, size_t size) {
    int64_t limit = radio->base.sessions->profile->numbers[KITH_OPTION_MAX_SUBSCRIPTIONS];
    int r = listener->memberships.count < (uint64_t)limit ? radio_enter(radio, listener, name, size) : -ENOBUFS;
    if (r >= 0)
        kith_session_tell_topic(listener->fanout.session, KITH_EVENT_SUBSCRIBED, name, size);
    if (r >= 0 || !kith_fanout_worth_telling(++listener->refused))
        return;
    uint64_t count = listener->refused - listener->refused_told;
    listener->refused_told = listener->refused;
    radio_tell_refused(listener->fanout.session, count);
}

/* Joining twice is joining once, leaving what was not joined nothing. */
static void radio_command(struct kith_pattern *pattern, struct kith_session *session, enum kith_session_command command, const void *octets,
                          size_t size) {
    struct radio *radio = (struct radio *)pattern;
    struct listener *listener = session->pattern_data;
    struct kith_map_node *node = kith_map_find(&listener->memberships, octets, size);
    if (command == KITH_COMMAND_JOIN && !node)
        radio_join(radio, listener, octets, size);
    if (command != KITH_COMMAND_LEAVE || !node)
        return;
    radio_leave(radio, KITH_CONTAINER_OF(node, struct membership, node));
    kith_session_tell_topic(session, KITH_EVENT_UNSUBSCRIBED, octets, size);
}

static void radio_review(struct kith_pattern *pattern, struct kith_session *session) {
    struct kith_denials denials;
    struct listener *listener = session->pattern_data;
    int r = 0;
    kith_denials_init(&denials, session);
    kith_map_foreach_safe (&listener->memberships, node) {
        if (r >= 0)
            r = kith_denials_ask(&denials, node->key, node->key_size, false);
        if (r == 0)
            radio_leave((struct radio *)pattern, KITH_CONTAINER_OF(node, struct membership, node));
    }
    if (r < 0) /* whoever cannot be looked at has to ask anew */
        kith_session_break(session, r);
    kith_denials_tell(&denials);
}

static size_t radio_audience(struct kith_pattern *pattern, const void *name, size_t size) {
    const struct radio *radio = (struct radio *)pattern;
    const struct group *group = group_find(&radio->groups, name, size);
    size_t count = radio->one_way_count;
    if (group)
        kith_list_foreach (&group->members, node)
            count++;
    return count;
}

static int radio_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct radio *radio = (struct radio *)pattern;
    const char *name = kith_msg_group(msg);
    int r = kith_msg_prepend(msg, name, strlen(name));
    if (r < 0)
        return r;
    kith_msg_refund(msg);
    struct group *group = group_find(&radio->groups, name, strlen(name));
    if (group)
        kith_list_foreach (&group->members, node)
            kith_fanout_publish(&radio->fanout, &kith_list_entry(node, struct membership, group_link)->listener->fanout, msg);
    if (radio->one_way_count > 0) {
        kith_list_foreach (&pattern->peers, node) {
            struct kith_session *session = kith_list_entry(node, struct kith_session, pattern_link);
            if (session->link->one_way)
                kith_fanout_publish(&radio->fanout, &((struct listener *)session->pattern_data)->fanout, msg);
        }
    }
    kith_msg_free(msg);
    kith_fanout_tell(&radio->fanout);
    return 0;
}

static void radio_pump(struct kith_pattern *pattern) {
    kith_fanout_pump(&((struct radio *)pattern)->fanout);
}

const struct kith_pattern_ops kith_pattern_radio = {
    .name = "RADIO",
    .size = sizeof(struct radio),
    .sends_only = true,
    .single = true,
    .sends_datagrams = true,
    .init = radio_init,
    .deinit = radio_deinit,
    .attach = radio_attach,
    .detach = radio_detach,
    .forget = radio_forget,
    .pump = radio_pump,
    .receive = kith_pattern_receives_nothing,
    .command = radio_command,
    .review = radio_review,
    .send = radio_send,
    .audience = radio_audience,
    .flush = kith_fanout_flush,
};

/* DISH ------------------------------------------------------------------------------------------------------------------- */

struct dish {
    struct kith_pattern base;
    struct kith_map groups;
};

static void dish_deinit(struct kith_pattern *pattern) {
    struct kith_map *groups = &((struct dish *)pattern)->groups;
    kith_map_foreach_safe (groups, node)
        group_free(groups, KITH_CONTAINER_OF(node, struct group, node));
    kith_map_deinit(groups);
}

/* A peer that cannot be told is let go: it is told all when it is there again. */
static void dish_say(struct kith_session *session, enum kith_session_command command, const void *name, size_t size) {
    if (session->link->one_way)
        return;
    int r = kith_session_command(session, command, name, size);
    if (r < 0)
        kith_session_break(session, r);
}

static void dish_attached(struct kith_pattern *pattern, struct kith_session *session) {
    struct kith_map *groups = &((struct dish *)pattern)->groups;
    for (struct kith_map_node *node = kith_map_next(groups, NULL); node; node = kith_map_next(groups, node))
        dish_say(session, KITH_COMMAND_JOIN, node->key, node->key_size);
}

static int dish_ask(struct kith_pattern *pattern, enum kith_session_command command, const void *octets, size_t size) {
    struct kith_map *groups = &((struct dish *)pattern)->groups;
    if (command != KITH_COMMAND_JOIN && command != KITH_COMMAND_LEAVE)
        return -ENOTSUP;
    if (size > KITH_GROUP_MAX)
        return -EINVAL;
    struct group *group = group_find(groups, octets, size);
    if (command == KITH_COMMAND_JOIN) {
        int r = group ? -EEXIST : group_new(groups, octets, size, &group);
        if (r < 0)
            return r;
    } else {
        if (!group)
            return -ENOENT;
        group_free(groups, group);
    }
    kith_list_foreach (&pattern->peers, node)
        dish_say(kith_list_entry(node, struct kith_session, pattern_link), command, octets, size);
    return 0;
}

static void dish_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    if (msg->count != 2 || kith_msg_at(msg, 0)->slice.size > KITH_GROUP_MAX) {
        kith_pattern_drop(session, msg, "it is not a group of at most 255 octets and a body");
        return;
    }
    const struct kith_frame *frame = kith_msg_at(msg, 0);
    char name[KITH_GROUP_MAX + 1] = "";
    if (!group_find(&((struct dish *)pattern)->groups, kith_frame_data(frame), frame->slice.size)) {
        kith_msg_free(msg); /* left meanwhile, or never joined (UDP) */
        return;
    }
    memcpy(name, kith_frame_data(frame), frame->slice.size);
    if (kith_msg_set_group(msg, name) < 0) {
        kith_pattern_drop(session, msg, "out of memory");
        return;
    }
    kith_msg_drop(msg, 1);
    kith_pattern_received(pattern, msg);
}

const struct kith_pattern_ops kith_pattern_dish = {
    .name = "DISH",
    .size = sizeof(struct dish),
    .receives_datagrams = true,
    .deinit = dish_deinit,
    .attached = dish_attached,
    .receive = dish_receive,
    .ask = dish_ask,
};
