/* map/kernel/follow.c: attaches program/follow.bpf.c and reads the ring that it writes into. */
#include "map/kernel/follow.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "map/kernel/load.h"

#define PROGRAMS_MAX 6 /* of program/follow.bpf.c on one kernel */

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

/* How many arguments a function of the running kernel has. Errors: -ESRCH (there is none), those of reading its types. */
static int count_arguments(const char *function) {
    struct btf *types = btf__load_vmlinux_btf();
    int r = (int)libbpf_get_error(types);

    if (r < 0)
        return r;
    int id = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
    const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(types, (unsigned)id);
    const struct btf_type *prototype = type ? btf__type_by_id(types, type->type) : NULL;
    r = prototype ? btf_vlen(prototype) : -ESRCH;
    btf__free(types);
    return r;
}

/* Of the two programs for accept() the one for this kernel. */
static int choose_programs(struct map_follow *follow, struct kith_error *error) {
    int count = count_arguments("inet_csk_accept");

    if (count != 2 && count != 4)
        return map_kernel_explain(count < 0 ? count : -ENOSYS, "following accept(2) of TCP (inet_csk_accept)", NULL, error);
    const char *unfit = count == 2 ? "map_follow_accepted_of_4" : "map_follow_accepted_of_2";
    bpf_program__set_autoload(bpf_object__find_program_by_name(follow->object, unfit), false);
    return 0;
}

static int attach(struct map_follow *follow, struct kith_error *error) {
    struct bpf_program *program;
    char step[128];
    size_t count = 0;

    bpf_object__for_each_program(program, follow->object) {
        if (!bpf_program__autoload(program))
            continue;
        struct bpf_link *link = bpf_program__attach(program);
        int r = (int)libbpf_get_error(link);
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
    int r = map_kernel_open(&map_kernel_follow_program, &follow->object, ret_error);
    if (r < 0)
        return r;
    r = choose_programs(follow, ret_error);
    if (r < 0)
        return r;
    r = map_kernel_load(follow->object, ret_error);
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
