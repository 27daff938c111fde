#!/usr/bin/python3
"""collector.py PORT FILE [acks] [slow]: a collector of lines over TCP, in a process of its own, that can be killed at any time.

What it has read it first writes to FILE, whole lines only, which a SIGKILL does not take back; then, with `acks`, it says up to which id
(the first field of a line) it has it. A line that a SIGKILL has torn in the writing is cut off at the next start: it was not acknowledged.
With `slow` it accepts and reads nothing."""
import os
import signal
import socket
import sys

port, path, flags = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if 'slow' in flags:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
listener.bind(('127.0.0.1', port))
listener.listen()
print('listening at', listener.getsockname()[1], flush=True)
out = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
written = os.pread(out, os.fstat(out).st_size, 0)
os.ftruncate(out, written.rfind(b'\n') + 1)
del written
while True:
    conn, _ = listener.accept()
    print('accepted', flush=True)
    if 'slow' in flags:
        signal.pause()
    rest = b''
    while True:
        try:
            data = conn.recv(1 << 16)
        except ConnectionError:
            break
        if not data:
            break
        whole, newline, rest = (rest + data).rpartition(b'\n')
        if newline:
            os.write(out, whole + newline)
            if 'acks' in flags:
                last = whole.rpartition(b'\n')[2].split(b'\t')[0]
                try:
                    conn.sendall(last + b'\n')
                except ConnectionError:
                    break
    conn.close()
