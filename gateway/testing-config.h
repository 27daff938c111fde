/* gateway/testing-config.h: what the tests of the configuration share. */
#ifndef KITH_GATEWAY_TESTING_CONFIG_H
#define KITH_GATEWAY_TESTING_CONFIG_H

#include "gateway/cleanup.h"
#include "gateway/config.h"

static inline struct gateway_config *parse(const char *text) {
    struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (gateway_config_parse(text, strlen(text), "test.conf", &config, &error) < 0)
        fail_msg("%s", error.text);
    return config;
}

#endif
