#!/usr/bin/python3
"""record.py RECORD: makes tests/map/zoo.diag and the first inputs of fuzz-map-netlink anew; run as `unshare --net tests/map/record.py
build/tests/map/record`, as root. What is in the zoo is what map/netlink/test-decode.c finds again."""
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / 'fuzz' / 'corpus' / 'map-netlink'
MOST = '12'
LINE = 0x40
FILES = {0: 'tcp', 1: 'tcp6', 4: 'udp', 5: 'udp6', 6: 'udplite', 8: 'raw', 10: 'icmp', 12: 'unix', 13: 'netlink', 14: 'packet'}


def tcp(kept, family, host, protocol=0):
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    listener.bind((host, 0))
    listener.listen(5)
    client = socket.socket(family, socket.SOCK_STREAM, protocol)
    client.connect(listener.getsockname())
    kept += [listener, client, listener.accept()[0]]
    return listener.getsockname()[1]


def zoo(folder):
    """The sockets live as long as what is returned."""
    kept = []
    tcp(kept, socket.AF_INET, '127.0.0.1')
    port = tcp(kept, socket.AF_INET6, '::')
    kept.append(socket.create_connection(('127.0.0.1', port)))  # nobody accepts it
    tcp(kept, socket.AF_INET, '127.0.0.1', socket.IPPROTO_MPTCP)
    server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    server.bind(('127.0.0.1', 5353))
    client.connect(('127.0.0.1', 5353))
    listener, *clients = (socket.socket(socket.AF_UNIX) for _ in range(3))
    listener.bind(f'{folder}/zoo.sock')
    listener.listen()
    clients[0].connect(f'{folder}/zoo.sock')
    kept += [server, client, listener, *clients, listener.accept()[0], *socket.socketpair()]
    clients[1].connect(f'{folder}/zoo.sock')  # nobody accepts it
    for protocol, groups in (socket.NETLINK_ROUTE, 3), (16, 0):  # NETLINK_GENERIC
        kept.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol))
        kept[-1].bind((0, groups))
    kept.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    kept.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    return kept


def lines():
    for row, name in FILES.items():
        path = Path('/proc/net', name)
        for line in path.read_bytes().split(b'\n')[:6] if path.exists() else []:
            yield bytes([LINE | row]) + line + b'\0'
    yield bytes([0x80 | LINE]) + b'bind\tipc:///tmp/zoo.sock\tROUTER\tservice x\0'


def main():
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    with tempfile.TemporaryDirectory(dir='/tmp') as folder:
        kept = zoo(folder)
        for path, depth in (ROOT / 'tests' / 'map' / 'zoo.diag', 'full'), (CORPUS / 'zoo-full', 'full'), (CORPUS / 'zoo-plain', 'plain'):
            subprocess.run([sys.argv[1], path, depth, MOST], check=True)
        (CORPUS / 'lines').write_bytes(b''.join(lines()))
    for sock in kept:
        sock.close()


main()
