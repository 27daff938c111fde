/* flow/decode/decode.c: sections, then events, then what follows from them (build.h). */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "flow/decode/build.h"

#define EVENT_HEAD 2 /* its number */

static struct flow_span section_text(const struct flow_section *section) {
    return (struct flow_span){(const char *)section->data, section->size};
}

static const struct flow_section *find_section(const struct flow_recording *recording, enum flow_section_type type) {
    for (size_t i = 0; i < recording->count; i++)
        if (recording->sections[i].type == type)
            return &recording->sections[i];
    return NULL;
}

static int take_meta(struct flow_build *build, const struct flow_recording *recording, struct kith_error *ret_error) {
    const struct flow_section *section = find_section(recording, FLOW_META);
    struct flow_model *model = build->model;

    if (!section)
        return kith_error_set(ret_error, -EBADMSG, "the recording has no META section");
    int r = flow_meta_parse(section_text(section), &build->texts, &build->meta, ret_error);
    if (r < 0)
        return r;
    model->kernel = build->meta.kernel;
    model->machine = build->meta.machine;
    model->scenario = build->meta.scenario;
    model->command = build->meta.command;
    model->recorded_at = build->meta.recorded_at;
    model->probes_only = build->meta.probes_only;
    model->whole = recording->whole;
    return 0;
}

static int take_formats(struct flow_build *build, const struct flow_recording *recording, struct kith_error *ret_error) {
    size_t room = 0;

    for (size_t i = 0; i < recording->count; i++) {
        if (recording->sections[i].type != FLOW_EVENT)
            continue;
        if (build->format_count == UINT8_MAX)
            return kith_error_set(ret_error, -EBADMSG, "the recording has more than %u kinds of events", UINT8_MAX);
        if (!FLOW_ROOM(build->formats, room, build->format_count))
            return kith_error_set(ret_error, -ENOMEM, "formats: %s", kith_error_name(-ENOMEM));
        struct flow_format *format = &build->formats[build->format_count];
        int r = flow_format_parse(section_text(&recording->sections[i]), format, ret_error);
        if (r < 0)
            return r;
        build->format_of[format->id] = (uint8_t)++build->format_count;
    }
    return 0;
}

static int take_symbols(struct flow_build *build, const struct flow_recording *recording) {
    for (size_t i = 0; i < recording->count; i++) {
        if (recording->sections[i].type != FLOW_SYMBOLS)
            continue;
        int r = flow_symbols_parse(&build->symbols, section_text(&recording->sections[i]));
        if (r < 0)
            return r;
    }
    build->function_of = malloc((build->symbols.count + 1) * sizeof(*build->function_of));
    if (!build->function_of)
        return -ENOMEM;
    memset(build->function_of, 0xff, (build->symbols.count + 1) * sizeof(*build->function_of)); /* FLOW_NONE */
    return 0;
}

/* "CPU<TAB>EVENTS" lines. */
static void take_lost(struct flow_build *build, const struct flow_recording *recording) {
    const struct flow_section *section = find_section(recording, FLOW_LOST);
    struct flow_span text = section ? section_text(section) : (struct flow_span){NULL, 0}, line, cpu;
    uint64_t events;

    while (flow_span_cut(&text, '\n', &line))
        if (flow_span_cut(&line, '\t', &cpu) && flow_span_number(line, 10, &events) && events < UINT32_MAX)
            build->lost_told += events;
}

/* "PID<TAB>NAME" lines. */
static int take_tasks(struct flow_build *build, const struct flow_recording *recording) {
    const struct flow_section *section = find_section(recording, FLOW_TASKS);
    struct flow_span text = section ? section_text(section) : (struct flow_span){NULL, 0}, line, pid;
    uint64_t number;

    while (flow_span_cut(&text, '\n', &line)) {
        if (!flow_span_cut(&line, '\t', &pid) || !flow_span_number(pid, 10, &number) || number == 0 || number > INT32_MAX)
            continue;
        uint32_t task = flow_table_find(&build->tasks, number);
        if (task == FLOW_NONE)
            continue;
        build->model->tasks[task].name = flow_texts_add(&build->texts, line.text, line.size);
        if (!build->model->tasks[task].name)
            return -ENOMEM;
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    const struct flow_function *x = *(struct flow_function *const *)a, *y = *(struct flow_function *const *)b;
    return strcmp(x->name, y->name);
}

static int compare_span(const void *a, const void *b) {
    const struct flow_span *name = a;
    const struct flow_function *function = *(struct flow_function *const *)b;
    int r = strncmp(name->text, function->name, name->size);
    return r != 0 ? r : function->name[name->size] != '\0' ? -1 : 0;
}

/* "NAME<TAB>PROTOTYPE" lines. Several functions of one name have it all. */
static int take_prototypes(struct flow_build *build, const struct flow_recording *recording) {
    const struct flow_section *section = find_section(recording, FLOW_PROTOTYPES);
    size_t count = build->model->function_count;
    struct flow_span text = section ? section_text(section) : (struct flow_span){NULL, 0}, line, name;
    struct flow_function **sorted = malloc((count + 1) * sizeof(*sorted));
    int r = sorted ? 0 : -ENOMEM;

    for (size_t i = 0; sorted && i < count; i++)
        sorted[i] = &build->model->functions[i];
    if (sorted)
        qsort(sorted, count, sizeof(*sorted), compare_names);
    while (r == 0 && flow_span_cut(&text, '\n', &line)) {
        if (!flow_span_cut(&line, '\t', &name) || name.size == 0)
            continue;
        struct flow_function **found = bsearch(&name, sorted, count, sizeof(*sorted), compare_span);
        if (!found || (*found)->prototype)
            continue;
        const char *prototype = flow_texts_add(&build->texts, line.text, line.size);
        r = prototype ? 0 : -ENOMEM;
        while (found > sorted && strcmp(found[-1]->name, (*found)->name) == 0)
            found--;
        for (struct flow_function **f = found; f < sorted + count && strcmp((*f)->name, (*found)->name) == 0; f++)
            (*f)->prototype = prototype;
    }
    free(sorted);
    return r;
}

static int take_event(struct flow_build *build, struct flow_event *event) {
    uint16_t id = (uint16_t)(event->data[0] | event->data[1] << 8);
    const struct flow_format *format = build->format_of[id] ? &build->formats[build->format_of[id] - 1] : NULL;

    if (!format || event->size < format->size)
        return 0;
    switch (format->kind) {
    case FLOW_EVENT_OTHER:
        return 0;
    case FLOW_EVENT_ENTRY:
        return flow_build_entry(build, format, event);
    case FLOW_EVENT_EXIT:
        return flow_build_exit(build, format, event);
    default:
        return flow_build_mark(build, format, event);
    }
}

static int take_events(struct flow_build *build, size_t events_max, struct kith_error *ret_error) {
    struct flow_event event;
    int r = 0;

    for (size_t count = 0; r == 0 && flow_events_next(&build->events, &event); count++) {
        if (count == events_max)
            return kith_error_set(ret_error, -E2BIG, "the recording has more than %zu events: record less, or fewer functions", events_max);
        if (count == 0)
            build->first_ns = event.time;
        event.time -= build->first_ns; /* the least of all: the heap gives it first */
        build->last_ns = event.time;
        build->model->seen_events++;
        if (event.lost)
            r = flow_build_loss(build, &event);
        if (r == 0 && event.size >= EVENT_HEAD)
            r = take_event(build, &event);
    }
    flow_build_end_calls(build);
    build->model->duration_ns = build->last_ns;
    if (build->lost_told > build->model->lost_events)
        build->model->lost_events = build->lost_told;
    return r;
}

static int read_pages(struct flow_build *build, const struct flow_recording *recording, size_t events_max, struct kith_error *ret_error) {
    const struct flow_section *header = find_section(recording, FLOW_HEADER_PAGE);
    struct flow_page_layout layout;

    if (!find_section(recording, FLOW_PAGE))
        return 0;
    if (!header)
        return kith_error_set(ret_error, -EBADMSG, "the recording has pages, but not events/header_page");
    int r = flow_page_layout_parse(section_text(header), &layout, ret_error);
    if (r == 0)
        r = flow_events_init(&build->events, recording, &layout, ret_error);
    if (r == 0)
        r = take_events(build, events_max, ret_error);
    return r;
}

/* What follows from the calls. */
static int conclude(struct flow_build *build, const struct flow_recording *recording) {
    int (*const steps[])(struct flow_build *) = {flow_build_order, flow_build_cut_softirq, flow_build_link, flow_build_files,
                                                 flow_build_layers};
    int r = 0;

    flow_build_find_net(build);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(steps); i++)
        r = steps[i](build);
    if (r < 0)
        return r;
    flow_build_lanes(build);
    r = take_tasks(build, recording);
    if (r == 0)
        r = take_prototypes(build, recording);
    if (r == 0)
        r = flow_build_notes(build);
    return r;
}

static void build_deinit(struct flow_build *build) {
    if (build->model)
        build->model->memory = build->texts;
    build->model = flow_model_free(build->model);
    flow_meta_deinit(&build->meta);
    flow_symbols_deinit(&build->symbols);
    flow_events_deinit(&build->events);
    flow_table_deinit(&build->tasks);
    flow_table_deinit(&build->strangers);
    free(build->formats);
    free(build->format_of);
    free(build->stacks);
    free(build->function_of);
    free(build->symbol_of);
}
KITH_DEFINE_CLEANUP(struct flow_build *, build_deinit)

int flow_model_new(const struct flow_recording *recording, const struct flow_decode_options *options, struct flow_model **ret_model,
                   struct kith_error *ret_error) {
    struct flow_build memory = {0};
    _cleanup_(build_deinitp) struct flow_build *build = &memory;
    size_t events_max = options && options->events_max > 0 ? options->events_max : FLOW_EVENTS_MAX;
    int r = -ENOMEM;

    build->model = calloc(1, sizeof(*build->model));
    build->format_of = calloc(UINT16_MAX + 1, 1);
    if (build->model && build->format_of)
        r = take_meta(build, recording, ret_error);
    if (r == 0)
        r = take_formats(build, recording, ret_error);
    if (r == 0)
        r = take_symbols(build, recording);
    if (r == 0) {
        take_lost(build, recording);
        r = read_pages(build, recording, events_max, ret_error);
    }
    if (r == 0)
        r = conclude(build, recording);
    if (r == -ENOMEM)
        return kith_error_set(ret_error, r, "the recording: %s", kith_error_name(r));
    if (r < 0)
        return r;
    build->model->memory = KITH_STEAL(build->texts);
    *ret_model = KITH_STEAL(build->model);
    return 0;
}
