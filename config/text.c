/*
 * config/text.c: makes a text safe for libconfuse 3.3. One pass that splits it into the same tokens as libconfuse's scanner and
 * refuses, with its line, what that would take in silence or take wrongly:
 *
 *  - octets that match no token are dropped: exe = /usr/bin/foo* would be /usr/bin/foo. So '*', '+' and control characters outside quotes;
 *  - ${NAME} is replaced from the environment: who starts a gateway must not be able to change its rules;
 *  - a section without its closing brace, and a double-quoted string without its closing quote, end with the text, which then counts as
 *    whole: a file that was cut short would be a policy. So both are errors, and a newline in a string as well;
 *  - escapes: \0 cuts a value short, \x of an unknown x drops the backslash, and a bad number leaves the scanner inside the string for the
 *    next text. \" and \\ are enough;
 *  - an option given twice keeps only its last value;
 *  - a|b names option b of section a, from anywhere;
 *  - sections and strings without limit (see the limits in config/internal.h): time and memory grow much faster than the text.
 *
 * Comments become spaces: libconfuse counts a line too many for each, and clears its longest string so far at each.
 *
 * What this pass accepts may still be wrong: grammar and option names are libconfuse's to judge. It only has to know which string
 * stands where a name is expected, and does so for every text that libconfuse accepts.
 */
#include "config/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "config/internal.h"

struct string {
    const char *data;
    size_t size;
    bool quoted;
};

/* One section: where it began and the names that were assigned to in it. */
struct frame {
    unsigned line;
    size_t count;
    struct string names[KITH_CONFIG_OPTIONS_MAX];
};

struct scan {
    const char *source_name;
    struct kith_error *error;
    char *at;
    char *end; /* a NUL is there */
    unsigned line;

    /* The last two strings that are neither values nor assigned to: a section's name and title. */
    struct string pending[2];
    size_t pending_count;
    bool assigned; /* behind = or +=: a value or a list is next */
    bool in_list;
    size_t section_count;
    size_t depth;
    struct frame frames[KITH_CONFIG_DEPTH_MAX + 1];
};

#define scan_fail(scan, code, ...) kith_config_error((scan)->error, code, (scan)->source_name, (scan)->line, __VA_ARGS__)

/* Comments ------------------------------------------------------------------------------------------------------- */

static bool at_comment(const struct scan *scan) {
    return scan->at[0] == '#' || (scan->at[0] == '/' && (scan->at[1] == '/' || scan->at[1] == '*'));
}

/* Blanks the comment. Control characters in it do no harm. */
static int scan_comment(struct scan *scan) {
    bool block = scan->at[0] == '/' && scan->at[1] == '*';
    char *end = block ? scan->at + 2 : scan->at;

    while (*end && (block ? end[0] != '*' || end[1] != '/' : *end != '\n'))
        end++;
    if (block && !*end)
        return scan_fail(scan, -EINVAL, "a comment without end: close it with */");
    if (block)
        end += 2;
    for (; scan->at < end; scan->at++) {
        if (*scan->at == '\n')
            scan->line++;
        else
            *scan->at = ' ';
    }
    return 0;
}

/* Strings -------------------------------------------------------------------------------------------------------- */

static bool is_control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* scan->at is the backslash. */
static int scan_escape(struct scan *scan, char quote) {
    if (scan->at[1] == quote || scan->at[1] == '\\') {
        scan->at++;
        return 0;
    }
    if (quote == '\'')
        return 0;
    return scan_fail(scan, -EINVAL,
                     "\\%c in double quotes: only \\\" and \\\\ mean something there; in single quotes a backslash is a backslash",
                     scan->at[1] > ' ' && scan->at[1] < 0x7f ? scan->at[1] : ' ');
}

/* scan->at is the opening quote; afterwards it is behind the closing one. */
static int scan_quoted(struct scan *scan, struct string *ret_string) {
    char quote = *scan->at++;
    const char *begin = scan->at;

    for (; *scan->at != quote; scan->at++) {
        if (scan->at == scan->end || *scan->at == '\n')
            return scan_fail(scan, -EINVAL, "a string without its closing %c: close it on the line it begins on", quote);
        if (is_control(*scan->at))
            return scan_fail(scan, -EINVAL, "the control character 0x%02x in a string: leave it out", (unsigned char)*scan->at);
        if (quote == '"' && scan->at[0] == '$' && scan->at[1] == '{')
            return scan_fail(scan, -EINVAL, "${ in double quotes: variables are not replaced here; write it in single quotes");
        if (*scan->at == '\\') {
            int r = scan_escape(scan, quote);
            if (r < 0)
                return r;
        }
    }
    *ret_string = (struct string){.data = begin, .size = (size_t)(scan->at - begin), .quoted = true};
    scan->at++;
    return 0;
}

static int scan_bare(struct scan *scan, struct string *ret_string) {
    size_t size = 0;

    /* The NUL at the end of the text ends a word too: strchr(3) finds it in any string. */
    for (; !strchr(" \t\r\n#\"'={}()+,*", scan->at[size]); size++)
        if (is_control(scan->at[size]))
            return scan_fail(scan, -EINVAL, "the control character 0x%02x: leave it out", (unsigned char)scan->at[size]);
    if (size == 0 || (scan->at[size - 1] == '$' && scan->at[size] == '{'))
        return scan_fail(scan, -EINVAL, "%.*s outside quotes: write the whole value in quotes", size ? 2 : 1, size ? "${" : scan->at);

    *ret_string = (struct string){.data = scan->at, .size = size, .quoted = false};
    scan->at += size;
    return 0;
}

/* Names ---------------------------------------------------------------------------------------------------------- */

static int check_name(struct scan *scan, const struct string *name) {
    if (name->quoted)
        return scan_fail(scan, -EINVAL, "\"%.*s\" stands where a name is expected: write names without quotes", (int)name->size,
                         name->data);
    if (memchr(name->data, '|', name->size))
        return scan_fail(scan, -EINVAL, "%.*s is no name of an option: write it inside its section", (int)name->size, name->data);
    return 0;
}

static int name_assign(struct scan *scan, const struct string *name) {
    struct frame *frame = &scan->frames[scan->depth];

    for (size_t i = 0; i < frame->count; i++)
        if (frame->names[i].size == name->size && memcmp(frame->names[i].data, name->data, name->size) == 0)
            return scan_fail(scan, -EINVAL, "%.*s is given twice: write one list, or += to add to the first", (int)name->size, name->data);
    if (frame->count == KITH_CONFIG_OPTIONS_MAX)
        return scan_fail(scan, -E2BIG, "a section with more than %d options: leave out those that do not exist", KITH_CONFIG_OPTIONS_MAX);
    frame->names[frame->count++] = *name;
    return 0;
}

/* Tokens --------------------------------------------------------------------------------------------------------- */

static int token_string(struct scan *scan) {
    struct string string;
    bool quoted = *scan->at == '"' || *scan->at == '\'';
    int r = quoted ? scan_quoted(scan, &string) : scan_bare(scan, &string);

    if (r < 0)
        return r;
    if (string.size > KITH_CONFIG_STRING_MAX)
        return scan_fail(scan, -E2BIG, "a string of %zu octets: at most %d are read", string.size, KITH_CONFIG_STRING_MAX);
    if (scan->assigned || scan->in_list) {
        scan->assigned = false;
        return 0;
    }
    if (scan->pending_count == 2)
        scan->pending[0] = scan->pending[1];
    else
        scan->pending_count++;
    scan->pending[scan->pending_count - 1] = string;
    return 0;
}

/* = and += */
static int token_assign(struct scan *scan) {
    bool append = *scan->at == '+';
    int r = 0;

    if (append && scan->at[1] != '=')
        return scan_fail(scan, -EINVAL, "+ outside quotes: write the whole value in quotes");
    if (scan->pending_count > 0) {
        const struct string *name = &scan->pending[scan->pending_count - 1];
        r = check_name(scan, name);
        if (r == 0 && !append)
            r = name_assign(scan, name);
    }
    scan->at += append ? 2 : 1;
    scan->pending_count = 0;
    scan->assigned = true;
    return r;
}

static int token_open(struct scan *scan) {
    scan->at++;
    if (scan->assigned || scan->in_list) {
        scan->assigned = false;
        scan->in_list = true;
        return 0;
    }
    if (scan->pending_count > 0) {
        int r = check_name(scan, &scan->pending[0]);
        if (r < 0)
            return r;
    }
    if (scan->depth == KITH_CONFIG_DEPTH_MAX || scan->section_count == KITH_CONFIG_SECTIONS_MAX)
        return scan_fail(scan, -E2BIG, "more than %d sections, or %d in each other: leave some out", KITH_CONFIG_SECTIONS_MAX,
                         KITH_CONFIG_DEPTH_MAX);
    scan->section_count++;
    struct frame *frame = &scan->frames[++scan->depth];
    frame->line = scan->line;
    frame->count = 0;
    scan->pending_count = 0;
    return 0;
}

static int token_close(struct scan *scan) {
    scan->at++;
    scan->pending_count = 0;
    scan->assigned = false;
    if (scan->in_list)
        scan->in_list = false;
    else if (scan->depth > 0)
        scan->depth--;
    return 0;
}

static int scan_token(struct scan *scan) {
    if (at_comment(scan))
        return scan_comment(scan);
    switch (*scan->at) {
    case '\n':
        scan->line++;
        scan->at++;
        return 0;
    case ' ':
    case '\t':
    case '\r':
    case ',':
        scan->at++;
        return 0;
    case '=':
    case '+':
        return token_assign(scan);
    case '{':
        return token_open(scan);
    case '}':
        return token_close(scan);
    default:
        return token_string(scan);
    }
}

int kith_config_text_prepare(char *text, size_t size, const char *source_name, struct kith_error *ret_error) {
    struct scan scan = {.source_name = source_name, .error = ret_error, .at = text, .end = text + size, .line = 1};

    while (scan.at < scan.end) {
        int r = scan_token(&scan);
        if (r < 0)
            return r;
    }
    if (scan.depth > 0) {
        scan.line = scan.frames[scan.depth].line;
        return scan_fail(&scan, -EINVAL, "a section without end: close it with }");
    }
    return 0;
}
