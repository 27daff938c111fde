#!/usr/bin/python3
"""examples/embed-epoll.c as a user runs it: kith and standard input in one foreign loop."""
import os
import socket
import subprocess

import harness
from harness import LIMIT


def start(test):
    program = test.example('embed-epoll', test.ipc(), stdin=subprocess.PIPE)
    program.err.wait('^embed-epoll: listening$')
    return program


def connect(test):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(LIMIT)
    test.callback(s.close)
    s.connect(test.path('x.sock'))
    return s


def type_in(program, octets):
    program.process.stdin.write(octets)
    program.process.stdin.flush()


def hear(s, size):
    octets = b''
    while len(octets) < size:
        piece = s.recv(size - len(octets))
        assert piece, octets
        octets += piece
    return octets


def test_clients_are_heard_and_told_apart(test):
    program = start(test)
    connect(test).sendall(b'hello \x1b[2J\n')
    program.out.wait(rf'^pid {os.getpid()} uid {os.geteuid()}: hello \?\[2J$')


def test_what_is_typed_goes_to_all_clients_at_once(test):
    program = start(test)
    clients = [connect(test) for _ in range(3)]
    for number, client in enumerate(clients):
        client.sendall(b'%d\n' % number)
        program.out.wait(f': {number}$')
    # Nothing else happens in the loop: what is written outside its callbacks must make its descriptor readable by itself.
    for line in (b'one\n', b'two\n', b'x' * 4000 + b'\n'):
        type_in(program, line)
        for client in clients:
            assert hear(client, len(line)) == line


def test_a_client_that_goes_is_forgotten(test):
    program = start(test)
    first, second = connect(test), connect(test)
    for client in (first, second):
        client.sendall(b'x\n')
    program.out.wait_count(2)
    before = program.descriptors()
    first.close()
    program.wait_descriptors(before - 1)
    type_in(program, b'still\n')
    assert hear(second, 6) == b'still\n'


def test_the_end_of_the_input_ends_it_in_order(test):
    program = start(test)
    client = connect(test)
    program.process.stdin.close()
    assert program.wait() == 0
    assert not os.path.exists(test.path('x.sock'))
    assert client.recv(1) == b''


def test_what_is_wrong_is_said(test):
    path = test.write('input', 'text\n')
    with open(path) as file:
        program = test.example('embed-epoll', test.ipc(), stdin=file)
        assert program.wait() == 1
    program.err.wait('standard input is a file')
    for words, status, text in (([], 2, 'usage: embed-epoll ADDRESS'), (['x'], 1, 'x: not an address')):
        program = test.example('embed-epoll', *words)
        assert program.wait() == status
        program.err.wait(text)


harness.main(__file__)
