#!/usr/bin/python3
"""kith rep: stock clients are served, each request is shown with its sender, commands answer, policy decides."""
import base64
import json
import os
import signal
import subprocess
import time

import zmq

import harness
import raw
from harness import NOBODY, need_root, parse, silent

ALLOW_ME = f'rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }}\n'


def ask(sock, *frames):
    sock.send_multipart(list(frames))
    return sock.recv_multipart()


# Echo -----------------------------------------------------------------------------------------------------------------


def test_a_stock_req_client_is_echoed_and_named(test):
    rep = test.rep(test.ipc())
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'hello', b'world') == [b'hello', b'world']
    line = rep.out.wait('"hello" "world"').string
    assert f'pid {os.getpid()} ' in line and f'uid {os.geteuid()} ' in line, line
    assert rep.stop() == 0


def test_every_transport_serves(test):
    for endpoint in (test.ipc(), f'ipc://@kith-e2e-{os.getpid()}', 'tcp://127.0.0.1:0'):
        rep = test.rep(endpoint, '--json')
        assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'x']
        origin = parse(rep.out.wait_count(1)[0])['origin']
        if endpoint.startswith('ipc'):
            assert origin['pid'] == os.getpid() and origin['witness']['pid'] == 'kernel-message'
        else:
            assert 'address' in origin and 'kernel-message' not in origin['witness'].values()
        assert rep.stop() == 0


def test_several_endpoints_at_once(test):
    rep = test.rep(test.ipc('a'), test.ipc('b'))
    rep.err.wait('listening at .*b$')
    assert ask(test.socket(zmq.REQ, test.ipc('a')), b'1') == [b'1']
    assert ask(test.socket(zmq.REQ, test.ipc('b')), b'2') == [b'2']


def test_a_dealer_client_pipelines(test):
    rep = test.rep(test.ipc(), '--quiet')
    dealer = test.socket(zmq.DEALER, rep.endpoint)
    for i in range(5000):
        dealer.send_multipart([b'', b'%d' % i])
        if i >= 100:
            assert dealer.recv_multipart() == [b'', b'%d' % (i - 100)]
    for i in range(4900, 5000):
        assert dealer.recv_multipart() == [b'', b'%d' % i]


def test_a_dealer_without_the_empty_frame_is_dropped_and_logged(test):
    rep = test.rep(test.ipc(), '--json')
    dealer = test.socket(zmq.DEALER, rep.endpoint)
    dealer.send_multipart([b'no', b'delimiter'])
    dealer.send_multipart([b''])
    dealer.send_multipart([b'', b'good'])
    assert dealer.recv_multipart() == [b'', b'good']
    rep.err.wait('malformed')
    assert rep.stop() == 0
    assert [parse(line)['frames'] for line in rep.out.all()] == [['good']]


def test_an_envelope_of_proxies_comes_back_whole(test):
    rep = test.rep(test.ipc())
    dealer = test.socket(zmq.DEALER, rep.endpoint)
    dealer.send_multipart([b'hop1', b'hop2', b'', b'body'])
    assert dealer.recv_multipart() == [b'hop1', b'hop2', b'', b'body']


def test_large_messages_pass(test):
    rep = test.rep(test.ipc(), '--quiet')
    body = os.urandom(16 << 20)
    assert ask(test.socket(zmq.REQ, rep.endpoint), body)[0] == body


def test_options_reach_the_socket(test):
    rep = test.rep(test.ipc(), '--option', 'max-message=1000', '-q')
    sock = test.socket(zmq.REQ, rep.endpoint)
    assert ask(sock, b'x' * 100) == [b'x' * 100]
    sock.send(b'x' * 2000)
    rep.err.wait('1000|limit')
    for bits in ('0600', '600'):
        rep = test.rep(test.ipc('m'), '--option', f'ipc-mode={bits}', '-q')
        assert os.stat(test.path('m')).st_mode & 0o777 == 0o600
        assert rep.stop() == 0
    for bits in ('0999', '01777', '0x1ff', '-1', ''):
        result = test.run('rep', test.ipc('m'), '--option', f'ipc-mode={bits}')
        assert result.returncode == 2 and '0777' in result.error, result


# What is printed ------------------------------------------------------------------------------------------------------


def test_json_frames_are_text_or_all_base64(test):
    rep = test.rep(test.ipc(), '--json')
    sock = test.socket(zmq.REQ, rep.endpoint)
    requests = [[b'plain'], [b'nul \0 tab \t esc \x1b quote " \xc3\xa9 \xf0\x9f\x98\x80'], [b'text', b'\xff\xfe'], [b''], [b'\xc0\x80'], [b'\xed\xa0\x80']]
    for frames in requests:
        ask(sock, *frames)
    for frames, line in zip(requests, rep.out.wait_count(len(requests))):
        told = parse(line)
        try:
            text = [f.decode() for f in frames]
        except UnicodeDecodeError:
            assert 'frames' not in told and [base64.b64decode(f, validate=True) for f in told['frames_b64']] == frames
        else:
            assert 'frames_b64' not in told and told['frames'] == text
        assert set(told) <= {'origin', 'frames', 'frames_b64'}


def test_a_line_of_text_cannot_be_forged_by_a_frame(test):
    rep = test.rep(test.ipc())
    ask(test.socket(zmq.REQ, rep.endpoint), b'a"\nkith: fake \x1b[31m \xe2\x80\xae \xc2\x85 \xff \xc3\xa9')
    ask(test.socket(zmq.REQ, rep.endpoint), *[b'y' * 1000] * 10)
    first, second = rep.out.wait_count(2)
    assert r'"a\"\nkith: fake \x1b[31m \xe2\x80\xae \xc2\x85 \xff é"'.encode().decode() in first, first
    assert '(1000 octets)' in second and 'more frames' in second and len(second) < 800
    assert rep.stop() == 0 and len(rep.out.all()) == 2


def test_quiet_prints_nothing(test):
    rep = test.rep(test.ipc(), '-q')
    ask(test.socket(zmq.REQ, rep.endpoint), b'x')
    assert rep.stop() == 0 and rep.out.all() == []


def test_claims_of_a_client_stay_claims(test):
    rep = test.rep(test.ipc(), '--json')
    sock = raw.connect(test, rep.endpoint)
    raw.handshake(sock, User_Id=b'root', uid=b'0', pid=b'1', X_Bytes=b'\xff\x00')
    assert raw.request(sock, b'hi') == [b'hi']
    origin = parse(rep.out.wait_count(1)[0])['origin']
    assert origin['pid'] == os.getpid() and origin['uid'] == os.geteuid()
    assert origin['witness']['uid'] == 'kernel-message'
    claimed = {name.lower(): value for name, value in origin['claimed'].items()}
    assert claimed['user-id'] == 'root' and claimed['uid'] == '0' and claimed['pid'] == '1'
    assert base64.b64decode(next(v for k, v in origin['claimed_b64'].items() if k.lower() == 'x-bytes')) == b'\xff\x00'


def test_clients_under_other_uids_are_told_apart(test):
    need_root()
    rep = test.rep(test.ipc(), '--json', '--option', 'ipc-mode=0666')
    for number, uid in enumerate((0, 1234, NOBODY), 1):
        peer = test.peer('req', rep.endpoint, uid=uid)
        peer.process.stdin.write(b'hi\n')
        peer.process.stdin.flush()
        assert peer.out.wait_count(1) == ['["hi"]']
        origin = parse(rep.out.wait_count(number)[-1])['origin']
        assert (origin['pid'], origin['uid'], origin['gid']) == (peer.pid, uid, uid), origin


def test_count_ends_it_after_the_last_reply(test):
    rep = test.rep(test.ipc(), '--count', 2)
    sock = test.socket(zmq.REQ, rep.endpoint)
    assert ask(sock, b'1') == [b'1'] and ask(sock, b'2') == [b'2']
    assert rep.wait() == 0 and len(rep.out.all()) == 2


def test_count_waits_for_a_command_as_long_as_it_takes(test):
    rep = test.rep(test.ipc(), '--count', '1', '-q', '--exec', 'sleep 5.5; echo done')  # longer than a stop waits
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'done\n']
    assert rep.wait() == 0


def test_a_reader_that_has_gone_ends_it_quietly(test):
    reader, writer = os.pipe()
    rep = test.rep(test.ipc(), stdout=writer)
    os.close(writer)
    os.close(reader)
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'x'], 'the request that could not be shown is answered'
    assert rep.wait() == 0
    assert all('listening' in line for line in rep.err.all())


def test_a_full_disk_is_an_error(test):
    with open('/dev/full', 'w') as full:
        rep = test.rep(test.ipc(), stdout=full)
        ask(test.socket(zmq.REQ, rep.endpoint), b'x')
        assert rep.wait() == 1
        rep.err.wait('standard output: No space left')


def test_a_request_that_cannot_be_printed_is_answered_by_its_command_all_the_same(test):
    with open('/dev/full', 'wb') as full:
        rep = test.rep(test.ipc(), '--exec', 'cat', stdout=full)
        assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'x']
        assert rep.wait() == 1


def test_an_endpoint_in_use_names_who_has_it(test):
    first = test.rep(test.ipc())
    result = test.run('rep', first.endpoint)
    assert result.returncode == 1 and str(first.pid) in result.error and first.endpoint[6:] in result.error, result
    assert ask(test.socket(zmq.REQ, first.endpoint), b'still') == [b'still']


def test_bad_endpoints_are_errors_with_the_endpoint(test):
    for endpoint in ('ipc://', 'frob://x', 'tcp://127.0.0.1', 'no-scheme', 'ipc:///' + 'x' * 200, 'ipc:///nowhere/at/all.sock'):
        result = test.run('rep', endpoint)
        assert result.returncode == 1 and result.error.startswith('kith: ') and endpoint.split('//')[-1][:30] in result.error, (endpoint, result)


def test_the_path_is_gone_afterwards(test):
    rep = test.rep(test.ipc())
    assert os.path.exists(test.path('x.sock'))
    assert rep.stop() == 0 and not os.path.exists(test.path('x.sock'))


# Commands -------------------------------------------------------------------------------------------------------------


def test_a_command_answers(test):
    rep = test.rep(test.ipc(), '--exec', 'tr a-z A-Z')
    sock = test.socket(zmq.REQ, rep.endpoint)
    assert ask(sock, b'hello') == [b'HELLO']
    assert ask(sock, b'two', b'frames') == [b'TWO\nFRAMES']
    assert ask(sock, b'\xff\x00\xfe') == [b'\xff\x00\xfe']
    assert ask(sock, b'', b'', b'x') == [b'\n\nX']


def test_a_command_knows_who_asks(test):
    script = r'printf "%s|%s|%s|%s|%s|%s" "$KITH_PID" "$KITH_UID" "$KITH_GID" "$KITH_EXE" "$KITH_FRAMES" "$KITH_ORIGIN"'
    rep = test.rep(test.ipc(), '--exec', script, env={'KITH_UID': '4711', 'KITH_EXE': '/fake'})
    pid, uid, gid, exe, frames, origin = ask(test.socket(zmq.REQ, rep.endpoint), b'a', b'b')[0].decode().split('|', 5)
    assert (int(pid), int(uid), int(gid), exe, frames) == (os.getpid(), os.geteuid(), os.getegid(), os.readlink('/proc/self/exe'), '2')
    assert json.loads(origin)['witness']['pid'] == 'kernel-message'
    # Over TCP nothing of that is known, and nothing that kith was started with passes for it.
    rep = test.rep('tcp://127.0.0.1:0', '--exec', script, env={'KITH_UID': '4711', 'KITH_PID': '1', 'KITH_EXE': '/fake'})
    pid, uid, gid, exe, frames, origin = ask(test.socket(zmq.REQ, rep.endpoint), b'a')[0].decode().split('|', 5)
    assert uid != '4711' and pid != '1' and exe != '/fake' and frames == '1'


def test_a_failed_command_answers_with_the_reason(test):
    rep = test.rep(test.ipc(), '--exec', 'read word; case $word in exit) echo partly; exit 3;; die) kill -SEGV $$;; *) echo fine;; esac')
    sock = test.socket(zmq.REQ, rep.endpoint)
    assert ask(sock, b'exit') == [b'', b'exit status 3']
    assert ask(sock, b'die') == [b'', b'killed by SIGSEGV']
    assert ask(sock, b'else') == [b'fine\n']
    rep.err.wait('exit status 3')
    rep = test.rep(test.ipc('n'), '--exec', 'no-such-command-at-all')
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'', b'exit status 127']


def test_a_command_that_takes_too_long_is_killed_with_its_group(test):
    fifo = test.path('fifo')
    os.mkfifo(fifo)
    # The background process holds the fifo open for writing: its end is seen as the end of the fifo.
    rep = test.rep(test.ipc(), '--exec', f'(exec sleep 1000 >{fifo}) & wait', '--exec-timeout', 200)
    sock = test.socket(zmq.REQ, rep.endpoint)
    sock.send(b'x')
    with open(fifo) as held:
        assert sock.recv_multipart() == [b'', b'timed out after 200 ms']
        assert held.read() == ''


def test_output_without_end_is_cut_off(test):
    rep = test.rep(test.ipc(), '--exec', 'cat /dev/zero', '--option', 'max-message=100000')
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'', b'output longer than 100000 octets']


def test_a_command_need_not_read_its_input(test):
    rep = test.rep(test.ipc(), '--exec', 'exec <&-; echo done', '-q')
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x' * (4 << 20)) == [b'done\n']


def test_large_input_and_output_pass_through_pipes(test):
    rep = test.rep(test.ipc(), '--exec', 'cat', '-q')
    body = os.urandom(4 << 20)
    assert ask(test.socket(zmq.REQ, rep.endpoint), body) == [body]


def test_a_command_that_leaves_a_process_behind_is_answered(test):
    rep = test.rep(test.ipc(), '--exec', 'sleep 1000 & echo $!')
    reply = ask(test.socket(zmq.REQ, rep.endpoint), b'x')
    os.kill(int(reply[0]), signal.SIGKILL)


def test_commands_run_side_by_side_up_to_jobs(test):
    log = test.path('log')
    gate = test.path('gate')
    os.mkfifo(gate)
    # Each writes a line when it starts and waits until the gate's writer ends.
    rep = test.rep(test.ipc(), '--exec', f'echo started >>{log}; cat {gate} >/dev/null; cat', '--jobs', 2, '-q')
    clients = [test.socket(zmq.REQ, rep.endpoint) for _ in range(3)]
    for number, sock in enumerate(clients):
        sock.send(b'%d' % number)
    with open(gate, 'w'):  # opens when the first reader is there
        deadline = time.monotonic() + harness.LIMIT
        while not os.path.exists(log) or len(open(log).readlines()) < 2:
            assert time.monotonic() < deadline
        assert silent(clients[2])
        assert len(open(log).readlines()) == 2
    writer = subprocess.Popen(['sh', '-c', f'while :; do : >{gate}; done'])
    test.callback(writer.wait)
    test.callback(writer.kill)
    assert sorted(sock.recv() for sock in clients) == [b'0', b'1', b'2']


def test_requests_that_wait_for_commands_are_held_back_and_none_is_dropped(test):
    gate = test.path('gate')
    os.mkfifo(gate)
    rep = test.rep(test.ipc(), '--exec', f'read x < {gate}; wc -c', '--jobs', '1', '-q')
    dealer = test.socket(zmq.DEALER, rep.endpoint, sndhwm=0)
    held = os.open(gate, os.O_RDWR)
    test.callback(os.close, held)
    for _ in range(20):
        dealer.send_multipart([b'', b'x' * (10 << 20)])
    rep.err.wait('requests wait for a command')
    os.write(held, b'go\n' * 20)
    for _ in range(20):
        assert dealer.recv_multipart() == [b'', b'%d\n' % (10 << 20)]


def test_commands_get_no_descriptors_of_ours(test):
    rep = test.rep(test.ipc(), '--exec', 'cat >/dev/null; ls /proc/self/fd | wc -l; cat /proc/self/status | grep -E "^(SigBlk|SigIgn)"')
    count, blocked, ignored = ask(test.socket(zmq.REQ, rep.endpoint), b'x')[0].decode().split('\n')[:3]
    assert int(count) == 4  # 0, 1, 2 and the one that ls reads the folder with
    assert int(blocked.split()[1], 16) == 0
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_no_descriptor_stays_behind(test):
    rep = test.rep(test.ipc(), '--exec', 'cat; exec <&-', '-q', '--exec-timeout', 5000)
    before = rep.descriptors()
    for _ in range(20):
        sock = test.socket(zmq.REQ, rep.endpoint)
        assert ask(sock, b'x') == [b'x']
        sock.close()
    rep.wait_descriptors(before)


# Policy and signals ---------------------------------------------------------------------------------------------------


def test_policy_lets_in_whom_it_allows(test):
    rep = test.rep(test.ipc(), '--policy', test.write('p', ALLOW_ME), '--json')
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'x') == [b'x']


def test_a_denied_client_gets_nothing_through_and_is_logged(test):
    need_root()
    rep = test.rep(test.ipc(), '--policy', test.write('p', ALLOW_ME), '--json')
    peer = test.peer('req', rep.endpoint, uid=NOBODY)
    peer.process.stdin.write(b'let me in\n')
    peer.process.stdin.flush()
    line = rep.err.wait(r'den[iy]').string
    assert str(NOBODY) in line, line
    assert ask(test.socket(zmq.REQ, rep.endpoint), b'mine') == [b'mine']
    assert rep.stop() == 0
    assert [parse(text)['frames'] for text in rep.out.all()] == [['mine']]
    assert peer.out.lines == []


def test_a_denied_message_of_a_connected_client_is_dropped(test):
    policy = 'rule "connect" { allow = {"connect"} }\n'
    rep = test.rep(test.ipc(), '--policy', test.write('p', policy))
    sock = test.socket(zmq.REQ, rep.endpoint)
    sock.send(b'x')
    rep.err.wait(r'den[iy]')
    assert silent(sock)
    assert rep.stop() == 0 and rep.out.all() == []


def test_a_flood_of_denials_is_a_few_lines(test):
    policy = 'rule "connect" { allow = {"connect"} }\n'
    rep = test.rep(test.ipc(), '--policy', test.write('p', policy))
    dealer = test.socket(zmq.DEALER, rep.endpoint)
    for _ in range(2000):
        dealer.send_multipart([b'', b'x'])
    count = int(rep.err.wait(r'and (\d+) more like it').group(1))
    assert count > 100
    assert rep.stop() == 0
    assert len(rep.err.all()) < 60, rep.err.lines


def test_sighup_reads_the_policy_again(test):
    path = test.write('p', ALLOW_ME)
    rep = test.rep(test.ipc(), '--policy', path)
    sock = test.socket(zmq.REQ, rep.endpoint)
    assert ask(sock, b'1') == [b'1']
    test.write('p', 'rule "x" { frob = 1 }\n')
    rep.send(signal.SIGHUP)
    line = rep.err.wait(r'policy in force stays').string
    assert f'{path}:1:' in line
    assert ask(sock, b'2') == [b'2']
    test.write('p', 'rule "none" { deny = {"*"} }\n')
    rep.send(signal.SIGHUP)
    rep.err.wait('read again, 1 rules')
    sock.send(b'3')
    rep.err.wait(r'den[iy]')
    assert silent(sock)


def test_a_bad_policy_at_the_start_is_an_error(test):
    path = test.write('p', 'rule "x" {\n allow = {"frob"}\n}\n')
    result = test.run('rep', test.ipc(), '--policy', path)
    assert result.returncode == 1 and f'{path}:2:' in result.error
    assert not os.path.exists(test.path('x.sock'))


def test_sigterm_lets_commands_finish(test):
    gate = test.path('gate')
    os.mkfifo(gate)
    rep = test.rep(test.ipc(), '--exec', f'cat {gate} - >&2; echo late', '-q')
    sock = test.socket(zmq.REQ, rep.endpoint)
    sock.send(b'x')
    with open(gate, 'w'):  # the command runs
        rep.send(signal.SIGTERM)
        late = test.socket(zmq.REQ, rep.endpoint)
        late.send(b'too late')
        assert silent(late)
    assert sock.recv_multipart() == [b'late\n']
    assert rep.wait() == 0


def test_a_second_signal_ends_it_at_once(test):
    gate = test.path('gate')
    os.mkfifo(gate)
    rep = test.rep(test.ipc(), '--exec', f'cat {gate}', '-q')
    sock = test.socket(zmq.REQ, rep.endpoint)
    sock.send(b'x')
    held = os.open(gate, os.O_WRONLY)
    rep.send(signal.SIGTERM)
    rep.send(signal.SIGINT)
    assert rep.wait() == 0
    # Its command was killed with it: soon nobody reads the gate any more. One that lives on would read for ever.
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            os.write(held, b'x' * 65536)
        raise AssertionError('the command lives on')
    except BrokenPipeError:
        pass
    finally:
        os.close(held)


harness.main(__file__)
