/*
 * gateway/config-reader.h: one reading of a configuration, and the values that sections of all kinds have.
 *
 * Each reads an option of a section, judges it, and leaves what it was given as it is when the option is not there. Errors are those of
 * config.h, with text that names the line.
 */
#ifndef KITH_GATEWAY_CONFIG_READER_H
#define KITH_GATEWAY_CONFIG_READER_H

#include "config/internal.h"
#include "gateway/config.h"

/* Rows that are named as an option in kith_socket_options(), with _ for -, set that on all sockets of the section. */
#define GATEWAY_SOCKET_OPTIONS                                                                                                             \
    KITH_CONFIG_VALUE("max_message"), KITH_CONFIG_VALUE("handshake_timeout"), KITH_CONFIG_VALUE("heartbeat_interval"),                     \
        KITH_CONFIG_VALUE("heartbeat_timeout"), KITH_CONFIG_VALUE("heartbeat_ttl"), KITH_CONFIG_VALUE("send_hwm"),                         \
        KITH_CONFIG_VALUE("send_hwm_bytes"), KITH_CONFIG_VALUE("recv_hwm"), KITH_CONFIG_VALUE("recv_hwm_bytes"),                           \
        KITH_CONFIG_VALUE("backlog"), KITH_CONFIG_VALUE("max_peers")

struct gateway_reader {
    const char *name; /* of the text */
    cfg_t *cfg;
    kith_policy **policies; /* of the policy sections, in their order */
    size_t policy_count;
    struct kith_error *error;
};

#define gateway_reader_fail(reader, code, line, ...) kith_config_error((reader)->error, code, (reader)->name, line, __VA_ARGS__)
int gateway_reader_no_memory(struct gateway_reader *reader);

/* A whole number between min and max; 0 in front means base 8. */
int gateway_reader_number(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, int64_t max, int64_t *number);
int gateway_reader_size(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, size_t *size);
int gateway_reader_ms(struct gateway_reader *reader, cfg_t *section, const char *option, int64_t min, uint64_t *ms);
int gateway_reader_mode(struct gateway_reader *reader, cfg_t *section, const char *option, unsigned *mode);
/* One of words[0, count), its place. */
int gateway_reader_word(struct gateway_reader *reader, cfg_t *section, const char *option, const char *const *words, size_t count,
                        unsigned *ret_index);
/* yes or no. */
int gateway_reader_flag(struct gateway_reader *reader, cfg_t *section, const char *option, bool *flag);
/* The secret key in the file that the option, which is there, names. */
int gateway_reader_key_file(struct gateway_reader *reader, cfg_t *section, const char *option, uint8_t key[static KITH_CURVE_KEY_SIZE]);
/* The options's text, to free(). */
int gateway_reader_text(struct gateway_reader *reader, cfg_t *section, const char *option, char **ret_text);
/* All values of a list, ended by NULL; to gateway_strings_free(), on failure too. */
int gateway_reader_texts(struct gateway_reader *reader, cfg_t *section, const char *option, char ***ret_texts);
/* The same of endpoints, which are looked at. */
int gateway_reader_endpoints(struct gateway_reader *reader, cfg_t *section, const char *option, bool listening, char ***ret_endpoints);
/* The policy that `option` names: a section's name, or a file's path, which has a '/'. */
int gateway_reader_policy(struct gateway_reader *reader, cfg_t *section, const char *option, kith_policy **ret_policy);
/* What is set of the rows that are socket options. */
int gateway_reader_socket_options(struct gateway_reader *reader, cfg_t *section, const cfg_opt_t *rows, struct gateway_option **ret_options,
                                  size_t *ret_count);
/* The section's title. */
int gateway_reader_name(struct gateway_reader *reader, cfg_t *section, char **ret_name);

void gateway_strings_free(char **strings);
bool gateway_same_strings(char **a, char **b);
bool gateway_same_options(const struct gateway_option *a, size_t a_count, const struct gateway_option *b, size_t b_count);

/* Route sections: config-route.c. */
extern const cfg_opt_t gateway_route_options[];
int gateway_reader_routes(struct gateway_reader *reader, struct gateway_config *config);
void gateway_route_config_deinit(struct gateway_route_config *route);

#endif
