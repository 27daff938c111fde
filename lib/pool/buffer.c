/* pool/buffer.c: refcounted blocks. Each buffer is freed by the kith_buffer_unref() that takes its last reference, and by nothing else. */
#include <stdlib.h>

#include "pool/internal.h"
#include "pool/memfd.h"
#include "pool/spare.h"

int kith_buffer_new_inline(size_t size, struct kith_pool *pool, kith_buffer **ret_buffer) {
    if (size > PTRDIFF_MAX - sizeof(kith_buffer))
        return -ENOMEM;
    kith_buffer *buffer = kith_spare_alloc(sizeof(*buffer) + size);
    if (!buffer)
        return -ENOMEM;
    *buffer = (struct kith_buffer){.size = size, .data = buffer->octets, .pool = pool};
    kith_refs_init(&buffer->refs);
    *ret_buffer = buffer;
    return 0;
}

int kith_buffer_new(size_t size, kith_buffer **ret_buffer) {
    return kith_buffer_new_inline(size, NULL, ret_buffer);
}

int kith_buffer_new_take(void *data, size_t size, void (*free_fn)(void *data, void *userdata), void *userdata, kith_buffer **ret_buffer) {
    kith_buffer *buffer = NULL;

    int r = kith_buffer_new_inline(0, NULL, &buffer);
    if (r < 0)
        return r;
    buffer->data = data;
    buffer->size = size;
    buffer->release.fn = free_fn;
    buffer->release.userdata = userdata;
    *ret_buffer = buffer;
    return 0;
}

kith_buffer *kith_buffer_ref(kith_buffer *buffer) {
    kith_refs_take(&buffer->refs);
    return buffer;
}

kith_buffer *kith_buffer_unref(kith_buffer *buffer) {
    if (!buffer || !kith_refs_drop(&buffer->refs))
        return NULL;
    if (buffer->pool) {
        kith_pool_put(buffer->pool, buffer);
        return NULL;
    }
    bool adopted = buffer->data != buffer->octets;
    if (buffer->release.fn)
        buffer->release.fn(buffer->data, buffer->release.userdata);
    kith_spare_free(buffer, sizeof(*buffer) + (adopted ? 0 : buffer->size));
    return NULL;
}

uint8_t *kith_buffer_data(kith_buffer *buffer) {
    return buffer->data;
}

size_t kith_buffer_size(const kith_buffer *buffer) {
    return buffer->size;
}

size_t kith_buffer_room(const kith_buffer *buffer, const uint8_t *end) {
    if (kith_buffer_shared(buffer) || buffer->pool || buffer->data != buffer->octets)
        return 0;
    return (size_t)(buffer->data + buffer->size - end);
}

bool kith_buffer_shared(const kith_buffer *buffer) {
    return kith_refs_others(&buffer->refs);
}

void kith_buffer_share(kith_buffer *buffer) {
    kith_refs_share(&buffer->refs);
}

bool kith_buffer_portable(const kith_buffer *buffer) {
    if (!kith_refs_is_shared(&buffer->refs) && kith_refs_others(&buffer->refs))
        return false;
    return (!buffer->pool && buffer->data == buffer->octets) || kith_buffer_is_memfd(buffer);
}
