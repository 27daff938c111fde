#!/usr/bin/python3
"""load.py ENDPOINT: a client that asks without pause, WINDOW requests at a time, and takes no reply for granted.

It prints "ready"; then how many replies there were, at every hundredth; each has to be the next one due, with the request in its last frame.
A line of standard input ends it: it asks no more, waits for the replies that are due and prints "done". When the server says ERROR it prints
"error" and the reason, waits for the end of the connection and prints "closed". Anything else is an exception.
"""
import contextlib
import select
import sys

import raw

WINDOW = 32


def send(sock, number):
    sock.sendall(raw.frame(b'', more=True) + raw.frame(b'%d' % number))


def take(sock, number):
    """True: the reply to this request. False: the server has said ERROR, and ended the connection."""
    flags, body = raw.read_frame(sock)
    if flags & 4:
        assert body.startswith(b'\x05ERROR'), body
        print('error', body[7:].decode(), flush=True)
        assert sock.recv(1) == b'', 'more behind an ERROR'
        print('closed', flush=True)
        return False
    assert (flags, body) == (1, b''), body
    while flags & 1:
        flags, body = raw.read_frame(sock)
    assert body == b'%d' % number, (body, number)
    return True


def main(endpoint):
    with contextlib.ExitStack() as stack:
        sock = raw.connect(stack, endpoint)
        raw.handshake(sock, Socket_Type=b'DEALER')
        print('ready', flush=True)
        sent = received = 0
        asks = True
        while asks or received < sent:
            while asks and sent < received + WINDOW:
                send(sock, sent)
                sent += 1
            if not take(sock, received):
                return
            received += 1
            if received % 100 == 0:
                print(received, flush=True)
            asks = asks and not select.select([sys.stdin], [], [], 0)[0]
        print('done', flush=True)


main(sys.argv[1])
