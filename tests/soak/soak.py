#!/usr/bin/python3
"""soak.py SERVER CLIENT [--seconds N] [--clients N] [--seed N]: a kith server, and clients on kith and libzmq that come, talk, leave and are
killed at random. What the patterns promise is checked by each client and by the server; TAP on standard output."""
import argparse
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What the median of the server's resident memory in the last third of the time may be above that in the second. A subscriber that is killed
# leaves up to send-hwm-bytes (16 MiB) of queue that had never been needed before; a leak for each message is far more.
GROWTH_KIB = 32768

ROLES = {'req': 'rep', 'dealer': 'router', 'push': 'pull', 'sub': 'pub'}


class Soak:
    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.alive = []  # (process, id, role, time to be killed or None)
        self.number = 0
        self.sent = {}  # pusher -> messages, of those that left
        self.killed = set()
        self.failures = []
        self.resident = []  # the server's, in KiB, once a second
        self.done = {(library, role): 0 for library in ('kith', 'zmq') for role in ROLES}

    def start(self, server):
        self.number += 1
        library = self.random.choice(['kith', 'zmq'])
        role = self.random.choice(list(ROLES))
        name = f'{library}-{role}-{self.number}'
        endpoint = self.random.choice(server.endpoints[ROLES[role]])
        ms = self.random.choice([1, 20, 200, 1000, 3000])
        process = subprocess.Popen([self.args.client, library, role, endpoint, name, str(ms)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        death = time.monotonic() + self.random.uniform(0, ms / 1000) if self.random.random() < 0.3 else None
        self.alive.append((process, name, role, death))

    def end(self, process, name, role):
        out, err = process.communicate()
        if name in self.killed:
            return
        if process.returncode != 0:
            self.failures.append(err.strip() or f'{name}: exit status {process.returncode}')
            return
        self.done[name.split('-')[0], role] += 1
        if role == 'push':
            self.sent[name] = int(out.split()[-1])

    def look(self):
        left = []
        for process, name, role, death in self.alive:
            if death is not None and time.monotonic() >= death and process.poll() is None:
                self.killed.add(name)
                process.send_signal(signal.SIGKILL)
                death = None
            if process.poll() is None:
                left.append((process, name, role, death))
            else:
                self.end(process, name, role)
        self.alive = left

    def run(self, server):
        start = time.monotonic()
        while time.monotonic() < start + self.args.seconds and not self.failures:
            self.look()
            if time.monotonic() >= start + len(self.resident) + 1:
                self.resident.append(server.resident())
            while len(self.alive) < self.args.clients:
                self.start(server)
            time.sleep(0.01)
        deadline = time.monotonic() + 60
        while self.alive and time.monotonic() < deadline:
            self.look()
            time.sleep(0.01)
        for process, name, _, _ in self.alive:
            self.failures.append(f'{name}: does not end')
            process.kill()

    def growth(self):
        """KiB from the second third of the time to the last; 0 when there were less than three seconds."""
        third = len(self.resident) // 3
        return round(statistics.median(self.resident[-third:]) - statistics.median(self.resident[third:-third])) if third else 0


class Server:
    def __init__(self, program, directory):
        self.process = subprocess.Popen([program, directory], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.endpoints = {}
        for line in self.process.stdout:
            if line == 'ready\n':
                break
            name, endpoint = line.split()
            self.endpoints.setdefault(name, []).append(endpoint)

    def resident(self):
        status = Path(f'/proc/{self.process.pid}/status').read_text()
        return next((int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS:')), 0)  # none when it has ended

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        pushed = {line.split()[1]: int(line.split()[2]) for line in out.splitlines() if line.startswith('pushed ')}
        return pushed, self.process.returncode, err


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('server')
    parser.add_argument('client')
    parser.add_argument('--seconds', type=float, default=600)
    parser.add_argument('--clients', type=int, default=24)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    soak = Soak(args)
    with tempfile.TemporaryDirectory(prefix='kith-soak-') as directory:
        server = Server(args.server, directory)
        soak.run(server)
        pushed, status, err = server.stop()
    lost = [f'{name}: sent {count}, arrived {pushed.get(name, 0)}' for name, count in soak.sent.items() if pushed.get(name, 0) != count]
    results = [('clients got what their patterns promise', soak.failures), ('what was pushed has arrived', lost),
               ('the server saw nothing wrong', [err.strip() or f'exit status {status}'] if status != 0 else [])]
    results += [(f'{library} {role} took part', [] if count else ['none finished']) for (library, role), count in soak.done.items()]
    growth = soak.growth()
    results.append(('the server does not grow', [f'{growth} KiB: {soak.resident}'] if growth > GROWTH_KIB else []))
    print(f'# server: at most {max(soak.resident, default=0)} KiB resident, {growth} KiB more in the last third than in the second')
    print(f'# seed {args.seed}, {soak.number} clients, {len(soak.killed)} of them killed, {sum(pushed.values())} messages pushed')
    for number, (name, problems) in enumerate(results, 1):
        print(f'{"not " if problems else ""}ok {number} - {name}')
        for problem in problems[:20]:
            print(f'# {problem}')
    print(f'1..{len(results)}')
    return 1 if any(problems for _, problems in results) else 0


sys.exit(main())
