#!/usr/bin/python3
"""kith req: against kith rep and against servers of stock libzmq; exit statuses; what is printed."""
import errno
import os
import re
import signal
import subprocess

import zmq

import harness
from harness import NOBODY, Program, need_root, parse


def stock_rep(test, endpoint):
    """A REP socket of libzmq, bound; (socket, endpoint)."""
    sock = test.socket(zmq.REP)
    sock.bind(endpoint)
    return sock, sock.last_endpoint.decode().rstrip('\0')


def read_terminal(master):
    """All that was written to a terminal whose other end is closed."""
    shown = b''
    try:
        while True:
            shown += os.read(master, 4096)
    except OSError as error:
        assert error.errno == errno.EIO
    return shown


def test_asks_kith_rep(test):
    rep = test.rep(test.ipc())
    result = test.run('req', rep.endpoint, 'hello', 'world')
    assert (result.returncode, result.text, result.error) == (0, 'hello\nworld\n', '')


def test_asks_a_stock_rep_server(test):
    for endpoint in (test.ipc(), f'ipc://@kith-e2e-req-{os.getpid()}', 'tcp://127.0.0.1:*'):
        server, endpoint = stock_rep(test, endpoint)
        req = test.kith('req', endpoint, 'question')
        assert server.recv_multipart() == [b'question']
        server.send_multipart([b'answer', b''])
        assert req.wait() == 0 and req.out.all() == ['answer', '']


def test_asks_a_server_by_its_name(test):
    server, endpoint = stock_rep(test, 'tcp://127.0.0.1:*')
    req = test.kith('req', endpoint.replace('127.0.0.1', 'localhost'), 'question')
    assert server.recv() == b'question'
    server.send(b'answer')
    assert req.wait() == 0 and req.out.all() == ['answer']


def test_asks_a_server_that_listens_at_an_interface(test):
    rep = test.rep('tcp://lo:*')
    assert rep.endpoint.startswith('tcp://127.0.0.1:'), rep.endpoint
    assert test.run('req', rep.endpoint, 'x').text == 'x\n'


def test_asks_again_by_count(test):
    rep = test.rep(test.ipc())
    result = test.run('req', rep.endpoint, 'x', '--count', 100)
    assert result.returncode == 0 and result.text == 'x\n' * 100
    rep.out.wait_count(100)


def test_standard_input_is_the_request(test):
    rep = test.rep(test.ipc(), '-q')
    assert test.run('req', rep.endpoint, text='from input').text == 'from input\n'
    assert test.run('req', rep.endpoint, 'a', '-', 'b', text='in\nput\n').text == 'a\nin\nput\nb\n'
    body = os.urandom(3 << 20)
    assert test.run('req', rep.endpoint, '--raw', octets=body).stdout == body
    assert test.run('req', rep.endpoint, '--raw', text='').stdout == b''


def test_a_frame_may_look_like_an_option(test):
    rep = test.rep(test.ipc(), '-q')
    assert test.run('req', rep.endpoint, '--', '--count', '-n').text == '--count\n-n\n'


def test_json_tells_server_frames_and_time(test):
    rep = test.rep(test.ipc(), '-q')
    result = test.run('req', rep.endpoint, 'x', '--json', '-n', 3)
    lines = [parse(line) for line in result.text.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert line['frames'] == ['x'] and line['round_trip_us'] > 0
        assert line['origin']['pid'] == rep.pid and line['origin']['witness']['pid'] == 'kernel-message'
    assert 'frames_b64' in parse(test.run('req', rep.endpoint, '--json', octets=b'\xff').text)


def test_json_times_have_no_more_digits_than_the_clock(test):
    rep = test.rep(test.ipc(), '-q')
    for line in test.run('req', rep.endpoint, 'x', '--json', '--count', '20').text.splitlines():
        assert re.search(r'"round_trip_us":\d+\.\d{1,3}}$', line), line


def test_json_and_raw_together_are_a_usage_error(test):
    result = test.run('req', test.ipc(), 'x', '--json', '--raw')
    assert result.returncode == 2 and '--json' in result.error and '--raw' in result.error


def test_a_terminal_is_not_commanded_by_a_reply(test):
    rep = test.rep(test.ipc(), '-q')
    master, slave = os.openpty()
    test.callback(os.close, master)
    with open(test.write('in', 'red \x1b[31m\ttab\nline \\ \u202e'), 'rb') as text:
        req = subprocess.run([harness.kith_path, 'req', rep.endpoint], stdin=text, stdout=slave, timeout=harness.LIMIT, check=False)
    os.close(slave)
    assert req.returncode == 0
    shown = read_terminal(master)
    assert b'\x1b' not in shown and rb'red \x1b[31m' in shown and rb'line \ \xe2\x80\xae' in shown, shown


def test_nobody_listening_is_an_error_with_a_remedy(test):
    for endpoint in (test.ipc(), f'ipc://@kith-e2e-none-{os.getpid()}', 'tcp://127.0.0.1:1'):
        result = test.run('req', endpoint, 'x')
        assert result.returncode == 1 and result.error == f'kith: {endpoint}: nobody listens here: is the server running? (--wait waits for it)\n', result


def test_wait_waits_for_a_server_that_comes(test):
    req = test.kith('req', test.ipc(), 'x', '--wait', '--timeout', int(harness.LIMIT * 1000))
    rep = test.rep(test.ipc())
    assert req.wait() == 0 and req.out.all() == ['x']
    assert rep.stop() == 0


def test_a_server_that_does_not_answer_is_a_timeout(test):
    server, endpoint = stock_rep(test, test.ipc())
    result = test.run('req', endpoint, 'x', '--timeout', 100)
    assert result.returncode == 3 and 'no reply within 100 ms' in result.error and endpoint in result.error
    assert server.recv() == b'x'
    result = test.run('req', test.ipc('none'), 'x', '--wait', '--timeout', 100)
    assert result.returncode == 3 and 'no connection within 100 ms' in result.error


def test_refusal_by_policy_tells_the_reason(test):
    rep = test.rep(test.ipc(), '--policy', test.write('p', 'rule "none of you" { deny = {"connect"} }\n'))
    result = test.run('req', rep.endpoint, 'x')
    assert result.returncode == 4 and rep.endpoint in result.error and re.search('den|refus', result.error), result
    assert test.run('req', rep.endpoint, 'x', '--wait').returncode == 4


def test_refusal_of_a_message_tells_the_reason(test):
    rep = test.rep(test.ipc(), '--policy', test.write('p', 'rule "only connect" { allow = {"connect"} }\n'))
    result = test.run('req', rep.endpoint, 'x')
    assert result.returncode == 4, result


def test_refusal_of_another_uid(test):
    need_root()
    rep = test.rep(test.ipc(), '--policy', test.write('p', 'rule "root" { allow = {"*"}  uid = {"0"} }\n'))
    assert test.run('req', rep.endpoint, 'x').returncode == 0
    assert test.run('req', rep.endpoint, 'x', uid=NOBODY).returncode == 4


def test_no_permission_on_the_path_says_what_is_needed(test):
    need_root()
    rep = test.rep(test.ipc(), '--option', 'ipc-mode=0600')
    result = test.run('req', rep.endpoint, 'x', uid=NOBODY)
    assert result.returncode == 1 and 'write permission' in result.error


def test_a_server_of_another_kind_is_an_error(test):
    publisher = test.socket(zmq.PUB)
    publisher.bind(test.ipc())
    result = test.run('req', test.ipc(), 'x')
    assert result.returncode == 1 and 'PUB' in result.error, result


def test_a_server_that_dies_with_the_request_is_an_error(test):
    worker = Program(test, [harness.PYTHON, '-c', f'''
import zmq
s = zmq.Context().socket(zmq.REP)
s.bind({test.ipc()!r})
print("ready", flush=True)
s.recv()
import os
os._exit(0)
'''])
    worker.out.wait('ready')
    result = test.run('req', test.ipc(), 'x')
    assert result.returncode == 1 and 'went away' in result.error, result


def test_a_bad_endpoint_is_an_error(test):
    for endpoint in ('frob://x', 'x', 'tcp://localhost:5555', 'ipc://'):
        result = test.run('req', endpoint, 'x')
        assert result.returncode == 1 and endpoint in result.error, result


def test_an_interrupt_ends_it(test):
    server, endpoint = stock_rep(test, test.ipc())
    req = test.kith('req', endpoint, 'x', '--timeout', 0)
    assert server.recv() == b'x'
    assert req.stop(signal.SIGINT) == -signal.SIGINT


def test_a_reply_that_cannot_be_written_is_an_error(test):
    rep = test.rep(test.ipc(), '-q')
    with open('/dev/full', 'w') as full:
        req = test.kith('req', rep.endpoint, 'x', stdout=full)
        assert req.wait() == 1
        req.err.wait('No space left')


def test_a_client_demands_its_server(test):
    rep = test.rep(test.ipc(), '-q')
    exe = os.readlink(f'/proc/{rep.process.pid}/exe')
    right = test.write('right', f'rule "server" {{ allow = {{"serve"}}  exe = {{"{exe}"}} }}\nrule "rest" {{ allow = {{"send"}} }}\n')
    wrong = test.write('wrong', 'rule "server" { allow = {"serve"}  exe = {"/nowhere"} }\nrule "rest" { allow = {"send"} }\n')
    result = test.run('req', rep.endpoint, '--policy', right, 'x')
    assert (result.returncode, result.text) == (0, 'x\n'), result
    result = test.run('req', rep.endpoint, '--policy', wrong, 'x')
    assert result.returncode == 4 and 'serve denied by default' in result.error and wrong in result.error, result
    assert test.run('req', rep.endpoint, '--policy', test.path('none'), 'x').returncode == 1


harness.main(__file__)
