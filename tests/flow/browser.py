"""Chromium without a window, over its debugging pipe (Chrome DevTools Protocol): what a user does, and what a page asks the network for."""
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class Browser:
    """One page at a time. `requests` has the addresses of all that pages loaded, `errors` what they logged as such."""

    def __init__(self, chromium, home, seconds):
        self.seconds, self.number, self.held = seconds, 0, b''
        self.requests, self.errors, self.events = [], [], []
        to_browser, from_browser = os.pipe(), os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser[0], from_browser[1])]  # not 3 or 4, where they are to go

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        self.process = subprocess.Popen(
            [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
             '--disable-background-networking', '--remote-debugging-pipe', '--window-size=1600,1000', f'--user-data-dir={home}',
             'about:blank'],
            preexec_fn=place, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, 'HOME': str(home)},
            start_new_session=True)
        for fd in (to_browser[0], from_browser[1], *high):
            os.close(fd)
        self.writes, self.reads = to_browser[1], from_browser[0]
        self.session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in 'Page', 'Runtime', 'Network', 'Log':
            self.call(f'{domain}.enable')

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.writes)
        os.close(self.reads)

    def read(self, until):
        while b'\0' not in self.held:
            if not select.select([self.reads], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError('the browser does not answer')
            data = os.read(self.reads, 1 << 16)
            assert data, 'the browser has ended'
            self.held += data
        text, self.held = self.held.split(b'\0', 1)
        return json.loads(text)

    def note(self, message):
        method, params = message.get('method'), message.get('params', {})
        if method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])
        elif method == 'Runtime.exceptionThrown':
            self.errors.append(params['exceptionDetails']['text'])
        elif method == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
        self.events.append(method)

    def call(self, method, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params, **({'sessionId': self.session} if self.session else {})}
        os.write(self.writes, json.dumps(message).encode() + b'\0')
        until = time.monotonic() + self.seconds
        while True:
            answer = self.read(until)
            if answer.get('id') == self.number:
                assert 'error' not in answer, answer['error']
                return answer['result']
            self.note(answer)

    def open(self, url):
        """Returns when the page has loaded."""
        self.requests, self.events = [], []
        self.call('Page.navigate', url=url)
        until = time.monotonic() + self.seconds
        while 'Page.loadEventFired' not in self.events:
            self.note(self.read(until))

    def ask(self, expression):
        """The value of JavaScript in the page; a promise's when it has one."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')


def run_tests(make):
    """Runs each test_... of what make(chromium, folder) returns by its check(name), then its close(); prints TAP. The exit status."""
    for program, package in ('chromium', 'chromium'), ('dot', 'graphviz'):
        if not shutil.which(program):
            print(f'1..0 # SKIP package {package} is not installed')
            return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix='kith-page-', ignore_cleanup_errors=True) as folder:
        tests = make(shutil.which('chromium'), Path(folder))
        names = [name for name in dir(tests) if name.startswith('test_')]
        print(f'1..{len(names)}', flush=True)
        for number, name in enumerate(names, 1):
            try:
                tests.check(name)
                print(f'ok {number} - {name}', flush=True)
            except (AssertionError, KeyError, subprocess.SubprocessError) as error:
                failed += 1
                print(f'not ok {number} - {name}\n# ' + repr(error)[:2000].replace('\n', '\n# '), flush=True)
        tests.close()
    return 1 if failed else 0
