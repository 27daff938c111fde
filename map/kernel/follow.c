/* map/kernel/follow.c: attaches program/follow.bpf.c and reads the ring that it writes into. */
#include "map/kernel/follow.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "map/kernel/load.h"

#define PROGRAMS_MAX 8

struct map_follow {
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS_MAX];
    struct ring_buffer *ring;
    int lost; /* the map in which the program counts; belongs to `object` */

    map_follow_fn fn; /* while map_follow_read() runs */
    void *userdata;
};

struct map_follow *map_follow_free(struct map_follow *follow) {
    if (follow) {
        ring_buffer__free(follow->ring);
        for (size_t i = 0; i < PROGRAMS_MAX; i++)
            bpf_link__destroy(follow->links[i]);
        bpf_object__close(follow->object);
    }
    free(follow);
    return NULL;
}

static int on_event(void *userdata, void *data, size_t size) {
    struct map_follow *follow = userdata;

    return follow->fn(data, follow->userdata);
}

static int open_ring(struct map_follow *follow, struct kith_error *error) {
    struct ring_buffer *ring = ring_buffer__new(bpf_object__find_map_fd_by_name(follow->object, "events"), on_event, follow, NULL);
    int r = (int)libbpf_get_error(ring);
    if (r < 0)
        return map_kernel_explain(r, "a BPF ring of events", NULL, error);
    follow->ring = ring;
    follow->lost = bpf_object__find_map_fd_by_name(follow->object, "lost");
    return 0;
}

static int attach(struct map_follow *follow, struct kith_error *error) {
    struct bpf_program *program;
    char step[128];
    size_t count = 0;

    bpf_object__for_each_program(program, follow->object) {
        struct bpf_link *link = count < PROGRAMS_MAX ? bpf_program__attach(program) : NULL;
        int r = link ? (int)libbpf_get_error(link) : -errno;
        snprintf(step, sizeof(step), "attaching a BPF program (%s)", bpf_program__section_name(program));
        if (r < 0)
            return map_kernel_explain(r, step, NULL, error);
        follow->links[count++] = link;
    }
    return 0;
}

/* The ring first: what is followed has somewhere to go from the first event on. */
int map_follow_new(struct map_follow **ret_follow, struct kith_error *ret_error) {
    _cleanup_(map_follow_freep) struct map_follow *follow = calloc(1, sizeof(*follow));

    if (!follow)
        return kith_error_set(ret_error, -ENOMEM, "following connections: no memory");
    int r = map_kernel_load(&map_kernel_follow_program, &follow->object, ret_error);
    if (r < 0)
        return r;
    r = open_ring(follow, ret_error);
    if (r < 0)
        return r;
    r = attach(follow, ret_error);
    if (r < 0)
        return r;
    *ret_follow = KITH_STEAL(follow);
    return 0;
}

int map_follow_fd(const struct map_follow *follow) {
    return ring_buffer__epoll_fd(follow->ring);
}

int map_follow_read(struct map_follow *follow, map_follow_fn fn, void *userdata) {
    follow->fn = fn;
    follow->userdata = userdata;
    return ring_buffer__consume(follow->ring);
}

uint64_t map_follow_lost(const struct map_follow *follow) {
    const uint32_t key = 0;
    uint64_t count = 0;

    bpf_map_lookup_elem(follow->lost, &key, &count);
    return count;
}
