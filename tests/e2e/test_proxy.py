#!/usr/bin/python3
"""kith serve's proxies: publishers and subscribers, pipelines, requests, of stock libzmq at both ends; policies, draining, configuration."""
import os
import signal

import zmq

import harness
from harness import NOBODY, need_root, silent

ME = f'policy "me" {{ rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }} }}\n'


def proxy(test, pattern, more='', front='f', back='b'):
    return f'proxy "p" {{ pattern = "{pattern}"  frontend = {{"{test.ipc(front)}"}}  backend = {{"{test.ipc(back)}"}} {more} }}\n'


def subscriber(test, topic=b''):
    sock = test.socket(zmq.SUB, test.ipc('b'))
    sock.subscribe(topic)
    return sock


def publish_until(publisher, message, *subscribers):
    """A subscription takes its way through the proxy: what is published meanwhile is lost."""
    waiting = set(subscribers)
    while waiting:
        publisher.send_multipart(message)
        for sock in list(waiting):
            if sock.poll(20):
                assert sock.recv_multipart() == message
                waiting.remove(sock)


def test_what_is_published_reaches_who_subscribed(test):
    serve = test.serve(proxy(test, 'publish'))
    publisher = test.socket(zmq.PUB, test.ipc('f'))
    everything, cats = subscriber(test), subscriber(test, b'cat')
    publish_until(publisher, [b'cat', b'meow'], everything, cats)
    while everything.poll(50):
        everything.recv_multipart()
    publisher.send_multipart([b'dog', b'woof'])
    assert everything.recv_multipart() == [b'dog', b'woof']
    while cats.poll(50):
        assert cats.recv_multipart()[0] == b'cat'
    assert serve.stop() == 0


def test_a_pipeline_loses_nothing_when_it_ends(test):
    serve = test.serve(proxy(test, 'pipeline'))
    pull = test.socket(zmq.PULL, test.ipc('b'), rcvhwm=1)
    push = test.socket(zmq.PUSH, test.ipc('f'))
    count = 2000
    for number in range(count):
        push.send(b'%d' % number)
    assert pull.recv() == b'0'
    for number in range(1, count):
        assert pull.recv() == b'%d' % number
    assert serve.stop() == 0


def test_what_the_backend_has_not_taken_is_sent_before_it_ends(test):
    serve = test.serve(proxy(test, 'pipeline'))
    pull = test.socket(zmq.PULL, test.ipc('b'), rcvhwm=1)
    push = test.socket(zmq.PUSH, test.ipc('f'))
    for number in range(500):
        push.send(b'%d' % number + b'x' * 1000)
    assert pull.recv().startswith(b'0x')
    serve.send(signal.SIGTERM)
    received = 1
    while pull.poll(500):
        assert pull.recv().startswith(b'%dx' % received)
        received += 1
    assert serve.wait() == 0
    assert 1 < received <= 500


def test_requests_find_workers_and_replies_their_clients(test):
    serve = test.serve(proxy(test, 'requests'))
    workers = [test.socket(zmq.REP, test.ipc('b')) for _ in range(2)]
    clients = [test.socket(zmq.REQ, test.ipc('f')) for _ in range(2)]
    for number, client in enumerate(clients):
        client.send(b'question %d' % number)
    poller = zmq.Poller()
    for sock in workers:
        poller.register(sock, zmq.POLLIN)
    answered = 0
    while answered < 2:
        for sock, _ in poller.poll(10000):
            sock.send(b'answer to ' + sock.recv())
            answered += 1
    for number, client in enumerate(clients):
        assert client.recv() == b'answer to question %d' % number
    assert serve.stop() == 0


def test_policies_guard_both_sides(test):
    need_root()
    serve = test.serve(ME + proxy(test, 'pipeline', 'frontend_policy = "me"  frontend_mode = "0666"  backend_mode = "0666"'))
    stranger = test.kith('push', test.ipc('f'), 'word', '--timeout', '2000', uid=NOBODY)
    assert stranger.wait() == 4
    stranger = test.kith('pull', test.ipc('b'), '--timeout', '2000', uid=NOBODY)
    assert stranger.wait() == 4
    serve.err.wait('denied')
    pull, push = test.socket(zmq.PULL, test.ipc('b')), test.socket(zmq.PUSH, test.ipc('f'))
    push.send(b'mine')
    assert pull.recv() == b'mine'
    assert serve.stop() == 0


def test_what_is_no_proxy_is_refused_by_line(test):
    for config, words in ((proxy(test, 'broadcast'), 'pattern'),
                          (f'proxy "p" {{ pattern = "publish"  frontend = {{"{test.ipc()}"}} }}', 'has no backend'),
                          (f'proxy "p" {{ pattern = "publish"  backend = {{"{test.ipc()}"}} }}', 'has no frontend'),
                          (proxy(test, 'publish', front='x', back='x'), 'used on line 1 already'),
                          (proxy(test, 'publish').replace(test.ipc('b'), 'tcp://127.0.0.1:0'), 'backend_policy'),
                          (proxy(test, 'publish', 'frontend_policy = "nobody"'), 'nobody')):
        path = test.write('bad.conf', config)
        result = test.run('serve', '-c', path, '--check')
        assert result.returncode != 0 and words in result.error, (config, result.error)


def test_a_reload_takes_policies_and_says_what_it_cannot_take(test):
    serve = test.serve(ME + proxy(test, 'pipeline', 'frontend_policy = "me"'))
    test.write('kith.conf', ME.replace('allow', 'deny') + proxy(test, 'pipeline', 'frontend_policy = "me"  max_peers = "5"'))
    serve.send(signal.SIGHUP)
    serve.err.wait('proxy p: .*needs a restart')
    push = test.socket(zmq.PUSH, test.ipc('f'))
    push.send(b'too late')
    serve.err.wait('denied')
    assert silent(test.socket(zmq.PULL, test.ipc('b')))
    assert serve.stop() == 0


harness.main(__file__)
