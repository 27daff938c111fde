#!/usr/bin/python3
"""kith peers, monitor, kick and status: a gateway's control socket."""
import json
import os
import signal

import zmq

import harness
from harness import NOBODY, need_root

OTHER = 12345


def config(test, more=''):
    return (f'control = {{"{test.ipc("c")}"}}\n{more}'
            f'service "echo" {{ listen = {{"{test.ipc()}"}}  builtin = "echo" }}\n'
            f'service "work" {{ listen = {{"{test.ipc("front")}"}}  workers = {{"{test.ipc("back")}"}} }}\n'
            f'proxy "news" {{ pattern = "publish"  frontend = {{"{test.ipc("in")}"}}  backend = {{"{test.ipc("out")}"}} }}\n')


def control(test, verb, *arguments, **options):
    return test.run(verb, *arguments, '--control', test.ipc('c'), **options)


def peers(test):
    result = control(test, 'peers', '--json')
    assert result.returncode == 0, result
    return [json.loads(line) for line in result.text.splitlines()]


def named(test, socket):
    return [peer for peer in peers(test) if peer['socket'] == socket]


def echo(test, text=b'x'):
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(text)
    assert sock.recv() == text
    return sock


def monitor(test, *arguments, **options):
    """A kith monitor: what happens from here on it is told."""
    program = test.kith('monitor', '--control', test.ipc('c'), *arguments, **options)
    program.err.wait('monitoring ipc://')
    return program


def events(program):
    return [json.loads(line) for line in program.out.all()]


def test_peers_are_listed_with_who_and_what(test):
    test.serve(config(test))
    client = echo(test, b'hello')
    peer, = named(test, 'service/echo')
    assert peer['peer'].startswith('service/echo#') and peer['state'] == 'ready' and peer['type'] == 'REQ' and peer['accepted'], peer
    assert peer['origin']['pid'] == os.getpid() and peer['origin']['witness']['pid'].startswith('kernel'), peer
    assert peer['transport'] == 'ipc' and peer['mechanism'] == 'NULL' and peer['endpoint'] == test.ipc(), peer
    counters = peer['counters']
    assert (counters['messages_in'], counters['messages_out'], counters['octets_in'], counters['octets_out']) == (1, 1, 5, 5), peer
    assert (counters['dropped'], counters['denied'], counters['queued'], counters['waiting']) == (0, 0, 0, 0), peer
    result = control(test, 'peers')
    assert result.returncode == 0 and peer['peer'] in result.text and f'pid {os.getpid()}' in result.text, result
    client.close()


def test_peers_of_every_kind_of_socket_are_listed(test):
    serve = test.serve(config(test))
    test.peer('rep', test.ipc('back')).out.wait('ready')
    serve.err.wait('worker connected')
    sub = test.socket(zmq.SUB, test.ipc('out'))
    pub = test.socket(zmq.XPUB, test.ipc('in'))
    sub.subscribe(b'a')
    assert pub.recv() == b'\x01a'
    assert {peer['socket'] for peer in peers(test)} == {'service/work/workers', 'proxy/news/frontend', 'proxy/news/backend'}


def test_no_peers_are_no_lines(test):
    test.serve(config(test))
    assert peers(test) == []


def test_a_peer_is_kicked_and_told_why(test):
    serve = test.serve(config(test))
    client = test.kith('req', test.ipc('front'), 'x', '--timeout', '0')
    while not (found := named(test, 'service/work')):
        pass
    result = control(test, 'kick', found[0]['peer'], '--reason', 'for a test')
    assert result.returncode == 0, result
    serve.err.wait(f'control: {found[0]["peer"]} was kicked: for a test')
    client.err.wait('kicked: for a test')
    assert client.wait() == 4
    again = control(test, 'kick', found[0]['peer'])
    assert again.returncode == 1 and 'no such peer' in again.error, again


def test_a_request_of_a_worker_that_is_kicked_fails(test):
    serve = test.serve(config(test))
    worker = test.peer('rep', test.ipc('back'))
    serve.err.wait('worker connected')
    client = test.kith('req', test.ipc('front'), 'wait', '--timeout', '0')
    worker.out.wait('wait')
    peer, = named(test, 'service/work/workers')
    assert control(test, 'kick', peer['peer']).returncode == 0
    assert client.wait() == 1
    client.err.wait('who had the request died before it replied.*no reply will come')


def test_a_policy_that_is_read_again_is_that_of_the_control_socket_too(test):
    need_root()
    text = config(test, 'control_policy = "ops"\npolicy "ops" { rule "ops" { allow = {"*"}  uid = {"%d"} } }\n')
    serve = test.serve(text % OTHER)
    assert control(test, 'peers', uid=OTHER).returncode == 0
    test.write('kith.conf', text % NOBODY)
    serve.send(signal.SIGHUP)
    serve.err.wait('read again')
    assert control(test, 'peers', uid=NOBODY).returncode == 0
    assert control(test, 'peers', uid=OTHER).returncode == 4
    test.write('kith.conf', (text % NOBODY).replace(test.ipc('c'), test.ipc('d')))
    serve.send(signal.SIGHUP)
    serve.err.wait('control: .*needs a restart')


def test_what_is_no_peer_is_said_so(test):
    test.serve(config(test))
    for name in 'echo', 'service/echo#', 'service/echo#0', 'service/echo#99999999999999999999999', 'service/none#1', '#1', 'x' * 500 + '#1':
        result = control(test, 'kick', name)
        assert result.returncode == 1 and 'peer' in result.error, result
    assert control(test, 'kick').returncode == 2


def test_events_are_shown_as_they_happen(test):
    test.serve(config(test))
    program = monitor(test, '--json', '-n', '3')
    echo(test).close()
    assert program.wait() == 0
    told = events(program)
    assert [event['event'] for event in told] == ['handshaking', 'connected', 'disconnected'], told
    assert all(event['where'] == 'service/echo' and event['origin']['pid'] == os.getpid() for event in told), told
    assert len({event['peer'] for event in told}) == 1 and told[0]['peer'] > 0, told


def test_events_of_workers_and_subscriptions_are_shown_as_text(test):
    test.serve(config(test))
    program = monitor(test)
    worker = test.peer('rep', test.ipc('back'))
    program.out.wait(r'^\d\d:\d\d:\d\d\.\d{6} service/work/workers#\d+ connected: pid ' + str(worker.pid))
    sub = test.socket(zmq.SUB, test.ipc('out'))
    sub.subscribe(b'news')
    program.out.wait(r'proxy/news/backend#\d+ subscribed: .*subscribed to "news"')
    worker.kill()
    program.out.wait(r'service/work/workers#\d+ disconnected')


def test_only_some_events_are_shown_on_demand(test):
    need_root()
    rule = f'rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }}'
    test.serve(config(test, f'policy "me" {{ {rule} }}\n').replace('builtin', 'policy = "me"  builtin'))
    program = monitor(test, '--event', 'denied', '-n', '1', '--json')
    echo(test)
    assert test.run('req', test.ipc(), 'x', uid=NOBODY).returncode == 4
    assert program.wait() == 0
    told, = events(program)
    assert told['event'] == 'denied-connect' and told['origin']['uid'] == NOBODY, told


def test_the_control_socket_is_for_root_and_the_own_user(test):
    need_root()
    test.serve(config(test, 'control_mode = 0666\n'))
    for verb in ('peers',), ('kick', 'service/echo#1'), ('monitor',), ('status',):
        result = control(test, *verb, uid=NOBODY)
        assert result.returncode == 4 and 'denied' in result.error, result
    assert control(test, 'status').returncode == 0


def test_columns_of_peers_stand_below_each_other_however_long_a_name_is(test):
    test.serve(config(test).replace('service "echo"', f'service "echo_{"o" * 40}"'))
    client = test.socket(zmq.REQ, test.ipc())
    client.send(b'x')
    assert client.recv() == b'x'
    heading, *lines = control(test, 'peers').text.splitlines()
    at = heading.index('STATE')
    assert len(lines) == 1 and lines[0][at - 1:at + 5] == ' ready', (heading, lines)
    client.close()


def test_a_policy_says_who_else_may(test):
    need_root()
    rule = f'rule "ops" {{ allow = {{"*"}}  uid = {{"{OTHER}"}} }}'
    serve = test.serve(config(test, f'control_policy = "ops"\npolicy "ops" {{ {rule} }}\n'))
    assert control(test, 'peers', uid=OTHER).returncode == 0
    for verb in ('peers',), ('kick', 'service/echo#1'), ('monitor',), ('status',):
        result = control(test, *verb, uid=NOBODY)
        assert result.returncode == 4 and result.error.count('\n') == 1 and 'refused the connection: access denied' in result.error, result
    serve.err.wait(f'control: .*uid {NOBODY}.*denied')
    assert control(test, 'peers').returncode == 4 # root is not in it


def test_a_path_that_keeps_us_out_is_no_gateway_that_is_not_there(test):
    need_root()
    test.serve(config(test, 'control_mode = 0600\n'))
    for verb in ('peers',), ('kick', 'service/echo#1'), ('monitor',), ('status',):
        result = control(test, *verb, uid=NOBODY)
        assert result.returncode == 4 and 'may not be asked: Permission denied' in result.error, result


def test_status_is_told_too(test):
    test.serve(config(test))
    for words in (('--control', test.ipc('c')), (test.ipc('c'),)):
        result = test.run('status', '--json', *words)
        assert result.returncode == 0 and [service['name'] for service in json.loads(result.text)['services']] == ['echo', 'work'], result
    assert test.run('status', test.ipc('c'), '--gateway').returncode == 2


def ask(test, frame):
    sock = test.socket(zmq.REQ, test.ipc('c'))
    sock.send(frame)
    return json.loads(sock.recv())


def test_what_is_no_request_is_answered_so(test):
    test.serve(config(test))
    for frame in b'', b'{}', b'[]', b'nothing', b'{"op":"fly"}', b'{"op":7}', b'\xff\xfe', b'{"op":"peers","op":"kick"}', b'[' * 5000:
        assert ask(test, frame)['error'] == 'EINVAL', frame
    assert ask(test, b'{"op":"kick"}')['error'] == 'EINVAL'
    assert ask(test, b'{"op":"kick","peer":"service/echo#1","reason":"' + b'r' * 300 + b'"}')['error'] == 'E2BIG'
    assert ask(test, b'peers')['peers'] == []


def test_who_monitors_and_does_not_read_loses_lines_and_nobody_waits(test):
    test.serve(config(test))
    slow = test.socket(zmq.DEALER, rcvhwm=1)
    slow.setsockopt(zmq.RCVBUF, 4096)
    slow.connect(test.ipc('c'))
    slow.send_multipart([b'', b'monitor'])
    assert json.loads(slow.recv_multipart()[1]) == {'monitoring': True}
    for _ in range(3000):
        echo(test).close()
    assert peers(test) is not None
    # What it reads at last says how many are missing.
    lost = told = 0
    while not lost:
        event = json.loads(slow.recv_multipart()[1])
        told += 1
        if event['event'] == 'lost':
            lost = event['count']
        elif slow.poll(0) == 0:
            echo(test).close()
    assert lost > 0 and told > 100, (lost, told)


def test_without_a_gateway_there_is_nobody_to_ask(test):
    for verb in ('peers',), ('kick', 'service/echo#1'), ('monitor',), ('status',):
        result = control(test, *verb)
        assert result.returncode == 1 and 'nobody to ask' in result.error, result


def test_the_default_configuration_has_a_control_socket(test):
    env = {'RUNTIME_DIRECTORY': str(test.folder)}
    serve = test.kith('serve', env=env)
    serve.err.wait('ready')
    for verb in 'peers', 'status':
        result = test.run(verb, *(['--gateway'] if verb == 'status' else []), env=env)
        assert result.returncode == 0, result


def test_a_control_socket_that_everybody_reaches_needs_a_policy(test):
    test.write('kith.conf', config(test).replace(test.ipc('c'), 'tcp://127.0.0.1:5999'))
    result = test.run('serve', '--check', '-c', test.folder / 'kith.conf')
    assert result.returncode == 1 and 'control_policy' in result.error, result


harness.main(__file__)
