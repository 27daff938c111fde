"""broken.py ENDPOINT-PATH [FAULT]: a REP peer of ZMTP 3.1 by hand that echoes, and breaks one rule of its own choice.

Without a fault it keeps the rules: what the suite then finds with one is that fault. One thread a connection; it ends when it is killed.
"""
import os
import socket
import struct
import sys
import threading

TYPE = b'REP'
PARTNERS = (b'REQ', b'DEALER')


class Closed(Exception):
    """The peer has gone, or is to go."""


class Connection:
    def __init__(self, sock, fault):
        self.sock, self.fault = sock, fault

    def read(self, size):
        data = b''
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise Closed
            data += piece
        return data

    def send(self, flags, body):
        if self.fault == 'reserved-bits' and not flags & 4:
            flags |= 8
        long = len(body) > 255
        header = struct.pack('>BQ', flags | 2, len(body)) if long else bytes([flags, len(body)])
        self.sock.sendall(header + body)

    def command(self, name, data=b''):
        self.send(4, bytes([len(name)]) + name + data)

    def greet(self):
        mechanism = b'NULL'.ljust(20, b'\0')
        self.sock.sendall(b'\xff' + bytes(8) + b'\x7f\x03')
        signature = self.read(10)
        if signature[0] != 0xff or not signature[9] & 1:
            raise Closed
        if self.fault == 'padding-validated' and signature[1:9] != bytes(8):
            raise Closed
        self.sock.sendall(b'\x01' + mechanism + bytes(32 - (self.fault == 'greeting-short')))
        major = self.read(1)[0]
        if major < 3 or (self.fault == 'version-strict' and major > 3):
            raise Closed
        rest = self.read(53)
        if rest[1:21] != mechanism and self.fault != 'mechanism-ignored':
            raise Closed
        if self.fault == 'as-server-validated' and rest[21]:
            raise Closed

    def metadata(self, data):
        found = {}
        while data:
            size = data[0]
            name = data[1:1 + size]
            value_size = int.from_bytes(data[1 + size:5 + size], 'big')
            value = data[5 + size:5 + size + value_size]
            if size == 0 or len(data) < 5 + size + value_size:
                if self.fault != 'metadata-unchecked':
                    raise Closed
                return found
            found.setdefault(name if self.fault == 'names-exact' else name.lower(), value)
            data = data[5 + size + value_size:]
        return found

    def handshake(self):
        self.command(b'READY', b'\x0bSocket-Type' + struct.pack('>I', len(TYPE)) + TYPE)
        flags, body = self.frame()
        if body[:6] == b'\x05ERROR' and self.fault == 'dies-of-error':
            os._exit(3)
        if not flags & 4 or body[:6] != b'\x05READY':
            raise Closed
        found = self.metadata(body[6:])
        theirs = found.get(b'Socket-Type' if self.fault == 'names-exact' else b'socket-type')
        if theirs not in PARTNERS and self.fault != 'types-unchecked':
            self.command(b'ERROR', b'\x0binvalid type'[:12])
            raise Closed

    def frame(self):
        flags, = self.read(1)
        if flags & 2:
            size, = struct.unpack('>Q', self.read(8))
            if self.fault == 'long-must-be-long' and size < 256:
                raise Closed
        else:
            size, = self.read(1)
        if flags & ~7 or size > 1 << 20:
            raise Closed
        return flags, self.read(size)

    def take_command(self, body):
        if body[:5] != b'\x04PING' or len(body) < 7:
            return
        context = body[7:23]
        if self.fault == 'pong-empty':
            context = b''
        elif self.fault == 'pong-long':
            context = body[7:]
        elif self.fault == 'pong-never':
            return
        self.command(b'PONG', context)

    def take_message(self, frames):
        if b'' not in frames:
            return
        place = frames.index(b'')
        if self.fault == 'envelope-lost':
            frames = frames[place:]
        elif self.fault == 'delimiter-lost':
            frames = frames[:place] + frames[place + 1:]
        for i, frame in enumerate(frames):
            self.send(1 if i + 1 < len(frames) else 0, frame)

    def run(self):
        self.greet()
        self.handshake()
        frames = []
        while True:
            flags, body = self.frame()
            if flags & 4:
                self.take_command(body)
                continue
            frames.append(body)
            if not flags & 1:
                self.take_message(frames)
                frames = []


def serve(sock, fault):
    try:
        with sock:
            sock.settimeout(60)
            Connection(sock, fault).run()
    except (Closed, OSError):
        pass


def watched(sock, fault):
    """The TTL of a PING is kept by nobody here: the suite's case for it is a SHOULD that this peer breaks without any fault."""
    threading.Thread(target=serve, args=(sock, fault), daemon=True).start()


def main():
    path, fault = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    print('ready', flush=True)
    while True:
        sock, _ = listener.accept()
        if fault == 'one-at-a-time':
            serve(sock, fault)
        else:
            watched(sock, fault)


main()
