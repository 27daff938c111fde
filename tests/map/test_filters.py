#!/usr/bin/python3
"""kith map's filters, and what kith who and kith socket say of one: each asked of a zoo in which the right answer is known."""
import os
import pwd

import zoo
import harness
import animals
from zoo import NOBODY, STREAM, Keeper, Unit, look


def cookies(members):
    return {member.cookie for member in members}


def only(map, built):
    """The cookies of what is told of the zoo."""
    return {row['cookie'] for row in map.sockets if row['netns'] in (built.left.inode, built.right.inode)}


def asked(built, expected, *arguments):
    """Of the zoo exactly the expected members are told."""
    map = look(*arguments)
    assert only(map, built) == cookies(expected), (arguments, [row for row in map.sockets if row['cookie'] in only(map, built) ^ cookies(expected)])
    return map


def test_by_process(test):
    built = animals.Zoo(test)
    listener, client, accepted = animals.tcp4(built)
    udp, other_udp, *_ = animals.udp_pair(built)
    six = _
    asked(built, [client, other_udp, six[1]], '--pid', built.client.pid)
    asked(built, [listener, accepted, udp, six[0]], '--pid', built.server.pid)


def test_of_a_filtered_map_the_other_end_is_still_known(test):
    built = animals.Zoo(test)
    _, client, _ = animals.tcp4(built)
    look('--pid', built.client.pid).check(client)


def test_by_program(test):
    built = animals.Zoo(test)
    members = animals.tcp4(built) + animals.unix_named(built)
    asked(built, members, '--exe', os.path.realpath(harness.PYTHON))
    asked(built, [], '--exe', '/bin/cat')


def test_by_unit_and_to_a_unit(test):
    built, unit = animals.Zoo(test), Unit(test)
    keeper = Keeper(test, built.left, words=unit.words)
    listener = animals.listener_at(keeper, ('127.0.0.1', 0))
    client, accepted = animals.connection(built.client.open(zoo.INET, STREAM), listener)
    animals.unix_named(built)
    map = asked(built, [listener, accepted], '--unit', unit.name)
    assert map.row(listener)['unit'] == unit.name and map.row(listener)['holders'][0]['unit'] == unit.name, map.row(listener)
    asked(built, [client], '--to', unit.name)


def test_by_user(test):
    built = animals.Zoo(test)
    listener, _, accepted, *pair = animals.other_user(built)
    name = pwd.getpwuid(NOBODY).pw_name
    for words in (name, str(NOBODY)):
        asked(built, [listener, accepted, *pair], '--user', words)


def test_by_port_at_either_end(test):
    built = animals.Zoo(test)
    listener, client, accepted = animals.tcp4(built)
    animals.tcp6(built)
    asked(built, [listener, client, accepted], '--port', listener.address[1])
    asked(built, [client, accepted], '--port', client.name()[1])


def test_by_path(test):
    built = animals.Zoo(test)
    listener, client, accepted, *_ = animals.unix_named(built)
    asked(built, [listener, client, accepted], '--path', listener.address)


def test_by_state(test):
    built = animals.Zoo(test)
    members = animals.tcp4(built) + animals.unix_named(built) + animals.tcp_half_closed(built)
    whole = look()
    for state in ('listen', 'established', 'fin-wait-2', 'close-wait', 'time-wait'):
        asked(built, [member for member in members if whole.row(member)['state'] == state], '--state', state)


def test_a_listener_and_what_came_from_it(test):
    built = animals.Zoo(test)
    one, other, client, accepted, *_ = animals.tcp_several_addresses(built)
    asked(built, [one, accepted], '--listener', f'127.0.0.1:{one.address[1]}')
    asked(built, [one, other, accepted, _[1]], '--listener', f':{one.address[1]}')
    waiting = animals.tcp_waiting(built)
    map = look('--listener', f'127.0.0.1:{waiting[0].address[1]}')
    assert sorted(row['waiting'] for row in map.within(built.left)) == [False, True, True], map.within(built.left)


def test_a_listener_at_a_path(test):
    built = animals.Zoo(test)
    listener, _, accepted, *_ = animals.unix_named(built)
    asked(built, [listener, accepted], '--listener', listener.address)


def test_filters_together_narrow_the_map(test):
    built = animals.Zoo(test)
    listener, _, _ = animals.tcp4(built)
    asked(built, [listener], '--pid', built.server.pid, '--state', 'listen')


def test_a_filter_that_nothing_can_fit_is_an_error(test):
    for arguments in (['--state', 'no-such-state'], ['--port', '70000'], ['--user', 'no such user'], ['--pid', 'x']):
        result = test.run('map', '--json', *arguments)
        assert result.returncode == 2 and arguments[1] in result.error and not result.text, result


def test_a_picture_that_cannot_be_written_is_an_error(test):
    for path in '/dev/full', test.path('no/such/folder'):
        result = test.run('map', '--this-netns', '--svg', path)
        assert result.returncode == 1 and path in result.error and result.error.count('\n') == 1, result


def test_a_picture_is_a_picture(test):
    for form, magic in ('--svg', b'<?xml'), ('--png', b'\x89PNG'):
        path = test.path(f'map{form}')
        assert test.run('map', form, path).returncode == 0
        with open(path, 'rb') as file:
            assert file.read(5).startswith(magic), form


harness.main(__file__)
