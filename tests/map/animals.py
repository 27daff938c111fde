"""animals.py: the sockets of the zoo, each function a small group whose ends are known; all of them are built by build().

A function makes its sockets in the processes of a Zoo and returns them as members, with what is true of their peers and listeners.
"""
import functools
import socket

from zoo import (DGRAM, INET, INET6, IPPROTO_MPTCP, NETLINK_ADD_MEMBERSHIP, NOBODY, RAW, REUSEADDR, REUSEPORT, SEQPACKET, SOL_NETLINK, STREAM, UNIX,
                 Ambiguous, Keeper, Namespace, cable, command, connection, join)

ETH_P_EXPERIMENT = 0x88b5  # IEEE 802.1: local experimental
RTMGRP_LINK, RTMGRP_IPV4_IFADDR = 0x1, 0x10
GENERIC_CONTROLLER_GROUP = 16  # GENL_ID_CTRL: the number of nlctrl's group as well
NETLINK_GENERIC = 16


class Zoo:
    """Two namespaces with a cable in between, and processes in both; each made when it is first asked for."""

    def __init__(self, test):
        self.test = test

    @functools.cached_property
    def left(self):
        return Namespace(self.test)

    @functools.cached_property
    def right(self):
        namespace = Namespace(self.test)
        cable(self.left, namespace)
        return namespace

    @functools.cached_property
    def server(self):
        return Keeper(self.test, self.left)

    @functools.cached_property
    def client(self):
        return Keeper(self.test, self.left)

    @functools.cached_property
    def far(self):
        return Keeper(self.test, self.right)

    @functools.cached_property
    def other_user(self):
        return Keeper(self.test, self.left, uid=NOBODY)

    def path(self, name):
        return self.test.path(name)


def listener_at(keeper, address, backlog=8, options=()):
    family = INET6 if ':' in address[0] else INET
    return keeper.open(family, STREAM, 0, options).bind(address).listen(backlog)


def tcp4(zoo):
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    return [listener, *connection(zoo.client.open(INET, STREAM), listener)]


def tcp6(zoo):
    listener = listener_at(zoo.server, ('::1', 0))
    return [listener, *connection(zoo.client.open(INET6, STREAM), listener)]


def tcp_mapped(zoo):
    """A client of IPv4 at a listener of both families."""
    listener = listener_at(zoo.server, ('::', 0))
    client = zoo.client.open(INET, STREAM).connect(('127.0.0.1', listener.address[1]))
    return [listener, *join(client, listener.accept(), listener)]


def tcp_beside_v6_only(zoo):
    """Listeners of one port, one for each family: IPV6_V6ONLY says whose a client of IPv4 is."""
    six = zoo.server.open(INET6, STREAM, 0, [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)]).bind(('::', 0)).listen()
    four = listener_at(zoo.server, ('0.0.0.0', six.address[1]))
    one = zoo.client.open(INET, STREAM).connect(('127.0.0.1', six.address[1]))
    other = zoo.client.open(INET6, STREAM).connect(('::1', six.address[1]))
    return [six, four, *join(one, four.accept(), four), *join(other, six.accept(), six)]


def tcp_wildcard(zoo):
    listener = listener_at(zoo.server, ('0.0.0.0', 0))
    client = zoo.client.open(INET, STREAM).connect(('127.0.0.3', listener.address[1]))
    return [listener, *join(client, listener.accept(), listener)]


def tcp_far(zoo):
    """Both ends in namespaces of their own."""
    assert zoo.right
    members = []
    for family, address in ((INET, '10.99.0.1'), (INET6, 'fd99::1')):
        listener = listener_at(zoo.server, (address, 0))
        members += [listener, *connection(zoo.far.open(family, STREAM), listener)]
    return members


def tcp_bound_to_an_interface(zoo):
    listener = listener_at(zoo.server, ('0.0.0.0', 0), options=[(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 'lo')])
    client = zoo.client.open(INET, STREAM).connect(('127.0.0.1', listener.address[1]))
    return [listener, *join(client, listener.accept(), listener)]


def tcp_link_local(zoo):
    """Addresses that say nothing without their interface."""
    assert zoo.right
    listener = zoo.server.open(INET6, STREAM).bind(('fe80::1', 0, 0, interface_index(zoo.left, 'left0'))).listen()
    client = zoo.far.open(INET6, STREAM).connect(('fe80::1', listener.address[1], 0, interface_index(zoo.right, 'right0')))
    return [listener, *join(client, listener.accept(), listener)]


def interface_index(namespace, name):
    return int(namespace.run('ip', '-o', 'link', 'show', name).split(':')[0])


def tcp_several_addresses(zoo):
    """Listeners of one port on addresses of their own."""
    one = listener_at(zoo.server, ('127.0.0.1', 0))
    other = listener_at(zoo.server, ('127.0.0.2', one.address[1]))
    return [one, other, *connection(zoo.client.open(INET, STREAM), one), *connection(zoo.client.open(INET, STREAM), other)]


def tcp_waiting(zoo):
    """A listener and the clients that wait in its accept queue; the sockets there have no descriptor yet."""
    listener = listener_at(zoo.server, ('127.0.0.1', 0), backlog=5)
    return [listener, *(zoo.client.open(INET, STREAM).connect(listener.address) for _ in range(2))]


def tcp_reuseport(zoo):
    """A group of listeners: which one a connection came from is not to be seen from outside."""
    group = [listener_at(zoo.server, ('127.0.0.1', 0), options=[REUSEPORT])]
    group += [listener_at(zoo.server, group[0].address, options=[REUSEPORT]) for _ in range(2)]
    members = list(group)
    for _ in range(4):
        client = zoo.client.open(INET, STREAM).connect(group[0].address)
        accepted, listener = accept_of(zoo.server, group)
        client.peer, accepted.peer, accepted.listener = accepted, client, Ambiguous(listener, *group)
        members += [client, accepted]
    return members


def accept_of(keeper, group):
    """Accepts the one connection that is at one of the listeners; it and that listener."""
    fd = keeper.ask('readable', [member.fd for member in group])[0]
    listener = next(member for member in group if member.fd == fd)
    return listener.accept(), listener


def tcp_wildcard_beside_an_address(zoo):
    """Either may have been the older one."""
    wildcard = listener_at(zoo.server, ('0.0.0.0', 0), options=[REUSEPORT])
    early = zoo.client.open(INET, STREAM).connect(('127.0.0.1', wildcard.address[1]))
    early, early_accepted = join(early, wildcard.accept(), wildcard)
    narrow = listener_at(zoo.server, ('127.0.0.1', wildcard.address[1]), options=[REUSEPORT])
    late, late_accepted = connection(zoo.client.open(INET, STREAM), narrow)
    early_accepted.listener = Ambiguous(wildcard, wildcard, narrow)
    late_accepted.listener = Ambiguous(narrow, wildcard, narrow)
    return [wildcard, early, early_accepted, narrow, late, late_accepted]


def tcp_client_on_a_listeners_port(zoo):
    """A client bound to the port of a listener; what it connects to is another listener: which end connected is only to be seen by what TCP
    has counted."""
    port_owner = listener_at(zoo.server, ('127.0.0.1', 0), options=[REUSEPORT])
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    return [port_owner, listener, *connection(zoo.client.open(INET, STREAM, 0, [REUSEPORT]).bind(port_owner.address), listener)]


def tcp_half_closed(zoo):
    """FIN-WAIT-2 and CLOSE-WAIT; both are held."""
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    client.ask('shut')
    client.ask('acknowledged')
    return [listener, client, accepted]


def tcp_orphan(zoo):
    """Closed by the client alone: the kernel keeps its end for a minute, and no process does."""
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    accepted.orphan = client.name()
    client.close()
    return [listener, accepted]


def tcp_reopened(zoo):
    """The listener that accepted it is closed; another one has the address now."""
    first = listener_at(zoo.server, ('127.0.0.1', 0), options=[REUSEADDR])
    client, accepted = connection(zoo.client.open(INET, STREAM), first)
    first.close()
    return [client, accepted, listener_at(zoo.server, first.address, options=[REUSEADDR])]


def tcp_full(zoo):
    """Queues with octets in both directions; FIN-WAIT-1 behind what the other side does not read."""
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    client.ask('fill')
    client.ask('shut')
    return [listener, client, accepted]


def tcp_last_ack(zoo):
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    accepted.ask('fill')
    client.ask('shut')
    accepted.ask('shut')
    return [listener, client, accepted]


def time_wait(zoo):
    """Closed by the client, then by the server: its addresses remain. The listener alone is returned."""
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    listener.closed = client.name()
    client.close()
    accepted.close()
    return [listener]


def syn_sent(zoo):
    """To an address whose machine does not exist."""
    assert zoo.right
    zoo.left.run('ip', 'neigh', 'replace', '10.99.0.77', 'lladdr', '02:00:00:00:00:77', 'dev', 'left0', 'nud', 'permanent')
    client = zoo.client.open(INET, STREAM)
    client.ask('start_connect', ('10.99.0.77', 9))
    return [client]


def syn_recv(zoo):
    """A client whose answers go to a machine that does not exist: a request socket at the listener."""
    assert zoo.right
    zoo.right.run('ip', 'addr', 'replace', '10.99.0.66/24', 'dev', 'right0')
    zoo.left.run('ip', 'neigh', 'replace', '10.99.0.66', 'lladdr', '02:00:00:00:00:66', 'dev', 'left0', 'nud', 'permanent')
    listener = listener_at(zoo.server, ('10.99.0.1', 0))
    client = zoo.far.open(INET, STREAM).bind(('10.99.0.66', 0))
    client.ask('start_connect', listener.address)
    return [listener, client]


def udp_pair(zoo):
    members = []
    for family, address in ((INET, '127.0.0.1'), (INET6, '::1')):
        one = zoo.server.open(family, DGRAM).bind((address, 0))
        other = zoo.client.open(family, DGRAM).bind((address, 0)).connect(one.address)
        one.connect(other.address)
        one.peer, other.peer = other, one
        members += [one, other]
    return members


def udp_server(zoo):
    """A server that is not connected, with datagrams that wait, and clients that are connected to it."""
    server = zoo.server.open(INET, DGRAM).bind(('0.0.0.0', 0))
    clients = [zoo.client.open(INET, DGRAM).connect(('127.0.0.1', server.address[1])) for _ in range(2)]
    for client in clients:
        client.peer = server
        client.ask('send', 100)
    return [server, *clients, zoo.client.open(INET, DGRAM).connect(('127.0.0.1', 1))]


def udp_far(zoo):
    assert zoo.right
    server = zoo.server.open(INET, DGRAM).bind(('10.99.0.1', 0))
    client = zoo.far.open(INET, DGRAM).connect(server.address)
    client.peer = server
    return [server, client]


def udp_mapped(zoo):
    server = zoo.server.open(INET6, DGRAM).bind(('::', 0))
    client = zoo.client.open(INET, DGRAM).connect(('127.0.0.1', server.address[1]))
    client.peer = server
    return [server, client]


def udp_wildcard_beside_an_address(zoo):
    """A datagram is given to the one with the address, whichever is older."""
    narrow = zoo.server.open(INET, DGRAM, 0, [REUSEADDR]).bind(('127.0.0.1', 0))
    wildcard = zoo.server.open(INET, DGRAM, 0, [REUSEADDR]).bind(('0.0.0.0', narrow.address[1]))
    client = zoo.client.open(INET, DGRAM).connect(narrow.address)
    client.peer = narrow
    return [narrow, wildcard, client]


def udp_reuseport(zoo):
    group = [zoo.server.open(INET, DGRAM, 0, [REUSEPORT]).bind(('127.0.0.1', 0))]
    group.append(zoo.server.open(INET, DGRAM, 0, [REUSEPORT]).bind(group[0].address))
    client = zoo.client.open(INET, DGRAM).connect(group[0].address)
    client.peer = Ambiguous(None, *group)
    return [*group, client]


def unix_connection(zoo, kind, address):
    listener = zoo.server.open(UNIX, kind).bind(address).listen(7)
    return [listener, *connection(zoo.client.open(UNIX, kind), listener)]


def unix_named(zoo):
    return [*unix_connection(zoo, STREAM, zoo.path('stream.sock')), *unix_connection(zoo, SEQPACKET, zoo.path('packet.sock'))]


def unix_abstract(zoo):
    return [*unix_connection(zoo, STREAM, f'\0{zoo.left.label}-stream'), *unix_connection(zoo, SEQPACKET, f'\0{zoo.left.label}-packet')]


def unix_pairs(zoo):
    return [member for kind in (STREAM, DGRAM, SEQPACKET) for member in zoo.server.pair(kind)]


def unix_bound_client(zoo):
    """A client with a name of its own."""
    listener = zoo.server.open(UNIX, STREAM).bind(zoo.path('bound-server.sock')).listen()
    client = zoo.client.open(UNIX, STREAM).bind(zoo.path('bound-client.sock'))
    return [listener, *connection(client, listener)]


def unix_datagrams(zoo):
    """A bound receiver and what is connected to it; it is connected to none of them."""
    receiver = zoo.server.open(UNIX, DGRAM).bind(zoo.path('datagrams.sock'))
    senders = [zoo.client.open(UNIX, DGRAM).connect(receiver.address) for _ in range(3)]
    for sender in senders:
        sender.peer = receiver
        sender.ask('send', 10)
    return [receiver, *senders]


def unix_waiting(zoo):
    listener = zoo.server.open(UNIX, STREAM).bind(zoo.path('waiting.sock')).listen(5)
    return [listener, *(zoo.client.open(UNIX, STREAM).connect(listener.address) for _ in range(2))]


def unix_replaced(zoo):
    """A second listener takes the path of the first: what was accepted from either has the same name."""
    path = zoo.path('replaced.sock')
    first = unix_connection(zoo, STREAM, path)
    command('rm', path)
    return [*first, *unix_connection(zoo, STREAM, path)]


def unix_far(zoo):
    """A path knows no network namespace."""
    assert zoo.right
    listener = zoo.server.open(UNIX, STREAM).bind(zoo.path('far.sock')).listen()
    return [listener, *connection(zoo.far.open(UNIX, STREAM), listener)]


def unix_odd_names(zoo):
    """Names are octets: blanks, a line feed, an escape, no UTF-8; a relative path is kept as it was given."""
    return [member for name in (f'\0{zoo.left.label} a\0b', f'\0{zoo.left.label}\n\x1b[31m', zoo.path('two words'), zoo.path('line\nfeed'))
            for member in unix_connection(zoo, STREAM, name)]


def unix_unconnected(zoo):
    """Neither bound nor connected, and bound only."""
    return [zoo.server.open(UNIX, STREAM), zoo.server.open(UNIX, DGRAM).bind(zoo.path('alone.sock'))]


def inherited(zoo):
    """Descriptors that a child has too, and twice in one process. Everything that the process has open by then is shared: a keeper of its own."""
    keeper = Keeper(zoo.test, zoo.left)
    listener = listener_at(keeper, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    copy = accepted.ask('duplicate')
    child = keeper.ask('fork')
    for member in (listener, accepted):
        member.holders |= {(child, member.fd)}
    accepted.holders |= {(keeper.pid, copy), (child, copy)}
    return [listener, client, accepted]


def in_flight(zoo):
    """Sockets in a message that nobody has received: no process holds them. The two that carry the message come first."""
    one, other = zoo.server.pair(STREAM)
    passed, kept = zoo.server.pair(STREAM)
    listener = listener_at(zoo.server, ('127.0.0.1', 0))
    client, accepted = connection(zoo.client.open(INET, STREAM), listener)
    one.ask('give', [passed.fd, accepted.fd])
    for member in (passed, accepted):
        member.fd, member.holders = None, set()
    return [one, other, passed, kept, listener, client, accepted]


def netlink(zoo):
    route = zoo.server.open(socket.AF_NETLINK, RAW, socket.NETLINK_ROUTE).bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR))
    generic = zoo.server.open(socket.AF_NETLINK, RAW, NETLINK_GENERIC).bind((0, 0))
    generic.ask('option', SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, GENERIC_CONTROLLER_GROUP)
    return [route, generic, zoo.server.open(socket.AF_NETLINK, DGRAM, socket.NETLINK_ROUTE)]


def packet(zoo):
    """One on every interface, one on one; of a protocol that nothing else sends, and with a frame that waits."""
    everywhere = zoo.server.open(socket.AF_PACKET, DGRAM, socket.htons(ETH_P_EXPERIMENT))
    one = zoo.server.open(socket.AF_PACKET, RAW).bind(('lo', ETH_P_EXPERIMENT))
    everywhere.ask('send_to', 46, ('lo', ETH_P_EXPERIMENT))
    return [everywhere, one]


def raw(zoo):
    return [zoo.server.open(INET, RAW, socket.IPPROTO_ICMP), zoo.server.open(INET6, RAW, socket.IPPROTO_ICMPV6),
            zoo.server.open(INET, RAW, socket.IPPROTO_ICMP).bind(('127.0.0.1', 0)).connect(('127.0.0.2', 0))]


def ping(zoo):
    """Sockets for echo requests, which need no privilege: icmp(7)."""
    zoo.left.run('sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range')
    bound = zoo.server.open(INET, DGRAM, socket.IPPROTO_ICMP).bind(('127.0.0.1', 0))
    return [bound, zoo.server.open(INET6, DGRAM, socket.IPPROTO_ICMPV6).bind(('::1', 0))]


def udplite(zoo):
    """Empty where the kernel has none."""
    try:
        server = zoo.server.open(INET, DGRAM, socket.IPPROTO_UDPLITE)
    except OSError:
        return []
    server.bind(('127.0.0.1', 0))
    client = zoo.client.open(INET, DGRAM, socket.IPPROTO_UDPLITE).connect(server.address)
    client.peer = server
    return [server, client]


def unlisted(zoo):
    """What the kernel lists nowhere (before 6.8): only the descriptor shows it."""
    return [zoo.server.open(INET, STREAM), zoo.server.open(INET, STREAM).bind(('127.0.0.1', 0))]


def other_user(zoo):
    listener = listener_at(zoo.other_user, ('127.0.0.1', 0))
    return [listener, *connection(zoo.client.open(INET, STREAM), listener), *zoo.other_user.pair(STREAM)]


def mptcp(zoo):
    """Empty where the kernel has no multipath TCP."""
    try:
        listener = zoo.server.open(INET, STREAM, IPPROTO_MPTCP)
    except OSError:
        return []
    listener.bind(('127.0.0.1', 0)).listen()
    return [listener, *connection(zoo.client.open(INET, STREAM, IPPROTO_MPTCP), listener)]


QUIET = [tcp4, tcp6, tcp_mapped, tcp_beside_v6_only, tcp_wildcard, tcp_far, tcp_bound_to_an_interface, tcp_link_local,
         tcp_several_addresses, tcp_waiting, tcp_reuseport, tcp_wildcard_beside_an_address, tcp_client_on_a_listeners_port, tcp_half_closed,
         tcp_reopened, tcp_full, tcp_last_ack, udp_pair, udp_server, udp_far, udp_mapped, udp_wildcard_beside_an_address, udp_reuseport,
         unix_named, unix_abstract, unix_pairs, unix_bound_client, unix_datagrams, unix_waiting, unix_replaced, unix_far, unix_unconnected,
         inherited, in_flight, netlink, packet, raw, ping, udplite, unlisted, other_user, mptcp]
# What ends by a timer of the kernel within a minute or two.
PASSING = [tcp_orphan, time_wait, syn_sent, syn_recv]


def build(zoo):
    """All of it; by the name of its function, each group's members."""
    return {animal.__name__: animal(zoo) for animal in QUIET + PASSING}
