#!/usr/bin/python3
"""kith who ENDPOINT and kith socket: one socket of the zoo, by every name that it has."""
import json
import os

import zoo
import harness
import animals
from zoo import INET, NOBODY, STREAM, UNIX, Map


def who(test, *arguments, uid=None):
    result = test.run('who', *arguments, '--json', uid=uid)
    assert result.returncode == 0, result
    return json.loads(result.text)


def pids(told):
    return sorted(one['origin'].get('pid', 0) for one in told)


def of_port(test, built, member):
    """Of the processes of this zoo: another namespace of this host may have the port as well."""
    ours = {built.server.pid, built.client.pid, built.other_user.pid}
    return [one for one in who(test, f'tcp:{member.address[1]}') if one['origin'].get('pid') in ours]


def test_who_is_connected_to_a_port(test):
    built = animals.Zoo(test)
    listener, client, _ = animals.tcp4(built)
    assert [one for one in who(test, f'tcp:127.0.0.1:{listener.address[1]}') if one['inode'] == client.inode] == of_port(test, built, listener)
    told, = of_port(test, built, listener)
    assert (told['protocol'], told['inode'], told['cookie'], told['known']) == ('tcp', client.inode, client.cookie, 'matched'), told
    assert told['origin']['pid'] == built.client.pid and told['origin']['witness']['pid'] == 'inferred', told


def test_who_tells_each_user_of_a_shared_port(test):
    built = animals.Zoo(test)
    listener = animals.listener_at(built.server, ('127.0.0.1', 0))
    for keeper in (built.client, built.other_user):
        animals.connection(keeper.open(INET, STREAM), listener)
    told = of_port(test, built, listener)
    assert {one['origin']['pid']: one['origin']['uid'] for one in told} == {built.client.pid: 0, built.other_user.pid: NOBODY}, told


def test_who_is_at_the_other_end_of_a_descriptor(test):
    built = animals.Zoo(test)
    _, client, accepted, *_ = animals.unix_named(built)
    for member, other in ((client, accepted), (accepted, client)):
        told, = who(test, f'{member.keeper.pid}/{member.fd}')
        assert (told['inode'], told['known'], told['origin']['pid']) == (other.inode, 'exact', other.keeper.pid), told


def test_who_is_connected_to_a_path_and_to_an_abstract_name(test):
    built = animals.Zoo(test)
    named, client, *_ = animals.unix_named(built)
    abstract, other, *_ = animals.unix_abstract(built)
    for endpoint, member in ((named.address, client), ('@' + abstract.address[1:], other)):
        told, = who(test, endpoint)
        assert (told['inode'], told['known'], told['origin']['pid']) == (member.inode, 'exact', built.client.pid), told


def test_who_sends_to_a_datagram_socket(test):
    built = animals.Zoo(test)
    receiver, *senders = animals.unix_datagrams(built)
    assert sorted(one['inode'] for one in who(test, receiver.address)) == sorted(sender.inode for sender in senders)
    server, *clients = animals.udp_server(built)
    assert sorted(one['inode'] for one in who(test, f'{built.server.pid}/{server.fd}')) == sorted(client.inode for client in clients[:2])
    assert {client.inode for client in clients[:2]} <= {one['inode'] for one in who(test, f'udp:{server.address[1]}')}
    told, = who(test, f'{built.client.pid}/{clients[0].fd}')
    connected_to = f'127.0.0.1:{server.address[1]}'  # the server is bound to every address
    assert (told['inode'], told['remote'], told['origin']['address']) == (server.inode, connected_to, connected_to), told


def test_who_holds_the_other_end_together_is_told_one_by_one(test):
    built = animals.Zoo(test)
    listener, client, accepted = animals.inherited(built)
    told = who(test, f'{client.keeper.pid}/{client.fd}')
    assert pids(told) == sorted({pid for pid, _ in accepted.holders}), told
    assert pids(of_port(test, built, listener)) == [built.client.pid]


def test_who_waits_to_be_accepted(test):
    built = animals.Zoo(test)
    listener, *clients = animals.tcp_waiting(built)
    assert sorted(one['inode'] for one in of_port(test, built, listener)) == sorted(client.inode for client in clients)
    listener, *clients = animals.unix_waiting(built)
    assert sorted(one['inode'] for one in who(test, listener.address)) == sorted(client.inode for client in clients)


def test_of_a_group_of_listeners_each_client_is_told_once(test):
    built = animals.Zoo(test)
    members = animals.tcp_reuseport(built)
    clients = [member for member in members if member.keeper is built.client]
    assert sorted(one['inode'] for one in of_port(test, built, members[0])) == sorted(client.inode for client in clients)


def test_a_listener_without_clients_and_a_name_that_nobody_has(test):
    built = animals.Zoo(test)
    listener = built.server.open(UNIX, STREAM).bind(test.path('x.sock')).listen()
    assert who(test, listener.address) == [] and who(test, f'{built.server.pid}/{listener.fd}') == []
    listener.close()
    result = test.run('who', listener.address)
    assert result.returncode == 1 and listener.address in result.error and not result.text, result


# kith socket ------------------------------------------------------------------------------------------------------------

def socket(test, word):
    result = test.run('socket', word, '--json')
    assert result.returncode == 0, result
    map = Map(result.stdout)
    row, = map.sockets
    return map, row


def test_a_socket_by_every_name_that_it_has(test):
    built = animals.Zoo(test)
    listener, client, accepted = animals.tcp4(built)
    ends = f'127.0.0.1:{listener.address[1]},127.0.0.1:{client.name()[1]}'
    for word in (f'{built.server.pid}/{accepted.fd}', accepted.inode, f'inode:{accepted.inode}', f'cookie:{accepted.cookie}', ends):
        map, row = socket(test, word)
        map.check(accepted)
        assert row['facts'], row


def test_a_number_that_is_an_inode_and_a_cookie_is_said_to_be_both(test):
    built = animals.Zoo(test)
    listener, *_ = animals.tcp4(built)
    result = test.run('socket', listener.cookie, '--json')
    assert result.returncode == 0 and Map(result.stdout).sockets[0]['cookie'] == listener.cookie, result
    result = test.run('socket', 2**52, '--json')
    assert result.returncode == 1 and str(2**52) in result.error, result


def test_a_socket_of_each_family_has_its_facts(test):
    built = animals.Zoo(test)
    for animal in (animals.tcp4, animals.udp_pair, animals.unix_named, animals.netlink, animals.packet, animals.raw, animals.ping):
        for member in animal(built):
            map, row = socket(test, f'{member.keeper.pid}/{member.fd}')
            map.check(member)
            assert row['facts']['options'], (animal.__name__, row)


def test_a_descriptor_of_multipath_tcp_is_its_connection(test):
    built = animals.Zoo(test)
    for member in animals.mptcp(built):
        _, row = socket(test, f'{member.keeper.pid}/{member.fd}')
        assert (row['protocol'], row['inode']) == ('mptcp', member.inode), row


def test_a_descriptor_that_is_no_socket_or_is_not_there(test):
    built = animals.Zoo(test)
    for fd, text in ((0, 'no socket'), (4000, 'No such file')):
        result = test.run('socket', f'{built.server.pid}/{fd}')
        assert result.returncode == 1 and text in result.error and not result.text, result


def test_the_name_of_another_file_is_made_printable(test):
    path = test.path('\033[2J')
    with open(path, 'w', encoding='ascii') as file:
        result = test.run('socket', f'{os.getpid()}/{file.fileno()}')
    assert result.returncode == 1 and '\033' not in result.error and '\\x1b[2J' in result.error, result


def test_without_privilege_another_users_descriptor_is_refused_and_says_what_would_help(test):
    built = animals.Zoo(test)
    listener, *_ = animals.tcp4(built)
    result = test.run('socket', f'{built.server.pid}/{listener.fd}', uid=NOBODY)
    assert result.returncode == 1 and 'CAP_SYS_PTRACE' in result.error, result
    result = zoo.run_as(NOBODY, built.left, 'socket', f'cookie:{listener.cookie}', '--json')
    assert result.returncode == 0, result
    row, = Map(result.stdout).sockets
    assert row['inode'] == listener.inode and row['holders'] == [] and row['state'] == 'listen', row


harness.main(__file__)
