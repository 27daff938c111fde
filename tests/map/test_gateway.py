#!/usr/bin/python3
"""kith map on a gateway: its sockets have the names that its configuration gives them, whichever way they were made."""
import os
import signal
import subprocess
import sys

import zmq

from zoo import look
import harness


def service(test):
    return f'service "shop" {{ listen = {{"{test.ipc("front")}"}}  workers = {{"{test.ipc("back")}"}} }}\n'


def names(program, *arguments):
    """(state, type, name) of the sockets that the program holds and that have a name."""
    map = look('--pid', str(program.process.pid), *arguments)
    return {(row['state'], row['zmtp']['type'], row['zmtp']['name']) for row in map.sockets if 'zmtp' in row}


def test_what_a_gateway_listens_at_has_its_name(test):
    serve = test.serve(service(test))
    assert names(serve) == {('listen', 'ROUTER', 'service shop'), ('listen', 'DEALER', 'workers of service shop')}, names(serve)


def test_so_has_what_it_accepted(test):
    serve = test.serve(service(test) + f'service "who" {{ listen = {{"tcp://127.0.0.1:*"}}  builtin = "who" }}\n')
    sock = test.socket(zmq.REQ, test.ipc('front'))
    worker = test.socket(zmq.REP, test.ipc('back'))
    sock.send(b'hi')
    worker.send(worker.recv())
    assert sock.recv() == b'hi'
    assert {('established', 'ROUTER', 'service shop'), ('established', 'DEALER', 'workers of service shop')} <= names(serve), names(serve)


def test_a_proxy_names_what_it_connects_too(test):
    upstream = test.socket(zmq.XPUB)
    upstream.bind(test.ipc('up'))
    serve = test.serve(f'proxy "news" {{ pattern = "publish"  frontend_connect = {{"{test.ipc("up")}"}}  backend = {{"{test.ipc("down")}"}} }}\n')
    subscriber = test.socket(zmq.SUB, test.ipc('down'))
    subscriber.subscribe(b'')
    assert upstream.recv() == b'\x01'
    assert {('established', 'XSUB', 'proxy news'), ('listen', 'XPUB', 'proxy news')} <= names(serve), names(serve)


def test_nobody_names_the_sockets_of_others(test):
    serve = test.serve(service(test))
    liar = os.memfd_create('kith-sockets')
    os.write(liar, f'bind\t{test.ipc("front")}\tPUB\tservice lie\nbroken\n\tbind\t\t\t\n'.encode())
    test.callback(os.close, liar)
    assert names(serve) == {('listen', 'ROUTER', 'service shop'), ('listen', 'DEALER', 'workers of service shop')}, names(serve)


# Its root is a directory in which a file of that name is served by a file system that never answers (fuse(4)).
UNSERVED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    assert result == 0, os.strerror(ctypes.get_errno())
folder = sys.argv[1].encode()
os.chdir(folder)
call(libc.mount(b'tmpfs', folder, b'tmpfs', 0, None))
os.chdir(folder)
open('memfd:kith-sockets', 'w').close()
fuse = os.open('/dev/fuse', os.O_RDWR)
call(libc.mount(b'none', folder + b'/memfd:kith-sockets', b'fuse', 0, b'fd=%d,rootmode=100644,user_id=0,group_id=0' % fuse))
os.mkdir('old')
call(libc.pivot_root(b'.', b'old'))
os.open('/memfd:kith-sockets', os.O_PATH)
print('ready', flush=True)
sys.stdin.read()
"""


def test_a_file_that_only_has_the_name_is_not_asked(test):
    if not os.path.exists('/dev/fuse'):
        raise harness.Skip('no /dev/fuse')
    holder = subprocess.Popen(['unshare', '--mount', '--', sys.executable, '-c', UNSERVED, test.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    test.callback(holder.send_signal, signal.SIGKILL)
    assert holder.stdout.readline() == b'ready\n'
    assert look('--pid', str(holder.pid)).sockets == []


harness.main(__file__)
