"""zoo.py: network namespaces, processes that keep sockets in them, and what kith map says of each, for the tests of kith map.

A test builds sockets whose ends it knows: Namespace (its own, unique name, gone at the end of the test), Keeper (a process in one, keeper.py), Member
(one socket, with its descriptor, inode and cookie as the kernel says them to its own process). A member's `peer` and `listener` are what is true;
Map.check() holds a row of the map against them.
"""
import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))

import harness  # noqa: E402
from harness import NOBODY, PYTHON, Program, as_uid  # noqa: E402, F401

# Its text, not its path: another uid need not be able to read where the tests lie.
KEEPER = (Path(__file__).resolve().parent / 'keeper.py').read_text()
IPPROTO_TCP, IPPROTO_MPTCP = socket.IPPROTO_TCP, 262
TCP_FASTOPEN = 23
SOL_SOCKET, SO_BINDTODEVICE, SO_LINGER = socket.SOL_SOCKET, socket.SO_BINDTODEVICE, socket.SO_LINGER
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
STREAM, DGRAM, SEQPACKET, RAW = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW
INET, INET6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
REUSEADDR = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSEPORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
SURE = ('exact', 'bind bucket', 'matched')
names = itertools.count()


def command(*words):
    """Runs a command that must succeed; its output."""
    result = subprocess.run(words, capture_output=True, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 0, (words, result.stderr)
    return result.stdout


class Namespace:
    """A network namespace with a loopback interface that is up. It is there as long as a process that ends with this one, however this one
    ends; only one that is asked to has a name."""

    def __init__(self, test, named=False, suffix=''):
        harness.need_root()
        self.label = f'kith-{os.getpid()}-{next(names)}{suffix}'
        self.process = subprocess.Popen(['unshare', '--net', '--', 'cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        test.callback(self.remove)
        self.process.stdin.write(b'\n')
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b'\n', 'no namespace could be made'
        self.path = f'/proc/{self.process.pid}/ns/net'
        self.inode = os.stat(self.path).st_ino
        # nsenter, not `ip netns exec`: that one leaves the mount namespace too.
        self.words = ['nsenter', f'--net={self.path}', '--']
        self.name = None
        if named:
            command('ip', 'netns', 'attach', self.label, str(self.process.pid))
            self.name = self.label
        self.run('ip', 'link', 'set', 'lo', 'up')

    def run(self, *words):
        return command(*self.words, *words)

    def leave(self):
        """Ends its process; its name, or sockets, keep it."""
        self.process.communicate()

    def remove(self):
        """Takes away its name and its process; sockets that are left keep it."""
        if self.name:
            command('ip', 'netns', 'del', self.name)
            self.name = None
        if self.process.poll() is None:
            self.leave()


class Unit:
    """A cgroup with the name of a service, as the system's manager would make one; `words` start a program in it."""

    def __init__(self, test):
        harness.need_root()
        self.name = f'kith-zoo-{os.getpid()}-{next(names)}.service'
        self.folder = Path(unified_cgroups(), self.name)
        self.folder.mkdir()
        test.callback(self.folder.rmdir)
        self.words = ['sh', '-c', f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', 'sh']


def unified_cgroups():
    """Where cgroup v2 is mounted."""
    for line in Path('/proc/self/mounts').read_text().splitlines():
        _, where, kind, _ = line.split(maxsplit=3)
        if kind == 'cgroup2':
            return where
    raise harness.Skip('no cgroup v2 is mounted')


class Ambiguous:
    """A link of which several answers are possible, and the true one."""

    def __init__(self, true, *candidates):
        self.true, self.candidates = true, candidates


class Member:
    """One socket of the zoo; `fd` is None when no process holds it, `cookie` when it could not be asked for."""

    def __init__(self, keeper, facts):
        self.keeper, self.fd, self.inode, self.cookie = keeper, facts['fd'], facts['inode'], facts['cookie']
        self.holders = {(keeper.pid, self.fd)} if keeper else set()
        self.peer = self.listener = None
        self.waiting = False

    def __repr__(self):
        return f'Member(fd {self.fd}, inode {self.inode}, cookie {self.cookie})'

    def ask(self, method, *arguments):
        return self.keeper.ask(method, self.fd, *arguments)

    def bind(self, address):
        self.address = self.ask('bind', address)
        if isinstance(self.address, list):
            self.address = tuple(self.address)
        return self

    def listen(self, backlog=8):
        self.ask('listen', backlog)
        return self

    def connect(self, address):
        self.ask('connect', address)
        return self

    def accept(self):
        return Member(self.keeper, self.ask('accept'))

    def name(self):
        name = self.ask('name')
        return tuple(name) if isinstance(name, list) else name

    def close(self):
        self.ask('close')
        self.fd, self.holders = None, set()


class Keeper(Program):
    """A process that keeps sockets: in a network namespace, under a uid."""

    def __init__(self, test, namespace, uid=None, words=(), inner=()):
        """`words` stand before what changes the uid, `inner` after it."""
        super().__init__(test, [*(namespace.words if namespace else []), *words, *(as_uid(uid) if uid else []), *inner, PYTHON, '-c', KEEPER],
                         stdin=subprocess.PIPE)
        self.answers = 0
        self.read()

    def read(self):
        self.answers += 1
        answer = json.loads(self.out.wait_count(self.answers)[self.answers - 1])
        if isinstance(answer, dict) and 'error' in answer:
            raise OSError(answer['errno'], answer['error'])
        return answer

    def ask(self, method, *arguments):
        self.process.stdin.write(json.dumps([method, *arguments]).encode() + b'\n')
        self.process.stdin.flush()
        return self.read()

    def open(self, family, kind, protocol=0, options=()):
        return Member(self, self.ask('open', family, kind, protocol, options))

    def pair(self, kind):
        """A socketpair(2)."""
        one, other = (Member(self, facts) for facts in self.ask('pair', kind))
        one.peer, other.peer = other, one
        return one, other

    def die(self):
        self.kill()


def join(client, accepted, listener):
    """States what is true of a connection's two sockets; the pair."""
    client.peer, accepted.peer, accepted.listener = accepted, client, listener
    return client, accepted


def connection(client, listener):
    """Connects a socket to a listener that then accepts it; both sockets."""
    client.connect(listener.address)
    return join(client, listener.accept(), listener)


def id_of(row):
    return row['cookie'], row['inode']


class Map:
    """What `kith map --json` says."""

    def __init__(self, text):
        self.text = json.loads(text)
        assert (self.text['format'], self.text['version']) == ('kith-map', 1), self.text
        self.sockets = self.text['sockets']
        for row in self.sockets:
            for part in (row, row['peer'], row['listener']):
                if part is not None:
                    part['inode'], part['cookie'] = part['inode'] or 0, part['cookie'] or 0  # null: none

    def within(self, namespace):
        return [row for row in self.sockets if row['netns'] == namespace.inode]

    def row(self, member):
        rows = [row for row in self.sockets if row['cookie'] == member.cookie or (not row['cookie'] and member.inode and row['inode'] == member.inode)]
        assert len(rows) == 1, (member, rows)
        return rows[0]

    def check(self, *members):
        """Holds the members' rows against what is known of them."""
        for member in members:
            row = self.row(member)
            assert row['inode'] == member.inode, (member, row)
            assert {(holder['pid'], holder['fd']) for holder in row['holders']} == member.holders, (member, row)
            assert row['waiting'] is member.waiting, (member, row)
            self.check_link(member, 'peer', member.peer, row)
            self.check_link(member, 'listener', member.listener, row)

    def check_link(self, member, name, truth, row):
        link = row[name]
        beside = [(other['family'], other['inode'], other['cookie']) for other in self.sockets if other['netns'] == row['netns']]
        where = (member, name, link, truth, row, 'not shown:', self.text['missing'], 'beside it:', beside)
        if truth is None:
            assert link is None, where
        elif isinstance(truth, Ambiguous):
            self.check_ambiguous(link, truth, where)
        else:
            assert link is not None and link['known'] in SURE, where
            assert link['cookie'] == truth.cookie and link['inode'] == truth.inode, where
            if name == 'peer':
                assert {(holder['pid'], holder['fd']) for holder in link['holders']} == truth.holders, where

    def check_ambiguous(self, link, truth, where):
        if link is not None and link['known'] in ('exact', 'bind bucket'):
            assert link['cookie'] == truth.true.cookie, where
            return
        assert link is not None and link['known'] == 'ambiguous', where
        assert set(link.get('candidates', [link['inode']])) == {member.inode for member in truth.candidates}, where


def run_as(uid, namespace, *arguments):
    """Runs kith under a uid to its end."""
    words = [*(namespace.words if namespace else []), *as_uid(uid), harness.kith_path, *arguments]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.LIMIT, check=False)


def start(arguments=(), namespace=None, uid=None):
    """Starts kith map --json."""
    words = [*(namespace.words if namespace else []), *(as_uid(uid) if uid is not None else []), harness.kith_path, 'map', '--json']
    return subprocess.Popen([*words, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """What it says."""
    try:
        out, error = process.communicate(timeout=harness.LIMIT)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, (process.returncode, error)
    return Map(out)


def look(*arguments, **options):
    """Runs kith map --json with arguments."""
    return finish(start(arguments, **options))


def cable(one, other):
    """A cable between two namespaces: left0 of the one (10.99.0.1, fd99::1, fe80::1), right0 of the other (10.99.0.2, fd99::2, fe80::2)."""
    one.run('ip', 'link', 'add', 'left0', 'type', 'veth', 'peer', 'name', 'right0', 'netns', str(other.process.pid))
    for namespace, interface, host in ((one, 'left0', 1), (other, 'right0', 2)):
        namespace.run('ip', 'addr', 'add', f'10.99.0.{host}/24', 'dev', interface)
        namespace.run('ip', 'addr', 'add', f'fd99::{host}/64', 'dev', interface, 'nodad')
        namespace.run('ip', 'addr', 'add', f'fe80::{host}/64', 'dev', interface, 'nodad')
        namespace.run('ip', 'link', 'set', interface, 'up')
