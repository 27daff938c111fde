#!/usr/bin/python3
"""kith map against ss(8) and /proc/net, over the whole zoo, in both of its namespaces: every socket that they tell, and every field of it."""
import zoo
import harness
import animals
import others
from others import Row

TRIES = 10
# A request socket's uid is 0 for inet_diag, its listener's for /proc/net/tcp; ss prints it as inet_diag says it.
KINDS_OF_SS = {'tcp', 'mptcp', 'udp', 'raw', 'unix', 'netlink', 'packet'}
KINDS_OF_PROC = {'tcp', 'udp', 'raw', 'icmp', 'udplite', 'unix', 'netlink', 'packet'}


def is_asking(row):
    """The socket over which a program asks the kernel for sockets, and the kernel's end of it: not part of the zoo."""
    return row['kind'] == 'netlink' and row['protocol'] == others.NETLINK[4]


def is_gone(row):
    """A process's netlink socket that nobody had any more when the descriptors were read: getaddrinfo(3) makes one for a moment."""
    return row['kind'] == 'netlink' and row['portid'] != 0 and not row['users']


def still(namespace, take):
    """What `take` says of a namespace, and the map's rows, of one moment: what it says before and after the map is equal."""
    for _ in range(TRIES):
        before = take(namespace)
        map = zoo.look()
        rows = [others.map_row(row) for row in map.within(namespace)]
        if take(namespace) == before and not any(is_gone(row) for row in rows if not is_asking(row)):
            return before, rows
    raise AssertionError(f'the zoo changed {TRIES} times while it was looked at')


def without_asking(rows):
    return {key: row for key, row in rows.items() if not is_asking(row)}


def test_every_socket_and_every_field_that_ss_prints(test):
    built = animals.Zoo(test)
    animals.build(built)
    for namespace in (built.left, built.right):
        theirs, rows = still(namespace, lambda namespace: without_asking(others.ss(namespace)))
        ours = [row for row in rows if row['kind'] in KINDS_OF_SS and not is_asking(row) and not others.is_bound_only(row)]
        assert len(others.index(ours, others.ss_key)) == len(ours), 'a socket is told twice'
        others.equal_sets(others.index(ours, others.ss_key), theirs, namespace.label)


def fields_of_proc(row):
    """/proc/net names no interface, and a listener's limit is not its send queue there."""
    made = Row(row)
    for name in ('local', 'remote'):
        if row['kind'] not in ('unix', 'netlink', 'packet') and made.get(name):
            made[name] = made[name][:2]
    if row.get('state') == 'listen':
        made.pop('send', None)
    if row.get('state') == 'syn-recv':
        made.pop('uid', None)
    return made


def take_proc(namespace):
    rows = [fields_of_proc(row) for row in others.proc(namespace)]
    return [row for row in rows if not is_asking(row)]


def test_every_socket_and_every_field_of_proc_net(test):
    built = animals.Zoo(test)
    animals.build(built)
    for namespace in (built.left, built.right):
        theirs, rows = still(namespace, take_proc)
        ours = [fields_of_proc(row) for row in rows if row['kind'] in KINDS_OF_PROC and not is_asking(row) and not others.is_bound_only(row)]
        assert others.count(ours) == others.count(theirs), (others.count(ours) - others.count(theirs), others.count(theirs) - others.count(ours))
        by_key = others.group(ours)
        for row in theirs:
            assert any(fits(row, mine) for mine in by_key[others.proc_key(row)]), (row, by_key[others.proc_key(row)])


def fits(row, mine):
    return all(row[name] == mine[name] for name in row.keys() & mine.keys())


harness.main(__file__)
