"""raw.py: a ZMTP 3.1 client in octets, for what a stock client never sends: metadata of its choice."""
import socket
import struct

import harness

GREETING = b'\xff' + bytes(8) + b'\x7f\x03\x01' + b'NULL'.ljust(20, b'\0') + bytes(32)


def connect(test, endpoint):
    scheme, rest = endpoint.split('://')
    if scheme == 'ipc':
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(harness.LIMIT)
        sock.connect('\0' + rest[1:] if rest[0] == '@' else rest)
    else:
        host, port = rest.rsplit(':', 1)
        sock = socket.create_connection((host, int(port)), harness.LIMIT)
    test.callback(sock.close)
    return sock


def read_exactly(sock, size):
    data = b''
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, 'the connection ended'
        data += piece
    return data


def frame(body, more=False, command=False):
    flags = (1 if more else 0) | (4 if command else 0)
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | 2]) + struct.pack('>Q', len(body)) + body


def read_frame(sock):
    """(flags, body)"""
    flags = read_exactly(sock, 1)[0]
    size = struct.unpack('>Q', read_exactly(sock, 8))[0] if flags & 2 else read_exactly(sock, 1)[0]
    return flags, read_exactly(sock, size)


def ready(**properties):
    body = b'\x05READY'
    for name, value in properties.items():
        name = name.replace('_', '-').encode()
        body += bytes([len(name)]) + name + struct.pack('>I', len(value)) + value
    return frame(body, command=True)


def handshake(sock, **properties):
    """Greets, says READY with these properties, reads the peer's."""
    sock.sendall(GREETING + ready(**{'Socket_Type': b'REQ', **properties}))
    read_exactly(sock, len(GREETING))
    flags, body = read_frame(sock)
    assert flags & 4 and body.startswith(b'\x05READY'), body
    return body


def request(sock, *frames):
    """Sends a request as REQ does, returns the reply's frames."""
    all_frames = [b'', *frames]
    sock.sendall(b''.join(frame(f, more=i + 1 < len(all_frames)) for i, f in enumerate(all_frames)))
    reply = []
    while True:
        flags, body = read_frame(sock)
        if flags & 4:
            continue
        reply.append(body)
        if not flags & 1:
            assert reply[0] == b'', reply
            return reply[1:]
