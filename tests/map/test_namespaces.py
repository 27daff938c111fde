#!/usr/bin/python3
"""kith map and network namespaces: with a name and without one, those of a process, and those that only a descriptor keeps."""
import os
from pathlib import Path

import zoo
import harness
import animals
from animals import connection, listener_at
from zoo import INET, NOBODY, STREAM, Keeper, Namespace, look


def netns_of(map, inode):
    found = [netns for netns in map.text['netns'] if netns['inode'] == inode]
    assert len(found) == 1, (inode, map.text['netns'])
    return found[0]


def test_a_namespace_is_told_by_its_name(test):
    namespace = Namespace(test, named=True)
    pair = Keeper(test, namespace).pair(STREAM)
    map = look()
    map.check(*pair)
    netns = netns_of(map, namespace.inode)
    assert netns['name'] == namespace.name and netns['own'] is False, netns


def test_a_name_with_blanks_in_it(test):
    """In the list of mounts they are escaped."""
    namespace = Namespace(test, named=True, suffix=' of two words')
    keeper = Keeper(test, Namespace(test))
    member = zoo.Member(keeper, keeper.ask('open_in', namespace.path, INET, STREAM)).bind(('127.0.0.1', 0)).listen()
    namespace.leave()  # only the mount leads to it
    map = look()
    map.check(member)
    netns = netns_of(map, namespace.inode)
    assert netns['name'] == namespace.name and netns['read'] is True, netns


def test_the_own_namespace_is_marked(test):
    map = look()
    assert netns_of(map, os.stat('/proc/self/ns/net').st_ino)['own'] is True and sum(netns['own'] for netns in map.text['netns']) == 1


def test_from_within_a_namespace_that_one_is_the_own(test):
    built = animals.Zoo(test)
    members = animals.tcp_far(built)
    map = look(namespace=built.left)
    assert netns_of(map, built.left.inode)['own'] is True and netns_of(map, built.right.inode)['own'] is False, map.text['netns']
    map.check(*members)


def test_a_namespace_without_a_name_is_told_by_a_process_in_it(test):
    namespace = Namespace(test)
    keeper = Keeper(test, namespace)
    pair = keeper.pair(STREAM)
    map = look()
    map.check(*pair)
    netns = netns_of(map, namespace.inode)
    assert netns['name'] is None and netns['owner'] == {'pid': keeper.pid, 'exe': os.path.realpath(harness.PYTHON)}, netns


def test_sockets_of_a_namespace_that_their_holder_is_not_in(test):
    here, there = Namespace(test), Namespace(test)
    keeper = Keeper(test, here)
    server = listener_at(Keeper(test, there), ('127.0.0.1', 0))
    client, accepted = connection(zoo.Member(keeper, keeper.ask('open_in', there.path, INET, STREAM)), server)
    map = look()
    map.check(server, client, accepted)
    assert map.row(client)['netns'] == there.inode, map.row(client)


def row_of_holder(map, keeper, member):
    rows = [row for row in map.sockets if (keeper.pid, member.fd) in {(holder['pid'], holder['fd']) for holder in row['holders']}]
    assert len(rows) == 1, rows
    return rows[0]


def test_a_container_of_another_user(test):
    """User, process and network namespaces of its own: root there is nobody here, and its first process has another number here."""
    harness.need_root()
    keeper = Keeper(test, None, uid=NOBODY, inner=['unshare', '--user', '--map-root-user', '--net', '--pid', '--fork', '--kill-child', '--'])
    pair = keeper.pair(STREAM)
    server = keeper.open(INET, STREAM).bind(('0.0.0.0', 0)).listen()
    inside, = (int(pid) for pid in Path(f'/proc/{keeper.pid}/task/{keeper.pid}/children').read_text().split())
    for member in (*pair, server):
        member.holders = {(inside, member.fd)}
    map = look()
    map.check(*pair, server)
    row = map.row(server)
    assert row['uid'] == NOBODY and row['holders'][0]['uid'] == NOBODY and row['netns'] == os.stat(f'/proc/{inside}/ns/net').st_ino, row
    assert netns_of(map, row['netns'])['owner']['pid'] == inside, map.text['netns']


def test_a_namespace_that_only_a_socket_keeps(test):
    """No name, no process: its sockets are told of by their descriptors at least."""
    here, gone = Namespace(test), Namespace(test)
    keeper = Keeper(test, here)
    server = zoo.Member(keeper, keeper.ask('open_in', gone.path, INET, STREAM)).bind(('127.0.0.1', 0)).listen()
    client = zoo.Member(keeper, keeper.ask('open_in', gone.path, INET, STREAM))
    client, accepted = connection(client, server)
    gone.remove()
    map = look()
    for member in (server, client, accepted):
        row = row_of_holder(map, keeper, member)
        assert row['inode'] == member.inode, row


harness.main(__file__)
