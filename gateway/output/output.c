/*
 * gateway/output/output.c: the shared half of all outputs: what is in flight, bounds, backoff, counters, and telling the caller.
 *
 * State: waiting -> opening -> up -> (lost) waiting -> ...; output_drain() -> ended. Callbacks are noted and told by one timer of 0 ms, so
 * none runs inside a call of the caller's or in the middle of a type's work. Until `back` was told nothing new is taken: a message that was
 * given back is never behind one that was not.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "gateway/output/type.h"

#define POLL_MIN_MS 1
/* A far end that is slow is not asked more often: it costs a system call. */
#define POLL_MAX_MS 64

/* Telling --------------------------------------------------------------------------------------------------------- */

static void tell_soon(struct output *output) {
    kith_timer_arm(output->tell_timer, 0, 0);
}

static bool has_room(const struct output *output) {
    return output->flight.count < output->options.flight_messages && output_flight_octets(&output->flight) < output->options.flight_octets;
}

/* Half empty: a caller that waits is not woken for every message. */
static bool has_much_room(const struct output *output) {
    return output->flight.count <= output->options.flight_messages / 2 &&
           output_flight_octets(&output->flight) <= output->options.flight_octets / 2;
}

static bool is_ready(const struct output *output) {
    return output->state == OUTPUT_UP && !output->draining && !output->tell_back;
}

static void note_ready(struct output *output) {
    if (output->starved && output->state == OUTPUT_UP && !output->draining && has_much_room(output)) {
        output->tell_ready = true;
        tell_soon(output);
    }
}

/* One of what is to be told. False: there is no more. */
static bool tell_next(struct output *output) {
    const struct output_callbacks *callbacks = &output->callbacks;
    if (output->tell_done) {
        output->tell_done = false;
        if (callbacks->done)
            callbacks->done(output, output->done_upto, output->userdata);
    } else if (output->tell_back) {
        output->tell_back = false;
        if (callbacks->back)
            callbacks->back(output, output->back_from, output->userdata);
    } else if (output->tell_ended) {
        output->tell_ended = false;
        if (callbacks->ended)
            callbacks->ended(output, output->userdata);
    } else if (output->tell_ready) {
        output->tell_ready = false;
        if (is_ready(output)) {
            output->starved = false;
            if (callbacks->ready)
                callbacks->ready(output, output->userdata);
        }
    } else {
        return false;
    }
    return true;
}

static void on_tell(kith_timer *timer, void *userdata) {
    struct output *output = userdata;
    bool freed = false;
    output->freed = &freed;
    while (tell_next(output))
        if (freed)
            return;
    output->freed = NULL;
}

void output_log(struct output *output, int priority, const char *format, ...) {
    char text[OUTPUT_LOG_LINE_MAX];
    if (!output->callbacks.log)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    output->callbacks.log(output, priority, text, output->userdata);
}

/* What is in flight ------------------------------------------------------------------------------------------------ */

static void finish_if_done(struct output *output) {
    if (!output->draining || output->finishing || output->state != OUTPUT_UP || output->flight.count > 0)
        return;
    output->finishing = true;
    output->type->finish(output);
}

/* False: nothing was. */
static bool count_done(struct output *output, size_t count, uint64_t upto) {
    if (count == 0)
        return false;
    output->stats.done += count;
    output->done_upto = upto;
    output->tell_done = true;
    output->backoff_ms = output->options.retry_min_ms;
    tell_soon(output);
    return true;
}

static void note_done(struct output *output, size_t count, uint64_t upto) {
    if (!count_done(output, count, upto))
        return;
    note_ready(output);
    finish_if_done(output);
}

void output_done(struct output *output, uint64_t upto) {
    uint64_t id = 0;
    size_t count = output_flight_take_ids(&output->flight, upto, &id);
    note_done(output, count, id);
}

/* Everything that is in flight is the caller's again. */
static void give_back(struct output *output) {
    if (output->flight.count > 0) {
        output->back_from = output_flight_at(&output->flight, 0)->id;
        output->tell_back = true;
        tell_soon(output);
    }
    output_flight_clear(&output->flight);
    output->octets = 0;
}

static void poll_soon(struct output *output) {
    if (!output->type->delivered || output->options.acks || output->flight.count == 0 || kith_timer_armed(output->poll_timer))
        return;
    kith_timer_arm(output->poll_timer, output->poll_ms, 0);
}

void output_progress(struct output *output) {
    struct kith_error error = KITH_ERROR_NONE;
    uint64_t octets = 0, id = 0;
    if (output->state != OUTPUT_UP || !output->type->delivered || output->options.acks || output->flight.count == 0)
        return;
    int r = output->type->delivered(output, &octets, &error);
    size_t count = output_flight_take_octets(&output->flight, octets, &id);
    if (r < 0) {
        count_done(output, count, id);
        output->type->close(output);
        output_lost(output, r, "%s", error.text);
        return;
    }
    if (!output->type->slow_poll) {
        uint64_t next = 2 * output->poll_ms;
        output->poll_ms = count > 0 ? POLL_MIN_MS : next < POLL_MAX_MS ? next : POLL_MAX_MS;
    }
    note_done(output, count, id);
    poll_soon(output);
}

static void on_poll(kith_timer *timer, void *userdata) {
    output_progress(userdata);
}

/* Opening and losing ----------------------------------------------------------------------------------------------- */

static void end(struct output *output) {
    give_back(output);
    output->state = OUTPUT_ENDED;
    output->stats.up_since_ns = 0;
    kith_timer_disarm(output->retry_timer);
    kith_timer_disarm(output->poll_timer);
    kith_timer_disarm(output->deadline_timer);
    output->tell_ready = false;
    output->tell_ended = true;
    tell_soon(output);
}

/* xorshift64: so that a crowd of outputs whose collector restarts does not come back in one moment. */
static uint64_t dice(struct output *output) {
    output->random ^= output->random << 13;
    output->random ^= output->random >> 7;
    output->random ^= output->random << 17;
    return output->random;
}

static void retry_later(struct output *output) {
    uint64_t wait_ms = output->backoff_ms - dice(output) % (output->backoff_ms / 2 + 1);
    output->state = OUTPUT_WAITING;
    output->backoff_ms = output->backoff_ms < output->options.retry_max_ms / 2 ? 2 * output->backoff_ms : output->options.retry_max_ms;
    kith_timer_disarm(output->poll_timer);
    kith_timer_arm(output->retry_timer, wait_ms, 0);
}

void output_lost(struct output *output, int code, const char *format, ...) {
    struct kith_error error = KITH_ERROR_NONE;
    va_list args;
    va_start(args, format);
    kith_error_vset(&error, code, format, args);
    va_end(args);
    snprintf(output->stats.last_error, sizeof(output->stats.last_error), "%s", error.text);
    output->stats.failures++;
    output->stats.up_since_ns = 0;
    output->starved = true;
    output->tell_ready = false;
    give_back(output);
    if (output->draining)
        end(output);
    else
        retry_later(output);
    output_log(output, LOG_WARNING, "%s: %s", output->target, error.text);
}

void output_up(struct output *output) {
    output->state = OUTPUT_UP;
    output->stats.up_since_ns = kith_loop_now(output->loop);
    output->stats.reconnects += output->stats.failures > 0;
    output->poll_ms = output->type->slow_poll ? output->options.sync_ms : POLL_MIN_MS;
    note_ready(output);
}

void output_room(struct output *output) {
    note_ready(output);
}

void output_ended(struct output *output) {
    end(output);
}

static void try_open(struct output *output) {
    struct kith_error error = KITH_ERROR_NONE;
    output->state = OUTPUT_OPENING;
    int r = output->type->open(output, &error);
    if (r < 0) {
        output->type->close(output);
        output_lost(output, r, "%s", error.text);
    }
}

static void on_retry(kith_timer *timer, void *userdata) {
    try_open(userdata);
}

static void on_deadline(kith_timer *timer, void *userdata) {
    struct output *output = userdata;
    output->type->close(output);
    end(output);
}

/* The caller's side ------------------------------------------------------------------------------------------------ */

static int check_options(const struct output_options *options, struct kith_error *ret_error) {
    if (options->retry_min_ms > options->retry_max_ms)
        return kith_error_set(ret_error, -EINVAL, "retry: at least %llu ms and at most %llu ms do not go together",
                              (unsigned long long)options->retry_min_ms, (unsigned long long)options->retry_max_ms);
    if (options->acks && !options->origin)
        return kith_error_set(ret_error, -EINVAL, "acks want origin: without it the far end does not know the ids");
    return 0;
}

static void set_default(uint64_t *value, uint64_t otherwise) {
    *value = *value ? *value : otherwise;
}

static void set_defaults(struct output_options *options) {
    options->flight_messages = options->flight_messages ? options->flight_messages : 4096;
    options->flight_octets = options->flight_octets ? options->flight_octets : (size_t)4 << 20;
    options->keep = options->keep ? options->keep : 5;
    set_default(&options->retry_min_ms, 100);
    set_default(&options->retry_max_ms, options->retry_min_ms > 30000 ? options->retry_min_ms : 30000);
    set_default(&options->connect_ms, 10000);
    set_default(&options->stop_ms, 5000);
    set_default(&options->sync_ms, 20);
}

static int make_timers(struct output *output) {
    int r = kith_timer_new(output->loop, on_tell, output, &output->tell_timer);
    if (r >= 0)
        r = kith_timer_new(output->loop, on_retry, output, &output->retry_timer);
    if (r >= 0)
        r = kith_timer_new(output->loop, on_poll, output, &output->poll_timer);
    if (r >= 0)
        r = kith_timer_new(output->loop, on_deadline, output, &output->deadline_timer);
    return r;
}

/* A target that is of no kind, with those that there are. */
static int refuse_target(const char *target, struct kith_error *ret_error) {
    char text[256];
    struct kith_text kinds = kith_text_init(text, sizeof(text));
    const struct output_kind *kind;
    for (size_t i = 0; (kind = output_kind_at(i)); i++)
        kith_text_printf(&kinds, "%s%s", i > 0 ? ", " : "", kind->prefix);
    return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: no such kind of target: it begins with one of %s", target, text);
}

static int output_init(struct output *output, const char *target, const struct output_options *options, struct kith_error *ret_error) {
    if (options)
        output->options = *options;
    if (output->options.policy)
        kith_policy_ref(output->options.policy);
    set_defaults(&output->options);
    output->backoff_ms = output->options.retry_min_ms;
    output->starved = true;
    if (getrandom(&output->random, sizeof(output->random), GRND_NONBLOCK) < 0 || output->random == 0)
        output->random = kith_time_now() | 1;
    output->target = strdup(target);
    int r = output->target ? make_timers(output) : -ENOMEM;
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", target, kith_error_name(r));
    r = check_options(&output->options, ret_error);
    if (r < 0)
        return r;
    if (output->options.curve && !output->type->curve)
        return kith_error_set(ret_error, -EPROTONOSUPPORT,
                              "%s: only a ZMTP peer (tcp://, ipc://) has CURVE: leave the keys off, or go there by one", output->target);
    if (output->options.policy && !output->type->policy_changed)
        return kith_error_set(ret_error, -EPROTONOSUPPORT,
                              "%s: only a ZMTP peer (tcp://, ipc://) can be asked who it is: leave the policy off, or go there by one",
                              output->target);
    const char *rest = NULL;
    (void)output_type_find(output->target, &rest);
    output->parsed = true;
    return output->type->parse(output, rest, ret_error);
}

/* Made, and not opened. */
static int make(kith_loop *loop, const char *target, const struct output_options *options, struct output **ret_output,
                struct kith_error *ret_error) {
    const char *rest;
    const struct output_type *type = output_type_find(target, &rest);
    if (!type)
        return refuse_target(target, ret_error);
    _cleanup_(output_freep) struct output *output = calloc(1, type->size);
    if (!output)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", target);
    output->type = type;
    output->loop = loop;
    int r = output_init(output, target, options, ret_error);
    if (r < 0)
        return r;
    *ret_output = KITH_STEAL(output);
    return 0;
}

int output_new(kith_loop *loop, const char *target, const struct output_options *options, const struct output_callbacks *callbacks,
               void *userdata, struct output **ret_output, struct kith_error *ret_error) {
    struct output *output;
    int r = make(loop, target, options, &output, ret_error);
    if (r < 0)
        return r;
    output->callbacks = *callbacks;
    output->userdata = userdata;
    try_open(output);
    *ret_output = output;
    return 0;
}

int output_check(const char *target, const struct output_options *options, struct kith_error *ret_error) {
    const struct kith_loop_options loop_options = {.backend = "epoll"};
    kith_loop *loop;
    struct output *output = NULL;
    int r = kith_loop_new_with(&loop_options, &loop, ret_error);
    if (r < 0)
        return r;
    r = make(loop, target, options, &output, ret_error);
    output_free(output);
    kith_loop_free(loop);
    return r;
}

void output_set_policy(struct output *output, kith_policy *policy) {
    kith_policy *before = output->options.policy;
    output->options.policy = policy ? kith_policy_ref(policy) : NULL;
    kith_policy_unref(before);
    output->type->policy_changed(output);
}

static int check_send(struct output *output, const struct output_message *message) {
    if (output->draining)
        return -EPIPE;
    if (output->flight.count > 0 && message->id <= output_flight_at(&output->flight, output->flight.count - 1)->id)
        return -EINVAL;
    if (!is_ready(output) || !has_room(output)) {
        output->starved = true;
        return -EAGAIN;
    }
    return output_flight_reserve(&output->flight);
}

static int send_failed(struct output *output, int code, const struct kith_error *error) {
    if (code == -EAGAIN) {
        output->starved = true;
        return code;
    }
    if (code == -EBADMSG || code == -EMSGSIZE || code == -EACCES) {
        output->stats.refused++;
        return code;
    }
    if (code == -ENOMEM)
        return code;
    output->type->close(output);
    output_lost(output, code, "%s", error->text);
    return -EAGAIN;
}

int output_send(struct output *output, const struct output_message *message) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = check_send(output, message);
    if (r >= 0)
        r = output->type->send(output, message, &error);
    else
        return r;
    if (r < 0)
        return send_failed(output, r, &error);
    output_flight_push(&output->flight, message->id, output->octets);
    output->stats.sent++;
    if (message->id <= output->highest)
        output->stats.retried++;
    else
        output->highest = message->id;
    poll_soon(output);
    return 0;
}

void output_drain(struct output *output, int64_t deadline_ms) {
    if (output->state == OUTPUT_ENDED)
        return;
    if (deadline_ms >= 0)
        kith_timer_arm(output->deadline_timer, (uint64_t)deadline_ms, 0);
    output->draining = true;
    if (output->state == OUTPUT_UP) {
        finish_if_done(output);
        return;
    }
    output->type->close(output);
    end(output);
}

struct output *output_free(struct output *output) {
    if (!output)
        return NULL;
    if (output->freed)
        *output->freed = true;
    if (output->parsed) {
        output->type->close(output);
        output->type->deinit(output);
    }
    kith_timer_free(output->tell_timer);
    kith_timer_free(output->retry_timer);
    kith_timer_free(output->poll_timer);
    kith_timer_free(output->deadline_timer);
    output_flight_deinit(&output->flight);
    kith_policy_unref(output->options.policy);
    free(output->target);
    free(output);
    return NULL;
}

const char *output_target(const struct output *output) {
    return output->target;
}

void output_stats(const struct output *output, struct output_stats *ret_stats) {
    *ret_stats = output->stats;
    ret_stats->state = output->draining && output->state != OUTPUT_ENDED ? OUTPUT_DRAINING : output->state;
    ret_stats->flight_messages = output->flight.count;
    ret_stats->flight_octets = (size_t)output_flight_octets(&output->flight);
}

const char *output_state_name(enum output_state state) {
    static const char *const names[] = {
        [OUTPUT_WAITING] = "waiting",   [OUTPUT_OPENING] = "opening", [OUTPUT_UP] = "up",
        [OUTPUT_DRAINING] = "draining", [OUTPUT_ENDED] = "ended",
    };
    return (size_t)state < KITH_ARRAY_SIZE(names) ? names[state] : NULL;
}
