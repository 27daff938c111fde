#!/usr/bin/python3
"""PLAIN and CURVE between the kith command and stock ZeroMQ, in both roles; libzmq's side decides with zmq.auth, its own ZAP handler."""
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

import harness
from harness import parse


def pair():
    return [key.decode() for key in zmq.curve_keypair()]


def stock_server(test):
    """A stock REP, not bound yet, and its authenticator."""
    context = zmq.Context()
    test.callback(context.destroy, linger=0)
    auth = ThreadAuthenticator(context)
    auth.start()
    test.callback(auth.stop)
    sock = context.socket(zmq.REP)
    sock.linger, sock.rcvtimeo = 0, int(harness.LIMIT * 1000)
    return auth, sock


def request(test, endpoint, **options):
    words = [word for name, value in options.items() for word in ('--option', f'{name.replace("_", "-")}={value}')]
    return test.kith('req', endpoint, 'hello', *words)


def check_served(sock, client):
    assert sock.recv_multipart() == [b'hello']
    sock.send_multipart([b'good day'])
    assert client.wait() == 0 and client.out.all() == ['good day']


def check_refused(client):
    assert client.wait() == 4 and any('400' in line for line in client.err.all()), client.err.all()


def test_a_plain_server_of_libzmq_lets_whom_it_knows_in(test):
    auth, sock = stock_server(test)
    auth.configure_plain(domain='*', passwords={'bob': 's1c3t'})
    sock.plain_server = True
    sock.bind(test.ipc())
    check_served(sock, request(test, test.ipc(), plain_username='bob', plain_password='s1c3t'))
    check_refused(request(test, test.ipc(), plain_username='bob', plain_password='wrong'))


def test_a_curve_server_of_libzmq_lets_whom_it_knows_in(test):
    (public, secret), (client_public, client_secret), (_, other_secret) = pair(), pair(), pair()
    keys = test.folder / 'keys'
    keys.mkdir()
    (keys / 'client.key').write_text(f'metadata\ncurve\n    public-key = "{client_public}"\n')
    auth, sock = stock_server(test)
    auth.configure_curve(domain='*', location=str(keys))
    sock.curve_server = True
    sock.curve_secretkey, sock.curve_publickey = secret.encode(), public.encode()
    sock.bind(test.ipc())
    check_served(sock, request(test, test.ipc(), curve_server_key=public, curve_secret_key=client_secret))
    check_refused(request(test, test.ipc(), curve_server_key=public, curve_secret_key=other_secret))


def test_a_stock_client_reaches_a_curve_server_which_knows_its_key(test):
    (public, secret), (client_public, client_secret) = pair(), pair()
    rep = test.rep('tcp://127.0.0.1:*', '--json', '--option', 'curve-server=yes', '--option', f'curve-secret-key={secret}')
    sock = test.context.socket(zmq.REQ)
    sock.linger, sock.rcvtimeo = 0, int(harness.LIMIT * 1000)
    sock.curve_serverkey, sock.curve_publickey, sock.curve_secretkey = public.encode(), client_public.encode(), client_secret.encode()
    sock.connect(rep.endpoint)
    sock.send_multipart([b'hello', b'x' * 100000])
    assert sock.recv_multipart() == [b'hello', b'x' * 100000]
    origin = parse(rep.out.wait_count(1)[0])['origin']
    assert origin['key'] == client_public and origin['witness']['key'] == 'key', origin
    sock.close()


def test_a_stock_client_reaches_a_plain_server_by_its_name_and_password(test):
    rep = test.rep(test.ipc(), '--option', 'plain-server=yes', '--option', 'plain-username=bob', '--option', 'plain-password=s1c3t')
    for password in [b'wrong', b's1c3t']:
        sock = test.context.socket(zmq.REQ)
        sock.linger, sock.rcvtimeo = 0, int(harness.LIMIT * 1000)
        sock.plain_username, sock.plain_password = b'bob', password
        sock.connect(rep.endpoint)
        sock.send(b'hello')
        if password == b's1c3t':
            assert sock.recv() == b'hello'
        else:
            rep.err.wait('not the user name and password')
        sock.close()


harness.main(__file__)
