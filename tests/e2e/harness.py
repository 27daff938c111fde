"""harness.py: what the end-to-end tests share: programs that run, lines that are waited for, folders that go away.

A test file ends with `harness.main(__file__)`; it is run as `test_x.py KITH` with the path of the kith program. Every function named test_*
is one test, run in a folder of its own, told in TAP. A test waits on events (a line, a notification, a reply), never for time to pass; LIMIT
is only how long until a wait counts as failed.
"""
import contextlib
import inspect
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import zmq

LIMIT = float(os.environ.get('KITH_TEST_LIMIT', '30'))
PYTHON = '/usr/bin/python3'
# Its text, not its path: another uid need not be able to read where the tests lie.
PEER = (Path(__file__).resolve().parent / 'peer.py').read_text()
NOBODY = 65534

kith_path = None


class Skip(Exception):
    """Raised with the reason by a test that cannot run here."""


def need_root():
    if os.geteuid() != 0:
        raise Skip('needs root, to run clients under other uids')


class Lines:
    """The lines that a stream brought so far; a thread reads them."""

    def __init__(self, stream):
        self.lines, self.ended = [], False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.decode(errors='backslashreplace').rstrip('\n'))
                self.changed.notify_all()
        stream.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, pattern, start=0):
        """The match of the first line from `start` on in which the pattern is found."""
        def find():
            for line in self.lines[start:]:
                match = re.search(pattern, line)
                if match:
                    return match
            return self.ended
        with self.changed:
            found = self.changed.wait_for(find, LIMIT)
        assert found and found is not True, f'no line like {pattern!r} in {self.lines[start:]}'
        return found

    def wait_count(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.lines) >= count or self.ended, LIMIT) and len(self.lines) >= count, self.lines
            return list(self.lines)

    def all(self):
        """All lines, when the stream has ended."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.ended, LIMIT), f'the stream did not end: {self.lines}'
            return list(self.lines)


def as_uid(uid):
    """Words in front of a command that make it run under another uid."""
    return ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', '--']


class Program:
    """A program that runs until it is stopped; its output is kept as lines."""

    def __init__(self, test, command, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, fds=()):
        self.process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **(env or {})},
                                        pass_fds=fds)
        self.pid = self.process.pid
        self.out = Lines(self.process.stdout) if stdout == subprocess.PIPE else None
        self.err = Lines(self.process.stderr)
        test.callback(self.kill)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(LIMIT)

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def wait_descriptors(self, count):
        """Until no more than so many are open: peers that have gone are noticed by and by, and nothing tells of it."""
        deadline = time.monotonic() + LIMIT
        while self.descriptors() > count:
            assert time.monotonic() < deadline, [os.readlink(f'/proc/{self.pid}/fd/{fd}') for fd in os.listdir(f'/proc/{self.pid}/fd')]
            time.sleep(0.01)

    def stop(self, number=signal.SIGTERM):
        """Asks it to end; its exit status."""
        self.send(number)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()


class Notify:
    """A service manager's socket: what the program says by sd_notify(3). A thread reads: sd_notify() waits for whoever does not."""

    def __init__(self, test, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.texts, self.seen = queue.Queue(), []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.callback(self.close)

    def read(self):
        while text := self.socket.recv(65536):
            self.texts.put(text.decode())

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def next(self):
        try:
            return self.texts.get(timeout=LIMIT)
        except queue.Empty:
            raise TimeoutError('no notification') from None

    def wait(self, word):
        """Reads until a notification has the line `word`."""
        while True:
            text = self.next()
            self.seen.append(text)
            if word in text.split('\n'):
                return text


class Test(contextlib.ExitStack):
    """One test's folder, programs and sockets; all end with it."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix='kith-e2e-'))
        self.folder.chmod(0o755)
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.context = zmq.Context()
        self.callback(self.context.destroy, linger=0)

    def path(self, name):
        return str(self.folder / name)

    def ipc(self, name='x.sock'):
        return f'ipc://{self.folder}/{name}'

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def kith(self, *arguments, uid=None, **options):
        """Starts kith."""
        return Program(self, [*(as_uid(uid) if uid is not None else []), kith_path, *map(str, arguments)], **options)

    def rep(self, *arguments, **options):
        """Starts kith rep with its first argument's endpoint; returns it when it listens, with .endpoint."""
        program = self.kith('rep', *arguments, **options)
        program.endpoint = program.err.wait(r'listening at (\S+)').group(1)
        return program

    def serve(self, config, *arguments, **options):
        """Starts kith serve with a configuration's text; returns it when it says that it is ready, with .notify and .config."""
        path = self.write('kith.conf', config)
        notify = Notify(self, self.folder / 'notify')
        program = self.kith('serve', '-c', path, *arguments, env={'NOTIFY_SOCKET': notify.path}, **options)
        program.notify, program.config = notify, path
        try:
            notify.wait('READY=1')
        except TimeoutError as error:
            program.kill()
            raise AssertionError(f'not ready: {program.err.all()}') from error
        return program

    def example(self, name, *arguments, **options):
        """Starts a program of examples/."""
        return Program(self, [os.path.join(os.environ['KITH_EXAMPLES'], name), *map(str, arguments)], **options)

    def run(self, *arguments, uid=None, text=None, octets=None, env=None):
        """Runs kith to its end."""
        command = [*(as_uid(uid) if uid is not None else []), kith_path, *map(str, arguments)]
        data = octets if octets is not None else (text or '').encode()
        result = subprocess.run(command, input=data, capture_output=True, timeout=LIMIT, check=False, env={**os.environ, **(env or {})})
        result.text, result.error = result.stdout.decode(errors='backslashreplace'), result.stderr.decode(errors='backslashreplace')
        return result

    def socket(self, kind, endpoint=None, **options):
        """A socket of stock libzmq that gives up after LIMIT."""
        s = self.context.socket(kind)
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = int(LIMIT * 1000)
        for name, value in options.items():
            setattr(s, name, value)
        if endpoint:
            s.connect(endpoint)
        return s

    def peer(self, *arguments, uid=None):
        """Starts peer.py, a stock client or worker in a process of its own."""
        return Program(self, [*(as_uid(uid) if uid is not None else []), PYTHON, '-c', PEER, *map(str, arguments)], stdin=subprocess.PIPE)


def silent(sock, milliseconds=300):
    """Nothing arrives for a while: the one thing for which only time can be waited."""
    return sock.poll(milliseconds) == 0


def parse(line):
    return json.loads(line)


def run_test(function):
    """None, or why it failed or was skipped."""
    with Test() as test:
        function(test)


def main(file):
    global kith_path
    if len(sys.argv) < 2:
        sys.exit(f'usage: {Path(file).name} KITH [TEST]')
    kith_path = os.path.abspath(sys.argv[1])
    module = sys.modules['__main__']
    tests = [(name, function) for name, function in inspect.getmembers(module, inspect.isfunction)
             if name.startswith('test_') and name in (sys.argv[2:] or [name])]
    tests.sort(key=lambda pair: pair[1].__code__.co_firstlineno)
    failed = 0
    print(f'1..{len(tests)}', flush=True)
    for number, (name, function) in enumerate(tests, 1):
        try:
            run_test(function)
        except Skip as reason:
            print(f'ok {number} {name} # SKIP {reason}', flush=True)
        except BaseException:  # a failed assertion, a timeout, an interrupt: each is a test that did not pass
            failed += 1
            print(f'not ok {number} {name}', flush=True)
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()), flush=True)
        else:
            print(f'ok {number} {name}', flush=True)
    sys.exit(1 if failed else 0)
