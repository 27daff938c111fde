#!/usr/bin/python3
"""peer.py: a stock ZeroMQ client or worker in a process of its own, driven by its standard input.

peer.py req|dealer ENDPOINT        sends each line of standard input as a request; prints each reply as a JSON list of strings. dealer sends the
                                   empty frame itself.
peer.py rep|dealer-worker ENDPOINT [WORD]
                                   prints "ready", then each request as a JSON list; the reply is WORD and the request's frames. With the
                                   requests "hold" and "wait" it does not reply ("wait": nor to any other), with "die" it ends, with "garbage" it sends what is no reply first.
"""
import json
import os
import signal
import sys

import zmq


def say(frames):
    print(json.dumps([frame.decode(errors='backslashreplace') for frame in frames]), flush=True)


def client(kind, endpoint):
    sock = zmq.Context.instance().socket(zmq.REQ if kind == 'req' else zmq.DEALER)
    sock.linger = 0
    sock.connect(endpoint)
    for line in sys.stdin:
        frames = [line.rstrip('\n').encode()]
        sock.send_multipart(frames if kind == 'req' else [b'', *frames])
        reply = sock.recv_multipart()
        say(reply if kind == 'req' else reply[1:])


def send_garbage(sock, envelope):
    sock.send(b'one frame')
    sock.send_multipart([b'made-up-request!', b'', b'not asked for'])
    sock.send_multipart([envelope[0], b'no empty frame', b'x'])
    sock.send_multipart([b'', b'', b''])


def worker(kind, endpoint, word):
    sock = zmq.Context.instance().socket(zmq.REP if kind == 'rep' else zmq.DEALER)
    sock.linger = 0
    sock.connect(endpoint)
    print('ready', flush=True)
    while True:
        frames = sock.recv_multipart()
        envelope, body = ([], frames) if kind == 'rep' else (frames[:2], frames[2:])
        say(body)
        if body[-1] == b'die':
            os._exit(0)
        if body[-1] == b'wait':
            signal.pause()
        if body[-1] == b'hold':
            continue
        if body[-1] == b'garbage':
            send_garbage(sock, envelope)
        sock.send_multipart([*envelope, word.encode(), *body])
        if body[-1] == b'twice':
            sock.send_multipart([*envelope, b'again', *body])


if sys.argv[1] in ('req', 'dealer'):
    client(sys.argv[1], sys.argv[2])
else:
    worker(sys.argv[1], sys.argv[2], (sys.argv[3:] or ['reply'])[0])
