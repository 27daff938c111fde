/* flow/view/select.c: each narrowing is one pass over the calls, along or against their order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "flow/view/select.h"

static uint32_t caller_of(const struct flow_call *call) {
    return call->parent != FLOW_NONE ? call->parent : call->handed_from;
}

/* Calls of a C library, and the system calls or functions that they become. */
static const struct {
    const char *word, *names;
} families[] = {
    {"send", " sendto sendmsg sendmmsg "},
    {"recv", " recvfrom recvmsg recvmmsg "},
    {"accept", " accept accept4 "},
    {"close", " close sock_close "},
    {"poll", " poll ppoll "},
};

static bool is_word(const char *words, const char *word, size_t size) {
    for (const char *at = words; (at = strstr(at, word)); at++)
        if (at > words && at[-1] == ' ' && at[size] == ' ')
            return true;
    return false;
}

/* Of a system call: "sendto" of __x64_sys_sendto. */
static const char *own_name(const char *name) {
    const char *call = strncmp(name, "__", 2) == 0 ? strstr(name, "_sys_") : NULL;

    return call ? call + strlen("_sys_") : name;
}

bool flow_select_is_call(const char *name, const char *word) {
    const char *own = own_name(name);

    if (strcmp(name, word) == 0 || (own != name && strcmp(own, word) == 0))
        return true;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(families); i++)
        if (strcmp(word, families[i].word) == 0)
            return is_word(families[i].names, own, strlen(own));
    return false;
}

void flow_select_word(const char *name, char *word, size_t room) {
    struct kith_text text = kith_text_init(word, room);
    const char *own = own_name(name);

    for (size_t i = 0; i < KITH_ARRAY_SIZE(families); i++)
        if (is_word(families[i].names, own, strlen(own)))
            own = families[i].word;
    kith_text_printf(&text, "%s", own);
}

/* A function each: is it meant? Nothing found is an error. */
static int find_functions(const struct flow_model *model, const char *word, bool calls, uint8_t *meant, struct kith_error *ret_error) {
    size_t found = 0;

    for (size_t i = 0; i < model->function_count; i++) {
        const char *name = model->functions[i].name;
        meant[i] = calls ? flow_select_is_call(name, word) : strcmp(name, word) == 0;
        found += meant[i] && model->functions[i].calls > 0;
    }
    if (found == 0)
        return kith_error_set(ret_error, -ENOENT, "%s: the recording has no call of it", word);
    return 0;
}

enum { RELATED = 1, PASSED_BY = 2 };

/* Keeps what is below (`down`) or above of calls of the functions that are meant, these included. `nth`: of the outermost of them only this
 * one. Returns how many of these there are. */
static size_t keep_related(const struct flow_model *model, const uint8_t *meant, bool down, unsigned nth, uint8_t *related,
                           uint8_t *shown) {
    size_t count = model->call_count, outermost = 0;

    memset(related, 0, count);
    for (size_t k = 0; k < count; k++) {
        size_t i = down ? k : count - 1 - k;
        const struct flow_call *call = &model->calls[i];
        uint32_t caller = caller_of(call);
        if (meant[call->function] && (!down || caller == FLOW_NONE || !related[caller]))
            related[i] |= ++outermost == nth || nth == 0 ? RELATED : PASSED_BY;
        if (caller == FLOW_NONE)
            continue;
        if (down)
            related[i] |= related[caller];
        else
            related[caller] |= related[i];
    }
    for (size_t i = 0; i < count; i++)
        shown[i] &= related[i] == RELATED;
    return outermost;
}

static bool is_meant_socket(const uint64_t *sockets, size_t count, uint64_t socket) {
    for (size_t i = 0; i < count; i++)
        if (sockets[i] == socket)
            return true;
    return false;
}

#define SOCKETS_MAX 64 /* a listener and its first children: more make no picture */

/* Trees in which a mark has one of the sockets. `related` is a call each. */
static int keep_socket(const struct flow_model *model, uint64_t socket, uint8_t *related, uint8_t *shown, struct kith_error *ret_error) {
    uint64_t sockets[SOCKETS_MAX] = {socket};
    size_t count = 1, found = 0;

    for (size_t i = 0; i < model->mark_count && count < SOCKETS_MAX; i++)
        if (model->marks[i].type == FLOW_MARK_LINK && model->marks[i].socket == socket)
            sockets[count++] = model->marks[i].link.child;
    memset(related, 0, model->call_count);
    for (size_t i = 0; i < model->mark_count; i++) {
        if (model->marks[i].socket == 0 || !is_meant_socket(sockets, count, model->marks[i].socket))
            continue;
        found++;
        if (model->marks[i].call != FLOW_NONE)
            related[model->marks[i].call] = 1;
    }
    if (found == 0)
        return kith_error_set(ret_error, -ENOENT, "socket %llx: the recording has none of this address", (unsigned long long)socket);
    for (size_t i = model->call_count; i-- > 0;)
        if (related[i] && model->calls[i].parent != FLOW_NONE)
            related[model->calls[i].parent] = 1;
    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].parent != FLOW_NONE && related[model->calls[i].parent])
            related[i] = 1;
    for (size_t i = 0; i < model->call_count; i++)
        shown[i] &= related[i];
    return 0;
}

static int keep_lane(const struct flow_model *model, const char *name, uint8_t *shown, struct kith_error *ret_error) {
    for (enum flow_lane lane = 0; lane < FLOW_LANES_; lane++) {
        if (strcmp(name, flow_lane_name(lane)) != 0)
            continue;
        for (size_t i = 0; i < model->call_count; i++)
            shown[i] &= model->calls[i].lane == lane;
        return 0;
    }
    return kith_error_set(ret_error, -EINVAL, "lane '%s': client, softirq, server or other", name);
}

/* Levels are counted from the outermost call that is shown. */
static int keep_depth(const struct flow_model *model, unsigned depth, uint8_t *shown) {
    uint32_t *levels = calloc(model->call_count + 1, sizeof(*levels));

    if (!levels)
        return -ENOMEM;
    for (size_t i = 0; i < model->call_count; i++) {
        uint32_t parent = model->calls[i].parent;
        levels[i] = (parent != FLOW_NONE ? levels[parent] : 0) + shown[i];
        shown[i] &= levels[i] <= depth;
    }
    free(levels);
    return 0;
}

static int narrow(const struct flow_model *model, const struct flow_select *select, uint8_t *shown, struct kith_error *ret_error) {
    size_t room = (model->function_count > model->call_count ? model->function_count : model->call_count) + 1;
    const struct {
        const char *word;
        bool calls, down;
        unsigned nth;
    } words[] = {{select->call, true, true, select->nth}, {select->from, false, true, 0}, {select->to, false, false, 0}};
    uint8_t *meant = calloc(room, 1), *related = calloc(room, 1);
    int r = meant && related ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(words); i++) {
        if (!words[i].word)
            continue;
        r = find_functions(model, words[i].word, words[i].calls, meant, ret_error);
        if (r < 0)
            break;
        size_t found = keep_related(model, meant, words[i].down, words[i].nth, related, shown);
        if (words[i].nth > found)
            r = kith_error_set(ret_error, -ENOENT, "%s:%u: the recording has only %zu calls of it", words[i].word, words[i].nth, found);
    }
    if (r == 0 && select->socket != 0)
        r = keep_socket(model, select->socket, related, shown, ret_error);
    if (r == 0 && select->lane)
        r = keep_lane(model, select->lane, shown, ret_error);
    if (r == 0 && select->depth > 0)
        r = keep_depth(model, select->depth, shown);
    free(meant);
    free(related);
    return r;
}

static void put_what(const struct flow_select *select, struct flow_selection *selection) {
    struct kith_text text = kith_text_init(selection->what, sizeof(selection->what));
    const char *const words[][2] = {{"", select->call}, {"from ", select->from}, {"to ", select->to}, {"", select->lane}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++) {
        if (!words[i][1])
            continue;
        kith_text_printf(&text, "%s%s%s", selection->what[0] ? ", " : "", words[i][0], words[i][1]);
        if (i == 0 && select->nth > 0)
            kith_text_printf(&text, " (%u)", select->nth);
    }
}

int flow_select(const struct flow_model *model, const struct flow_select *select, struct flow_selection *ret_selection,
                struct kith_error *ret_error) {
    struct flow_selection selection = {.shown = malloc(model->call_count + 1)};
    int r = -ENOMEM;

    put_what(select, &selection);
    selection.all = !select->call && !select->from && !select->to && !select->lane && select->depth == 0 && select->socket == 0;
    if (selection.shown) {
        memset(selection.shown, 1, model->call_count);
        r = selection.all ? 0 : narrow(model, select, selection.shown, ret_error);
    }
    for (size_t i = 0; r == 0 && i < model->call_count; i++)
        selection.count += selection.shown[i];
    if (r == 0 && selection.count == 0 && !selection.all)
        r = kith_error_set(ret_error, -ENOENT, "no call in the recording is all of what was asked for");
    if (r == -ENOMEM)
        kith_error_set(ret_error, r, "%s", kith_error_name(r));
    if (r < 0)
        flow_selection_deinit(&selection);
    else
        *ret_selection = selection;
    return r;
}

void flow_selection_deinit(struct flow_selection *selection) {
    free(selection->shown);
    *selection = (struct flow_selection){0};
}

bool flow_selection_has_mark(const struct flow_selection *selection, const struct flow_mark *mark) {
    return mark->call == FLOW_NONE ? selection->all : selection->shown[mark->call] != 0;
}
