/* cli/talk-types.c: see talk.h. */
#include "cli/talk.h"

#include "base/cleanup.h"

#define DETAILS_SENDS                                                                                                                      \
    "Messages are the given frames (once, or --count times), or --file's contents, or else lines of standard input. It connects to\n"      \
    "ENDPOINT, or to and at what --connect and --bind say, each as often as wanted.\n"
#define DETAILS_RECEIVES                                                                                                                   \
    "Prints the frames of each message, a line each, until --count messages came or it is interrupted. It connects to ENDPOINT, or to\n"   \
    "and at what --connect and --bind say, each as often as wanted.\n"
#define DETAILS_BOTH                                                                                                                       \
    "Sends the given frames, or --file's contents, or else lines of standard input, and prints what it receives, until --count messages\n" \
    "came or it is interrupted. It connects to ENDPOINT, or to and at what --connect and --bind say, each as often as wanted.\n"
#define STATUS "Exit status: 0 done, 1 error, 2 usage, 3 timeout, 4 refused."

#define VERB(word, usage_text, summary_text, details_text)                                                                                 \
    const struct cli_verb cli_##word = {.name = #word,                                                                                     \
                                        .summary = summary_text,                                                                           \
                                        .usage = usage_text,                                                                               \
                                        .details = details_text STATUS,                                                                    \
                                        .options = cli_talk_options,                                                                       \
                                        .run = cli_talk_run}
#define SENDER(word, summary) VERB(word, "[ENDPOINT [FRAME...]] [OPTION...]", summary, DETAILS_SENDS)
#define RECEIVER(word, summary) VERB(word, "[ENDPOINT] [OPTION...]", summary, DETAILS_RECEIVES)
#define BOTH(word, summary) VERB(word, "[ENDPOINT [FRAME...]] [OPTION...]", summary, DETAILS_BOTH)

SENDER(push, "hand messages out to PULL peers in turn");
RECEIVER(pull, "receive what PUSH peers hand out");
SENDER(pub, "publish messages to subscribers");
RECEIVER(sub, "receive what publishers publish, by topic");
BOTH(xpub, "publish, and see who subscribes to what");
BOTH(xsub, "subscribe by messages, as a forwarder does");
BOTH(pair, "talk to one peer, both ways");
BOTH(dealer, "send to peers in turn, receive from all");
BOTH(router, "receive from all with their routing ids, send by routing id");
BOTH(client, "talk to a SERVER peer");
BOTH(server, "receive from CLIENT peers, send by routing id");
SENDER(radio, "send to a group");
RECEIVER(dish, "receive what is sent to groups");
SENDER(scatter, "hand messages of one frame out to GATHER peers in turn");
RECEIVER(gather, "receive what SCATTER peers hand out");
BOTH(channel, "talk to one peer in messages of one frame, both ways");
BOTH(stream, "talk octets to peers of any protocol, by routing id");

static const struct cli_talk_type types[] = {
    {&cli_push, KITH_PUSH, .sends = true},
    {&cli_pull, KITH_PULL, .receives = true},
    /* An XPUB sees who subscribes, so that the first message can wait for the first subscriber. */
    {&cli_pub, KITH_XPUB, .sends = true},
    {&cli_sub, KITH_SUB, .receives = true, .topics = true},
    {&cli_xpub, KITH_XPUB, .sends = true, .receives = true},
    {&cli_xsub, KITH_XSUB, .sends = true, .receives = true, .topics = true},
    {&cli_pair, KITH_PAIR, .sends = true, .receives = true},
    {&cli_dealer, KITH_DEALER, .sends = true, .receives = true},
    {&cli_router, KITH_ROUTER, .sends = true, .receives = true},
    {&cli_client, KITH_CLIENT, .sends = true, .receives = true},
    {&cli_server, KITH_SERVER, .sends = true, .receives = true},
    {&cli_radio, KITH_RADIO, .sends = true},
    {&cli_dish, KITH_DISH, .receives = true, .groups = true},
    {&cli_scatter, KITH_SCATTER, .sends = true},
    {&cli_gather, KITH_GATHER, .receives = true},
    {&cli_channel, KITH_CHANNEL, .sends = true, .receives = true},
    {&cli_stream, KITH_STREAM, .sends = true, .receives = true},
};

const struct cli_talk_type *cli_talk_type(const struct cli_verb *verb) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++)
        if (types[i].verb == verb)
            return &types[i];
    return NULL;
}
