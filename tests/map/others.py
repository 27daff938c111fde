"""others.py: what ss and /proc/net say of the sockets of a namespace, and what kith map says, in one form: a Row each, found by its key."""
import collections
import ipaddress
import re

STATES = {'ESTAB': 'established', 'SYN-SENT': 'syn-sent', 'SYN-RECV': 'syn-recv', 'FIN-WAIT-1': 'fin-wait-1', 'FIN-WAIT-2': 'fin-wait-2',
          'TIME-WAIT': 'time-wait', 'UNCONN': 'unconnected', 'CLOSE-WAIT': 'close-wait', 'LAST-ACK': 'last-ack', 'LISTEN': 'listen', 'CLOSING': 'closing'}
# include/net/tcp_states.h
STATE_NUMBERS = {1: 'established', 2: 'syn-sent', 3: 'syn-recv', 4: 'fin-wait-1', 5: 'fin-wait-2', 6: 'time-wait', 7: 'unconnected', 8: 'close-wait',
                 9: 'last-ack', 10: 'listen', 11: 'closing', 12: 'syn-recv'}
UNIX_TYPES = {'u_str': 'stream', 'u_dgr': 'dgram', 'u_seq': 'seqpacket', 1: 'stream', 2: 'dgram', 5: 'seqpacket'}
# include/uapi/linux/netlink.h
NETLINK = {0: 'route', 2: 'usersock', 4: 'sock_diag', 5: 'nflog', 6: 'xfrm', 7: 'selinux', 8: 'iscsi', 9: 'audit', 10: 'fib_lookup', 11: 'connector',
           12: 'netfilter', 15: 'kobject_uevent', 16: 'generic', 21: 'crypto'}
ANYWHERE = ('0.0.0.0', '::', '*')


class Row(dict):
    """The fields that a source tells; of another source only those that both tell are compared."""

    def against(self, other, where):
        for field in self.keys() & other.keys():
            assert self[field] == other[field], (where, field, self, other)


def end(address, port, interface=None):
    """One end of an inet socket; None: anywhere, any port."""
    address = str(ipaddress.ip_address(address))
    port = int(port or 0)
    return None if address in ANYWHERE and not port and not interface else (address, port, interface)


def without_ports(row):
    """What others print as the port of a raw socket is its protocol."""
    if row['kind'] == 'raw':
        for name in ('local', 'remote'):
            row[name] = row[name] and (None if row[name][0] in ANYWHERE else row[name][0])


def index(rows, key):
    """Rows by key; what is told twice must be told equally (netlink_diag lists a socket that has joined a group twice)."""
    found = {}
    for row in rows:
        row.against(found.setdefault(key(row), row), 'told twice')
    return found


def equal_sets(ours, theirs, where):
    """Two indexes: the same keys, and the fields of each alike."""
    assert ours.keys() == theirs.keys(), (where, 'missing', [theirs[key] for key in theirs.keys() - ours.keys()],
                                          'too many', [ours[key] for key in ours.keys() - theirs.keys()])
    for key, row in ours.items():
        row.against(theirs[key], where)


# kith map ---------------------------------------------------------------------------------------------------------------

def map_end(value):
    return value and end(value['address'], value['port'], value['interface'])


def map_name(value):
    return None if value is None else '@' + value['abstract'] if value.get('abstract') is not None else value['path']


def map_kind(row):
    if row['family'] not in ('inet', 'inet6'):
        return row['family']
    return 'raw' if row['type'] == 'raw' else 'icmp' if 'icmp' in row['protocol'] else row['protocol']


def map_row(row):
    """What is not known is not compared: a uid (of a socket without an inode), a cookie (of multipath TCP, whose clones share one)."""
    kind = map_kind(row)
    made = Row(kind=kind, family=row['family'], type=row['type'], state=row['state'], receive=row['receive_queue'], send=row['send_queue'],
               inode=row['inode'], users=sorted((holder['comm'], holder['pid'], holder['fd']) for holder in row['holders']))
    made.update({name: row[name] for name in ('uid', 'cookie') if row[name] is not None and (name, row[name]) != ('cookie', 0)})
    if row['backlog'] is not None:
        made['backlog'] = row['backlog']['length'], row['backlog']['limit']
    if kind == 'unix':
        # Of a client that waits to be accepted ss knows no peer.
        made.update(local=map_name(row['local']), peer=row['peer']['inode'] if row['peer'] and not row['waiting'] else 0)
    elif kind == 'netlink':
        made.update(protocol=row['protocol'], portid=row['local']['portid'], groups=mask([group['number'] for group in row['groups']]))
    elif kind == 'packet':
        made.update(protocol=int(row['protocol'], 16), interface=row['local']['interface'])
    elif row['family'] in ('inet', 'inet6'):
        made.update(local=map_end(row['local']), remote=map_end(row['remote']), cgroup=row['cgroup'])
        without_ports(made)
    return made


def mask(groups):
    """The first 32 netlink groups, a bit each, as others print them."""
    return sum(1 << (number - 1) for number in groups if number <= 32)


def is_bound_only(row):
    """TCP that is bound and neither listens nor is connected: listed from Linux 6.8 on, and only to those who ask for it."""
    return row['kind'] == 'tcp' and row['state'] in ('close', 'bound')


# ss ---------------------------------------------------------------------------------------------------------------------

def ss_end(text, family):
    host, port = text.rsplit(':', 1)
    host, _, interface = host.strip('[]').partition('%')
    if host == '*':
        host = '::' if family == 'inet6' else '0.0.0.0'
    return end(host.strip('[]'), 0 if port == '*' else port, interface.strip(']') or None)


def ss_inet(row, kind, words):
    family = 'inet6' if words[4].startswith(('[', '*')) else 'inet'
    row.update(kind=kind, family=family, local=ss_end(words[4], family), remote=ss_end(words[5], family))
    without_ports(row)


def ss_unix(row, words):
    row.update(kind='unix', family='unix', type=UNIX_TYPES[words[0]], local=None if words[4] == '*' else words[4], inode=int(words[5]), peer=int(words[7]))


def ss_netlink(row, words):
    protocol, portid = words[4].split(':')
    row.update(kind='netlink', family='netlink', protocol=NETLINK[int(protocol)], portid=int(portid), groups=int(words[-1].partition('groups=')[2], 16))


def ss_packet(row, words):
    protocol, interface = words[4].split(':')
    row.update(kind='packet', family='packet', type={'p_raw': 'raw', 'p_dgr': 'dgram'}[words[0]], interface=None if interface == '*' else interface,
               protocol=0 if protocol == '*' else int(protocol.strip('[]')) if '[' in protocol else protocol)


def ss_row(line):
    """One line of `ss -H -a -n -p -e -O`."""
    words = line.split()
    row = Row(state=STATES[words[1]], receive=int(words[2]), send=int(words[3]))
    rest = line[line.find('users:'):] if 'users:' in line else line
    row['users'] = sorted((comm, int(pid), int(fd)) for comm, pid, fd in re.findall(r'\("([^"]*)",pid=(\d+),fd=(\d+)\)', line))
    kind = words[0]
    if kind.startswith('u_'):
        ss_unix(row, words)
    elif kind == 'nl':
        ss_netlink(row, words)
        del row['users']  # not told with -n
    elif kind.startswith('p_'):
        ss_packet(row, words)
    else:
        ss_inet(row, kind, words)
    if not kind.startswith('u_'):
        for name, pattern, base in (('inode', r'\bino:(\d+)', 10), ('cookie', r'\bsk:([0-9a-f]+)', 16)):
            found = re.search(pattern, rest)
            if found:
                row[name] = int(found.group(1), base)
        if 'inode' in row and kind != 'raw':
            found = re.search(r'\buid:(\d+)', rest)
            row['uid'] = int(found.group(1)) if found else 0
        found = re.search(r'\bcgroup:(\S+)', rest)
        if found:
            row['cgroup'] = found.group(1)
    if row['state'] == 'listen':
        row['backlog'] = row['receive'], row['send']
    return row


def ss_key(row):
    """By the cookie, except where there is none or (multipath TCP: clones) where it is not one socket's."""
    kind = row['kind']
    if kind == 'unix':
        return kind, row['inode'] or (row['local'], row['peer'])
    if kind == 'netlink':
        return kind, row['protocol'], row['portid']
    if kind in ('mptcp', 'raw'):
        return kind, row['family'], row['local'], row['remote'], tuple(row['users'])
    return kind, row['cookie']


def ss(namespace):
    text = namespace.run('ss', '-H', '-a', '-n', '-p', '-e', '-O')
    return index([ss_row(line) for line in text.splitlines() if line.strip()], ss_key)


# /proc/net --------------------------------------------------------------------------------------------------------------

def proc_lines(namespace, name):
    return namespace.run('cat', f'/proc/net/{name}').splitlines()[1:]


def proc_end(text):
    host, port = text.split(':')
    octets = b''.join(bytes.fromhex(host[start:start + 8])[::-1] for start in range(0, len(host), 8))
    return end(ipaddress.ip_address(octets), int(port, 16))


def proc_inet(namespace, kind, name):
    """/proc/net/tcp and its like; they name no interface."""
    for line in proc_lines(namespace, name):
        words = line.split()
        send, receive = words[4].split(':')
        row = Row(kind=kind, family='inet6' if name.endswith('6') else 'inet', local=proc_end(words[1]), remote=proc_end(words[2]),
                  state=STATE_NUMBERS[int(words[3], 16)], receive=int(receive, 16), inode=int(words[9]), uid=int(words[7]))
        if row['state'] != 'listen':
            row['send'] = int(send, 16)
        without_ports(row)
        yield row


def proc_unix(namespace):
    """Without the sockets in accept queues, whose inode is 0: unix_diag leaves them out."""
    for line in proc_lines(namespace, 'unix'):
        words = line.split(maxsplit=7)
        if words[6] == '0':
            continue
        row = Row(kind='unix', family='unix', type=UNIX_TYPES[int(words[4], 16)], inode=int(words[6]), local=words[7] if len(words) > 7 else None)
        if int(words[3], 16) & 0x10000:  # __SO_ACCEPTCON
            row['state'] = 'listen'
        elif int(words[5], 16) == 3:  # SS_CONNECTED
            row['state'] = 'established'
        yield row


def proc_netlink(namespace):
    for line in proc_lines(namespace, 'netlink'):
        words = line.split()
        yield Row(kind='netlink', family='netlink', protocol=NETLINK[int(words[1])], portid=int(words[2]), groups=int(words[3], 16),
                  receive=int(words[4]), send=int(words[5]), inode=int(words[9]))


def proc_packet(namespace):
    for line in proc_lines(namespace, 'packet'):
        words = line.split()
        yield Row(kind='packet', family='packet', type={2: 'dgram', 3: 'raw'}[int(words[2])], protocol=int(words[3], 16), receive=int(words[6]),
                  uid=int(words[7]), inode=int(words[8]))


def proc(namespace):
    """All of /proc/net, sorted into a counter by what a row is found by."""
    rows = [*proc_unix(namespace), *proc_netlink(namespace), *proc_packet(namespace)]
    for kind, name in (('tcp', 'tcp'), ('udp', 'udp'), ('raw', 'raw'), ('icmp', 'icmp'), ('udplite', 'udplite')):
        rows += [*proc_inet(namespace, kind, name), *proc_inet(namespace, kind, name + '6')]
    return rows


def proc_key(row):
    """Sockets without a descriptor have no inode: their addresses."""
    return row['kind'], row['inode'], None if row['inode'] else (row['family'], row['local'], row.get('remote'))


def count(rows):
    return collections.Counter(proc_key(row) for row in rows)


def group(rows):
    found = collections.defaultdict(list)
    for row in rows:
        found[proc_key(row)].append(row)
    return found
