#!/usr/bin/python3
"""examples/chat.c as a user runs it: lines, names, slow readers, and sessions that only their own user and program get back."""
import os
import shutil
import socket
import subprocess

import harness
from harness import LIMIT, PYTHON, Program, as_uid, need_root

# What is written to it goes to the room, what comes from there it prints; it leaves when its input ends.
CLIENT = r'''
import socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect('\0' + sys.argv[1])
def read():
    for line in s.makefile('rb'):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
threading.Thread(target=read, daemon=True).start()
for line in sys.stdin.buffer:
    s.sendall(line)
'''


class Client:
    """A client in this process."""

    def __init__(self, test, address, name=None):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        test.callback(self.socket.close)
        self.socket.connect(address)
        self.lines = self.socket.makefile('rb')
        test.callback(self.lines.close)
        if name:
            self.say(name)
            assert self.hear() == '* welcome'

    def say(self, text):
        self.socket.sendall(text.encode() + b'\n')

    def hear(self):
        return self.lines.readline().decode().rstrip('\n')


def room(test, *more):
    """Starts chat at an abstract name, which every user may connect to; .name is it."""
    name = f'kith-chat-{os.getpid()}-{os.path.basename(test.folder)}'
    program = test.example('chat', f'ipc://@{name}', *more)
    program.err.wait('^chat: ready$')
    program.name = name
    return program


def process(test, program, *words, uid=None, python=PYTHON):
    """A client in a process of its own, which has said these lines."""
    client = Program(test, [*(as_uid(uid) if uid is not None else []), python, '-c', CLIENT, program.name], stdin=subprocess.PIPE)
    for word in words:
        say(client, word)
    return client


def say(client, text):
    client.process.stdin.write(text.encode() + b'\n')
    client.process.stdin.flush()


def leave(client, witness):
    """The client goes; the room has noticed when its name can be asked for: `witness` sees no more of it."""
    client.process.stdin.close()
    assert client.wait() == 0
    del witness


def test_all_see_the_same_lines_in_the_same_order(test):
    program = room(test, 'tcp://127.0.0.1:0')
    ann, bob = (Client(test, '\0' + program.name, name) for name in ('ann', 'bob'))
    for number in range(10):
        (ann if number % 2 else bob).say(f'line {number}')
        assert ann.hear() == bob.hear() == f'{"ann" if number % 2 else "bob"}: line {number}'


def test_lines_in_halves_too_long_and_with_control_characters(test):
    program = room(test)
    ann, bob = (Client(test, '\0' + program.name, name) for name in ('ann', 'bob'))
    ann.socket.sendall(b'hel')
    bob.say('between')
    assert ann.hear() == bob.hear() == 'bob: between'
    ann.socket.sendall(b'lo\nand mo')
    assert bob.hear() == 'ann: hello'
    ann.socket.sendall(b're\n' + b'x' * 100000 + b'\n\x1b[2Jboo\n')
    assert bob.hear() == 'ann: and more'
    assert bob.hear() == 'ann: ' + 'x' * 511
    assert bob.hear() == 'ann: ?[2Jboo'


def test_a_name_is_had_once_at_a_time(test):
    program = room(test)
    Client(test, '\0' + program.name, 'ann')
    other = Client(test, '\0' + program.name)
    for name in ('ann', '', 'x' * 32):
        other.say(name)
        assert other.hear() == '* not a name, or taken: try another'
    other.say('x' * 31)
    assert other.hear() == '* welcome'


def come_back(test, program, python=PYTHON, uid=None):
    """Tries to come in as ann until the room has seen her leave; the client and the first other answer."""
    client = process(test, program, 'ann', python=python, uid=uid)
    return client, client.out.wait(r'^\* ').string


def test_who_comes_back_gets_what_was_said_meanwhile(test):
    program = room(test)
    bob = Client(test, '\0' + program.name, 'bob')
    ann = process(test, program, 'ann')
    ann.out.wait(r'^\* welcome$')
    say(ann, 'bye')
    assert bob.hear() == 'ann: bye'
    ann.out.wait('^ann: bye$')
    ann.process.stdin.close()
    assert ann.wait() == 0
    for text in ('one', 'two'):
        bob.say(text)
        assert bob.hear() == f'bob: {text}'
    ann, answer = come_back(test, program)
    assert answer == '* welcome back'
    assert ann.out.wait_count(3)[1:] == ['bob: one', 'bob: two'], 'what she has read does not come again'


def test_another_program_of_the_same_user_does_not_get_the_session(test):
    program = room(test)
    bob = Client(test, '\0' + program.name, 'bob')
    ann = process(test, program, 'ann')
    ann.out.wait(r'^\* welcome$')
    ann.process.stdin.close()
    assert ann.wait() == 0
    bob.say('for ann alone')
    assert bob.hear() == 'bob: for ann alone'
    copy = shutil.copy(os.path.realpath(PYTHON), test.path('mallory'))
    mallory, answer = come_back(test, program, python=copy)
    assert 'taken' in answer
    ann, answer = come_back(test, program)
    assert answer == '* welcome back'
    ann.out.wait('^bob: for ann alone$')
    assert not any('for ann' in line for line in mallory.out.lines)


def test_another_user_does_not_get_the_session(test):
    need_root()
    program = room(test)
    bob = Client(test, '\0' + program.name, 'bob')
    ann = process(test, program, 'ann', uid=1234)
    ann.out.wait(r'^\* welcome$')
    ann.process.stdin.close()
    assert ann.wait() == 0
    bob.say('for ann alone')
    assert bob.hear() == 'bob: for ann alone'
    for uid in (1235, 0):
        mallory, answer = come_back(test, program, uid=uid)
        assert 'taken' in answer, uid
    ann, answer = come_back(test, program, uid=1234)
    assert answer == '* welcome back'
    ann.out.wait('^bob: for ann alone$')
    assert not any('for ann' in line for line in mallory.out.lines)


def tcp_port(test):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def test_a_client_of_tcp_proves_nothing_and_has_no_session(test):
    port = tcp_port(test)
    program = room(test, f'tcp://127.0.0.1:{port}')
    bob = Client(test, '\0' + program.name, 'bob')
    tim = Client(test, ('127.0.0.1', port), 'tim')
    ann = process(test, program, 'ann')
    ann.out.wait(r'^\* welcome$')
    ann.process.stdin.close()
    assert ann.wait() == 0
    tim.say('bye')
    assert bob.hear() == tim.hear() == 'tim: bye'
    other = Client(test, ('127.0.0.1', port))
    other.say('ann')
    assert 'taken' in other.hear()
    other.say('eve')
    assert other.hear() == '* welcome'


def test_a_slow_reader_holds_nobody_up_and_misses_the_oldest_lines(test):
    program = room(test)
    slow, ann = (Client(test, '\0' + program.name, name) for name in ('slow', 'ann'))
    text = 'x' * 480
    for first in range(0, 6000, 20):
        ann.socket.sendall(b''.join(b'%d %s\n' % (number, text.encode()) for number in range(first, first + 20)))
        for number in range(first, first + 20):
            assert ann.hear() == f'ann: {number} {text}'
    status = dict(line.split(':', 1) for line in open(f'/proc/{program.pid}/status'))
    assert int(status['VmRSS'].split()[0]) < 32 << 10, status['VmRSS']
    numbers = [int(slow.hear().split()[1])]
    while numbers[-1] != 5999:
        numbers.append(int(slow.hear().split()[1]))
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    assert numbers[-1024:] == list(range(6000 - 1024, 6000)), 'the history is whole'
    assert len(numbers) < 6000, 'nothing was ever missed: the reader was not slow'


harness.main(__file__)
