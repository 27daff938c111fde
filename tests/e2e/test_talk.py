#!/usr/bin/python3
"""kith push, pull, pub, sub and so on: a verb a socket type, against each other and against stock libzmq."""
import base64
import json
import signal
import subprocess

import zmq

import harness
from harness import parse


def listening(test, *arguments, **options):
    """Starts a verb that binds, and returns it when it listens."""
    program = test.kith(*arguments, '--verbose', **options)
    program.err.wait('listening')
    return program


def test_lines_are_messages(test):
    pull = listening(test, 'pull', '--bind', test.ipc(), '--count', '3')
    assert test.run('push', test.ipc(), text='one\ntwo\nlast without newline').returncode == 0
    assert pull.wait() == 0
    assert pull.out.all() == ['one', 'two', 'last without newline']


def test_words_are_frames_and_files_are_messages(test):
    sock = test.socket(zmq.PULL)
    sock.bind(test.ipc())
    assert test.run('push', test.ipc(), 'two', 'frames').returncode == 0
    assert sock.recv_multipart() == [b'two', b'frames']
    path = test.write('file', 'line\nline\n')
    assert test.run('push', test.ipc(), '--file', path, '--file', path).returncode == 0
    assert [sock.recv_multipart() for _ in range(2)] == [[b'line\nline\n']] * 2
    assert test.run('push', test.ipc(), '--file', test.path('none')).returncode == 1


def test_words_are_sent_as_often_as_wanted_and_not_faster(test):
    sock = test.socket(zmq.PULL)
    sock.bind(test.ipc())
    push = test.kith('push', test.ipc(), 'tick', '--count', '5', '--rate', '20')
    for _ in range(5):
        assert sock.recv() == b'tick'
    assert push.wait() == 0


def test_json_goes_in_and_out(test):
    pull = listening(test, 'pull', '--bind', test.ipc(), '--json', '--count', '2')
    binary = base64.b64encode(b'\xff\x00').decode()
    lines = [json.dumps({'frames': ['a', 'b']}), json.dumps({'frames_b64': [binary]})]
    assert test.run('push', test.ipc(), '--json', text='\n'.join(lines)).returncode == 0
    assert pull.wait() == 0
    first, second = map(parse, pull.out.all())
    assert first['frames'] == ['a', 'b'] and first['origin']['pid'] > 0
    assert second['frames_b64'] == [binary]
    for bad in ('{', '{"frames": []}', '{"frames": [1]}', '[]', '{"frames_b64": ["a"]}'):
        result = test.run('push', test.ipc(), '--json', text=bad)
        assert result.returncode == 1 and 'JSON' in result.error, (bad, result)


def test_published_messages_wait_for_a_subscriber(test):
    pub = listening(test, 'pub', '--bind', test.ipc(), '--topic', 'cat', 'meow')
    sub = test.kith('sub', test.ipc(), '--topic', 'cat', '--count', '1')
    assert sub.wait() == 0 and pub.wait() == 0
    assert sub.out.all() == ['cat', 'meow']


def test_sub_receives_what_libzmq_publishes(test):
    pub = test.socket(zmq.XPUB)
    pub.bind(test.ipc())
    sub = test.kith('sub', test.ipc(), '--count', '2', '-t', 'a', '-t', 'b')
    assert {pub.recv(), pub.recv()} == {b'\x01a', b'\x01b'}
    for word in (b'c', b'a', b'b'):
        pub.send(word)
    assert sub.wait() == 0
    assert sub.out.all() == ['a', 'b']


def test_pub_publishes_to_libzmq(test):
    sub = test.socket(zmq.SUB)
    sub.subscribe(b'')
    sub.bind(test.ipc())
    pub = test.kith('pub', test.ipc(), 'x', '--count', '2')
    assert [sub.recv(), sub.recv()] == [b'x', b'x']  # libzmq subscribes while somebody receives
    assert pub.wait() == 0


def test_both_ends_of_a_pair_talk(test):
    one = listening(test, 'pair', '--bind', test.ipc(), '--count', '1', 'from one')
    two = test.kith('pair', test.ipc(), '--count', '1', 'from two')
    assert one.wait() == 0 and two.wait() == 0
    assert one.out.all() == ['from two'] and two.out.all() == ['from one']


def test_dealer_asks_rep_and_router_knows_its_peers(test):
    rep = test.socket(zmq.REP)
    rep.bind(test.ipc())
    dealer = test.kith('dealer', test.ipc(), '', 'question', '--count', '1')
    assert rep.recv() == b'question'
    rep.send(b'answer')
    assert dealer.wait() == 0
    assert dealer.out.all() == ['', 'answer']

    router = listening(test, 'router', '--bind', test.ipc('r'), '--json', '--count', '1')
    peer = test.socket(zmq.DEALER, routing_id=b'me')
    peer.connect(test.ipc('r'))
    peer.send(b'hello')
    assert router.wait() == 0
    assert parse(router.out.all()[0])['frames'] == ['me', 'hello']


def test_datagrams_go_to_their_group(test):
    for endpoint in ('udp://127.0.0.1:*', 'udp://lo;239.255.10.1:*'):
        dish = test.kith('dish', '--bind', endpoint, '--group', 'news', '--json', '--count', '2', '--verbose')
        bound = dish.err.wait(r'(udp://\S*\d): listening')[1]
        for group, text in ('news', 'one'), ('sport', 'another group'), ('news', 'two'):
            assert test.run('radio', bound, '--group', group, text).returncode == 0
        assert dish.wait() == 0
        first, second = map(parse, dish.out.all())
        assert (first['group'], first['frames'], second['frames']) == ('news', ['one'], ['two'])
        origin = first['origin']
        assert origin['interface'] == 'lo' and origin['destination'] == bound.split('//')[1].split(';')[-1]
        assert set(origin['witness'].values()) == {'kernel-message'}
    wrong = test.run('dish', 'udp://127.0.0.1:5555', '--group', 'news')
    assert wrong.returncode == 1 and 'a RADIO connects there, a DISH binds' in wrong.error


def test_a_server_answers_by_number(test):
    server = listening(test, 'server', '--bind', test.ipc(), '--json', stdin=subprocess.PIPE)
    client = test.kith('client', test.ipc(), 'question', '--count', '1')
    question = parse(server.out.wait('question').string)
    server.process.stdin.write(json.dumps({'routing_id': question['routing_id'], 'frames': ['answer']}).encode() + b'\n')
    server.process.stdin.flush()
    assert client.wait() == 0
    assert client.out.all() == ['answer']
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0


def test_several_endpoints_share_the_work(test):
    pulls = [listening(test, 'pull', '--bind', test.ipc(name), '--count', '2') for name in 'ab']
    push = test.kith('push', '--connect', test.ipc('a'), '--connect', test.ipc('b'), '--wait', '2', stdin=subprocess.PIPE)
    push.process.stdin.write(b'1\n2\n3\n4\n')
    push.process.stdin.close()
    assert push.wait() == 0
    assert all(pull.wait() == 0 for pull in pulls)
    assert sorted(line for pull in pulls for line in pull.out.all()) == ['1', '2', '3', '4']


def test_a_slow_receiver_gets_everything(test):
    count = 20000
    pull = listening(test, 'pull', '--bind', test.ipc(), '--count', count, '--option', 'recv-hwm=10')
    assert test.run('push', test.ipc(), '--option', 'send-hwm=10', text=''.join(f'{i}\n' for i in range(count))).returncode == 0
    assert pull.wait() == 0
    assert pull.out.all() == [str(i) for i in range(count)]


def test_silence_and_refusal_have_their_exit_status(test):
    assert test.run('pull', test.ipc(), '--timeout', '50').returncode == 3
    listening(test, 'pair', '--bind', test.ipc('p'), '--timeout', '20000')
    result = test.run('push', test.ipc('p'), 'word')  # PAIR does not talk to PUSH, and both sides say so
    assert result.returncode in (1, 4) and 'talk' in result.error, result


def test_a_signal_ends_it_well(test):
    for number in (signal.SIGINT, signal.SIGTERM):
        pull = listening(test, 'pull', '--bind', test.ipc())
        assert pull.stop(number) == 0


def test_output_that_has_gone_or_is_full(test):
    with open('/dev/full', 'wb') as full:
        pull = listening(test, 'pull', '--bind', test.ipc(), stdout=full)
        sock = test.socket(zmq.PUSH, test.ipc())
        sock.send(b'x' * 100)
        assert pull.wait() == 1
    assert 'No space' in '\n'.join(pull.err.all())


def test_octets_and_nothing_else(test):
    sock = test.socket(zmq.PUSH, test.ipc())
    sock.send_multipart([b'\x00\x01', b'\n', b'end'])
    assert test.run('pull', '--bind', test.ipc(), '--raw', '--count', '1').stdout == b'\x00\x01\nend'
    sock.send(b'seen by nobody')
    assert test.run('pull', '--bind', test.ipc(), '--quiet', '--count', '1').stdout == b''


def test_descriptors_go_with_messages(test):
    pull = listening(test, 'pull', '--bind', test.ipc(), '--max-fds', '3', '--count', '2')
    path = test.write('file', 'content')
    assert test.run('push', test.ipc(), 'three', '--fd', path, '--fd', '/dev/null', '--fd', '1').returncode == 0
    assert test.run('push', test.ipc(), 'none').returncode == 0
    assert pull.wait() == 0
    lines = pull.out.all()
    assert lines[:3] == ['three', f'fd 0: file {path}', 'fd 1: device /dev/null'], lines
    assert lines[3].startswith('fd 2: ') and lines[4:] == ['none'], lines
    pull = listening(test, 'pull', '--bind', test.ipc(), '--json', '--max-fds', '1', '--count', '1')
    assert test.run('push', test.ipc(), 'x', '--fd', '/').returncode == 0
    assert pull.wait() == 0
    assert parse(pull.out.all()[0])['fds'] == [{'kind': 'directory', 'target': '/'}]


def test_descriptors_that_nobody_takes_are_an_error(test):
    listening(test, 'pull', '--bind', test.ipc(), '--max-fds', '1')
    for wait in ('0', '1'):
        result = test.run('push', test.ipc(), 'x', '--fd', '/', '--fd', '/', '--wait', wait)
        assert result.returncode == 1 and 'max-fds' in result.error, result
    assert test.run('push', test.ipc(), 'x', '--fd', test.path('none')).returncode == 1
    assert test.run('push', test.ipc(), 'x', '--fd', '99').returncode == 1
    assert test.run('pull', test.ipc(), '--fd', '1').returncode == 2
    result = test.run('req', test.ipc(), 'x', '--fd', '99')
    assert result.returncode == 1 and '--fd 99' in result.error, result


def test_a_subscriber_of_libzmq_gets_the_topics_that_the_policy_lets_it_have(test):
    policy = test.write('p', 'rule "public" { allow = {"subscribe"}  topic = {"public*"} }\nrule "rest" { allow = {"connect"} }\n')
    for name in ('secret', 'public'):
        test.kith('pub', '--bind', test.ipc(name), '--policy', policy, '--wait', '0', '--rate', '500', '--count', '1000000', name)
    sub = test.socket(zmq.SUB)
    for name in ('secret', 'public'):
        sub.connect(test.ipc(name))
        sub.subscribe(name.encode())
    assert {sub.recv() for _ in range(200)} == {b'public'}


def test_wrong_usage(test):
    for words in (['push'], ['pull', 'ipc://@x', 'word'], ['push', 'ipc://@x', '--json', '--raw'], ['push', 'ipc://@x', '--rate', '0'],
                  ['push', 'ipc://@x', '--option', 'none=1'], ['push', 'ipc://@x', 'word', '--file', '/dev/null']):
        assert test.run(*words).returncode == 2, words
    assert test.run('push', 'nonsense', 'x').returncode == 1


harness.main(__file__)
