"""zmq_peer.py TYPE ENDPOINT [MECHANISM]: a socket of stock libzmq for kith wiretest to look at; it does what wiretest-socket does.

Prints "ready", with CURVE also the public key. It ends when it is killed.
"""
import sys
import time

import zmq
import zmq.auth
import zmq.auth.thread


def main():
    kind, endpoint = sys.argv[1:3]
    mechanism = sys.argv[3] if len(sys.argv) > 3 else 'NULL'
    context = zmq.Context()
    sock = context.socket(getattr(zmq, kind))
    sock.linger = 0
    key = ''
    if mechanism == 'PLAIN':
        handler = zmq.auth.thread.ThreadAuthenticator(context)
        handler.start()
        handler.configure_plain('*', {'name': 'word'})
        sock.plain_server = 1
    elif mechanism == 'CURVE':
        public, secret = zmq.curve_keypair()
        sock.curve_server, sock.curve_secretkey, sock.curve_publickey = 1, secret, public
        key = public.decode()
    sock.bind(endpoint)
    if kind == 'SUB':
        sock.subscribe(b'kith')
    elif kind == 'XSUB':
        sock.send(b'\1kith')
    print('ready', key, flush=True)
    while True:
        if kind in ('PUB', 'XPUB', 'PUSH'):
            while kind == 'XPUB' and sock.poll(0):
                sock.recv()
            sock.send_multipart([b'alpha', b'one'])
            sock.send_multipart([b'beta', b'two'])
            time.sleep(0.005)
        elif kind == 'REQ':
            time.sleep(3600)
        else:
            message = sock.recv_multipart()
            if kind in ('REP', 'ROUTER', 'DEALER', 'PAIR'):
                try:
                    sock.send_multipart(message, zmq.NOBLOCK)
                except zmq.ZMQError:
                    pass  # the one that asked has gone


main()
