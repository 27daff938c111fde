#!/usr/bin/python3
"""keeper.py: a process that keeps sockets for a test of kith map: it does what each line of its standard input asks, and answers with a line.

A line is a JSON list: the name of a method of Keeper, then its arguments; the answer is what the method returns, or {"error": TEXT, "errno": N}. Sockets are
named by the number of their descriptor.
"""
import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import time

SO_COOKIE = 57
SO_DOMAIN = 39
TCP_FIN_WAIT1 = 4  # include/net/tcp_states.h
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
LIBC = ctypes.CDLL(None, use_errno=True)


def cookie_of(fd):
    """By getsockopt(2) itself: Python's own has no octets for some families."""
    value, size = ctypes.c_uint64(), ctypes.c_uint32(8)
    if LIBC.getsockopt(fd, socket.SOL_SOCKET, SO_COOKIE, ctypes.byref(value), ctypes.byref(size)) != 0:
        raise OSError(ctypes.get_errno(), 'SO_COOKIE')
    return value.value


def facts(sock):
    fd = sock.fileno()
    return {'fd': fd, 'inode': os.fstat(fd).st_ino, 'cookie': cookie_of(fd)}


def address_of(value):
    return tuple(value) if isinstance(value, list) else value


def option_of(value):
    """A text is octets."""
    return value.encode() if isinstance(value, str) else value


class Keeper:
    """The sockets of this process, by descriptor."""

    def __init__(self):
        self.sockets = {}

    def keep(self, sock):
        self.sockets[sock.fileno()] = sock
        return facts(sock)

    def open(self, family, kind, protocol=0, options=()):
        sock = socket.socket(family, kind, protocol)
        for level, name, value in options:
            sock.setsockopt(level, name, option_of(value))
        return self.keep(sock)

    def open_in(self, namespace, family, kind):
        """A socket of another network namespace, held by a process that is in this one."""
        with open('/proc/self/ns/net', 'rb') as home, open(namespace, 'rb') as other:
            if LIBC.setns(other.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), 'setns')
            try:
                return self.open(family, kind)
            finally:
                LIBC.setns(home.fileno(), 0)

    def pair(self, kind):
        return [self.keep(sock) for sock in socket.socketpair(socket.AF_UNIX, kind)]

    def bind(self, fd, address):
        self.sockets[fd].bind(address_of(address))
        return self.sockets[fd].getsockname()

    def listen(self, fd, backlog):
        self.sockets[fd].listen(backlog)

    def connect(self, fd, address):
        self.sockets[fd].connect(address_of(address))

    def start_connect(self, fd, address):
        """Without waiting for the answer."""
        self.sockets[fd].setblocking(False)
        return self.sockets[fd].connect_ex(address_of(address))

    def accept(self, fd):
        return self.keep(self.sockets[fd].accept()[0])

    def readable(self, fds):
        return select.select(fds, [], [])[0]

    def option(self, fd, level, name, value):
        self.sockets[fd].setsockopt(level, name, option_of(value))

    def name(self, fd):
        return self.sockets[fd].getsockname()

    def send(self, fd, count):
        self.sockets[fd].sendall(b'x' * count)

    def send_to(self, fd, count, address):
        self.sockets[fd].sendto(b'x' * count, address_of(address))

    def fast_open(self, fd, count, address):
        """Connects by sending, with octets in the SYN: TCP Fast Open."""
        self.sockets[fd].sendto(b'x' * count, socket.MSG_FASTOPEN, address_of(address))

    def receive(self, fd, count):
        return len(self.sockets[fd].recv(count))

    def fill(self, fd):
        """Sends until the kernel takes no more; how much it took."""
        sock, count = self.sockets[fd], 0
        sock.setblocking(False)
        try:
            while True:
                count += sock.send(b'x' * 65536)
        except BlockingIOError:
            return count

    def shut(self, fd):
        self.sockets[fd].shutdown(socket.SHUT_WR)

    def acknowledged(self, fd):
        """Waits for the answer to our FIN, which another process's turn may delay even on the loopback."""
        deadline = time.monotonic() + 10
        while self.sockets[fd].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_FIN_WAIT1:
            assert time.monotonic() < deadline, 'the peer does not acknowledge the FIN'
            os.sched_yield()

    def close(self, fd):
        self.sockets.pop(fd).close()

    def duplicate(self, fd):
        return os.dup(fd)

    def give(self, via, fds):
        """Sends descriptors through a unix socket and closes them here: the message holds them until it is received."""
        socket.send_fds(self.sockets[via], [b'x'], fds)
        for fd in fds:
            self.close(fd)

    def take(self, via):
        return [self.keep(socket.socket(fileno=fd)) for fd in socket.recv_fds(self.sockets[via], 16, 16)[1]]

    def call_oneself(self, octets):
        """What others see as this process's name: up to 15 octets, given as hexadecimal digits."""
        LIBC.prctl(PR_SET_NAME, bytes.fromhex(octets))

    def fork(self):
        """A child that holds every socket of this process too, until this process ends."""
        pid = os.fork()
        if pid == 0:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for fd in (0, 1, 2):
                os.close(fd)
            while True:
                signal.pause()
        return pid


    def churn(self):
        """A child that makes and closes connections, and processes that end with theirs open, until this process ends; its pid."""
        pid = os.fork()
        if pid == 0:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                churn_once()
        return pid

    def zombie(self, count):
        """A child that has ended with sockets open, and that nobody asks about; its pid."""
        pid = os.fork()
        if pid == 0:
            self.sockets.update({sock.fileno(): sock for _ in range(count) for sock in socket.socketpair()})
            os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid


def churn_once():
    """Most connections are reset, so that TIME-WAIT does not fill the namespace."""
    listener = socket.create_server(('127.0.0.1', 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind('')  # an abstract name that the kernel chooses
    unix.listen()
    kept = []
    for _ in range(20):
        for server, family in ((listener, socket.AF_INET), (unix, socket.AF_UNIX)):
            client = socket.socket(family)
            client.connect(server.getsockname())
            kept += [client, server.accept()[0]]
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', len(kept) > 8, 0))
        kept += [*socket.socketpair(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)]
    if os.fork() == 0:
        os._exit(0)
    for sock in kept + [listener, unix]:
        sock.close()


def main():
    keeper = Keeper()
    print('"ready"', flush=True)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        try:
            answer = getattr(keeper, method)(*arguments)
        except OSError as error:
            answer = {'error': str(error), 'errno': error.errno}
        print(json.dumps(answer, default=lambda octets: octets.decode(errors='surrogateescape')), flush=True)


main()
