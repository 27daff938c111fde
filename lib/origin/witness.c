/* origin/witness.c: names of witnesses and facts, as in JSON and in policies. */
#include <errno.h>
#include <string.h>

#include <kith/origin.h>

#include "base/cleanup.h"

static const char *const witness_names[] = {
    [KITH_WITNESS_NONE] = "unknown",
    [KITH_WITNESS_CLAIMED] = "claimed",
    [KITH_WITNESS_INFERRED] = "inferred",
    [KITH_WITNESS_KEY] = "key",
    [KITH_WITNESS_KERNEL_CONNECT] = "kernel-connect",
    [KITH_WITNESS_KERNEL_MESSAGE] = "kernel-message",
};

static const char *const fact_names[KITH_FACT_COUNT_] = {
    [KITH_FACT_PID] = "pid",
    [KITH_FACT_UID] = "uid",
    [KITH_FACT_GID] = "gid",
    [KITH_FACT_GROUPS] = "groups",
    [KITH_FACT_EXE] = "exe",
    [KITH_FACT_UNIT] = "unit",
    [KITH_FACT_CGROUP] = "cgroup",
    [KITH_FACT_LABEL] = "label",
    [KITH_FACT_START_TIME] = "start_time",
    [KITH_FACT_ADDRESS] = "address",
    [KITH_FACT_CID] = "cid",
    [KITH_FACT_DESTINATION] = "destination",
    [KITH_FACT_INTERFACE] = "interface",
    [KITH_FACT_TTL] = "ttl",
    [KITH_FACT_TOS] = "tos",
    [KITH_FACT_TIME] = "time",
    [KITH_FACT_KEY] = "key",
    [KITH_FACT_MODULE] = "module",
    [KITH_FACT_CONTAINER] = "container",
    [KITH_FACT_SESSION] = "session",
    [KITH_FACT_USER] = "user",
    [KITH_FACT_THREAD] = "thread",
    [KITH_FACT_PID_NAMESPACE] = "pid_namespace",
    [KITH_FACT_USER_NAMESPACE] = "user_namespace",
    [KITH_FACT_MAY_FORGE] = "may_forge",
    [KITH_FACT_CONNECTOR] = "connector",
};

const char *kith_witness_name(enum kith_witness witness) {
    return (size_t)witness < KITH_ARRAY_SIZE(witness_names) ? witness_names[witness] : witness_names[KITH_WITNESS_NONE];
}

int kith_witness_parse(const char *name, enum kith_witness *ret_witness) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(witness_names); i++) {
        if (strcmp(name, witness_names[i]) == 0) {
            *ret_witness = (enum kith_witness)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *kith_fact_name(enum kith_fact fact) {
    return (size_t)fact < KITH_ARRAY_SIZE(fact_names) ? fact_names[fact] : "unknown";
}
