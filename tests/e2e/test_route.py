#!/usr/bin/python3
"""kith serve's routes: stock libzmq sources, files and collectors as targets; what is down, slow, full, damaged or killed."""
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from unittest import mock

import zmq

import harness
from harness import LIMIT, NOBODY, PYTHON, Program, need_root

COLLECTOR = (Path(__file__).resolve().parent / 'collector.py').read_text()


# What the tests share --------------------------------------------------------------------------------------------------

def wait_until(condition, what, limit=LIMIT):
    """Nothing tells of it but the counters: asks again until it is so."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def route(test, name='r', source='in', **options):
    """A route section; to and other lists are Python's."""
    def text(value):
        return '{' + ', '.join(f'"{item}"' for item in value) + '}' if isinstance(value, (list, tuple)) else f'"{value}"'
    if source:
        options['from_bind'] = [test.ipc(source)]
    more = options.pop('more', '')
    return f'route "{name}" {{\n' + ''.join(f'    {key} = {text(value)}\n' for key, value in options.items()) + more + '}\n'


def serve(test, config, *arguments, **options):
    """kith serve with a status service, again on the same paths after it was killed."""
    for name in ('notify', 'status'):
        Path(test.path(name)).unlink(missing_ok=True)
    return test.serve(config + f'service "status" {{ listen = {{"{test.ipc("status")}"}}  builtin = "status" }}\n', *arguments, **options)


def status(test):
    sock = test.socket(zmq.REQ, test.ipc('status'))
    sock.send(b'status')
    told = json.loads(sock.recv())
    sock.close()
    return told


def one(test, index=0):
    return status(test)['routes'][index]


def target(test, index=0):
    return one(test)['targets'][index]


def push(test, name='in', **options):
    return test.socket(zmq.PUSH, test.ipc(name), **options)


def lines_of(path):
    return Path(path).read_bytes().split(b'\n')[:-1] if os.path.exists(path) else []


def wait_lines(path, count):
    return wait_until(lambda: len(lines_of(path)) >= count and lines_of(path), lambda: f'{path} has {len(lines_of(path))} of {count} lines')


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def collector(test, port, path, *flags):
    program = Program(test, [PYTHON, '-c', COLLECTOR, str(port), path, *flags])
    program.out.wait('listening')
    return program


def fields(line):
    """id, source, what the gateway says of the message, the whole origin, body."""
    number, source, origin, body = line.split(b'\t', 3)
    origin = json.loads(origin)
    return int(number), source.decode(), origin['message'], origin, body


# From here to there ----------------------------------------------------------------------------------------------------

def test_from_ipc_to_a_file(test):
    program = serve(test, route(test, to=[f'file:{test.path("out")}'], spool=test.path('spool')))
    sock = push(test)
    for number in range(1000):
        sock.send(b'%d' % number)
    assert wait_lines(test.path('out'), 1000) == [b'%d' % number for number in range(1000)]
    told = wait_until(lambda: one(test)['messages'] == 0 and one(test), lambda: status(test))
    assert (told['received'], told['queued'], told['messages'], told['targets'][0]['delivered']) == (1000, 1000, 0, 1000), told
    assert program.stop() == 0


def test_from_ipc_to_raw_tcp_without_a_spool(test):
    port = free_port()
    far = collector(test, port, test.path('out'))
    program = serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}']))
    sock = push(test)
    for number in range(1000):
        sock.send(b'%d' % number)
    assert wait_lines(test.path('out'), 1000) == [b'%d' % number for number in range(1000)]
    wait_until(lambda: one(test)['messages'] == 0, lambda: status(test))
    assert program.stop() == 0 and far.process.poll() is None


def test_a_subscriber_takes_the_topics_it_asked_for_and_the_last_frame(test):
    publisher = test.socket(zmq.XPUB)
    publisher.bind(test.ipc('pub'))
    serve(test, route(test, source=None, **{'from': [test.ipc('pub')], 'from_type': 'sub', 'subscribe': ['cat', 'dog'], 'frames': 'last',
                                            'to': [f'file:{test.path("out")}']}))
    assert {publisher.recv(), publisher.recv()} == {b'\x01cat', b'\x01dog'}
    for topic in (b'cat', b'cow', b'dog'):
        publisher.send_multipart([topic, topic + b' speaks'])
    assert wait_lines(test.path('out'), 2) == [b'cat speaks', b'dog speaks']


def test_datagrams_are_received_by_a_dish(test):
    port = free_port()
    program = serve(test, route(test, source=None, from_bind=[f'udp://127.0.0.1:{port}'], from_type='dish', subscribe=['g'],
                                to=[f'file:{test.path("out")}'], origin='yes'))
    result = test.run('radio', f'udp://127.0.0.1:{port}', '--group', 'g', 'hello')
    assert result.returncode == 0, result.error
    _, source, _, origin, body = fields(wait_lines(test.path('out'), 1)[0])
    assert (source, body) == (f'udp://127.0.0.1:{port}', b'hello') and origin['address'].startswith('127.0.0.1:'), origin
    assert program.stop() == 0


def test_what_has_several_frames_is_refused_joined_or_cut(test):
    for words, expected, refused in (({}, [b'one'], 1), ({'frames': 'join'}, [b'ab', b'one'], 0), ({'frames': 'last'}, [b'b', b'one'], 0)):
        out = test.path('out' + words.get('frames', ''))
        program = serve(test, route(test, to=[f'file:{out}'], **words))
        sock = push(test)
        sock.send_multipart([b'a', b'b'])
        sock.send(b'one')
        assert wait_lines(out, len(expected)) == expected
        assert one(test)['refused'] == refused
        if refused:
            program.err.wait('several frames.*frames = "join"')
        sock.close()
        assert program.stop() == 0


def test_what_a_target_cannot_carry_is_passed_over_and_counted(test):
    program = serve(test, route(test, to=[f'file:{test.path("out")}'], spool=test.path('spool')))
    sock = push(test)
    sock.send(b'first')
    sock.send(b'two\nlines')
    program.err.wait('message 2 cannot be carried.*newline = "escape"')
    wait_until(lambda: target(test)['lag'] == 0, lambda: status(test))
    sock.send(b'third')
    assert wait_lines(test.path('out'), 2) == [b'first', b'third']
    wait_until(lambda: target(test)['lag'] == 0, lambda: status(test))
    assert (target(test)['refused'], target(test)['delivered']) == (1, 2)


def test_a_receiver_knows_each_message_and_its_sender(test):
    serve(test, route(test, to=[f'file:{test.path("out")}'], spool=test.path('spool'), origin='yes'))
    sock = push(test)
    sock.send(b'a\tb')
    sock.send(b'')
    first, second = [fields(line) for line in wait_lines(test.path('out'), 2)]
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == test.ipc('in') and (first[4], second[4]) == (b'a\tb', b'')
    assert first[2]['spool'] == second[2]['spool'] and len(first[2]['spool']) == 32
    assert first[2]['again'] is False and abs(first[2]['time'] / 1000 - time.time()) < 60
    assert first[3]['pid'] == os.getpid() and first[3]['witness']['pid'] == 'kernel-message'


# Targets that are down -------------------------------------------------------------------------------------------------

def test_a_target_that_is_down_gets_everything_when_it_comes(test):
    port = free_port()
    config = route(test, spool=test.path('spool'), to=[f'file:{test.path("up")}'],
                   more=f'    target "net" {{ to = "raw+tcp://127.0.0.1:{port}"  retry_max = 100 }}\n')
    program = serve(test, config)
    program.err.wait('net: .*refused')
    sock = push(test)
    for number in range(5000):
        sock.send(b'%d' % number)
    wait_lines(test.path('up'), 5000)
    told = wait_until(lambda: one(test)['targets'][0]['lag'] == 0 and one(test), lambda: status(test))
    assert (told['targets'][1]['lag'], told['messages']) == (5000, 5000) and told['targets'][1]['last_error'], told
    collector(test, port, test.path('net'))
    program.err.wait('net: up')
    assert wait_lines(test.path('net'), 5000) == [b'%d' % number for number in range(5000)]
    wait_until(lambda: one(test)['messages'] == 0, lambda: status(test))
    assert program.stop() == 0


def test_what_waits_in_the_spool_is_there_after_a_restart_and_marked(test):
    port = free_port()
    config = route(test, spool=test.path('spool'), to=[f'raw+tcp://127.0.0.1:{port}'], origin='yes', retry_max='100')
    program = serve(test, config)
    sock = push(test)
    for number in range(100):
        sock.send(b'%d' % number)
    wait_until(lambda: one(test)['messages'] == 100, lambda: status(test))
    assert program.stop() == 0
    sock.close()
    program = serve(test, config)
    sock = push(test)
    sock.send(b'new')
    wait_until(lambda: one(test)['messages'] == 101, lambda: status(test))
    collector(test, port, test.path('out'))
    got = [fields(line) for line in wait_lines(test.path('out'), 101)]
    assert [line[4] for line in got] == [b'%d' % number for number in range(100)] + [b'new']
    assert [line[0] for line in got] == list(range(1, 102))
    assert [line[2]['again'] for line in got] == [True] * 100 + [False]


def test_without_a_spool_a_full_queue_stops_the_sources_and_loses_nothing(test):
    port = free_port()
    program = serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}'], queue_bytes='65536', max_message='8192', recv_hwm='10', retry_max='100'))
    sock = push(test, sndhwm=10)
    sock.sndtimeo = 500
    count = 0
    while True:  # until nothing more is taken
        try:
            sock.send(b'%d ' % count + b'x' * 1000)
        except zmq.Again:
            break
        count += 1
    told = one(test)
    assert told['waiting_for_room'] and told['bytes'] <= 65536 and told['received'] < count, told
    collector(test, port, test.path('out'))
    got = wait_lines(test.path('out'), count)
    assert [int(line.split()[0]) for line in got] == list(range(count))
    assert program.stop() == 0


def test_what_waits_in_memory_when_it_ends_is_delivered_or_said(test):
    out, port = test.path('out'), free_port()
    program = serve(test, 'drain = 200\n' + route(test, to=[f'raw+tcp://127.0.0.1:{port}']))
    sock = push(test)
    for number in range(10):
        sock.send(b'%d' % number)
    wait_until(lambda: one(test)['messages'] == 10, lambda: status(test))
    assert program.stop() == 0
    program.err.wait('route r: 10 messages that waited in memory are lost.*spool')
    sock.close()
    program = serve(test, route(test, to=[f'file:{out}'], sync='300'))
    sock = push(test)
    for number in range(10):
        sock.send(b'%d' % number)
    wait_until(lambda: one(test)['received'] == 10, lambda: status(test))
    assert program.stop() == 0
    assert len(lines_of(out)) == 10 and not any('lost' in line for line in program.err.all())


def test_what_is_sent_while_it_ends_stays_with_the_sender(test):
    out, port = test.path('out'), free_port()
    program = serve(test, 'drain = 60000\n' + route(test, to=[f'raw+tcp://127.0.0.1:{port}']))
    sock = push(test)
    monitor = sock.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    sock.send(b'before')
    wait_until(lambda: one(test)['messages'] == 1, lambda: status(test))
    program.send(signal.SIGTERM)  # it waits for somebody who takes the message
    assert monitor.poll(LIMIT * 1000), 'the gateway still takes messages'
    sock.send(b'after')
    program.kill()
    serve(test, route(test, to=[f'file:{out}']))
    wait_until(lambda: lines_of(out) == [b'after'], lambda: lines_of(out))
    sock.disable_monitor()


# Bounds ----------------------------------------------------------------------------------------------------------------

def test_a_full_spool_stops_the_sources_until_there_is_room(test):
    port = free_port()
    program = serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}'], spool=test.path('spool'), spool_bytes='100000', retry_max='100'))
    sock = push(test, sndhwm=1000)
    for number in range(300):
        sock.send(b'%d ' % number + b'x' * 1000)
    program.err.wait('is not read from: the spool is full')
    told = one(test)
    assert told['waiting_for_room'] and told['bytes'] <= 100000 and told['received'] < 300, told
    collector(test, port, test.path('out'))
    got = wait_lines(test.path('out'), 300)
    assert [int(line.split()[0]) for line in got] == list(range(300))


def test_what_the_overflow_rule_drops_is_counted(test):
    port = free_port()
    serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}'], spool=test.path('spool'), spool_bytes='100000', overflow='drop-oldest'))
    sock = push(test)
    for number in range(300):
        sock.send(b'%d ' % number + b'x' * 1000)
    told = wait_until(lambda: one(test)['messages'] + one(test)['dropped'] == 300 and one(test), lambda: status(test))
    assert told['dropped'] > 150 and told['bytes'] <= 100000 and not told['waiting_for_room'], told


def test_a_full_disk_stops_the_sources_and_loses_nothing(test):
    need_root()
    disk = Path(test.path('disk'))
    disk.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'none', disk], check=True)
    test.callback(subprocess.run, ['umount', '-l', disk], check=True)
    ballast = disk / 'ballast'
    port = free_port()
    program = serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}'], spool=str(disk / 'spool'), retry_max='100'))
    ballast.write_bytes(b'x' * (22 << 20))
    sock = push(test)
    count = 6000
    sender = threading.Thread(target=lambda: [sock.send(b'%d ' % number + b'x' * 1000) for number in range(count)])
    sender.start()
    program.err.wait('nothing is lost, sources wait')
    wait_until(lambda: one(test)['waiting_for_room'], lambda: status(test))
    assert one(test)['last_error'] and one(test)['commit_failures'] > 0
    ballast.unlink()
    collector(test, port, test.path('out'))
    got = wait_lines(test.path('out'), count)
    sender.join()
    sock.close()
    assert [int(line.split()[0]) for line in got] == list(range(count))
    program.err.wait('the spool is written again')
    assert program.stop() == 0


def test_a_damaged_spool_is_set_aside_and_named(test):
    config = route(test, to=[f'file:{test.path("out")}'], spool=test.path('spool'))
    program = serve(test, config)
    sock = push(test)
    sock.send(b'before')
    wait_lines(test.path('out'), 1)
    assert program.stop() == 0
    sock.close()
    Path(test.path('spool')).write_bytes(b'SQLite format 3\0' + os.urandom(40000))
    program = serve(test, config)
    aside = program.err.wait(r'route r: .*set aside as (\S+\.corrupt-\w+)').group(1)
    assert os.path.exists(aside)
    sock = push(test)
    sock.send(b'after')
    assert wait_lines(test.path('out'), 2) == [b'before', b'after']
    assert one(test)['set_aside'] == 1
    assert program.stop() == 0


RSS_BOUND = 96 << 20  # of a gateway with two targets, whatever waits: 4 MiB not yet durable, 4 MiB in flight a target, and the program


def peak_memory(pid):
    return int(re.search(r'VmHWM:\s+(\d+) kB', Path(f'/proc/{pid}/status').read_text()).group(1)) << 10


def test_a_slow_collector_costs_disk_not_memory(test):
    # AddressSanitizer keeps 256 MiB of what was freed, unless it is told otherwise.
    test.enter_context(mock.patch.dict(os.environ, ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=1'))
    port = free_port()
    collector(test, port, test.path('net'), 'slow')
    program = serve(test, route(test, to=[f'raw+tcp://127.0.0.1:{port}', f'file:{test.path("out")}'], spool=test.path('spool')))
    sock = push(test)
    size, count = 10000, 20000
    for number in range(count):
        sock.send(b'%d ' % number + b'x' * size)
    wait_until(lambda: one(test)['targets'][1]['delivered'] == count, lambda: status(test))
    told = one(test)
    assert told['targets'][0]['lag'] > count / 2 and told['bytes'] > count * size / 2, told
    assert peak_memory(program.pid) < RSS_BOUND, peak_memory(program.pid)
    print(f'# {count * size >> 20} MiB with a collector that does not read: at most {peak_memory(program.pid) >> 20} MiB of memory')


# Killed ----------------------------------------------------------------------------------------------------------------

class PushSource:
    """Numbered messages of a stock PUSH. ZMTP has no acknowledgements: what the gateway has not said to be durable may be lost with it."""

    def __init__(self, test):
        self.test, self.sock, self.since_start = test, push(test), 0

    def send(self, numbers):
        for number in numbers:
            self.sock.send(b'%d' % number)
            self.since_start += 1

    def wait_durable(self):
        def durable():
            told = one(self.test)
            return told['received'] == self.since_start and told['pending'] == 0
        wait_until(durable, lambda: status(self.test))

    def gateway_gone(self):
        self.sock.close()
        self.sock, self.since_start = push(self.test), 0


class Collectors(threading.Thread):
    """A collector that is killed at random, and comes again."""

    def __init__(self, test, port, path):
        super().__init__()
        self.test, self.port, self.path, self.kills = test, port, path, 0
        self.over = threading.Event()
        self.program = collector(test, port, path, 'acks')
        self.start()

    def run(self):
        while not self.over.wait(random.uniform(0.05, 0.5)):
            self.program.kill()
            self.kills += 1
            self.program = collector(self.test, self.port, self.path, 'acks')

    def end(self):
        self.over.set()
        self.join()


def check_arrived(lines, count):
    """All of them; what is there twice is marked, or is the first that its reader has seen; one by one in order but for repetitions."""
    seen, repeated, unmarked = {}, 0, 0
    for line in lines:
        number, _, told, _, body = fields(line)
        name = (told['spool'], number)
        if name in seen:
            repeated += 1
            unmarked += not told['again']
            assert seen[name] == body, (name, seen[name], body)
        seen[name] = body
    bodies = sorted(int(body) for body in seen.values())
    assert bodies == list(range(count)), f'{len(bodies)} of {count}, {len(set(bodies))} different ones'
    assert unmarked == 0, f'{unmarked} of {repeated} repetitions are not marked'
    ids = [number for (_, number) in seen]
    assert ids == sorted(ids), 'not in order'
    return repeated


def kill_test(test, source_type, count, rounds, gateway_kills):
    port, path = free_port(), test.path('out')
    config = route(test, to=[f'raw+tcp://127.0.0.1:{port}'], spool=test.path('spool'), origin='yes', acks='yes', retry_min='10', retry_max='50',
                   in_flight='500')
    program = serve(test, config)
    source, far = source_type(test), Collectors(test, port, path)
    try:
        for turn in range(rounds):
            source.send(range(turn * count // rounds, (turn + 1) * count // rounds))
            if turn in gateway_kills:
                source.wait_durable()
                program.kill()
                program = serve(test, config)
                source.gateway_gone()
        wait_until(lambda: one(test)['messages'] == 0 and one(test)['pending'] == 0 and one(test)['received'] == source.since_start,
                   lambda: status(test), 4 * LIMIT)
    finally:
        far.end()
    assert program.stop() == 0
    repeated = check_arrived(lines_of(path), count)
    print(f'# {count} messages, {len(gateway_kills)} gateways and {far.kills} collectors killed: none lost, {repeated} repeated and marked')


def test_killing_gateways_and_collectors_loses_nothing(test):
    rounds = 40
    kill_test(test, PushSource, 100000, rounds, set(random.sample(range(rounds), 8)))


# Configuration ---------------------------------------------------------------------------------------------------------

def test_policies_guard_the_sources(test):
    need_root()
    me = 'policy "me" { rule "me" { allow = {"*"}  uid = {"0"} } }\n'
    program = serve(test, me + route(test, to=[f'file:{test.path("out")}'], policy='me'))
    stranger = test.kith('push', test.ipc('in'), 'word', '--timeout', '2000', uid=NOBODY)
    assert stranger.wait() == 4
    program.err.wait('route r: .*denied')
    sock = push(test)
    sock.send(b'mine')
    assert wait_lines(test.path('out'), 1) == [b'mine']


SERVER = 'policy "server" {{ rule "server" {{ allow = {{"serve"}}  uid = {{"{0}"}}  service = {{"r"}} }} }}\n'


def test_a_target_has_to_be_who_the_policy_says(test):
    need_root()
    far = test.ipc('far')
    to = f'target "far" {{ to = "{far}"  policy = "server"  retry_max = 200 }}\n'
    config = SERVER.format(NOBODY) + route(test, more=to)
    pull = test.kith('pull', '--bind', far, '--verbose')
    pull.err.wait('listening')
    program = serve(test, config)
    program.err.wait('route r: .*serve denied by')
    sock = push(test)
    sock.send(b'word')
    told = wait_until(lambda: target(test)['failures'] >= 3 and target(test), lambda: status(test))
    assert told['delivered'] == 0 and 'serve denied by' in told['last_error'], told
    assert len([line for line in program.err.lines if 'serve denied by' in line]) == 1, program.err.lines # that it lasts is no news
    test.write('kith.conf', config.replace(f'uid = {{"{NOBODY}"}}', f'uid = {{"{os.geteuid()}"}}'))
    program.send(signal.SIGHUP)
    program.err.wait('read again')
    assert not any('restart' in line for line in program.err.lines if 'route r' in line), program.err.lines
    pull.out.wait('^word$')
    wait_until(lambda: target(test)['delivered'] == 1, lambda: status(test))
    seen = len(program.err.lines)
    test.write('kith.conf', config)
    program.send(signal.SIGHUP)
    program.err.wait('route r: .*serve denied by', seen)
    wait_until(lambda: target(test)['state'] != 'up', lambda: status(test))
    sock.send(b'not for him')
    test.write('kith.conf', route(test, more=to.replace('policy = "server"', '')))
    program.send(signal.SIGHUP)
    program.err.wait('route r: more than its policy has changed, or the policy is gone')
    assert target(test)['delivered'] == 1


def test_what_a_target_may_not_receive_is_passed_over(test):
    far = test.ipc('far')
    policy = 'policy "small" { rule "large" { deny = {"receive"}  size = {"5-1000"} }  rule "rest" { allow = {"*"} } }\n'
    pull = test.kith('pull', '--bind', far, '--verbose')
    pull.err.wait('listening')
    program = serve(test, policy + route(test, more=f'target "far" {{ to = "{far}"  policy = "small" }}\n'))
    sock = push(test)
    for word in (b'one', b'three', b'two'):
        sock.send(word)
    assert pull.out.wait_count(2) == ['one', 'two']
    program.err.wait('message 2 cannot be carried and is passed over: .*policy denies it')
    assert wait_until(lambda: target(test)['delivered'] and target(test), lambda: status(test))['refused'] == 1


def test_rules_may_ask_for_the_route(test):
    rules = f'policy "p" {{ rule "r" {{ allow = {{"*"}}  service = {{"other"}} }} }}\n'
    program = serve(test, rules + route(test, to=[f'file:{test.path("out")}'], policy='p') +
                    route(test, 'other', 'in2', to=[f'file:{test.path("out2")}'], policy='p'))
    socks = [push(test, 'in2'), push(test, 'in')]
    for sock in socks:
        sock.send(b'x')
    assert wait_lines(test.path('out2'), 1) == [b'x']
    program.err.wait('route r: .*denied')


def test_a_reload_says_what_it_cannot_take(test):
    config = route(test, to=[f'file:{test.path("out")}'])
    program = serve(test, config)
    program.send(signal.SIGHUP)
    program.err.wait('read again')
    assert not any('restart' in line for line in program.err.lines)
    test.write('kith.conf', config.replace('to =', 'origin = yes\n to =') + route(test, 'new', 'in2', to=['file:/tmp/x']))
    program.send(signal.SIGHUP)
    program.err.wait('route r: more than its policy has changed')
    program.err.wait('route new is new: it needs a restart')


def test_status_says_the_same_in_words(test):
    port = free_port()
    serve(test, route(test, to=[f'file:{test.path("out")}', f'raw+tcp://127.0.0.1:{port}'], spool=test.path('spool')))
    sock = push(test)
    sock.send(b'word')
    wait_until(lambda: target(test)['delivered'] == 1 and target(test, 1)['last_error'], lambda: status(test))
    result = test.run('status', test.ipc('status'))
    assert result.returncode == 0, result
    for pattern in (rf'^route r: spool {test.path("spool")}: 1 messages', rf'^    from {test.ipc("in")}: 1 peers, 1 received$',
                    rf'^    to file:{test.path("out")}: up, 1 delivered, 0 in flight$',
                    rf'^    to raw\+tcp://127.0.0.1:{port}: \w+, 0 delivered, 0 in flight, 1 behind .*last error: Connection refused$'):
        assert re.search(pattern, result.text, re.M), (pattern, result.text)
    assert json.loads(test.run('status', test.ipc('status'), '--json').text)['routes'][0]['received'] == 1
    result = test.run('status', test.ipc('nobody'))
    assert result.returncode == 1 and 'nobody to ask' in result.error, result


def test_status_of_something_else_is_an_error(test):
    test.serve(f'service "echo" {{ listen = {{"{test.ipc()}"}}  builtin = "echo" }}\n')
    result = test.run('status', test.ipc())
    assert result.returncode == 1 and 'builtin = "status"' in result.error, result


def test_a_right_route_is_checked_without_opening_anything(test):
    path = test.write('c', route(test, to=[f'file:{test.path("out")}', 'exec:ssh host cat'], spool=test.path('spool')))
    result = test.run('serve', '-c', path, '--check')
    assert result.returncode == 0 and '0 service(s), 0 proxies, 1 route(s)' in result.text, result
    assert os.listdir(test.folder) == ['c']


def test_a_spool_that_another_gateway_has_is_refused(test):
    config = route(test, to=[f'file:{test.path("out")}'], spool=test.path('spool'))
    serve(test, config)
    result = test.run('serve', '-c', test.write('c', config.replace('/in"', '/in2"')))
    assert result.returncode == 1 and 'route r: ' in result.error and test.path('spool') in result.error, result


harness.main(__file__)
