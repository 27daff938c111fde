/*
 * cli/keygen.c: kith keygen: a pair of keys for CURVE, printed or as two files.
 *
 * A file appears whole or not at all: it is written under another name next to its place, and gets its own by link(2), which never replaces
 * what is there, or with --force by rename(2). The secret half goes first: a public key that is there has its secret one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kith/curve.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

#define SECRET_SUFFIX ".secret"
#define SECRET_MODE 0600
#define PUBLIC_MODE 0644

struct keygen {
    const char *out, *from;
    bool force, json;
    char public_text[KITH_CURVE_TEXT_SIZE], secret_text[KITH_CURVE_TEXT_SIZE];
};

enum { KEY_OUT, KEY_FORCE, KEY_FROM, KEY_JSON };

static const struct cli_option options[] = {
    {KEY_OUT, "out", 'o', "FILE", "write the public key to FILE, the secret one to FILE" SECRET_SUFFIX " (mode 0600)"},
    {KEY_FORCE, "force", 'f', NULL, "replace files that are there"},
    {KEY_FROM, "from-secret", 0, "FILE", "make no pair: read the secret key from FILE (-: standard input) and tell its public one"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct keygen *keygen = state;
    switch (key) {
    case KEY_OUT:
        keygen->out = value;
        return 0;
    case KEY_FORCE:
        keygen->force = true;
        return 0;
    case KEY_FROM:
        keygen->from = value;
        return 0;
    default:
        keygen->json = true;
        return 0;
    }
}

/* The pair -------------------------------------------------------------------------------------------------------------- */

static int make_pair(struct keygen *keygen, struct kith_error *error) {
    uint8_t public_key[KITH_CURVE_KEY_SIZE], secret_key[KITH_CURVE_KEY_SIZE];
    int r = kith_curve_keypair(public_key, secret_key);
    if (r >= 0)
        r = kith_z85_encode(public_key, sizeof(public_key), keygen->public_text, sizeof(keygen->public_text));
    if (r >= 0)
        r = kith_z85_encode(secret_key, sizeof(secret_key), keygen->secret_text, sizeof(keygen->secret_text));
    explicit_bzero(secret_key, sizeof(secret_key));
    return r < 0 ? kith_error_set(error, r, "no pair of keys: %s", kith_error_name(r)) : 0;
}

/* One key, as keygen writes it; blanks around it do no harm. */
static int read_secret(const char *path, char text[static KITH_CURVE_TEXT_SIZE], struct kith_error *error) {
    char line[128] = "";
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file)
        return kith_error_set(error, -errno, "%s: %s", path, kith_error_name(-errno));
    (void)setvbuf(file, NULL, _IONBF, 0); /* no copy of it in a buffer that is not wiped */
    size_t size = fread(line, 1, sizeof(line) - 1, file);
    if (file != stdin)
        fclose(file);
    const char *key = line + strspn(line, " \t\r\n");
    size_t length = strcspn(key, " \t\r\n");
    bool good = length == KITH_CURVE_TEXT_SIZE - 1 && strspn(key + length, " \t\r\n") == size - (size_t)(key + length - line);
    if (good)
        memcpy(text, key, length);
    text[good ? length : 0] = '\0';
    explicit_bzero(line, sizeof(line));
    return good ? 0 : kith_error_set(error, -EINVAL, "%s: no secret key: one of 40 characters of Z85 is needed", path);
}

static int derive_public(struct keygen *keygen, struct kith_error *error) {
    uint8_t public_key[KITH_CURVE_KEY_SIZE], secret_key[KITH_CURVE_KEY_SIZE];
    int r = read_secret(keygen->from, keygen->secret_text, error);
    if (r < 0)
        return r;
    r = kith_z85_decode(keygen->secret_text, KITH_CURVE_TEXT_SIZE - 1, secret_key, sizeof(secret_key));
    if (r < 0)
        return kith_error_set(error, r, "%s: no secret key: a character is none of Z85's", keygen->from);
    kith_curve_public_key(secret_key, public_key);
    explicit_bzero(secret_key, sizeof(secret_key));
    return kith_z85_encode(public_key, sizeof(public_key), keygen->public_text, sizeof(keygen->public_text));
}

/* Files -------------------------------------------------------------------------------------------------------------------- */

/* Errors: those of the calls; the unfinished file is gone then. */
static int write_file(int fd, const char *text, mode_t mode) {
    char line[KITH_CURVE_TEXT_SIZE + 1];
    int size = snprintf(line, sizeof(line), "%s\n", text);
    ssize_t n = write(fd, line, (size_t)size);
    explicit_bzero(line, sizeof(line));
    if (n < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return -errno;
    return n == size ? 0 : -ENOSPC;
}

static int place_file(const char *path, const char *text, mode_t mode, bool force) {
    char hidden[PATH_MAX];
    if ((size_t)snprintf(hidden, sizeof(hidden), "%s.XXXXXX", path) >= sizeof(hidden))
        return -ENAMETOOLONG;
    int fd = mkostemp(hidden, O_CLOEXEC); /* mode 0600 from its birth */
    if (fd < 0)
        return -errno;
    int r = write_file(fd, text, mode);
    kith_close(fd);
    if (r >= 0 && (force ? rename(hidden, path) : link(hidden, path)) < 0)
        r = -errno;
    if (!force || r < 0)
        unlink(hidden);
    return r;
}

static int cannot_write(const char *path, int r, struct kith_error *error) {
    if (r == -EEXIST)
        return kith_error_set(error, r, "%s: is there already; --force replaces it", path);
    return kith_error_set(error, r, "%s: cannot be written: %s", path, kith_error_name(r));
}

static int write_pair(const struct keygen *keygen, struct kith_error *error) {
    char secret_path[PATH_MAX];
    if ((size_t)snprintf(secret_path, sizeof(secret_path), "%s" SECRET_SUFFIX, keygen->out) >= sizeof(secret_path))
        return cannot_write(keygen->out, -ENAMETOOLONG, error);
    int r = place_file(secret_path, keygen->secret_text, SECRET_MODE, keygen->force);
    if (r < 0)
        return cannot_write(secret_path, r, error);
    r = place_file(keygen->out, keygen->public_text, PUBLIC_MODE, keygen->force);
    if (r >= 0)
        return 0;
    if (!keygen->force)
        unlink(secret_path); /* it is ours, and has no other half */
    return cannot_write(keygen->out, r, error);
}

/* ---------------------------------------------------------------------------------------------------------------------------- */

/* The secret key is not shown when it is in a file, or came from one. */
static int print_keys(const struct keygen *keygen) {
    const char *secret = keygen->out || keygen->from ? NULL : keygen->secret_text;
    if (!keygen->json)
        return cli_print("public %s\n%s%s%s", keygen->public_text, secret ? "secret " : "", secret ? secret : "", secret ? "\n" : "");
    json_auto_t *object = json_pack("{s:s, s:s*}", "public", keygen->public_text, "secret", secret);
    return object ? cli_json_print(object) : -ENOMEM;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct keygen keygen = {0};
    struct kith_error error = KITH_ERROR_NONE;
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &keygen, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: nothing like that is needed", words[0]);
    if (keygen.out && keygen.from)
        return cli_usage(verb, "--out is for a new pair, --from-secret for one that is there");
    if (keygen.force && !keygen.out)
        return cli_usage(verb, "--force needs --out");
    int r = keygen.from ? derive_public(&keygen, &error) : make_pair(&keygen, &error);
    if (r >= 0 && keygen.out)
        r = write_pair(&keygen, &error);
    if (r >= 0)
        status = print_keys(&keygen) == -ENOMEM ? CLI_ERROR : CLI_OK;
    else
        status = cli_fail(&error);
    explicit_bzero(&keygen, sizeof(keygen));
    return status;
}

const struct cli_verb cli_keygen = {
    .name = "keygen",
    .summary = "make a pair of keys for CURVE",
    .usage = "[--json] [--out FILE [--force] | --from-secret FILE]",
    .details =
        "Prints a new public key and its secret one, each 40 characters (Z85), or writes them to two files, of which only the public one\n"
        "is for others. A server tells its clients the public key; curve-secret-key and curve-server-key take them as they are.",
    .options = options,
    .run = run,
};
