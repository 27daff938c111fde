/*
 * gateway/config.h: the configuration of kith serve, kith.conf(5), as one validated object.
 *
 * Text becomes an object whole or not at all: every name is resolved, every policy read and every endpoint looked at before anything of a
 * running gateway is touched. Errors say NAME:LINE: what: remedy.
 */
#ifndef KITH_GATEWAY_CONFIG_H
#define KITH_GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/curve.h>
#include <kith/error.h>
#include <kith/policy.h>
#include <kith/socket.h>

#include "base/cleanup.h"
#include "gateway/audit.h"
#include "gateway/output/output.h"
#include "gateway/request.h"
#include "gateway/spool/spool.h"

/* A name is in every line about its service. */
#define GATEWAY_SERVICE_NAME_MAX 64

/* What answers the requests of a service. */
enum gateway_answer {
    GATEWAY_ANSWER_WORKERS,
    GATEWAY_ANSWER_ECHO,   /* builtin = "echo": the request's own frames */
    GATEWAY_ANSWER_WHO,    /* builtin = "who": one frame, the client's origin as JSON */
    GATEWAY_ANSWER_STATUS, /* builtin = "status": one frame, what the gateway counts, as JSON */
};

struct gateway_option {
    enum kith_option option;
    int64_t value;
};

struct gateway_service_config {
    char *name;
    char **listen; /* endpoints, ended by NULL, as the others */
    char **workers;
    char **workers_with_origin;
    enum gateway_answer answer;
    kith_policy *policy;        /* NULL: none, every client may send */
    kith_policy *worker_policy; /* never NULL when there are workers: without one in the text, root and our own uid */
    struct gateway_request_limits limits;
    uint64_t request_timeout_ms;
    unsigned mode; /* permission bits of the listening paths; 0: by umask */
    unsigned workers_mode;
    struct gateway_option *options; /* of all sockets of the service */
    size_t option_count;
};

/* What a proxy joins. */
enum gateway_forward_pattern {
    GATEWAY_FORWARD_PUBLISH,  /* XSUB and XPUB */
    GATEWAY_FORWARD_PIPELINE, /* PULL and PUSH */
    GATEWAY_FORWARD_REQUESTS, /* ROUTER and DEALER */
};

/* Messages (or requests) come in at the frontend and leave at the backend. */
enum gateway_side {
    GATEWAY_SIDE_FRONTEND,
    GATEWAY_SIDE_BACKEND,
    GATEWAY_SIDE_COUNT,
};

struct gateway_side_config {
    char **bind, **connect; /* endpoints, ended by NULL; NULL: none */
    kith_policy *policy;    /* of the frontend NULL: none, everybody may send; of the backend, when it binds, never NULL */
    unsigned mode;
};

struct gateway_forward_config {
    char *name;
    enum gateway_forward_pattern pattern;
    struct gateway_side_config sides[GATEWAY_SIDE_COUNT];
    struct gateway_option *options; /* of both sockets */
    size_t option_count;
};

/* What becomes of a message that has several frames: a target gets one body. */
enum gateway_frames {
    GATEWAY_FRAMES_REFUSE, /* it is refused, and counted */
    GATEWAY_FRAMES_JOIN,   /* all, end to end */
    GATEWAY_FRAMES_LAST,   /* the last one: of what is published, the one behind its topic */
};

struct gateway_target_config {
    char *name;                    /* of its cursor in the spool, and in the log */
    char *to;                      /* output_new() */
    struct output_options options; /* without policy and service */
    kith_policy *policy;           /* who the far end has to be. NULL: anybody */
};

struct gateway_route_config {
    char *name;
    char **from, **from_bind; /* endpoints, ended by NULL; NULL: none */
    enum kith_socket_type from_type;
    char **subscribe; /* topics or groups; NULL: all topics, the group "" */
    kith_policy *policy;
    unsigned mode;
    struct gateway_option *options; /* of all its source sockets; MAX_MESSAGE is among them */
    size_t option_count;
    size_t max_message;
    enum gateway_frames frames;
    char *spool; /* NULL: none, messages wait in memory */
    uint64_t spool_bytes, spool_age_ms;
    enum spool_overflow overflow;
    size_t queue_bytes; /* without a spool */
    struct gateway_target_config *targets;
    size_t target_count;
};

/* The control socket: control.h. */
struct gateway_control_config {
    char **listen;       /* NULL: there is none */
    kith_policy *policy; /* never NULL when it listens: without one in the text, root and our own uid */
    unsigned mode;
};

struct gateway_config {
    struct gateway_control_config control;
    struct gateway_service_config *services;
    size_t service_count;
    struct gateway_forward_config *forwards;
    size_t forward_count;
    struct gateway_route_config *routes;
    size_t route_count;
    uint64_t drain_ms; /* how long a stopping gateway waits for replies */
    enum gateway_audit_level audit;
    char *audit_file; /* NULL: none */
};

/* Reads a configuration; `name` stands for the text in errors, policy files are found relative to its directory. Not for use from two
 * threads at once (libconfuse). Errors: -EINVAL, -E2BIG, -ENOMEM, those of reading a policy file. */
int gateway_config_parse(const char *text, size_t size, const char *name, struct gateway_config **ret_config, struct kith_error *ret_error);
/* The same from a file. Further errors: those of open(2) and read(2). */
int gateway_config_load(const char *path, struct gateway_config **ret_config, struct kith_error *ret_error);
/* NULL is allowed. Always NULL. */
struct gateway_config *gateway_config_free(struct gateway_config *config);

/* Do both open the same sockets with the same options? (Policies, limits and times may differ.) */
bool gateway_service_config_same_sockets(const struct gateway_service_config *a, const struct gateway_service_config *b);
bool gateway_control_config_same_socket(const struct gateway_control_config *a, const struct gateway_control_config *b);
bool gateway_forward_config_same_sockets(const struct gateway_forward_config *a, const struct gateway_forward_config *b);
/* Are both the same but for their policies? */
bool gateway_route_config_same(const struct gateway_route_config *a, const struct gateway_route_config *b);

/* The text that is used without a file, for this user: services "echo" and "who" in $RUNTIME_DIRECTORY (systemd.exec(5)), /run/kith (root)
 * or $XDG_RUNTIME_DIR/kith. To free(). Errors: -ENOMEM, -ENOENT (no such directory is known), with text. */
int gateway_config_default(char **ret_text, struct kith_error *ret_error);
/* Where that one has its control socket, and where kith peers and its like look for one. Errors: the same. */
int gateway_config_default_control(char *endpoint, size_t size, struct kith_error *ret_error);

KITH_DEFINE_CLEANUP(struct gateway_config *, gateway_config_free)

#endif
