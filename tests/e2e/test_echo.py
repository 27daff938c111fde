#!/usr/bin/python3
"""examples/echo.c as a user runs it: several addresses, who connects, backpressure, systemd's sockets, the end."""
import os
import select
import signal
import socket
import time

import harness
from harness import LIMIT, Program

EXCESS = 64 << 20  # octets that must not all fit between a client that never reads and the server


def connect(test, address):
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    s = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    test.callback(s.close)
    s.settimeout(LIMIT)
    s.connect(address)
    return s


def receive(s, size):
    octets = b''
    while len(octets) < size:
        piece = s.recv(size - len(octets))
        assert piece, f'it ended after {len(octets)} octets of {size}'
        octets += piece
    return octets


def echo(test, *addresses, **options):
    """Starts echo; when it listens at all addresses, with .ports of those of TCP in their order."""
    program = test.example('echo', *addresses, **options)
    program.err.wait_count(len(addresses))
    lines = program.err.wait_count(len(addresses))[:len(addresses)]
    assert all(line.startswith('echo: listening at ') for line in lines), lines
    program.ports = [int(line.rpartition(':')[2]) for line, address in zip(lines, addresses) if str(address).startswith('tcp:')]
    return program


def test_every_address_is_served_and_who_connects_is_told(test):
    program = echo(test, 'tcp://127.0.0.1:0', 'tcp://[::1]:*', test.ipc(), f'ipc://@kith-echo-{os.getpid()}')
    clients = [connect(test, ('127.0.0.1', program.ports[0])), connect(test, test.path('x.sock')), connect(test, f'\0kith-echo-{os.getpid()}')]
    for number, client in enumerate(clients):
        client.sendall(b'hello %d' % number)
    for number, client in enumerate(clients):
        assert receive(client, 7) == b'hello %d' % number
    program.err.wait(rf'^echo: 127\.0\.0\.1:{clients[0].getsockname()[1]} connected$')
    program.err.wait(rf'^echo: pid {os.getpid()} uid {os.geteuid()} gid {os.getegid()} connected$')


def test_a_child_that_writes_on_its_parents_connection_is_told_apart(test):
    program = echo(test, test.ipc())
    client = connect(test, test.path('x.sock'))
    client.sendall(b'parent')
    assert receive(client, 6) == b'parent'
    child = os.fork()
    if child == 0:
        client.sendall(b'child')
        os._exit(0)
    assert receive(client, 5) == b'child'
    os.waitpid(child, 0)
    program.err.wait(rf'^echo: pid {child} uid \d+ writes on the connection of pid {os.getpid()}$')


def send_until_held_up(client):
    """Sends what can be sent to a server that has stopped reading; returns it. Only time tells that no more goes."""
    pattern, sent = bytes(range(256)) * 1024, 0
    client.setblocking(False)
    while sent < EXCESS and select.select([], [client], [], 1)[1]:
        offset = sent % len(pattern)
        sent += client.send(pattern[offset:])
    client.settimeout(LIMIT)
    return (pattern * (sent // len(pattern) + 1))[:sent]


def check_backpressure(test, program, client, other):
    octets = send_until_held_up(client)
    assert len(octets) < EXCESS, 'a client that does not read is read on and on'
    status = dict(line.split(':', 1) for line in open(f'/proc/{program.pid}/status'))
    assert int(status['VmRSS'].split()[0]) < 32 << 10, status['VmRSS']
    other.sendall(b'others are served')
    assert receive(other, 17) == b'others are served'
    assert receive(client, len(octets)) == octets
    client.sendall(b'goes on')
    assert receive(client, 7) == b'goes on'


def test_a_client_that_does_not_read_is_held_up_and_loses_nothing(test):
    program = echo(test, test.ipc())
    check_backpressure(test, program, connect(test, test.path('x.sock')), connect(test, test.path('x.sock')))


def test_so_is_one_of_tcp(test):
    program = echo(test, 'tcp://127.0.0.1:0')
    address = ('127.0.0.1', program.ports[0])
    check_backpressure(test, program, connect(test, address), connect(test, address))


def test_a_half_closed_connection_gets_all_its_octets_back(test):
    program = echo(test, 'tcp://127.0.0.1:0')
    client = connect(test, ('127.0.0.1', program.ports[0]))
    client.sendall(b'x' * 100000)
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 100000) == b'x' * 100000
    assert client.recv(1) == b''


def test_sigterm_drains_and_removes_the_path(test):
    for number in (signal.SIGTERM, signal.SIGINT):
        program = echo(test, test.ipc(), 'tcp://127.0.0.1:0')
        client, idle = connect(test, test.path('x.sock')), connect(test, ('127.0.0.1', program.ports[0]))
        client.sendall(b'ping')
        assert receive(client, 4) == b'ping'
        program.send(number)
        assert client.recv(1) == b'' and idle.recv(1) == b'', 'the end is told to each client'
        assert not os.path.exists(test.path('x.sock'))
        client.close()
        idle.close()
        assert program.wait() == 0


def test_a_client_that_stays_does_not_keep_it_beyond_the_deadline(test):
    program = echo(test, test.ipc())
    client = connect(test, test.path('x.sock'))
    program.send(signal.SIGTERM)
    assert client.recv(1) == b''
    assert program.wait() == 0
    program.err.wait('a connection is lost: Connection timed out')


def test_a_second_signal_ends_it_at_once(test):
    program = echo(test, test.ipc())
    client = connect(test, test.path('x.sock'))
    begin = time.monotonic()
    program.send(signal.SIGTERM)
    assert client.recv(1) == b''
    program.send(signal.SIGTERM)
    assert program.wait() == 0 and time.monotonic() - begin < 5


def test_a_socket_of_systemd_is_taken_and_its_path_stays(test):
    path = test.path('x.sock')
    listener = socket.socket(socket.AF_UNIX)
    test.callback(listener.close)
    listener.bind(path)
    listener.listen()
    early = connect(test, path)  # waits in the backlog: nobody is refused before the server is up
    early.sendall(b'early')
    script = f'exec 3<&{listener.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$KITH_EXAMPLES/echo" ipc://{path} tcp://127.0.0.1:0'
    program = Program(test, ['bash', '-c', script], fds=(listener.fileno(),))
    program.err.wait(rf'listening at {path}')
    assert receive(early, 5) == b'early'
    early.close()
    assert program.stop() == 0
    assert os.path.exists(path), 'whoever made a path removes it'


def test_a_live_path_is_not_stolen_and_a_stale_one_is_replaced(test):
    first = echo(test, test.ipc())
    second = test.example('echo', test.ipc())
    assert second.wait() == 1
    second.err.wait(rf'^echo: {test.path("x.sock")}: a live server holds this address \(pid {first.pid}, .*echo\)')
    client = connect(test, test.path('x.sock'))
    client.sendall(b'still here')
    assert receive(client, 10) == b'still here'
    first.kill()
    echo(test, test.ipc())
    client = connect(test, test.path('x.sock'))
    client.sendall(b'again')
    assert receive(client, 5) == b'again'


def test_an_abstract_name_is_free_as_soon_as_its_server_was_killed(test):
    address = f'ipc://@kith-echo-{os.getpid()}'
    for _ in range(5):
        program = echo(test, address)
        client = connect(test, f'\0kith-echo-{os.getpid()}')
        client.sendall(b'here')
        assert receive(client, 4) == b'here'
        program.kill()


def test_what_is_wrong_is_said(test):
    for words, status, text in (([], 2, 'usage: echo ADDRESS'), (['/run/x.sock'], 1, 'echo: /run/x.sock: not an address; write ipc://'),
                                (['udp://127.0.0.1:1'], 1, '"udp" is no stream socket'), (['tcp://127.0.0.1:99999'], 1, '"99999" is not a port'),
                                (['ipc:///none/x.sock'], 1, '/none/x.sock: '), (['tcp://198.51.100.7:1'], 1, '198.51.100.7:1: ')):
        program = test.example('echo', *words)
        assert program.wait() == status, words
        assert any(text in line for line in program.err.all()), program.err.all()


harness.main(__file__)
