/* flow/decode/meta.c: META, with jansson. A member that is missing or of another type is not known. */
#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/error.h"
#include "flow/decode/meta.h"

static int take_text(const json_t *meta, const char *key, struct flow_texts **texts, const char **ret_text) {
    const char *text = json_string_value(json_object_get(meta, key));

    if (!text)
        return 0;
    *ret_text = flow_texts_add(texts, text, strlen(text));
    return *ret_text ? 0 : -ENOMEM;
}

/* An array of words, or one text. */
static int take_command(const json_t *meta, struct flow_texts **texts, const char **ret_text) {
    const json_t *words = json_object_get(meta, "command"), *word;
    size_t size = 0, index;

    if (!json_is_array(words))
        return take_text(meta, "command", texts, ret_text);
    json_array_foreach(words, index, word) size += json_string_length(word) + 1;
    char *text = calloc(1, size + 1), *end = text;
    if (!text)
        return -ENOMEM;
    json_array_foreach(words, index, word) {
        if (end != text)
            *end++ = ' ';
        end = mempcpy(end, json_is_string(word) ? json_string_value(word) : "", json_string_length(word));
    }
    *ret_text = flow_texts_add(texts, text, (size_t)(end - text));
    free(text);
    return *ret_text ? 0 : -ENOMEM;
}

static int take_roles(json_t *meta, struct flow_meta *ret_meta) {
    json_t *roles = json_object_get(meta, "roles"), *role;
    const char *pid;

    ret_meta->roles = calloc(json_object_size(roles) + 1, sizeof(*ret_meta->roles));
    if (!ret_meta->roles)
        return -ENOMEM;
    json_object_foreach(roles, pid, role) {
        uint64_t number;
        const char *name = json_string_value(role);
        if (!name || !flow_span_number((struct flow_span){pid, strlen(pid)}, 10, &number) || number > INT32_MAX)
            continue;
        enum flow_lane lane = strcmp(name, "client") == 0 ? FLOW_CLIENT : strcmp(name, "server") == 0 ? FLOW_SERVER : FLOW_OTHER;
        ret_meta->roles[ret_meta->role_count++] = (struct flow_role){.pid = (int32_t)number, .lane = lane};
    }
    return 0;
}

static int take_notes(const json_t *meta, struct flow_texts **texts, struct flow_meta *ret_meta) {
    const json_t *notes = json_object_get(meta, "notes"), *note;
    size_t index;

    ret_meta->notes = calloc(json_array_size(notes) + 1, sizeof(*ret_meta->notes));
    if (!ret_meta->notes)
        return -ENOMEM;
    json_array_foreach(notes, index, note) {
        if (!json_is_string(note))
            continue;
        const char *text = flow_texts_add(texts, json_string_value(note), json_string_length(note));
        if (!text)
            return -ENOMEM;
        ret_meta->notes[ret_meta->note_count++] = text;
    }
    return 0;
}

/* "filter": {"net_first": ..., "net_last": ...}: the addresses of the first and the last function of net/. */
static void take_net(const json_t *meta, struct flow_meta *ret_meta) {
    const json_t *filter = json_object_get(meta, "filter");
    const char *first = json_string_value(json_object_get(filter, "net_first")),
               *last = json_string_value(json_object_get(filter, "net_last"));
    uint64_t begin, end;

    if (!first || !last || !flow_span_number((struct flow_span){first, strlen(first)}, 16, &begin) ||
        !flow_span_number((struct flow_span){last, strlen(last)}, 16, &end) || begin > end || end == UINT64_MAX)
        return;
    ret_meta->net_begin = begin;
    ret_meta->net_end = end + 1;
}

int flow_meta_parse(struct flow_span text, struct flow_texts **texts, struct flow_meta *ret_meta, struct kith_error *ret_error) {
    json_error_t trouble;
    _cleanup_(json_decrefp) json_t *json = json_loadb(text.text, text.size, 0, &trouble);
    struct flow_meta meta = {0};

    if (!json_is_object(json))
        return kith_error_set(ret_error, -EBADMSG, "META is no JSON object: %s", json ? "something else" : trouble.text);
    meta.probes_only = json_is_true(json_object_get(json, "probes_only"));
    take_net(json, &meta);
    int r = take_text(json, "kernel", texts, &meta.kernel);
    if (r == 0)
        r = take_text(json, "machine", texts, &meta.machine);
    if (r == 0)
        r = take_text(json, "scenario", texts, &meta.scenario);
    if (r == 0)
        r = take_text(json, "recorded_at", texts, &meta.recorded_at);
    if (r == 0)
        r = take_command(json, texts, &meta.command);
    if (r == 0)
        r = take_roles(json, &meta);
    if (r == 0)
        r = take_notes(json, texts, &meta);
    if (r < 0) {
        flow_meta_deinit(&meta);
        return kith_error_set(ret_error, r, "META: %s", kith_error_name(r));
    }
    *ret_meta = meta;
    return 0;
}

void flow_meta_deinit(struct flow_meta *meta) {
    free(meta->roles);
    free(meta->notes);
    *meta = (struct flow_meta){0};
}
