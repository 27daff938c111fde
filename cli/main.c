/* cli/main.c: the kith command: finds the verb and runs it. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/output.h"

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        cli_help_all();
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        cli_print("kith %s\n", KITH_VERSION);
        return CLI_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return cli_help_all();
    const struct cli_verb *verb = cli_verb_find(word);
    return verb ? verb->run(verb, argc - 1, argv + 1) : cli_help_unknown(word);
}

/* A descriptor 0, 1 or 2 that was closed by the caller would be given to the next file or socket, which then gets our output. What takes
 * its place refuses to be used, so that reading and writing still fail. */
static void occupy_standard_descriptors(void) {
    for (int fd; (fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0;) {
        close(fd);
        if (fd > STDERR_FILENO || open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return;
    }
}

int main(int argc, char **argv) {
    occupy_standard_descriptors();
    cli_output_init();
    return cli_output_finish(dispatch(argc, argv));
}
