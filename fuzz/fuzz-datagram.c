/*
 * Fuzzes what people write of UDP: an endpoint's text. What is understood comes back as a text that means the same; what is not says why.
 *
 * The first octet says whether it is to be bound; the rest is the text.
 */
#include <stdlib.h>
#include <string.h>

#include "datagram/datagram.h"
#include "fuzz.h"

static void must(bool condition) {
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_datagram_endpoint endpoint, again;
    struct kith_error error = KITH_ERROR_NONE;
    char formatted[192], twice[192], text[256];
    if (size == 0 || size > sizeof(text))
        return 0;
    bool listening = data[0] & 1;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (kith_datagram_endpoint_parse(text, listening, &endpoint, &error) < 0) {
        must(error.text[0] != '\0');
        return 0;
    }
    must(memchr(endpoint.interface, '\0', sizeof(endpoint.interface)));
    int length = kith_datagram_endpoint_format(&endpoint, formatted, sizeof(formatted));
    must(length > 0 && (size_t)length < sizeof(formatted));
    must(kith_datagram_endpoint_parse(formatted, listening, &again, &error) == 0);
    must(kith_datagram_endpoint_format(&again, twice, sizeof(twice)) == length && strcmp(formatted, twice) == 0);
    return 0;
}
