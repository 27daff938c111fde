#!/usr/bin/python3
"""kith serve: policies that change under load: who stays is not disturbed, who may not stay is told and goes."""
import os
import signal
import subprocess
from pathlib import Path

import harness
from harness import PYTHON, Program

LOAD = str(Path(__file__).resolve().parent / 'load.py')
CLIENTS = 8


def policy(denied):
    pids = ', '.join(f'"{client.pid}"' for client in denied)
    rule = f'rule "these" {{ deny = {{"*"}}  pid = {{{pids}}} }} ' if denied else ''
    return f'policy "p" {{ {rule} rule "rest" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }} }}\n'


def reload(test, serve, config):
    test.write('kith.conf', config)
    serve.send(signal.SIGHUP)
    serve.notify.wait('RELOADING=1')
    serve.notify.wait('READY=1')


def start(test):
    clients = [Program(test, [PYTHON, LOAD, test.ipc()], stdin=subprocess.PIPE) for _ in range(CLIENTS)]
    for client in clients:
        client.out.wait('ready')
    return clients


def wait_progress(clients):
    for client in clients:
        client.out.wait(r'^\d', len(client.out.lines))


def assert_told_and_gone(clients):
    for client in clients:
        assert client.wait() == 0, client.err.all()
        assert client.out.all()[-2:] == ['error access denied by policy: connect', 'closed'], client.out.all()[-3:]


def assert_lost_nothing(clients):
    for client in clients:
        client.process.stdin.write(b'\n')
        client.process.stdin.flush()
    for client in clients:
        assert client.wait() == 0, client.err.all()
        assert client.out.all()[-1] == 'done', client.out.all()[-3:]


def under_load(test, service):
    serve = test.serve(policy([]) + service)
    if 'builtin' not in service:
        test.peer('dealer-worker', test.ipc('w'), 'x').out.wait('ready')
    clients = start(test)
    kept, denied = clients[::2], clients[1::2]
    wait_progress(clients)
    reload(test, serve, policy(denied) + service)
    assert_told_and_gone(denied)
    for _ in range(10):
        wait_progress(kept)
        reload(test, serve, policy(denied) + service)
    assert_lost_nothing(kept)
    said = [line for line in serve.err.lines if 'denied by rule "these"' in line and 'connect' in line]
    assert said and any(f'pid {client.pid} ' in line for client in denied for line in said), serve.err.lines
    assert not [line for client in kept for line in serve.err.lines if f'pid {client.pid} ' in line and 'denied' in line], serve.err.lines
    assert serve.stop() == 0


def test_who_may_stay_loses_no_request_of_a_builtin(test):
    under_load(test, f'service "x" {{ listen = {{"{test.ipc()}"}}  builtin = "echo"  policy = "p" }}\n')


def test_who_may_stay_loses_no_request_to_a_worker(test):
    under_load(test, f'service "x" {{ listen = {{"{test.ipc()}"}}  workers = {{"{test.ipc("w")}"}}  policy = "p" }}\n')


def test_who_may_stay_loses_no_request_through_a_proxy(test):
    under_load(test, f'proxy "x" {{ pattern = "requests"  frontend = {{"{test.ipc()}"}}  backend = {{"{test.ipc("w")}"}}  frontend_policy = "p" }}\n')


harness.main(__file__)
