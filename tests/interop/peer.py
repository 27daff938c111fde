#!/usr/bin/python3
"""A stock python3-zmq program at the other end of a kith socket:
peer.py client|server|subscriber|publisher req|dealer|rep|router|sub|xsub|pub|xpub ENDPOINT.

A server binds, prints its endpoint and answers messages with themselves until its standard input ends. A client asks questions of all
shapes and ends with 0 when every answer was right, and says what was not. A subscriber connects, asks for a topic, ends with 0 when all
shapes have come under it, and nothing else. A publisher binds, prints its endpoint, publishes all shapes to whoever asks for the topic, and
ends when he has cancelled it.
"""
import sys

import zmq

PATIENCE_MS = 30000
SIZES = (0, 1, 255, 256, 65535, 65536, 1 << 20)
PARTS = (1, 2, 10, 500)
TOPIC = b"topic"


def bodies():
    for size in SIZES:
        yield [bytes([size % 251]) * size]
    for parts in PARTS:
        yield [b"%d" % i * 20 for i in range(parts)]
    yield [b"", b"first is empty"]
    yield [b"a", b"", b"middle is empty"]
    yield [b"last is empty", b""]
    yield ["grüße, \u0000 und mehr".encode(), bytes(range(256))]


def client(kind, endpoint, context):
    socket = context.socket(zmq.REQ if kind == "req" else zmq.DEALER)
    socket.linger = 0
    socket.rcvtimeo = socket.sndtimeo = PATIENCE_MS
    socket.connect(endpoint)
    envelope = [b""] if kind == "dealer" else []
    for body in bodies():
        socket.send_multipart(envelope + body)
        answer = socket.recv_multipart()
        if answer != envelope + body:
            sys.exit(f"peer.py: {len(body)} frames of {sum(map(len, body))} octets came back as {len(answer)} frames of {sum(map(len, answer))}")
    socket.close()


def server(kind, endpoint, context):
    socket = context.socket(zmq.REP if kind == "rep" else zmq.ROUTER)
    socket.linger = 1000
    socket.bind(endpoint)
    print(socket.last_endpoint.decode(), flush=True)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    while True:
        ready = dict(poller.poll(PATIENCE_MS))
        if not ready:
            sys.exit("peer.py: nobody asks")
        if socket in ready:
            socket.send_multipart(socket.recv_multipart())
        if sys.stdin.fileno() in ready:
            break
    socket.close()


def subscriber(kind, endpoint, context):
    socket = context.socket(zmq.SUB if kind == "sub" else zmq.XSUB)
    socket.linger = 1000
    socket.rcvtimeo = PATIENCE_MS
    socket.connect(endpoint)
    if kind == "sub":
        socket.subscribe(TOPIC)
    else:
        socket.send(b"\x01" + TOPIC)
    for body in bodies():
        message = socket.recv_multipart()
        if message != [TOPIC] + body:
            sys.exit(f"peer.py: {len(body)} frames came as {len(message)}, the first {message[0][:20]}")
    if kind == "sub":
        socket.unsubscribe(TOPIC)
    else:
        socket.send(b"\x00" + TOPIC)
    socket.close()


def publisher(kind, endpoint, context):
    socket = context.socket(zmq.XPUB)
    socket.linger = 1000
    socket.rcvtimeo = PATIENCE_MS
    socket.bind(endpoint)
    print(socket.last_endpoint.decode(), flush=True)
    if socket.recv() != b"\x01" + TOPIC:
        sys.exit("peer.py: that was no subscription")
    for body in bodies():
        socket.send_multipart([b"else"] + body)
        socket.send_multipart([TOPIC] + body)
    if socket.recv() != b"\x00" + TOPIC:
        sys.exit("peer.py: that was no cancel")
    socket.close()


def main(role, kind, endpoint):
    with zmq.Context() as context:
        {"client": client, "server": server, "subscriber": subscriber, "publisher": publisher}[role](kind, endpoint, context)


if __name__ == "__main__":
    main(*sys.argv[1:])
