#!/usr/bin/python3
"""kith wiretest: against kith's own sockets, against libzmq, and against a peer that is broken on purpose."""
import os
import re
import socket
import sys
import threading
from pathlib import Path

import harness
from harness import PYTHON, Program, parse

HERE = Path(__file__).resolve().parent
SOCKET = os.environ['KITH_WIRETEST_SOCKET']
# A silence means something only when it is longer than what a busy machine does to a peer that sends every 5 ms.
PATIENCE = ('--timeout', 10000, '--quiet', 800)

# What libzmq 4.3 is known not to keep. The suite has to find each of these, in every type.
LIBZMQ = {
    'greeting/unasked': 'sends 10 octets and waits; the RFC wants the major version too',
    'greeting/mechanism-told': 'closes before it has told its mechanism when it does not like the peer\'s',
    'ready/name-empty': 'takes a property without name for the end of the metadata',
    'ready/type-told': 'closes without ERROR',
    'heartbeat/ttl-cut': 'answers a PING without a TTL with 16 octets of its own memory',
}
# These it may keep, as the threads happen to run: a PONG that was not sent yet is replaced by the next one.
LIBZMQ_SOMETIMES = {'heartbeat/storm'}
LIBZMQ_CURVE = {'curve/hello-padding': 'does not look at the padding'}


class Run:
    """A wiretest that runs; several may at once: most of their time is waiting."""

    def __init__(self, test, endpoint, *arguments):
        self.program = test.kith('wiretest', '--json', *PATIENCE, *arguments, endpoint)

    def finish(self):
        self.status = self.program.process.wait(8 * harness.LIMIT)
        self.lines = [parse(line) for line in self.program.out.all()]
        self.cases = {line['case']: line for line in self.lines if 'case' in line}
        return self

    def names(self, result):
        return {name for name, case in self.cases.items() if case['result'] == result}

    def failures(self):
        return {name: self.cases[name]['reason'] for name in self.names('not ok')}


def own(test, kind, *options, endpoint=None):
    peer = Program(test, [SOCKET, kind, endpoint or test.ipc(kind), *options])
    peer.endpoint = peer.out.wait(r'^(\w+://\S+)').group(1)
    return peer


def stock(test, kind, *mechanism):
    endpoint = test.ipc('-'.join([kind, *mechanism]))
    peer = Program(test, [PYTHON, str(HERE / 'zmq_peer.py'), kind, endpoint, *mechanism])
    peer.key = peer.out.wait(r'^ready ?(\S*)').group(1)
    peer.endpoint = endpoint
    return peer


def broken(test, *fault):
    path = test.path('-'.join(['broken', *fault]))
    peer = Program(test, [PYTHON, str(HERE / 'broken.py'), path, *fault])
    peer.out.wait('^ready')
    peer.endpoint = f'ipc://{path}'
    return peer


KINDS = {
    'REP': {'pattern/rep-envelope', 'pattern/rep-malformed', 'pattern/rep-order', 'pattern/rep-partial', 'pattern/rep-only-us'},
    'ROUTER': {'pattern/echo', 'pattern/echo-order', 'ready/identity-in-use'},
    'DEALER': {'pattern/echo', 'pattern/echo-order'},
    'PAIR': {'pattern/echo', 'pattern/echo-order'},
    'REQ': {'pattern/req-unasked'},
    'PUB': {'subscription/filters', 'subscription/cancels', 'subscription/version-3.0', 'subscription/odd-long', 'subscription/discards'},
    'XPUB': {'subscription/filters', 'subscription/cancels', 'subscription/version-3.0', 'subscription/odd-long'},
    'SUB': {'subscription/sent-as-commands', 'subscription/sent-as-messages'},
    'XSUB': {'subscription/sent-as-commands', 'subscription/sent-as-messages'},
    'PUSH': {'pattern/sends-whole'},
    'PULL': {'pattern/pull-takes'},
    'RADIO': {'group/join-leave', 'group/long', 'group/unjoined'},
    'DISH': {'group/message'},
    'SCATTER': {'pattern/sends-whole'},
    **{kind: {'single/message', 'single/multipart'} for kind in ('GATHER', 'CLIENT', 'SERVER', 'PEER', 'CHANNEL')},
}
EXCLUSIVE = ('PAIR', 'CHANNEL')


def test_kith_passes_whole_with_every_type(test):
    peers = {kind: own(test, kind) for kind in KINDS}
    runs = {kind: Run(test, peer.endpoint, '--hostile') for kind, peer in peers.items()}
    for kind, run in runs.items():
        run.finish()
        assert run.status == 0 and not run.failures(), (kind, run.failures(), run.program.err.all())
        assert run.lines[0]['type'] == kind and run.lines[0]['mechanism'] == 'NULL'
        assert KINDS[kind] <= run.names('ok'), (kind, KINDS[kind] - run.names('ok'))
        assert {'frame/of-the-peer', 'command/huge', 'heartbeat/storm'} <= run.names('ok'), kind
        assert ('greeting/half-open' in run.names('ok')) == (kind not in EXCLUSIVE), kind
    for kind, peer in peers.items():
        assert peer.stop() == 0, (kind, peer.err.all())


def test_kith_passes_with_plain_and_curve(test):
    public, secret = re.findall(r'^(?:public|secret) (\S+)$', test.run('keygen').text, re.M)
    plain = own(test, 'REP', 'plain-server=1', 'plain-username=name', 'plain-password=word', endpoint=test.ipc('plain'))
    curve = own(test, 'REP', 'curve-server=1', 'curve-secret-key=' + secret, endpoint=test.ipc('curve'))
    runs = [Run(test, plain.endpoint, '--hostile', '--plain-username', 'name', '--plain-password', 'word'),
            Run(test, curve.endpoint, '--hostile', '--curve-server-key=' + public)]
    for run, prefix, count in zip(runs, ('plain/', 'curve/'), (11, 24)):
        run.finish()
        assert not run.failures(), run.failures()
        assert sum(name.startswith(prefix) for name in run.names('ok')) >= count, (prefix, run.names('ok'))
        assert 'pattern/rep-order' in run.names('ok')
    for case, words in (('plain/wrong-password', 'are refused by ERROR'), ('plain/empty-words', 'closes')):
        assert words in runs[0].cases[case]['note'], runs[0].cases[case]
    for peer in (plain, curve):
        assert peer.stop() == 0, peer.err.all()


def test_kith_rep_passes_whole_on_every_transport(test):
    rep = test.rep('-q', test.ipc())
    tcp = test.rep('-q', 'tcp://127.0.0.1:*')
    abstract = test.rep('-q', f'ipc://@kith-e2e-wiretest-{os.getpid()}')
    for run in [Run(test, peer.endpoint) for peer in (rep, tcp, abstract)]:
        run.finish()
        assert run.status == 0 and not run.failures(), run.failures()
        assert 'pattern/echo' in run.names('ok')


# Not PAIR: one that comes before libzmq has let the last one go is accepted, and then nothing that it says is read.
def test_libzmq_fails_where_it_is_known_to(test):
    runs = {kind: Run(test, stock(test, kind).endpoint, '--hostile') for kind in ('REP', 'ROUTER', 'XPUB', 'SUB', 'PULL')}
    for kind, run in runs.items():
        run.finish()
        assert run.status == 1
        assert set(run.failures()) - LIBZMQ_SOMETIMES == set(LIBZMQ), (kind, run.failures())
        assert KINDS[kind] <= run.names('ok'), (kind, KINDS[kind] - run.names('ok'))


def test_libzmq_with_plain_and_curve(test):
    plain, curve = stock(test, 'REP', 'PLAIN'), stock(test, 'REP', 'CURVE')
    runs = [Run(test, plain.endpoint, '--plain-username', 'name', '--plain-password', 'word'),
            Run(test, curve.endpoint, '--curve-server-key=' + curve.key, '--mechanism', 'CURVE')]
    for run, known, prefix, count in zip(runs, ({}, LIBZMQ_CURVE), ('plain/', 'curve/'), (11, 23)):
        run.finish()
        assert set(run.failures()) - LIBZMQ_SOMETIMES == set(LIBZMQ) | set(known), run.failures()
        assert sum(name.startswith(prefix) for name in run.names('ok')) == count, (prefix, run.names('ok'))
        assert 'pattern/rep-order' in run.names('ok')


def test_without_credentials_what_needs_them_is_skipped(test):
    curve = stock(test, 'REP', 'CURVE')
    run = Run(test, curve.endpoint).finish()
    assert 'no credentials' in run.cases['heartbeat/pong']['reason'] and run.lines[0]['type'] == 'unknown'
    assert 'greeting/mechanism-other' in run.names('ok') and 'curve/ready-first' in run.names('ok')
    result = test.run('wiretest', curve.endpoint, '--mechanism', 'PLAIN')
    assert result.returncode == 1 and 'CURVE, not PLAIN' in result.error


# What each fault has to be caught by, at least.
FAULTS = {
    'greeting-short': 'greeting/whole',
    'padding-validated': 'greeting/padding',
    'version-strict': 'greeting/higher-major',
    'mechanism-ignored': 'greeting/mechanism-unknown',
    'as-server-validated': 'greeting/as-server',
    'one-at-a-time': 'greeting/half-open',
    'metadata-unchecked': 'ready/value-cut',
    'names-exact': 'ready/names-any-case',
    'types-unchecked': 'ready/illegal-types',
    'long-must-be-long': 'frame/long-small',
    'reserved-bits': 'frame/of-the-peer',
    'pong-empty': 'heartbeat/context-16',
    'pong-long': 'heartbeat/context-17',
    'pong-never': 'heartbeat/pong',
    'envelope-lost': 'pattern/rep-envelope',
    'delimiter-lost': 'pattern/rep-delimiter',
}


def test_a_peer_without_a_fault_passes(test):
    run = Run(test, broken(test).endpoint).finish()
    # It keeps no clock: that is a SHOULD, and told as one.
    assert set(run.failures()) == {'heartbeat/ttl-over'} and run.cases['heartbeat/ttl-over']['level'] == 'SHOULD', run.failures()


def test_every_fault_is_caught(test):
    runs = {}
    for fault, case in FAULTS.items():
        more = ['--case', 'pattern/rep-delimiter'] if fault == 'reserved-bits' else []  # a frame to look at
        runs[fault] = test.kith('wiretest', '--json', '--timeout', 5000, '--case', case, '--case', 'heartbeat/pong', *more,
                                broken(test, fault).endpoint)
    for fault, program in runs.items():
        assert program.wait() == 1, (fault, program.out.all(), program.err.all())
        cases = {case['case']: case for case in map(parse, program.out.all()) if 'case' in case}
        assert cases[FAULTS[fault]]['result'] == 'not ok', (fault, cases)
        if fault not in ('pong-never', 'greeting-short'):
            assert cases['heartbeat/pong']['result'] == 'ok', (fault, cases)


def test_a_peer_that_dies_ends_the_suite(test):
    peer = broken(test, 'dies-of-error')
    result = test.run('wiretest', peer.endpoint, '--case', 'ready/error*', '--timeout', 3000)
    assert result.returncode == 1 and peer.wait() == 3
    assert re.search(r'^Bail out! .*does the peer listen here\?$', result.text, re.M), result.text


def test_what_is_no_zmtp_is_said(test):
    listener = socket.create_server(('127.0.0.1', 0))
    test.callback(listener.close)

    def serve():
        with listener.accept()[0] as sock:
            sock.sendall(b'220 mail.example.org ESMTP: no ZMTP is spoken here, only mail, of all things!!')
            sock.recv(64)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    result = test.run('wiretest', f'tcp://127.0.0.1:{listener.getsockname()[1]}')
    assert result.returncode == 1 and 'does not speak ZMTP 3' in result.error, result
    thread.join(harness.LIMIT)


def test_nobody_listens(test):
    result = test.run('wiretest', test.ipc())
    assert result.returncode == 1 and 'does the peer listen here?' in result.error and result.text == ''


def test_tap_has_a_plan_and_tells_why(test):
    result = test.run('wiretest', broken(test, 'pong-empty').endpoint, '--case', 'heartbeat/context-*', '--case', 'plain/welcome',
                      '--case', 'command/huge')
    lines = result.text.splitlines()
    assert result.returncode == 1 and lines[:2] == ['TAP version 13', '1..5']
    assert re.match(r'# peer at ipc://\S+: ZMTP 3.1, mechanism NULL, type REP', lines[2])
    assert 'not ok 3 - heartbeat/context-16' in lines and "  level: MUST" in lines
    assert any(re.match(r"  seen: '([0-9a-f]{2})+'$", line) for line in lines)
    assert any(re.match(r'ok \d - plain/welcome # SKIP the peer.s mechanism is NULL', line) for line in lines)
    assert any(re.match(r'ok \d - command/huge # SKIP only with --hostile', line) for line in lines)


def test_cases_are_listed(test):
    result = test.run('wiretest', '--list')
    names = [line.split()[0] for line in result.text.splitlines()]
    assert result.returncode == 0 and len(names) > 150 and len(set(names)) == len(names)
    assert {'greeting/whole', 'curve/vouch', 'pattern/rep-envelope'} <= set(names)
    few = test.run('wiretest', '--list', '--json', '--case', 'plain/*').text.splitlines()
    assert len(few) == 11 and all(parse(line)['source'].startswith('RFC 24') for line in few)


def test_the_application_is_left_alone_when_wanted(test):
    rep = test.rep(test.ipc())
    result = test.run('wiretest', rep.endpoint, '--no-messages')
    assert result.returncode == 0 and 'SKIP it exchanges messages' in result.text
    assert rep.stop() == 0 and not any('wiretest' in line for line in rep.out.all())


def test_wrong_use_is_said(test):
    for words, text in ((['wiretest'], 'endpoint'), (['wiretest', '--list', 'ipc://@x'], '--list'), (['wiretest', 'a', 'b'], 'endpoint'),
                        (['wiretest', 'ipc://@x', '--case', 'no/such'], '--list'), (['wiretest', 'ipc://@x', '--type', 'FROB'], 'FROB'),
                        (['wiretest', 'ipc://@x', '--curve-server-key', 'short'], 'Z85')):
        result = test.run(*words)
        assert result.returncode == 2 and text in result.error and result.text == '', (words, result)
    for endpoint in ('inproc://x', 'tcp://noport', 'ipc://'):
        result = test.run('wiretest', endpoint)
        assert result.returncode == 1 and endpoint in result.error


sys.dont_write_bytecode = True
harness.main(__file__)
