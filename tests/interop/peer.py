#!/usr/bin/python3
"""A stock python3-zmq program at the other end of a kith socket: peer.py client|server req|dealer|rep|router ENDPOINT.

A server binds, prints its endpoint and answers messages with themselves until its standard input ends. A client asks questions of all
shapes and ends with 0 when every answer was right, and says what was not.
"""
import sys

import zmq

PATIENCE_MS = 30000
SIZES = (0, 1, 255, 256, 65535, 65536, 1 << 20)
PARTS = (1, 2, 10, 500)


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


def main(role, kind, endpoint):
    with zmq.Context() as context:
        {"client": client, "server": server}[role](kind, endpoint, context)


if __name__ == "__main__":
    main(*sys.argv[1:])
