#!/usr/bin/python3
"""kith map while what it looks at changes: processes that end, sockets that come and go between two of its reads."""
import collections
import os
import signal
import subprocess

import zoo
import harness
import animals
from animals import Zoo
from zoo import Keeper, Namespace, look

MAPS = 25


def check_once(map, namespace):
    """No socket is told of twice. A multipath connection and its first subflow have one inode, and its clones one cookie."""
    rows = [row for row in map.within(namespace) if row['protocol'] != 'mptcp']
    for name in ('inode', 'cookie'):
        for value, times in collections.Counter(row[name] for row in rows if row[name]).items():
            assert times == 1, [row for row in rows if row[name] == value]
    tuples = collections.Counter((row['local']['text'], row['remote']['text']) for row in rows if row['protocol'] == 'tcp' and row['remote'])
    assert not tuples or max(tuples.values()) == 1, tuples.most_common(3)


def test_of_a_quiet_zoo_no_socket_is_told_of_twice(test):
    built = Zoo(test)
    animals.build(built)
    map = look()
    for namespace in (built.left, built.right):
        check_once(map, namespace)


def test_beside_a_churn_of_connections_every_map_is_whole(test):
    built = Zoo(test)
    members = animals.tcp4(built) + animals.unix_named(built)
    for _ in range(2):
        Keeper(test, built.left).ask('churn')
    seen = set()
    for _ in range(MAPS):
        map = look()
        check_once(map, built.left)
        map.check(*members)
        seen |= {row['cookie'] for row in map.within(built.left)}
    assert len(seen) > MAPS, f'nothing moved: {len(seen)}'


def test_processes_that_end_do_not_stop_it(test):
    """The processes are killed while maps run; what stays is whole."""
    built = Zoo(test)
    members = animals.tcp4(built)
    for _ in range(8):
        keeper = Keeper(test, built.left)
        for _ in range(40):
            keeper.pair(zoo.STREAM)
        map = zoo.start()
        keeper.die()
        zoo.finish(map).check(*members)
    map = look()
    assert not [row for row in map.within(built.left) if row['family'] == 'unix'], map.within(built.left)


def test_a_process_that_has_ended_and_is_not_waited_for(test):
    built = Zoo(test)
    members = animals.tcp4(built)
    pid = built.server.ask('zombie', 5)
    map = look()
    map.check(*members)
    assert not [row for row in map.sockets if pid in {holder['pid'] for holder in row['holders']}]


def test_a_stopped_process_is_told_of_like_any(test):
    built = Zoo(test)
    members = animals.tcp4(built)
    os.kill(built.client.pid, signal.SIGSTOP)
    test.callback(os.kill, built.client.pid, signal.SIGCONT)
    look().check(*members)


def test_a_namespace_whose_first_processes_end_is_entered_by_another(test):
    """The one that led to it is gone when it is to be entered: they end in order, while maps run."""
    for _ in range(4):
        namespace = Namespace(test)
        first = [subprocess.Popen([*namespace.words, 'sleep', '1000']) for _ in range(30)]
        pair = Keeper(test, namespace).pair(zoo.STREAM)
        namespace.leave()
        map = zoo.start()
        for process in first:
            process.kill()
            process.wait()
        zoo.finish(map).check(*pair)


def test_a_namespace_that_goes_away_while_it_is_looked_at(test):
    built = Zoo(test)
    members = animals.tcp4(built)
    for _ in range(8):
        namespace = Namespace(test)
        keeper = Keeper(test, namespace)
        keeper.pair(zoo.STREAM)
        map = zoo.start()
        keeper.die()
        namespace.remove()
        zoo.finish(map).check(*members)


harness.main(__file__)
