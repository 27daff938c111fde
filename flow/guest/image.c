/* flow/guest/image.c: see image.h. Offsets: the kernel's Documentation/arch/x86/boot.rst. */
#include "flow/guest/image.h"

#include <endian.h>
#include <errno.h>
#include <glob.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define AT_SETUP_SECTORS 0x1f1
#define AT_MAGIC 0x202
#define AT_PAYLOAD 0x248
#define HEADER_END 0x250
/* A kernel with everything built in has some 100 MB. */
#define KERNEL_MAX ((size_t)512 * 1024 * 1024)

struct output {
    uint8_t *data;
    size_t size, room;
};

/* Each takes octets from in[0..size) into out as long as there is room, and returns 1 at the end, 0 when more room is needed, or an error.
 */
typedef int (*unpack_fn)(void *stream, struct output *out);

static int unpack_gzip(void *stream, struct output *out) {
    z_stream *z = stream;
    z->next_out = out->data + out->size;
    z->avail_out = (uInt)(out->room - out->size);
    int r = inflate(z, Z_NO_FLUSH);
    out->size = out->room - z->avail_out;
    return r == Z_STREAM_END ? 1 : (r == Z_OK && z->avail_out == 0) ? 0 : r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int unpack_lzma(void *stream, struct output *out) {
    lzma_stream *lzma = stream;
    lzma->next_out = out->data + out->size;
    lzma->avail_out = out->room - out->size;
    lzma_ret r = lzma_code(lzma, LZMA_RUN);
    out->size = out->room - lzma->avail_out;
    return r == LZMA_STREAM_END ? 1 : (r == LZMA_OK && lzma->avail_out == 0) ? 0 : r == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

struct zstd_stream {
    ZSTD_DCtx *context;
    ZSTD_inBuffer in;
};

static int unpack_zstd(void *stream, struct output *out) {
    struct zstd_stream *zstd = stream;
    ZSTD_outBuffer buffer = {out->data, out->room, out->size};
    size_t left = ZSTD_decompressStream(zstd->context, &buffer, &zstd->in);
    out->size = buffer.pos;
    return ZSTD_isError(left) ? -EBADMSG : left == 0 ? 1 : out->size == out->room ? 0 : -EBADMSG;
}

static int unpack_all(unpack_fn fn, void *stream, struct output *out) {
    int r = 0;

    while (r == 0) {
        if (out->size == out->room) {
            size_t room = out->room ? 2 * out->room : (size_t)32 * 1024 * 1024;
            uint8_t *grown = room > KERNEL_MAX ? NULL : realloc(out->data, room);
            if (!grown)
                return -ENOMEM;
            out->data = grown;
            out->room = room;
        }
        r = fn(stream, out);
    }
    return r < 0 ? r : 0;
}

static int gunzip(const uint8_t *data, size_t size, struct output *out) {
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)data, .avail_in = (uInt)size};

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return -ENOMEM;
    int r = unpack_all(unpack_gzip, &z, out);
    inflateEnd(&z);
    return r;
}

static int unxz(const uint8_t *data, size_t size, struct output *out) {
    lzma_stream lzma = LZMA_STREAM_INIT;

    if (lzma_auto_decoder(&lzma, KERNEL_MAX, 0) != LZMA_OK)
        return -ENOMEM;
    lzma.next_in = data;
    lzma.avail_in = size;
    int r = unpack_all(unpack_lzma, &lzma, out);
    lzma_end(&lzma);
    return r;
}

static int unzstd(const uint8_t *data, size_t size, struct output *out) {
    struct zstd_stream zstd = {ZSTD_createDCtx(), {data, size, 0}};

    if (!zstd.context)
        return -ENOMEM;
    ZSTD_DCtx_setParameter(zstd.context, ZSTD_d_windowLogMax, 27); /* kernels are packed with a window as large as they are */
    int r = unpack_all(unpack_zstd, &zstd, out);
    ZSTD_freeDCtx(zstd.context);
    return r;
}

/* The form of lz4 -l, which has no library: blocks of 8 MB, each behind its packed size. The kernel's own unpacked size comes last. */
#define LZ4_MAGIC_SIZE 4
#define LZ4_BLOCK ((size_t)8 * 1024 * 1024)

static int unlz4(const uint8_t *data, size_t size, struct output *out) {
    uint32_t length;

    for (size_t at = LZ4_MAGIC_SIZE; size - at > sizeof(length); at += length) {
        memcpy(&length, data + at, sizeof(length));
        length = le32toh(length);
        at += sizeof(length);
        uint8_t *grown = out->size + LZ4_BLOCK > KERNEL_MAX ? NULL : realloc(out->data, out->size + LZ4_BLOCK);
        if (!grown)
            return -ENOMEM;
        out->data = grown;
        if (length > size - at)
            return -EBADMSG;
        int n = LZ4_decompress_safe((const char *)data + at, (char *)out->data + out->size, (int)length, LZ4_BLOCK);
        if (n < 0)
            return -EBADMSG;
        out->size += (size_t)n;
    }
    return 0;
}

static const struct {
    char magic[6];
    size_t size;
    int (*unpack)(const uint8_t *data, size_t size, struct output *out);
} packings[] = {
    {"\x1f\x8b", 2, gunzip},
    {"\xfd"
     "7zXZ",
     5, unxz},
    {"\x5d\0\0", 3, unxz},
    {"\x28\xb5\x2f\xfd", 4, unzstd},
    {"\x02\x21\x4c\x18", LZ4_MAGIC_SIZE, unlz4},
};

static int unpack(const uint8_t *data, size_t size, struct output *out) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(packings); i++)
        if (size > packings[i].size && memcmp(data, packings[i].magic, packings[i].size) == 0)
            return packings[i].unpack(data, size, out);
    return -EPROTONOSUPPORT;
}

static bool is_elf(const uint8_t *data, size_t size) {
    return size > 64 && memcmp(data,
                               "\x7f"
                               "ELF",
                               4) == 0;
}

/* What the boot loader's header says lies in the image, or -EINVAL. */
static int find_payload(const uint8_t *image, size_t size, const uint8_t **ret_data, size_t *ret_size) {
    uint32_t place[2];

    if (size < HEADER_END || memcmp(image + AT_MAGIC, "HdrS", 4) != 0)
        return -EINVAL;
    memcpy(place, image + AT_PAYLOAD, sizeof(place));
    size_t sectors = image[AT_SETUP_SECTORS] ? image[AT_SETUP_SECTORS] : 4;
    size_t begin = (sectors + 1) * 512 + le32toh(place[0]), length = le32toh(place[1]);
    if (begin > size || length > size - begin)
        return -EBADMSG;
    *ret_data = image + begin;
    *ret_size = length;
    return 0;
}

static int copy(const uint8_t *data, size_t size, struct output *out) {
    out->data = malloc(size);
    if (!out->data)
        return -ENOMEM;
    memcpy(out->data, data, out->size = size);
    return 0;
}

static int extract(const uint8_t *image, size_t size, struct output *out) {
    const uint8_t *payload = NULL;
    size_t length = 0;

    if (is_elf(image, size))
        return copy(image, size, out);
    int r = find_payload(image, size, &payload, &length);
    if (r == 0)
        r = unpack(payload, length, out);
    return r == 0 && !is_elf(out->data, out->size) ? -EBADMSG : r;
}

int flow_image_unpack(const char *name, const uint8_t *image, size_t size, uint8_t **ret_kernel, size_t *ret_size,
                      struct kith_error *ret_error) {
    struct output out = {0};
    int r = extract(image, size, &out);

    if (r < 0) {
        free(out.data);
        return kith_error_set(ret_error, r, "%s: %s", name,
                              r == -EINVAL ? "this is no Linux kernel for x86 (vmlinuz or vmlinux)"
                              : r == -EPROTONOSUPPORT
                                  ? "the kernel is packed in a way that is not known here (gzip, xz, lzma, lz4, zstd are)"
                              : r == -EBADMSG ? "the kernel's image is broken"
                                              : kith_error_name(r));
    }
    *ret_kernel = out.data;
    *ret_size = out.size;
    return 0;
}

int flow_image_unpack_data(const uint8_t *data, size_t size, uint8_t **ret_data, size_t *ret_size) {
    struct output out = {0};
    int r = is_elf(data, size) ? copy(data, size, &out) : unpack(data, size, &out);

    if (r < 0 || out.size == 0) { /* the beginning of a stream, and nothing behind it */
        free(out.data);
        return r < 0 ? r : -EBADMSG;
    }
    *ret_data = out.data;
    *ret_size = out.size;
    return 0;
}

/* What a kernel needs ---------------------------------------------------------------------------------------------------- */

#define OCTETS(text) text, sizeof(text) - 1

/* Octets that are in every kernel that has it: names of files in tracefs, of a driver, and the header of BTF (magic, version, flags, its
 * size, and where types begin). */
static const struct {
    const char *octets;
    size_t size;
    const char *what;
} needs[] = {
    {OCTETS("set_ftrace_filter"), "ftrace (CONFIG_DYNAMIC_FTRACE)"},
    {OCTETS("set_graph_function"), "tracer of calls (CONFIG_FUNCTION_GRAPH_TRACER)"},
    {OCTETS("kprobe_events"), "probes (CONFIG_KPROBE_EVENTS)"},
    {OCTETS("\x9f\xeb\1\0\x18\0\0\0\0\0\0\0"), "type information (CONFIG_DEBUG_INFO_BTF)"},
    {OCTETS("serial8250"), "driver for the serial ports over which results come (CONFIG_SERIAL_8250)"},
};

int flow_image_check(const char *name, const uint8_t *kernel, size_t size, struct kith_error *ret_error) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(needs); i++)
        if (!memmem(kernel, size, needs[i].octets, needs[i].size))
            return kith_error_set(ret_error, -EOPNOTSUPP,
                                  "%s: this kernel cannot be recorded: it has no %s; --kernel names another, all of Debian's will do", name,
                                  needs[i].what);
    return 0;
}

/* An ELF note (type 18, owner "Xen") says where QEMU may enter: XEN_ELFNOTE_PHYS32_ENTRY. */
bool flow_image_is_entered_directly(const uint8_t *kernel, size_t size) {
    static const char note[] = "\x12\0\0\0Xen";

    return memmem(kernel, size, note, sizeof(note)) != NULL;
}

void flow_image_version(const uint8_t *kernel, size_t size, char *version, size_t room) {
    static const char before[] = "Linux version ";
    const char *found = memmem(kernel, size, before, sizeof(before) - 1), *end = (const char *)kernel + size;
    size_t length = 0;

    for (found = found ? found + sizeof(before) - 1 : end; found + length < end && length < room - 1; length++) {
        if (!found[length] || strchr(" /\n", found[length]))
            break;
        version[length] = found[length];
    }
    version[length] = '\0';
    if (*version == '.') /* it names a folder */
        *version = '\0';
}

/* Finding -------------------------------------------------------------------------------------------------------------- */

/* The best one last. */
static const char *const places[] = {
    "/usr/lib/debian-installer/images/*/amd64/text/debian-installer/amd64/linux",
    "/boot/vmlinuz-*",
};

static int by_version(const void *a, const void *b) {
    const char *const *left = a, *const *right = b;
    return strverscmp(*left, *right);
}

int flow_image_find_all(char ***ret_paths, struct kith_error *ret_error) {
    char **paths = calloc(1, sizeof(*paths));
    size_t count = 0;

    for (size_t i = 0; paths && i < KITH_ARRAY_SIZE(places); i++) {
        glob_t found = {0};
        size_t first = count;
        char **more =
            glob(places[i], GLOB_NOSORT, NULL, &found) == 0 ? reallocarray(paths, count + found.gl_pathc + 1, sizeof(*paths)) : NULL;
        paths = more ? more : paths;
        for (size_t j = 0; more && j < found.gl_pathc; j++)
            if (access(found.gl_pathv[j], R_OK) == 0 && (paths[count] = strdup(found.gl_pathv[j])))
                count++;
        paths[count] = NULL;
        qsort(paths + first, count - first, sizeof(*paths), by_version);
        globfree(&found);
    }
    if (count > 0) {
        *ret_paths = paths;
        return 0;
    }
    free(paths);
    return kith_error_set(ret_error, -ENOENT,
                          "no kernel can be read in /boot; --kernel names one, and the package debian-installer-12-netboot-amd64 has one");
}

int flow_image_find(char **ret_path, struct kith_error *ret_error) {
    char **paths = NULL;
    size_t count = 0;
    int r = flow_image_find_all(&paths, ret_error);

    if (r < 0)
        return r;
    while (paths[count + 1])
        free(paths[count++]);
    *ret_path = paths[count];
    free(paths);
    return 0;
}
