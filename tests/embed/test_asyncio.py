#!/usr/bin/python3
"""kith inside asyncio, by the example examples/asyncio-rep.py: stock pyzmq clients in threads, timers of both loops, silence when idle.

test_asyncio.py EXAMPLE; KITH_LIBRARY names the library.
"""
import asyncio
import importlib.util
import os
import sys
import threading
import time

import zmq

ROUNDS = 50
CLIENTS = 3
PATIENCE_MS = 30000

SPEC = importlib.util.spec_from_file_location('asyncio_rep', sys.argv[1])
example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(example)


def ask(endpoint, rounds, errors):
    with zmq.Context() as context, context.socket(zmq.REQ) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        client.connect(endpoint)
        for number in range(rounds):
            client.send(b'question %d' % number)
            try:
                answer = client.recv()
            except zmq.Again:
                errors.append(f'no answer {number}')
                return
            if answer != b'QUESTION %d' % number:
                errors.append(f'wrong answer {number}: {answer!r}')


async def serve(endpoint, answer):
    """A server, until CLIENTS clients have all their answers. Returns the loop, the socket and what went wrong."""
    loop = example.Loop()
    server = example.Rep(loop, endpoint, answer)
    errors = []
    threads = [threading.Thread(target=ask, args=(endpoint, ROUNDS, errors)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    return loop, server, errors


async def test_clients_are_answered_and_known(endpoint):
    senders = set()

    async def answer(request, sender):
        senders.add(sender.split(' uid')[0])
        return request.upper()
    loop, server, errors = await serve(endpoint, answer)
    server.close()
    loop.close()
    if senders != {f'pid {os.getpid()}'}:
        errors.append(f'senders: {senders}')
    return errors


async def test_answers_may_take_their_time_and_others_go_on(endpoint):
    """Each answer waits for a timer of asyncio; one REP answers in turn, and timers of the host go on meanwhile."""
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    async def answer(request, sender):
        await asyncio.sleep(0.001)
        return request.upper()
    ticking = asyncio.create_task(tick())
    loop, server, errors = await serve(endpoint, answer)
    ticking.cancel()
    server.close()
    loop.close()
    return errors if ticks > ROUNDS else errors + [f'{ticks} ticks']


async def test_timers_of_kith_fire_inside(endpoint):
    on_timer = example.ctypes.CFUNCTYPE(None, example.POINTER, example.POINTER)
    timer_new = example.checked('kith_timer_new', example.POINTER, on_timer, example.POINTER, example.POINTER)
    timer_arm = example.checked('kith_timer_arm', example.POINTER, example.ctypes.c_uint64, example.ctypes.c_uint64)
    timer_free = example.prototype('kith_timer_free', example.POINTER, example.POINTER)
    loop, timer, fired = example.Loop(), example.POINTER(), []
    enough = asyncio.Event()

    def fire(_timer, _userdata):
        fired.append(time.monotonic())
        if len(fired) == 10:
            enough.set()
    callback = on_timer(fire)
    timer_new(loop.pointer, callback, None, example.ctypes.byref(timer))
    begin = time.monotonic()
    timer_arm(timer, 3, 3)
    await asyncio.wait_for(enough.wait(), PATIENCE_MS / 1000)
    timer_free(timer)
    loop.close()
    early = [when - begin for count, when in enumerate(fired, 1) if when - begin < count * 0.003]
    return [f'early: {early}'] if early else []


async def test_nothing_to_do_wakes_nobody(endpoint):
    async def answer(request, sender):
        return request.upper()
    loop, server, errors = await serve(endpoint, answer)
    peer_count = example.prototype('kith_socket_peer_count', example.SIZE, example.POINTER)
    while peer_count(server.pointer) > 0:  # the connections of the clients end
        await asyncio.sleep(0.001)
    before = loop.steps
    for _ in range(20):
        await asyncio.sleep(0.002)
    if loop.steps - before > 1:
        errors.append(f'{loop.steps - before} steps with nothing to do')
    server.close()
    loop.close()
    return errors


def main():
    tests = [(name, function) for name, function in globals().items() if name.startswith('test_')]
    failed = 0
    print(f'1..{len(tests)}')
    for number, (name, function) in enumerate(tests, 1):
        errors = asyncio.run(function(f'ipc://@kith-asyncio-{os.getpid()}-{number}'))
        failed += bool(errors)
        print(f'{"not ok" if errors else "ok"} {number} {name}')
        for error in errors:
            print(f'# {error}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
