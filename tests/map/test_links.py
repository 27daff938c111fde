#!/usr/bin/python3
"""kith map: the other end of each socket, and the listener that it came from, of sockets whose ends are known."""
import zoo
import harness
import animals
from animals import Zoo, connection, join, listener_at
from zoo import DGRAM, INET, INET6, REUSEPORT, SEQPACKET, STREAM, UNIX, Ambiguous, Keeper, Namespace, look


def check(test, *groups):
    """Builds groups of the zoo, and holds the map against what is true of them."""
    built = Zoo(test)
    members = [member for animal in groups for member in animal(built)]
    map = look()
    map.check(*members)
    return built, map, members


def test_tcp_pairs_and_their_listener(test):
    check(test, animals.tcp4, animals.tcp6, animals.tcp_wildcard)


def test_an_ipv4_client_of_a_listener_of_both_families(test):
    check(test, animals.tcp_mapped)


def test_listeners_of_one_port_for_each_family(test):
    check(test, animals.tcp_beside_v6_only)


def test_a_tcp_pair_across_two_namespaces(test):
    built, map, members = check(test, animals.tcp_far)
    assert {map.row(member)['netns'] for member in members} == {built.left.inode, built.right.inode}


def test_a_listener_bound_to_an_interface(test):
    _, map, (listener, _, _) = check(test, animals.tcp_bound_to_an_interface)
    assert map.row(listener)['local']['interface'] == 'lo'


def test_an_interface_is_named_as_in_its_own_namespace(test):
    built, map, (listener, client, accepted) = check(test, animals.tcp_link_local)
    assert (map.row(accepted)['local']['interface'], map.row(client)['local']['interface']) == ('left0', 'right0'), map.within(built.left)


def test_listeners_of_one_port_on_addresses_of_their_own(test):
    check(test, animals.tcp_several_addresses)


def test_the_same_addresses_on_the_loopback_of_two_namespaces(test):
    members = []
    for namespace in (Namespace(test), Namespace(test)):
        keeper = Keeper(test, namespace)
        listener = listener_at(keeper, ('127.0.0.1', 7000))
        client = keeper.open(INET, STREAM).bind(('127.0.0.1', 7001))
        members += [listener, *connection(client, listener)]
    look().check(*members)


def test_the_same_addresses_across_two_cables_are_ambiguous(test):
    accepted, clients, members = [], [], []
    for built in (Zoo(test), Zoo(test)):
        assert built.right
        listener = listener_at(built.server, ('10.99.0.1', 7000))
        client, child = connection(built.far.open(INET, STREAM).bind(('10.99.0.2', 7001)), listener)
        clients.append(client)
        accepted.append(child)
        members += [listener, client, child]
    for client, child in zip(clients, accepted):
        client.peer, child.peer = Ambiguous(child, *accepted), Ambiguous(client, *clients)
    look().check(*members)


def test_of_two_pairs_with_the_same_addresses_the_end_that_is_left_has_no_certain_peer(test):
    """One of four ends is gone, and its peer has not heard of it: the end that fits is another's."""
    pairs = []
    for built in (Zoo(test), Zoo(test)):
        assert built.right
        listener = listener_at(built.server, ('10.99.0.1', 7000))
        pairs.append((built, *connection(built.far.open(INET, STREAM).bind(('10.99.0.2', 7001)), listener)))
    (built, gone, widow), (_, client, accepted) = pairs
    built.left.run('ip', 'link', 'set', 'left0', 'down')
    gone.ask('option', zoo.SOL_SOCKET, zoo.SO_LINGER, '\1\0\0\0\0\0\0\0')  # it ends at once, with a reset that does not arrive
    gone.close()
    widow.peer, accepted.peer, client.peer = Ambiguous(None, client), Ambiguous(client, client), Ambiguous(accepted, widow, accepted)
    look().check(widow, client, accepted)


def test_what_waits_in_the_accept_queue_is_told_as_waiting(test):
    built = Zoo(test)
    listener, *clients = animals.tcp_waiting(built)
    map = look()
    waiting = [listener.accept() for _ in clients]
    for client, child in zip(clients, waiting):
        join(client, child, listener)
        child.fd, child.inode, child.holders, child.waiting = None, 0, set(), True
    map.check(listener, *clients, *waiting)
    assert map.row(listener)['backlog'] == {'length': 2, 'limit': 5}, map.row(listener)
    assert all('waits' in map.row(child)['listener']['why'] for child in waiting), [map.row(child)['listener'] for child in waiting]


def test_accepted_sockets_wait_no_more(test):
    built = Zoo(test)
    listener, *clients = animals.tcp_waiting(built)
    members = [member for client in clients for member in join(client, listener.accept(), listener)]
    map = look()
    map.check(listener, *members)
    assert map.row(listener)['backlog'] == {'length': 0, 'limit': 5}


def test_a_group_of_listeners_of_one_address_is_ambiguous(test):
    check(test, animals.tcp_reuseport)


def test_of_a_waiting_connection_of_a_group_too_all_are_candidates(test):
    built = Zoo(test)
    group = [listener_at(built.server, ('127.0.0.1', 0), options=[REUSEPORT])]
    group.append(listener_at(built.server, group[0].address, options=[REUSEPORT]))
    client = built.client.open(INET, STREAM).connect(group[0].address)
    map = look()
    child, listener = animals.accept_of(built.server, group)
    client.peer, child.peer, child.listener = child, client, Ambiguous(listener, *group)
    child.fd, child.inode, child.holders, child.waiting = None, 0, set(), True
    map.check(*group, client, child)


def test_a_wildcard_listener_beside_one_with_an_address_is_ambiguous(test):
    check(test, animals.tcp_wildcard_beside_an_address)


def test_a_client_bound_to_a_listeners_port_is_none_that_it_accepted(test):
    _, map, (_, _, client, accepted) = check(test, animals.tcp_client_on_a_listeners_port)
    assert 'accepted by somebody' in map.row(accepted)['listener']['why'], map.row(accepted)


def test_which_end_connected_is_known_whatever_was_sent(test):
    """Both ends have a port that is listened on; octets were received, wait or are on their way; one or both ends are half closed."""
    built, steps = Zoo(test), ([], ['c send 1'], ['a send 70000'], ['c send 5', 'a send 5'], ['c send 5', 'a send 5', 'c receive 5', 'a receive 5'],
                               ['c fill'], ['a fill'], ['c fill', 'a fill'], ['c shut'], ['a shut'], ['c send 9', 'c shut'], ['c fill', 'c shut'],
                               ['a fill', 'c shut', 'a shut'], ['c fill', 'a shut', 'c shut'])
    groups = []
    for way in steps:
        _, _, client, accepted = animals.tcp_client_on_a_listeners_port(built)
        for end, method, *count in map(str.split, way):
            (client if end == 'c' else accepted).ask(method, *map(int, count))
        groups.append((way, client, accepted))
    table = look()
    unsure = [way for way, client, accepted in groups if is_unsure(table, client, accepted)]
    assert len(unsure) <= 2, unsure  # octets may be on their way in both directions just then


def is_unsure(table, client, accepted):
    """Nothing says which end connected, and so both may have been accepted; else what is said has to be true."""
    links = [table.row(member)['listener'] for member in (client, accepted)]
    if [link and link['known'] for link in links] == ['ambiguous', 'ambiguous']:
        return True
    table.check(client, accepted)
    return False


def test_of_a_connection_with_octets_in_its_syn_nothing_false_is_said(test):
    """TCP Fast Open: what it counts says nothing of who connected; both ends have a port that is listened on."""
    built = Zoo(test)
    built.left.run('sh', '-c', 'echo 0x607 > /proc/sys/net/ipv4/tcp_fastopen')  # client and server, both without cookies
    owner = listener_at(built.server, ('127.0.0.1', 0), options=[REUSEPORT])
    listener = listener_at(built.server, ('127.0.0.1', 0), options=[(zoo.IPPROTO_TCP, zoo.TCP_FASTOPEN, 5)])
    client = built.client.open(INET, STREAM, 0, [REUSEPORT]).bind(owner.address)
    client.ask('fast_open', 1, listener.address)
    accepted = listener.accept()
    client.listener, accepted.listener = Ambiguous(None, owner), Ambiguous(listener, listener)
    client.peer, accepted.peer = accepted, client
    look().check(client, accepted)


def test_a_reopened_listener_is_never_more_than_matched(test):
    """The listener that accepted it is gone without a trace: the one that has its address now fits, and nothing says that it was not this one."""
    built = Zoo(test)
    client, accepted, second = animals.tcp_reopened(built)
    map = look()
    link = map.row(accepted)['listener']
    assert link is None or link['known'] in ('ambiguous', 'matched'), link
    map.check(client, second)


def test_a_socket_that_is_connected_to_itself(test):
    built = Zoo(test)
    lonely = built.client.open(INET, STREAM).bind(('127.0.0.1', 0))
    lonely.connect(lonely.address)
    lonely.peer = lonely
    look().check(lonely)


def test_closing_sockets_keep_their_peers(test):
    _, map, members = check(test, animals.tcp_half_closed, animals.tcp_full, animals.tcp_last_ack)
    states = [map.row(member)['state'] for member in members]
    assert states == ['listen', 'fin-wait-2', 'close-wait', 'listen', 'fin-wait-1', 'established', 'listen', 'fin-wait-2', 'last-ack'], states


def find(map, namespace, local, remote):
    def at(value, address):
        return value and (value['address'], value['port']) == address
    return [row for row in map.within(namespace) if row['protocol'] == 'tcp' and at(row['local'], local) and at(row['remote'], remote)]


def test_an_end_that_only_the_kernel_keeps_is_a_peer_without_holders(test):
    built = Zoo(test)
    listener, accepted = animals.tcp_orphan(built)
    map = look()
    orphan, = find(map, built.left, accepted.orphan, listener.address)
    assert orphan['state'] == 'fin-wait-2' and orphan['holders'] == [] and orphan['inode'] == 0 and not orphan['waiting'], orphan
    assert orphan['listener'] is None, orphan
    row = map.row(accepted)
    assert row['state'] == 'close-wait' and row['peer']['known'] == 'matched' and row['peer']['holders'] == [], row
    assert row['listener']['cookie'] == listener.cookie, row


def test_time_wait_has_neither_process_nor_peer(test):
    built = Zoo(test)
    listener, = animals.time_wait(built)
    row, = find(look(), built.left, listener.closed, listener.address)
    assert (row['state'], row['inode'], row['holders'], row['peer'], row['waiting']) == ('time-wait', 0, [], None, False), row


def test_a_connection_that_nobody_answers(test):
    _, map, (client,) = check(test, animals.syn_sent)
    row = map.row(client)
    assert row['state'] == 'syn-sent' and (row['remote']['address'], row['remote']['port']) == ('10.99.0.77', 9), row


def test_a_request_socket_and_the_client_that_waits_for_its_answer(test):
    built = Zoo(test)
    listener, client = animals.syn_recv(built)
    map = look()
    request, = find(map, built.left, listener.address, client.address)
    assert (request['state'], request['inode'], request['holders'], request['waiting']) == ('syn-recv', 0, [], False), request
    assert request['listener']['cookie'] == listener.cookie and request['listener']['known'] in zoo.SURE, request
    assert map.row(client)['state'] == 'syn-sent', map.row(client)
    assert map.row(client)['peer']['cookie'] == request['cookie'], map.row(client)


def test_udp_pairs(test):
    check(test, animals.udp_pair)


def test_clients_of_a_udp_server_know_it_and_not_it_them(test):
    check(test, animals.udp_server, animals.udp_far, animals.udp_mapped, animals.udp_wildcard_beside_an_address)


def test_a_udp_server_is_the_other_end_only_on_the_interface_with_the_address(test):
    """What goes to an own address is taken for what came in on the interface that has it, though all of it goes over the loopback one."""
    built = Zoo(test)
    assert built.right
    members, taken = [], []
    for interface, address, takes in (('left0', '127.0.0.1', False), ('left0', '10.99.0.1', True), ('left0', 'fd99::1', True), ('left0', '::1', False),
                                      ('lo', '127.0.0.1', True), ('lo', '10.99.0.1', False), ('lo', 'fd99::1', False), ('lo', '::1', True)):
        family = INET6 if ':' in address else INET
        server = built.server.open(family, DGRAM, 0, [(zoo.SOL_SOCKET, zoo.SO_BINDTODEVICE, interface)]).bind(('', 0))
        client = built.client.open(family, DGRAM).connect((address, server.address[1]))
        client.ask('send', 10)
        client.peer = server if takes else None
        members += [server, client]
        taken.append(takes)
    map = look()
    assert [map.row(server)['receive_queue'] > 0 for server in members[::2]] == taken, 'the kernel delivers otherwise'
    map.check(*members)


def test_a_udp_server_that_is_connected_to_another_is_not_the_other_end(test):
    built = Zoo(test)
    server, other = (built.server.open(INET, DGRAM).bind(('127.0.0.1', 0)) for _ in range(2))
    client = built.client.open(INET, DGRAM).connect(server.address)
    server.connect(other.address)
    server.peer = other
    look().check(server, other, client)


def test_a_group_of_udp_servers_is_ambiguous(test):
    check(test, animals.udp_reuseport)


def test_unix_connections_by_path_and_by_abstract_name(test):
    check(test, animals.unix_named, animals.unix_abstract, animals.unix_bound_client)


def test_unix_socket_pairs(test):
    check(test, animals.unix_pairs, animals.unix_unconnected)


def test_senders_of_unix_datagrams_know_the_receiver_and_not_it_them(test):
    check(test, animals.unix_datagrams)


def test_unix_clients_that_nobody_has_accepted(test):
    """The kernel does not tell of the sockets in the queue, but the listener names the clients in it: those wait."""
    built = Zoo(test)
    listener, *clients = animals.unix_waiting(built)
    for client in clients:
        client.peer, client.waiting = listener, True
    map = look()
    map.check(listener, *clients)
    assert map.row(listener)['backlog'] == {'length': 2, 'limit': 5}, map.row(listener)
    assert all(map.row(client)['peer']['known'] == 'exact' for client in clients)
    members = []
    for client in clients:
        client.waiting = False
        members += join(client, listener.accept(), listener)
    look().check(listener, *members)


def test_of_two_listeners_that_had_one_path_each_has_its_own_connections(test):
    check(test, animals.unix_replaced)


def test_after_its_listener_closed_a_connection_is_not_the_next_ones_at_that_path(test):
    built = Zoo(test)
    listener, client, accepted = animals.unix_connection(built, STREAM, test.path('x.sock'))
    listener.close()
    zoo.command('rm', test.path('x.sock'))
    second = built.server.open(UNIX, STREAM).bind(test.path('x.sock')).listen()
    accepted.listener = None
    look().check(client, accepted, second)


def test_a_unix_pair_across_two_namespaces(test):
    built, map, (_, client, accepted) = check(test, animals.unix_far)
    # The kernel makes the server's end in the client's namespace.
    assert map.row(accepted)['netns'] == map.row(client)['netns'] == built.right.inode, map.row(accepted)


def test_one_abstract_name_in_two_namespaces(test):
    members = []
    for namespace in (Namespace(test), Namespace(test)):
        keeper = Keeper(test, namespace)
        for kind, name in ((STREAM, '\0kith-zoo'), (SEQPACKET, '\0kith-zoo-packet')):
            listener = keeper.open(UNIX, kind).bind(name).listen()
            members += [listener, *connection(keeper.open(UNIX, kind), listener)]
    look().check(*members)


def test_one_path_in_two_mount_namespaces(test):
    """The names are equal, and so may be the inodes of the files: they are of two file systems."""
    built, members = Zoo(test), []
    for _ in range(2):
        keeper = Keeper(test, built.left, words=['unshare', '--mount', '--', 'sh', '-c', f'mount -t tmpfs kith {test.folder} && exec "$@"', 'sh'])
        listener = keeper.open(UNIX, STREAM).bind(test.path('x.sock')).listen()
        members += [listener, *connection(keeper.open(UNIX, STREAM), listener)]
    look().check(*members)


def test_names_with_any_octets(test):
    built, map, members = check(test, animals.unix_odd_names)
    names = [map.row(member)['local'] for member in members if map.row(member)['state'] == 'listen']
    assert [name['path'] for name in names if name.get('path')] == [test.path('two words'), test.path('line\\x0afeed')], names
    assert [name['abstract'] for name in names if name.get('abstract')] == [f'{built.left.label} a\\x00b', f'{built.left.label}\\x0a\\x1b[31m'], names


def test_a_pair_of_which_one_end_is_closed_has_no_peer(test):
    built = Zoo(test)
    one, other = built.server.pair(STREAM)
    bound = built.server.open(UNIX, DGRAM).bind(test.path('gone.sock'))
    sender = built.client.open(UNIX, DGRAM).connect(bound.address)
    one.close()
    bound.close()
    other.peer = sender.peer = None
    look().check(other, sender)


def test_a_process_may_call_itself_anything(test):
    """Nothing that it is called is taken for something else, or reaches the terminal: of what is no text the octets are told."""
    built = Zoo(test)
    for octets, name in ((b'a") (b', 'a") (b'), (b'x\ny', 'x\\ny'), (b'\x1b[2J', '\\x1b[2J'), (b'fd=3', 'fd=3'), (b'\xff\x80', '\\xff\\x80')):
        built.server.ask('call_oneself', octets.hex())
        pair = built.server.pair(STREAM)
        map = look()
        map.check(*pair)
        assert map.row(pair[0])['holders'][0]['comm'] == name, map.row(pair[0])
        table = test.run('map', '--pid', built.server.pid)
        assert name in table.text and '\x1b' not in table.text, table.text


def test_sockets_that_only_a_descriptor_tells_of(test):
    built = Zoo(test)
    members = animals.unlisted(built)
    map = look()
    for member in members:
        row, = [row for row in map.sockets if row['inode'] == member.inode]
        assert {(holder['pid'], holder['fd']) for holder in row['holders']} == member.holders and row['peer'] is None, row


def test_every_holder_of_a_shared_descriptor(test):
    check(test, animals.inherited)


def test_sockets_in_a_message_that_nobody_has_received(test):
    check(test, animals.in_flight)


def test_netlink_groups_and_the_families_that_have_them(test):
    built = Zoo(test)
    route, generic, unbound = animals.netlink(built)
    map = look()
    map.check(route, generic)
    assert [(group['number'], group['family']) for group in map.row(route)['groups']] == [(1, None), (5, None)], map.row(route)
    assert map.row(generic)['groups'] == [{'number': 16, 'family': 'nlctrl', 'name': 'notify'}], map.row(generic)
    assert (map.row(route)['protocol'], map.row(generic)['protocol']) == ('route', 'generic')
    row, = [row for row in map.sockets if row['inode'] == unbound.inode]
    assert row['holders'] and row['family'] in ('netlink', 'unknown'), row


def test_packet_sockets_and_their_interfaces(test):
    built = Zoo(test)
    everywhere, one = animals.packet(built)
    map = look()
    map.check(everywhere, one)
    assert [(map.row(member)['local']['interface'], map.row(member)['type'], map.row(member)['protocol']) for member in (everywhere, one)] == \
        [(None, 'dgram', '0x88b5'), ('lo', 'raw', '0x88b5')]
    assert all(map.row(member)['receive_queue'] > 0 for member in (everywhere, one)), 'a frame waits at each'


def test_raw_and_ping_sockets(test):
    built = Zoo(test)
    members = animals.raw(built) + animals.ping(built)
    map = look()
    map.check(*members)
    assert [(map.row(member)['type'], map.row(member)['protocol']) for member in members] == [
        ('raw', 'icmp'), ('raw', 'icmp6'), ('raw', 'icmp'), ('dgram', 'icmp'), ('dgram', 'icmp6')]


def test_multipath_tcp(test):
    """The accepted socket is a clone of the listener, with its cookie: inodes tell them apart. A subflow has the inode of its connection."""
    built = Zoo(test)
    members = animals.mptcp(built)
    if not members:
        raise harness.Skip('this kernel has no multipath TCP')
    listener, client, accepted = members
    map = look()
    for member in members:
        rows = [row for row in map.within(built.left) if row['inode'] == member.inode]
        assert sorted(row['protocol'] for row in rows) == ['mptcp', 'tcp'], rows
        assert {(holder['pid'], holder['fd']) for row in rows for holder in row['holders']} == member.holders, rows
    ours = {row['inode']: row for row in map.within(built.left) if row['protocol'] == 'mptcp'}
    assert ours[client.inode]['peer']['inode'] == accepted.inode and ours[accepted.inode]['peer']['inode'] == client.inode, ours
    assert ours[accepted.inode]['listener']['inode'] == listener.inode and ours[client.inode]['listener'] is None, ours


harness.main(__file__)
