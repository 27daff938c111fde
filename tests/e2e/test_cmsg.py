#!/usr/bin/python3
"""kith cmsg: the table, ancillary data received and sent, and what of it a packet carries: captured on a veth pair.

Everything runs in a network namespace of its own: link `here` has addresses, link `there` is its other end, where packets are caught. The
other side's addresses are neighbours that nobody answers for.
"""
import array
import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
from pathlib import Path

import harness

CLONE_NEWNET, ETH_P_ALL = 0x40000000, 3
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17  # linux/sockios.h, linux/ethtool.h
PORT = 4242
ROOT = Path(__file__).resolve().parents[2]


def kernel():
    return tuple(int(number) for number in re.match(r'(\d+)\.(\d+)', os.uname().release).groups())


def enter_namespace():
    """A namespace with the pair, or None when this is not root."""
    if os.geteuid() != 0:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'a network namespace')
    for words in ('link set lo up', 'link add here type veth peer name there', 'addr add 10.77.0.1/24 dev here', 'addr add 10.77.0.3/24 dev here',
                  'addr add fd77::1/64 dev here nodad', 'link set here up', 'link set there up',
                  'neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev here nud permanent',
                  'neigh add fd77::2 lladdr 02:00:00:00:00:02 dev here nud permanent'):
        subprocess.run(['ip', *words.split()], check=True)
    # Without the card's checksums there is no segmentation by it either: packets are caught as a wire would have them.
    value = array.array('I', [ETHTOOL_STXCSUM, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack('16sP', b'here', value.buffer_info()[0]))


def need_namespace():
    if os.geteuid() != 0:
        raise harness.Skip('needs root, for a network namespace')


class Capture:
    """The packets that arrive at the far end of the pair."""

    def __init__(self, test):
        need_namespace()
        self.socket = test.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)))
        self.socket.bind(('there', ETH_P_ALL))
        self.socket.settimeout(harness.LIMIT)

    def next(self):
        """The next datagram to PORT: its packet from the IP header on, and its data."""
        while True:
            packet = self.socket.recv(65536)
            if packet[0] >> 4 == 4 and packet[9] == 17:
                udp = (packet[0] & 15) * 4
            elif packet[0] >> 4 == 6 and packet[6] == 17:
                udp = 40
            elif packet[0] >> 4 == 6 and packet[6] in (0, 60) and packet[40] == 17:
                udp = 40 + 8 * (packet[41] + 1)
            else:
                continue
            if struct.unpack_from('!H', packet, udp + 2)[0] == PORT:
                return packet, packet[udp + 8:]


def send(test, endpoint, *arguments):
    result = test.run('cmsg', 'send', endpoint, *arguments)
    assert result.returncode == 0, result
    return result.text


def listen(test, endpoint, *arguments):
    program = test.kith('cmsg', 'listen', endpoint, '--json', *arguments)
    program.endpoint = program.err.wait(r'listening at (\S+)').group(1)
    return program


def received(program, index=0):
    """The message of that index, and its control messages by name."""
    told = json.loads(program.out.wait_count(index + 1)[index])
    assert not told['malformed'] and 'MSG_CTRUNC' not in told['flags'], told
    return told, {message['name']: message for message in told['messages']}


# The table

def test_every_control_message_is_listed_and_can_be_shown(test):
    rows = [json.loads(line) for line in test.run('cmsg', 'list', '--json').text.splitlines()]
    lines = test.run('cmsg', 'list').text.splitlines()
    assert len(rows) == len(lines) - 1 > 70
    for row in rows:
        assert row['received_since'] or row['sent_since'], row
        shown = test.run('cmsg', 'show', row['name'].lower())
        assert shown.returncode == 0 and f'{row["name"]}: {row["summary"]}' in shown.text, shown
        assert json.loads(test.run('cmsg', 'show', row['name'], '--json').text) == row
    assert len({(row['level'], row['type']) for row in rows}) == len(rows)


def test_what_is_shown_says_whether_it_reaches_the_wire(test):
    assert 'wire      time to live octet of the IPv4 header' in test.run('cmsg', 'show', 'IP_TTL').text
    rights = test.run('cmsg', 'show', 'SCM_RIGHTS').text
    assert 'wire      never leaves the host' in rights and 'since Linux 2.2, always' in rights
    assert 'received  never' in test.run('cmsg', 'show', 'UDP_SEGMENT').text
    unknown = test.run('cmsg', 'show', 'SCM_NOTHING')
    assert unknown.returncode == 1 and 'SCM_NOTHING: no such control message' in unknown.error


# Round trips

def test_what_is_stated_arrives_ipv4(test):
    need_namespace()
    program = listen(test, 'udp://127.0.0.1:0', '--count', 1)
    sent = send(test, program.endpoint, '--ttl', 3, '--tos', 'ef', '--pktinfo', 'src=127.0.0.9,if=lo', '--ip-options', '0707040000000001', 'hello')
    assert 'IP_TTL hops=3' in sent and 'IP_TOS class=0xb8' in sent and ' source=127.0.0.9' in sent
    told, cmsgs = received(program)
    assert told['data'] == 'hello' and told['from'].startswith('udp://127.0.0.9:')
    assert cmsgs['IP_TTL']['hops'] == 3 and cmsgs['IP_TOS']['traffic'] == 0xb8
    assert cmsgs['IP_PKTINFO']['destination'] == cmsgs['IP_ORIGDSTADDR']['address'] == '127.0.0.1'
    assert cmsgs['IP_RECVOPTS']['octets'].startswith('0707')
    assert program.wait() == 0


def test_what_is_stated_arrives_ipv6(test):
    need_namespace()
    program = listen(test, 'udp://[::1]:0', '--count', 1)
    sent = send(test, program.endpoint, '--ttl', 5, '--tos', 'af41', '--flow-label', '0xabcde', '--hop-options', '0000010400000000',
                '--dst-options', '0000010400000000', '--pktinfo', 'src=::1', 'hello')
    assert 'IPV6_PKTINFO interface=0 source=::1\n' in sent
    _, cmsgs = received(program)
    assert cmsgs['IPV6_HOPLIMIT']['hops'] == 5 and cmsgs['IPV6_TCLASS']['traffic'] == 34 << 2
    assert cmsgs['IPV6_FLOWINFO']['flow'] == (34 << 2) << 20 | 0xabcde
    assert cmsgs['IPV6_HOPOPTS']['octets'][2:] == cmsgs['IPV6_DSTOPTS']['octets'][2:] == '00010400000000'
    assert program.wait() == 0


def test_marks_and_priorities_stay_on_this_host_and_arrive_on_it(test):
    need_namespace()
    program = listen(test, 'udp://127.0.0.1:0', '--count', 1)
    priority = ['--priority', 4] if kernel() >= (6, 14) else []
    send(test, program.endpoint, '--mark', '0xfeed', *priority, '--txtime', 0, 'x')
    _, cmsgs = received(program)
    assert cmsgs['SO_MARK']['mark'] == 0xfeed and (not priority or cmsgs['SO_PRIORITY']['priority'] == 4)


def test_datagrams_are_cut_and_joined(test):
    need_namespace()
    program = listen(test, 'udp://127.0.0.1:0', '--count', 1)
    send(test, program.endpoint, '--segment', 2, 'aabbc')
    told, cmsgs = received(program)
    assert told['size'] == 5 and cmsgs['UDP_GRO']['size'] == 2


def test_descriptors_arrive_are_shown_and_closed(test):
    path = test.write('passed', 'x')
    program = listen(test, f'unix-dgram://{test.path("s")}')
    before = program.descriptors()
    for number in range(3):
        send(test, program.endpoint, '--fd', path, '--fd', '/dev/null', 'take')
        told, cmsgs = received(program, number)
        assert told['data'] == 'take' and cmsgs['SCM_RIGHTS']['descriptors'] == [path, '/dev/null']
    program.wait_descriptors(before)


def test_credentials_are_the_kernels_word_unless_root_states_others(test):
    program = listen(test, f'unix-dgram://{test.path("s")}')
    send(test, program.endpoint, 'mine')
    _, cmsgs = received(program)
    assert (cmsgs['SCM_CREDENTIALS']['uid'], cmsgs['SCM_CREDENTIALS']['gid']) == (os.getuid(), os.getgid())
    harness.need_root()
    send(test, program.endpoint, '--cred', f'pid={os.getpid()},uid=7,gid=8', 'stated')
    _, cmsgs = received(program, 1)
    assert [cmsgs['SCM_CREDENTIALS'][name] for name in ('pid', 'uid', 'gid')] == [os.getpid(), 7, 8]


def test_streams_bring_descriptors_with_the_octets_that_end_a_read(test):
    program = listen(test, f'unix://{test.path("s")}', '--count', 1)
    send(test, program.endpoint, '--fd', '/dev/null', 'stream')
    told, cmsgs = received(program)
    assert told['data'] == 'stream' and cmsgs['SCM_RIGHTS']['descriptors'] == ['/dev/null']
    assert program.wait() == 0 and not os.path.exists(test.path('s'))


def test_tcp_says_what_is_left(test):
    program = listen(test, 'tcp://127.0.0.1:0', '--count', 1)
    send(test, program.endpoint, 'octets')
    told, cmsgs = received(program)
    # 1 when the end of the stream has come as well: it is left to be read (tcp_inq_hint() of the kernel).
    assert told['data'] == 'octets' and cmsgs['TCP_CM_INQ']['left'] in (0, 1)


def test_netlink_names_the_group(test):
    need_namespace()
    program = listen(test, 'netlink://route', '--count', 1)
    subprocess.run(['ip', 'link', 'set', 'lo', 'mtu', '60000'], check=True)
    _, cmsgs = received(program)
    assert cmsgs['NETLINK_PKTINFO']['group'] == 1  # RTNLGRP_LINK
    subprocess.run(['ip', 'link', 'set', 'lo', 'mtu', '65536'], check=True)


# The error queue

def test_the_error_queue_says_who_refused(test):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(('127.0.0.1', 0))
        port = gone.getsockname()[1]
    told = [json.loads(line) for line in send(test, f'udp://127.0.0.1:{port}', '--wait', 300, '--json', 'lost').splitlines()]
    errors = [message for one in told for message in one['messages'] if message['name'] == 'IP_RECVERR']
    refused = [error for error in errors if error['origin'] == 2]  # SO_EE_ORIGIN_ICMP
    assert len(refused) == 1 and refused[0]['error'] == 111 and refused[0]['offender'] == '127.0.0.1', told
    assert any(error['origin'] == 4 for error in errors)  # SO_EE_ORIGIN_TIMESTAMPING: when it was sent


# On the wire: what docs/ancillary.md says is carried, and what is not

def test_on_the_wire_ipv4_has_hops_service_source_and_options(test):
    capture = Capture(test)
    send(test, f'udp://10.77.0.2:{PORT}', '--ttl', 3, '--tos', 'ef', '--pktinfo', 'src=10.77.0.3', '--ip-options', '01010100', 'hello')
    packet, data = capture.next()
    assert data == b'hello'
    assert (packet[8], packet[1]) == (3, 0xb8)
    assert packet[12:16] == bytes([10, 77, 0, 3])
    assert packet[0] & 15 == 6 and packet[20:24] == bytes.fromhex('01010100')


def test_on_the_wire_ipv6_has_hops_class_label_and_headers(test):
    capture = Capture(test)
    send(test, f'udp://[fd77::2]:{PORT}', '--ttl', 5, '--tos', 'af41', '--flow-label', '0xabcde', '--hop-options', '0000010400000000', 'hello')
    packet, data = capture.next()
    assert data == b'hello'
    assert struct.unpack_from('!I', packet)[0] == 6 << 28 | (34 << 2) << 20 | 0xabcde
    assert packet[7] == 5
    assert packet[6] == 0 and packet[41:48] == bytes.fromhex('00010400000000')


def test_never_on_the_wire_marks_priorities_and_times(test):
    capture = Capture(test)
    send(test, f'udp://10.77.0.2:{PORT}', 'hello')
    plain, _ = capture.next()
    priority = ['--priority', 6] if kernel() >= (6, 14) else []
    send(test, f'udp://10.77.0.2:{PORT}', '--mark', '0xfeedface', *priority, '--txtime', 0, 'hello')
    marked, data = capture.next()
    assert data == b'hello' and len(marked) == len(plain)
    # Identification, both checksums and the source port differ from one datagram to the next; nothing else may.
    differ = {at for at in range(len(plain)) if plain[at] != marked[at]}
    assert differ <= {4, 5, 10, 11, 20, 21, 26, 27}, differ
    assert b'\xfe\xed\xfa\xce' not in marked and b'\xce\xfa\xed\xfe' not in marked


def test_never_on_the_wire_descriptors_and_credentials(test):
    need_namespace()
    everywhere = test.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)))
    everywhere.settimeout(harness.LIMIT)
    program = listen(test, f'unix-dgram://{test.path("s")}')
    send(test, program.endpoint, '--fd', '/dev/null', '--cred', f'pid={os.getpid()}', 'needle-unix')
    received(program)
    send(test, f'udp://10.77.0.2:{PORT}', 'needle-udp')
    seen = b''
    while b'needle-udp' not in seen:
        seen += everywhere.recv(65536)
    assert b'needle-unix' not in seen


def test_on_the_wire_segments_are_datagrams(test):
    capture = Capture(test)
    send(test, f'udp://10.77.0.2:{PORT}', '--segment', 2, 'aabbc')
    assert [capture.next()[1] for _ in range(3)] == [b'aa', b'bb', b'c']


def test_the_page_names_tests_that_are_there(test):
    page = (ROOT / 'docs/ancillary.md').read_text()
    named = set(re.findall(r'((?:tests|lib)/[\w/-]+\.(?:c|py)):(test_\w+)', page))
    assert len(named) > 15
    for file, name in named:
        assert re.search(rf'^(static )?(void|def) {name}\(', (ROOT / file).read_text(), re.M), f'{file} has no {name}'
    known = {json.loads(line)['name'] for line in test.run('cmsg', 'list', '--json').text.splitlines()}
    for row in (line for line in page.splitlines() if line.startswith('| `')):
        for name in re.findall(r'`([A-Z0-9_]+)`', row.split('|')[1]):
            assert name in known, name


# What is wrong is said

def test_without_the_privilege_it_is_named(test):
    harness.need_root()
    for option, wanted in ((['--mark', 1], '--mark wants CAP_NET_RAW or CAP_NET_ADMIN'), (['--priority', 7], '--priority above 6 wants')):
        if option[0] == '--priority' and kernel() < (6, 14):
            continue
        result = test.run('cmsg', 'send', 'udp://127.0.0.1:9', *option, 'x', uid=harness.NOBODY)
        assert result.returncode == 1 and 'Operation not permitted' in result.error and wanted in result.error, result
    program = listen(test, f'unix-dgram://@kith-cmsg-{os.getpid()}')
    result = test.run('cmsg', 'send', program.endpoint, '--cred', 'uid=0', 'x', uid=harness.NOBODY)
    assert result.returncode == 1 and 'of another uid CAP_SETUID' in result.error, result


def test_wrong_words_are_named(test):
    udp = 'udp://127.0.0.1:9'
    for arguments, status, wanted in (
            ((udp, '--tos', 'af99'), 2, '--tos af99: a name (ef'), ((udp, '--ttl', 256), 2, '--ttl'), ((udp, '--ttl', 0), 2, '1 to 255'),
            ((udp, '--fd', '/dev/null'), 2, '--fd: udp://127.0.0.1:9 does not carry it: it is for unix://'),
            ((udp, '--flow-label', 1), 2, '--flow-label: udp://127.0.0.1:9 does not carry it: it is for IPv6'),
            ((udp, '--pktinfo', 'src=::1'), 2, 'no IPv4 address'), ((udp, '--pktinfo', 'if=none0'), 1, 'if=none0: no such interface'),
            ((udp, '--pktinfo', 'dst=::1'), 2, 'src=ADDRESS and if=NAME'), ((udp, '--ip-options', '0'), 2, 'an even number of hexadecimal digits'),
            ((udp, '--pktinfo', 'src=192.0.2.1'), 1, 'an address of this host'), (('unix:///none', '--fd', 4711), 1, 'no such descriptor'),
            (('unix:///none', '--cred', 'uid'), 2, 'pid=N, uid=N and gid=N'), (('unix:///none', '--fd', '/none'), 1, '--fd /none: No such file'),
            (('udp://127.0.0.1',), 2, 'HOST:PORT'), (('ipc://x',), 2, 'an endpoint is udp://'), (('netlink://route',), 2, 'netlink is listened to'),
            (('unix://',), 2, 'a unix socket is a path'), (('unix:///none/x',), 1, 'No such file')):
        result = test.run('cmsg', 'send', *arguments)
        assert result.returncode == status and wanted in result.error, (arguments, result.returncode, result.error)
    for arguments in ((), ('nothing',), ('list', 'x'), ('show',), ('listen',), ('send',), ('send', udp, 'a', 'b')):
        assert test.run('cmsg', *arguments).returncode == 2, arguments
    assert test.run('cmsg', 'listen', 'udp://192.0.2.1:1').returncode == 1


def test_a_signal_ends_it_and_leaves_no_path(test):
    for number in (signal.SIGINT, signal.SIGTERM):
        program = listen(test, f'unix://{test.path("s")}')
        assert os.path.exists(test.path('s')) and program.stop(number) == 0
        assert not os.path.exists(test.path('s'))


def test_nothing_for_so_long_ends_it(test):
    result = test.run('cmsg', 'listen', 'udp://127.0.0.1:0', '--timeout', 50)
    assert result.returncode == 3 and result.text == ''


enter_namespace()
harness.main(__file__)
