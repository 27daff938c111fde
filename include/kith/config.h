/*
 * kith/config.h: policies from text, in the configuration language of kith serve (libconfuse). In libkith-config, so that libkith
 * itself needs no parser library.
 *
 *     rule "operators" {
 *         allow   = {"connect", "send"}
 *         group   = {"adm", "wheel"}
 *         exe     = {"/usr/bin/foo"}
 *         witness = "kernel-connect"
 *     }
 *     rule "nobody" { deny = {"*"}  user = {"nobody"} }
 *     include = {"local.policy"}
 *
 * user and group take names, uid and gid numbers or ranges; names are resolved when the text is read, and so are files that it includes,
 * relative to the name of the text. See kith-policy(5).
 */
#ifndef KITH_CONFIG_H
#define KITH_CONFIG_H

#include <stddef.h>

#include <kith/error.h>
#include <kith/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Largest text accepted. */
#define KITH_CONFIG_TEXT_MAX (1024 * 1024)

/* Reads a policy. `name` stands for the text in errors ("/etc/kith/x.policy"), which say name:line: what: remedy. Not for use from two
 * threads at once (libconfuse keeps its scanner in globals). Errors: -EINVAL (with the text), -E2BIG, -ENOMEM; of files that are included
 * those of open(2) and read(2). */
KITH_PUBLIC int kith_config_policy_parse(const char *text, size_t size, const char *name, kith_policy **ret_policy,
                                         struct kith_error *ret_error);
/* The same from a file. Further errors: those of open(2) and read(2). */
KITH_PUBLIC int kith_config_policy_load(const char *path, kith_policy **ret_policy, struct kith_error *ret_error);

#ifdef __cplusplus
}
#endif
#endif
