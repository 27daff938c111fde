/* flow/source/scan.c: a pass over the text, octet by octet, with what stands in front of the next brace. */
#include "flow/source/scan.h"

#include "base/cleanup.h"

/* The last name with parentheses that is no annotation, since the last end of a declaration. */
struct head {
    struct flow_span last, name, argument;
    unsigned line, depth;
    bool assigned, wants_argument;
};

struct scan {
    const char *at, *end;
    unsigned line, depth;
    bool margin; /* nothing but blanks since the line began */
    struct head head;
    flow_scan_fn found;
    void *userdata;
};

static bool is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What may stand behind a function's parameters. */
static bool is_annotation(struct flow_span word) {
    static const char *const words[] = {"__acquires", "__releases",    "__must_hold", "__cond_acquires", "__attribute__", "__printf",
                                        "__section",  "__no_sanitize", "__aligned",   "__alloc_size",    "__malloc"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++)
        if (flow_span_is(word, words[i]))
            return true;
    return false;
}

/* Up to behind `stop`, or to the end of the text. */
static void skip_past(struct scan *scan, const char *stop) {
    size_t size = strlen(stop);

    while (scan->at < scan->end && !((size_t)(scan->end - scan->at) >= size && memcmp(scan->at, stop, size) == 0))
        scan->line += *scan->at++ == '\n';
    if (scan->at < scan->end) {
        scan->line += *stop == '\n';
        scan->at += size;
    }
}

/* A string or a character ends with its line at the latest. */
static void skip_quoted(struct scan *scan) {
    char quote = *scan->at++;

    while (scan->at < scan->end && *scan->at != quote && *scan->at != '\n') {
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            scan->line += *++scan->at == '\n';
        scan->at++;
    }
    scan->at += scan->at < scan->end && *scan->at == quote;
}

static void skip_directive(struct scan *scan) {
    while (scan->at < scan->end && *scan->at != '\n') {
        if (scan->end - scan->at >= 2 && scan->at[0] == '/' && scan->at[1] == '*')
            skip_past(scan, "*/");
        else if (*scan->at == '\\' && scan->at + 1 < scan->end)
            scan->line += scan->at[1] == '\n', scan->at += 2;
        else
            scan->at++;
    }
}

static void take_word(struct scan *scan) {
    struct flow_span word = {scan->at, 0};

    while (scan->at < scan->end && is_word(*scan->at))
        scan->at++;
    word.size = (size_t)(scan->at - word.text);
    if (scan->depth > 0)
        return;
    if (scan->head.depth == 1 && scan->head.wants_argument) {
        scan->head.argument = word;
        scan->head.wants_argument = false;
    }
    scan->head.last = word;
}

static void tell(struct scan *scan) {
    struct head *head = &scan->head;
    bool is_call = flow_span_begins(head->name, "SYSCALL_DEFINE"), is_bpf = flow_span_begins(head->name, "BPF_CALL_");

    if (head->assigned || head->name.size == 0)
        return;
    if (!is_call && !is_bpf)
        scan->found(scan->userdata, head->name, false, head->line);
    else if (head->argument.size > 0)
        scan->found(scan->userdata, head->argument, is_call, head->line);
}

static void open_parenthesis(struct scan *scan) {
    struct head *head = &scan->head;

    if (head->depth++ > 0 || head->last.size == 0 || is_annotation(head->last))
        return;
    head->name = head->last;
    head->argument = (struct flow_span){NULL, 0};
    head->wants_argument = true;
    head->line = scan->line;
}

static void take_sign(struct scan *scan, bool first_column) {
    char c = *scan->at++;
    struct head *head = &scan->head;

    if (c == '{') {
        if (scan->depth++ == 0)
            tell(scan);
    } else if (c == '}') {
        scan->depth = first_column || scan->depth == 0 ? 0 : scan->depth - 1;
        if (scan->depth == 0)
            *head = (struct head){.depth = 0};
    } else if (scan->depth == 0) {
        if (c == '(')
            open_parenthesis(scan);
        else if (c == ')')
            head->depth -= head->depth > 0;
        else if (c == ';' && head->depth == 0)
            *head = (struct head){.depth = 0};
        else if (c == '=' && head->depth == 0)
            head->assigned = true;
        if (c != ' ' && c != '\t' && c != '\r')
            head->last = (struct flow_span){NULL, 0};
    }
}

void flow_scan(struct flow_span text, flow_scan_fn found, void *userdata) {
    struct scan scan = {.at = text.text, .end = text.text + text.size, .line = 1, .margin = true, .found = found, .userdata = userdata};

    while (scan.at < scan.end) {
        char c = *scan.at, next = scan.at + 1 < scan.end ? scan.at[1] : '\0';
        bool margin = scan.margin;
        scan.margin = c == '\n' || (margin && (c == ' ' || c == '\t'));
        if (c == '\n') {
            scan.line++;
            scan.at++;
        } else if (c == '/' && (next == '*' || next == '/')) {
            skip_past(&scan, next == '*' ? "*/" : "\n");
            scan.margin = next == '/';
        } else if (c == '"' || c == '\'') {
            skip_quoted(&scan);
        } else if (c == '#' && margin) {
            skip_directive(&scan);
        } else if (is_word(c)) {
            take_word(&scan);
        } else {
            take_sign(&scan, scan.at == text.text || scan.at[-1] == '\n');
        }
    }
}
