/*
 * socket/authenticate.c: who is let in, by what a peer has shown in its handshake.
 *
 * When a ZAP handler is bound in this process (RFC 27) it is asked, and its word holds. Without one:
 *   PLAIN  the server's own plain-username and plain-password; without a name nobody is let in, as nobody knows who should be
 *   CURVE  everybody who knows the server's public key: the client's own key is proved and a fact of its messages' origin
 *   NULL   everybody; the engine asks only when there is a zap-domain
 * With zap-enforce-domain and a zap-domain nobody is let in that no handler was asked about.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "socket/socket.h"
#include "socket/zap.h"

int kith_socket_check_security(const kith_socket *socket, struct kith_error *ret_error) {
    const struct kith_profile *profile = socket->sessions.profile;
    const bool curve = profile->numbers[KITH_OPTION_CURVE_SERVER] != 0 || profile->octets[KITH_OPTION_CURVE_SERVER_KEY].data;
    if (curve && !profile->octets[KITH_OPTION_CURVE_SECRET_KEY].data)
        return kith_error_set(ret_error, -EINVAL, "%s: needs curve-secret-key too; kith keygen makes one",
                              profile->numbers[KITH_OPTION_CURVE_SERVER] != 0 ? "curve-server" : "curve-server-key");
    return 0;
}

/* How long it takes tells the length of ours at most. */
static bool equal_secret(const struct kith_octets *ours, const uint8_t *theirs, size_t size) {
    uint8_t difference = 0;
    if (ours->size != size)
        return false;
    for (size_t i = 0; i < size; i++)
        difference |= ours->data[i] ^ theirs[i];
    return difference == 0;
}

static void decide_plain(struct kith_session *session, const struct kith_credentials_shown *shown) {
    const struct kith_octets *octets = session->profile->octets;
    if (!octets[KITH_OPTION_PLAIN_USERNAME].data) {
        kith_session_authenticate(session, 400, "neither plain-username nor a ZAP handler says who may come in");
        return;
    }
    const bool name = equal_secret(&octets[KITH_OPTION_PLAIN_USERNAME], shown->username, shown->username_size);
    const bool password = equal_secret(&octets[KITH_OPTION_PLAIN_PASSWORD], shown->password, shown->password_size);
    if (name && password && kith_session_set_user(session, shown->username, shown->username_size) < 0)
        kith_session_authenticate(session, 300, "no memory for the user name");
    else if (name && password)
        kith_session_authenticate(session, 200, NULL);
    else
        kith_session_authenticate(session, 400, "not the user name and password of plain-username and plain-password");
}

static void decide_alone(struct kith_session *session, const struct kith_credentials_shown *shown) {
    const struct kith_profile *profile = session->profile;
    if (profile->numbers[KITH_OPTION_ZAP_ENFORCE_DOMAIN] != 0 && profile->octets[KITH_OPTION_ZAP_DOMAIN].data)
        kith_session_authenticate(session, 300, "there is no ZAP handler, and zap-enforce-domain asks for one");
    else if (shown->username)
        decide_plain(session, shown);
    else
        kith_session_authenticate(session, 200, NULL);
}

void kith_socket_on_credentials(struct kith_session *session, const struct kith_credentials_shown *shown, void *userdata) {
    kith_socket *socket = userdata;
    if (!kith_zap_present())
        decide_alone(session, shown);
    else if (kith_zap_ask(&socket->zap, session, shown) < 0)
        kith_session_authenticate(session, 300, "the ZAP handler cannot be asked");
}
