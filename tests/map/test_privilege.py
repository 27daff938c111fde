#!/usr/bin/python3
"""kith map without privilege: the kernel's facts are the same, what needs a privilege is missing, and it says which one would add it."""
import os
import subprocess
from pathlib import Path

import zoo
import harness
import animals
import others
from zoo import NOBODY, STREAM, Keeper, Namespace, Unit, look

# What anybody is told: who holds a socket, and links that lead out of the namespace, are not in it.
FACTS = ('family', 'type', 'protocol', 'state', 'local', 'remote', 'inode', 'cookie', 'uid', 'netns', 'receive_queue', 'send_queue', 'backlog', 'waiting')


def facts(map, namespace):
    """The sockets that the kernel lists; of a multipath connection's clones the cookies are one."""
    return {(row['protocol'], row['inode'], row['cookie']): {name: row[name] for name in FACTS} for row in map.within(namespace) if not is_left_out(row)}


def is_left_out(row):
    """Sockets that only a descriptor shows, and those that ask."""
    return row['family'] == 'unknown' or (row['family'] == 'netlink' and row['protocol'] == others.NETLINK[4])


def test_anybody_sees_the_sockets_of_the_own_namespace_with_all_that_the_kernel_says(test):
    built = animals.Zoo(test)
    animals.build(built)
    for _ in range(10):
        before, map, after = look(namespace=built.left), look(namespace=built.left, uid=NOBODY), look(namespace=built.left)
        if facts(before, built.left) == facts(after, built.left):
            break
    ours, theirs = facts(map, built.left), facts(before, built.left)
    assert ours == theirs, ([theirs[key] for key in theirs if ours.get(key) != theirs[key]], [ours[key] for key in ours if theirs.get(key) != ours[key]])


def test_pairs_within_the_namespace_are_known_without_privilege(test):
    built = animals.Zoo(test)
    members = animals.tcp4(built) + animals.unix_named(built) + animals.udp_pair(built)
    for member in members:
        member.holders = set()
    look(namespace=built.left, uid=NOBODY).check(*members)


def test_only_the_own_processes_are_holders(test):
    built = animals.Zoo(test)
    listener, client, accepted, *pair = animals.other_user(built)
    client.holders = set()
    look(namespace=built.left, uid=NOBODY).check(listener, client, accepted, *pair)


def test_the_uid_of_a_socket_is_its_owners(test):
    built = animals.Zoo(test)
    members = animals.other_user(built)
    for uid in (0, NOBODY):
        map = look(namespace=built.left, uid=uid)
        for member in members:
            assert map.row(member)['uid'] == (0 if member.keeper is built.client else NOBODY), map.row(member)


def test_another_users_socket_has_its_unit_by_its_cgroup(test):
    """inet_diag tells a socket's cgroup to anybody: no process need be looked at."""
    built, unit = animals.Zoo(test), Unit(test)
    keeper = Keeper(test, built.left, words=unit.words)
    listener = animals.listener_at(keeper, ('127.0.0.1', 0))
    row = look(namespace=built.left, uid=NOBODY).row(listener)
    assert row['holders'] == [] and row['unit'] == unit.name, row


def test_what_is_missing_says_what_would_add_it(test):
    built = animals.Zoo(test)
    animals.tcp_far(built)
    named = Namespace(test, named=True)
    map = look(namespace=built.left, uid=NOBODY)
    for missing in map.text['missing']:
        assert set(missing) == {'what', 'why', 'remedy'} and missing['what'] and missing['why'], missing
    by_privilege = [missing for missing in map.text['missing'] if missing['remedy'] == 'run as root']
    text = ' '.join(missing['why'] for missing in by_privilege)
    assert 'CAP_SYS_PTRACE' in text and 'CAP_SYS_ADMIN' in text, map.text['missing']
    assert not map.within(built.right) and not map.within(named), 'namespaces that this uid may not enter'


def test_what_proc_hides_is_said_to_be_missing(test):
    """With hidepid=2 /proc does not even list processes of others (proc(5))."""
    harness.need_root()
    words = ['unshare', '--mount', '--', 'sh', '-c', 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', 'sh', *harness.as_uid(NOBODY)]
    result = subprocess.run([*words, harness.kith_path, 'map', '--json'], capture_output=True, timeout=harness.LIMIT, check=True)
    what = {missing['what'] for missing in zoo.Map(result.stdout).text['missing']}
    assert {"network namespaces of other users' processes", 'processes of other users'} <= what, what


def test_a_namespace_that_may_not_be_entered_is_told_of_by_its_name(test):
    named = Namespace(test, named=True)
    map = look(uid=NOBODY)
    netns, = [netns for netns in map.text['netns'] if netns['inode'] == named.inode]
    assert netns['name'] == named.name and netns['read'] is False, netns
    why, = [missing['why'] for missing in map.text['missing'] if missing['what'] == 'sockets of other network namespaces']
    assert 'CAP_SYS_ADMIN' in why, why


def is_hidden():
    """Is there a process that even this user may not look at?"""
    for process in Path('/proc').glob('[0-9]*'):
        try:
            os.readlink(process / 'ns/net')
        except PermissionError:
            return True
        except FileNotFoundError:
            pass
    return False


def test_as_root_only_what_is_kept_from_root_is_missing(test):
    """A process with more privileges than this one, as that of a container has it, is not to be looked at."""
    built = animals.Zoo(test)
    members = animals.tcp_far(built)
    map = look()
    map.check(*members)
    missing = {missing['what']: missing['remedy'] for missing in map.text['missing'] if missing['remedy']}
    kept = {"network namespaces of other users' processes", 'processes of other users'} if is_hidden() else set()
    assert missing.keys() == kept and all('outside' in remedy for remedy in missing.values()), missing


def test_the_table_says_what_is_missing_too(test):
    built = animals.Zoo(test)
    pair = Keeper(test, built.left).pair(STREAM)
    assert pair
    result = zoo.run_as(NOBODY, built.left, 'map')
    assert result.returncode == 0 and 'CAP_SYS_PTRACE' in result.stdout + result.stderr, result


harness.main(__file__)
