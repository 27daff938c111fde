/* flow/trace/functions.c: see functions.h. Texts in, a selection out. */
#include "flow/trace/functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Calls through which traffic comes and goes whatever the descriptor is (read, write) are not here: what they do on sockets begins in net/
 * with functions of its own (sock_read_iter, sock_write_iter). */
static const char *const calls[] = {
    "socket",  "socketpair", "bind",     "listen",   "connect",     "accept",      "accept4",    "sendto",     "recvfrom",
    "sendmsg", "recvmsg",    "sendmmsg", "recvmmsg", "getsockname", "getpeername", "setsockopt", "getsockopt", "shutdown",
};
static const char *const call_prefixes[] = {"__x64_sys_", "__arm64_sys_", "__riscv_sys_", "__s390x_sys_"};
static const char *const softirq_functions[] = {"do_softirq", "__do_softirq", "handle_softirqs", "__local_bh_enable_ip", "run_ksoftirqd"};

/* What the kernel calls an entry whose function is gone. */
#define INVALID "__ftrace_invalid_address"

static bool is_among(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_traffic_call(const char *name) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(call_prefixes); i++) {
        size_t size = strlen(call_prefixes[i]);
        if (strncmp(name, call_prefixes[i], size) == 0)
            return is_among(name + size, calls, KITH_ARRAY_SIZE(calls));
    }
    return false;
}

/* "NAME" or "NAME [MODULE]", cut into its words. */
static void split_line(char *line, const struct flow_btf *btf, struct flow_function_entry *entry) {
    char *module = strchr(line, ' ');

    if (module) {
        *module++ = '\0';
        module += *module == '[';
        module[strcspn(module, "]")] = '\0';
        entry->module = module;
    }
    entry->name = line;
    entry->is_network = btf && flow_btf_is_network(btf, line);
}

static size_t count_lines(const char *text) {
    size_t count = 0;

    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        count++;
    return count + (*text != '\0');
}

static void read_names(struct flow_functions *functions, const struct flow_btf *btf) {
    char *rest = functions->names;

    for (size_t i = 0; i < functions->count; i++)
        split_line(strsep(&rest, "\n"), btf, &functions->entries[i]);
}

/* A line of /proc/kallsyms, "ADDRESS TYPE NAME[\tMODULE]": text of the kernel itself? Cuts it. */
static bool split_symbol(char *line, uint64_t *ret_address, const char **ret_name) {
    char *end;
    *ret_address = strtoull(line, &end, 16);
    if (end == line || *ret_address == 0 || end[0] != ' ' || !end[1] || end[2] != ' ' || !strchr("tTwW", end[1]) || strchr(end, '\t'))
        return false;
    *ret_name = end + 3;
    return true;
}

/* Symbols in a row that ftrace cannot record: some thousands in the entry code. */
#define LOOKAHEAD 8192

/* Both lists are in the order of addresses, so that of functions with one name each gets its own. Symbols that ftrace cannot record are
 * passed over; an entry that does not come soon has none (a function that was freed after boot), and the search goes on where it was. */
static void find_addresses(struct flow_functions *functions, const struct flow_function_entry *symbols, size_t count) {
    size_t at = 0;

    for (size_t i = 0; i < functions->count && !functions->entries[i].module; i++) {
        const char *name = functions->entries[i].name;
        size_t end = count - at < LOOKAHEAD ? count : at + LOOKAHEAD, j = at;
        if (strncmp(name, INVALID, strlen(INVALID)) == 0)
            continue;
        while (j < end && (symbols[j].name[0] != name[0] || strcmp(symbols[j].name, name) != 0))
            j++;
        if (j == end)
            continue;
        functions->entries[i].address = symbols[j].address;
        at = j + 1;
    }
}

static int read_symbols(struct flow_functions *functions) {
    size_t count = 0, lines = count_lines(functions->symbols);
    struct flow_function_entry *symbols = calloc(lines + 1, sizeof(*symbols));

    if (!symbols)
        return -ENOMEM;
    for (char *rest = functions->symbols, *line; (line = strsep(&rest, "\n"));)
        if (count < lines && split_symbol(line, &symbols[count].address, &symbols[count].name))
            count++;
    find_addresses(functions, symbols, count);
    free(symbols);
    return 0;
}

/* The range with the greatest sum, network functions counting for and others against it. About six of ten in net/ are network functions by
 * their arguments, and one of forty elsewhere: so others weigh half. */
static void find_net(struct flow_functions *functions) {
    long sum = 0, best = 0;
    size_t begin = 0;

    functions->net_begin = functions->net_end = 0;
    for (size_t i = 0; i < functions->count && !functions->entries[i].module; i++) {
        if (sum <= 0) {
            sum = 0;
            begin = i;
        }
        sum += functions->entries[i].is_network ? 2 : -1;
        if (sum > best) {
            best = sum;
            functions->net_begin = begin;
            functions->net_end = i + 1;
        }
    }
}

static void choose(struct flow_functions *functions) {
    for (size_t i = 0; i < functions->count; i++) {
        struct flow_function_entry *entry = &functions->entries[i];
        entry->in_net = i >= functions->net_begin && i < functions->net_end;
        entry->selected = entry->in_net || entry->is_network || is_traffic_call(entry->name) ||
                          is_among(entry->name, softirq_functions, KITH_ARRAY_SIZE(softirq_functions));
        functions->selected += entry->selected;
    }
}

int flow_functions_new(char *available, char *symbols, const struct flow_btf *btf, struct flow_functions **ret_functions) {
    _cleanup_(flow_functions_freep) struct flow_functions *functions = calloc(1, sizeof(*functions));
    if (!functions) {
        free(available);
        free(symbols);
        return -ENOMEM;
    }
    functions->names = available;
    functions->symbols = symbols;
    functions->count = count_lines(available);
    if (functions->count == 0)
        return -ENODATA;
    functions->entries = calloc(functions->count, sizeof(*functions->entries));
    if (!functions->entries)
        return -ENOMEM;
    read_names(functions, btf);
    int r = read_symbols(functions);
    if (r < 0)
        return r;
    find_net(functions);
    choose(functions);
    *ret_functions = KITH_STEAL(functions);
    return 0;
}

struct flow_functions *flow_functions_free(struct flow_functions *functions) {
    if (functions) {
        free(functions->entries);
        free(functions->names);
        free(functions->symbols);
    }
    free(functions);
    return NULL;
}
