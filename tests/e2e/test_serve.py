#!/usr/bin/python3
"""kith serve: services, workers of stock libzmq, policies, signals, and everything that can go wrong between them."""
import os
import signal
import stat
import subprocess

import zmq

import harness
import raw
from harness import NOBODY, Notify, need_root, parse, silent

ME = f'policy "me" {{ rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }} }}\n'


def echo(test, more='', service='echo'):
    return f'service "{service}" {{ listen = {{"{test.ipc()}"}}  builtin = "echo" {more} }}\n'


def workers(test, more='', plain=True, origin=False):
    back = (f'workers = {{"{test.ipc("w")}"}} ' if plain else '') + (f'workers_with_origin = {{"{test.ipc("wo")}"}} ' if origin else '')
    return f'service "work" {{ listen = {{"{test.ipc()}"}}  {back} {more} }}\n'


def ask(sock, *frames):
    sock.send_multipart(list(frames))
    return sock.recv_multipart()


def worker(test, serve, kind='rep', endpoint='w', word='reply', uid=None):
    """Starts a worker and waits until the gateway has it."""
    seen = len(serve.err.lines)
    peer = test.peer(kind, test.ipc(endpoint), word, uid=uid)
    peer.out.wait('ready')
    serve.err.wait('worker connected', seen)
    return peer


# Builtins and the default ---------------------------------------------------------------------------------------------


def test_builtin_echo_answers(test):
    serve = test.serve(echo(test))
    assert ask(test.socket(zmq.REQ, test.ipc()), b'a', b'b') == [b'a', b'b']
    assert serve.stop() == 0


def test_builtin_who_answers_with_the_kernels_word(test):
    test.serve(f'service "who" {{ listen = {{"{test.ipc()}"}}  builtin = "who" }}\n')
    sock = raw.connect(test, test.ipc())
    raw.handshake(sock, User_Id=b'root')
    reply = raw.request(sock, b'who am I?')
    origin = parse(reply[0])
    assert len(reply) == 1 and origin['pid'] == os.getpid() and origin['witness']['pid'] == 'kernel-message'
    assert {k.lower(): v for k, v in origin['claimed'].items()}['user-id'] == 'root'


def test_the_default_configuration_serves(test):
    runtime = test.path('run')
    notify = Notify(test, test.folder / 'notify')
    serve = test.kith('serve', env={'RUNTIME_DIRECTORY': runtime, 'NOTIFY_SOCKET': notify.path})
    notify.wait('READY=1')
    assert os.path.isdir(runtime), 'the directory is made'
    assert stat.S_IMODE(os.stat(f'{runtime}/echo.sock').st_mode) == 0o666
    assert ask(test.socket(zmq.REQ, f'ipc://{runtime}/echo.sock'), b'x') == [b'x']
    origin = parse(ask(test.socket(zmq.REQ, f'ipc://{runtime}/who.sock'), b'')[0])
    assert origin['uid'] == os.geteuid()
    serve.send(signal.SIGHUP)
    serve.err.wait('nothing to read again')
    assert serve.stop() == 0
    assert not os.path.exists(f'{runtime}/echo.sock')


def test_the_default_configuration_lets_people_in_and_keeps_services_out(test):
    need_root()
    runtime = test.path('run')
    notify = Notify(test, test.folder / 'notify')
    serve = test.kith('serve', env={'RUNTIME_DIRECTORY': runtime, 'NOTIFY_SOCKET': notify.path})
    notify.wait('READY=1')
    endpoint = f'ipc://{runtime}/who.sock'
    assert parse(test.run('req', endpoint, 'x', uid=1000).text)['uid'] == 1000
    denied = test.run('req', endpoint, 'x', uid=NOBODY)
    assert denied.returncode == 4 and denied.text == '', denied
    serve.err.wait(rf'service who: .*{NOBODY}')


def test_a_strict_umask_does_not_hide_the_default_services(test):
    need_root()
    runtime = test.path('run')
    notify = Notify(test, test.folder / 'notify')
    before = os.umask(0o077)
    try:
        test.kith('serve', env={'NOTIFY_SOCKET': notify.path, 'RUNTIME_DIRECTORY': runtime})
    finally:
        os.umask(before)
    notify.wait('READY=1')
    assert parse(test.run('req', f'ipc://{runtime}/who.sock', 'x', uid=1000).text)['uid'] == 1000


def test_the_printed_default_configuration_is_right(test):
    text = test.run('serve', '--print-default-config', env={'RUNTIME_DIRECTORY': test.path('run')}).text
    assert test.path('run') in text
    result = test.run('serve', '--check', '-c', test.write('c', text))
    assert result.returncode == 0 and '2 service' in result.text
    assert not os.path.exists(test.path('run')), 'checking opens nothing'


# Requests and replies -------------------------------------------------------------------------------------------------


def test_requests_go_round_robin_over_all_workers(test):
    serve = test.serve(workers(test, plain=True, origin=True))
    names = ['rep1', 'rep2', 'dealer1', 'dealer2']
    for name in names:
        worker(test, serve, 'rep' if name.startswith('rep') else 'dealer-worker', 'w' if name.endswith('1') else 'wo', name)
    sock = test.socket(zmq.REQ, test.ipc())
    served = [ask(sock, b'%d' % i)[0].decode() for i in range(40)]
    for begin in range(0, 40, 4):
        assert sorted(served[begin:begin + 4]) == sorted(names), served


def test_replies_return_to_their_client(test):
    serve = test.serve(workers(test))
    for number in range(3):
        worker(test, serve, 'rep' if number else 'dealer-worker')
    clients = [test.socket(zmq.REQ if i % 2 else zmq.DEALER, test.ipc()) for i in range(20)]
    for turn in range(10):
        for i, sock in enumerate(clients):
            sock.send_multipart([b'%d/%d' % (i, turn)] if i % 2 else [b'hop', b'', b'%d/%d' % (i, turn)])
        for i, sock in enumerate(clients):
            reply = sock.recv_multipart()
            assert reply == ([] if i % 2 else [b'hop', b'']) + [b'reply', b'%d/%d' % (i, turn)], reply


def test_requests_wait_for_the_first_worker(test):
    serve = test.serve(workers(test))
    clients = [test.socket(zmq.REQ, test.ipc()) for _ in range(5)]
    for number, sock in enumerate(clients):
        sock.send(b'%d' % number)
    worker(test, serve)
    for number, sock in enumerate(clients):
        assert sock.recv_multipart() == [b'reply', b'%d' % number]


def test_kith_req_and_kith_rep_are_client_and_worker_too(test):
    test.serve(echo(test))
    assert test.run('req', test.ipc(), 'x').text == 'x\n'


def test_workers_with_origin_get_it_in_front(test):
    serve = test.serve(workers(test, plain=False, origin=True))
    peer = worker(test, serve, endpoint='wo')
    sock = raw.connect(test, test.ipc())
    raw.handshake(sock, User_Id=b'root')
    # A client that sends a frame which looks like an origin only adds a frame of its own behind the gateway's.
    fake = b'{"pid":1,"uid":0,"witness":{"pid":"kernel-message","uid":"kernel-message"}}'
    raw.request(sock, fake, b'body')
    first, second, third = parse(peer.out.wait_count(2)[1])
    origin = parse(first)
    assert origin['pid'] == os.getpid() and origin['uid'] == os.geteuid() and origin['witness']['uid'] == 'kernel-message'
    assert (second, third) == (fake.decode(), 'body')


def test_empty_frames_of_a_client_do_not_shift_the_origin(test):
    serve = test.serve(workers(test, plain=False, origin=True))
    peer = worker(test, serve, endpoint='wo')
    dealer = test.socket(zmq.DEALER, test.ipc())
    dealer.send_multipart([b'', b'', b'{"uid":0}', b''])
    assert dealer.recv_multipart()[0] == b''
    frames = parse(peer.out.wait_count(2)[1])
    assert parse(frames[0])['pid'] == os.getpid() and frames[1:] == ['', '{"uid":0}', '']


def test_malformed_requests_are_dropped_and_logged(test):
    serve = test.serve(echo(test))
    dealer = test.socket(zmq.DEALER, test.ipc())
    dealer.send_multipart([b'no', b'delimiter'])
    dealer.send_multipart([b''])
    dealer.send_multipart([b'', b'good'])
    assert dealer.recv_multipart() == [b'', b'good']
    serve.err.wait('service echo: .*malformed')


def test_a_client_that_has_gone_costs_its_reply_only(test):
    serve = test.serve(workers(test))
    peer = worker(test, serve, 'dealer-worker')
    gate = test.socket(zmq.REQ, test.ipc())
    client = test.peer('req', test.ipc())
    client.process.stdin.write(b'hold\n')
    client.process.stdin.flush()
    peer.out.wait('hold')
    client.kill()
    assert ask(gate, b'next') == [b'reply', b'next']
    # A reply whose client is gone: the worker answers twice, once for nobody.
    assert ask(gate, b'twice') == [b'reply', b'twice']
    serve.err.wait('no such request is open')


def test_a_reply_to_a_client_that_has_gone_is_dropped_and_logged(test):
    serve = test.serve(workers(test, 'handshake_timeout = 10000'))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    client = test.peer('req', test.ipc())
    client.process.stdin.write(b'x\n')
    client.process.stdin.flush()
    request = back.recv_multipart()
    assert request[1:] == [b'', b'x']
    client.kill()
    # The gateway has seen the end of the client when it serves another one that came later.
    other = test.socket(zmq.REQ, test.ipc())
    other.send(b'y')
    second = back.recv_multipart()
    back.send_multipart(request)
    serve.err.wait('reply dropped: the client has gone')
    back.send_multipart(second)
    assert other.recv() == b'y'


def test_a_worker_that_dies_with_a_request_is_told_and_others_go_on(test):
    serve = test.serve(workers(test, 'request_timeout = 300'))
    worker(test, serve)
    doomed = test.socket(zmq.REQ, test.ipc())
    doomed.send(b'die')
    serve.err.wait('a worker has gone')
    serve.err.wait(r'1 request\(s\) were lost with it: their clients are told')
    worker(test, serve, word='second')
    assert ask(test.socket(zmq.REQ, test.ipc()), b'x') == [b'second', b'x']
    assert silent(doomed) # libzmq has no ear for it


def test_a_request_fails_at_once_when_its_worker_dies(test):
    serve = test.serve(workers(test, 'request_timeout = 60000'))
    back = test.peer('rep', test.ipc('w'))
    serve.err.wait('worker connected')
    client = test.kith('req', test.ipc(), 'wait', '--timeout', '60000')
    back.out.wait('wait')
    back.kill()
    assert client.wait() == 1
    client.err.wait('who had the request died before it replied.*no reply will come: the worker died')
    worker(test, serve, word='second')
    assert ask(test.socket(zmq.REQ, test.ipc()), b'x') == [b'second', b'x']


def test_a_request_that_no_worker_takes_is_given_up(test):
    serve = test.serve(workers(test, 'request_timeout = 100'))
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    serve.err.wait('request given up after 100 ms: no worker was free')
    worker(test, serve)
    assert silent(sock)
    assert ask(test.socket(zmq.REQ, test.ipc()), b'y') == [b'reply', b'y']


def test_requests_lost_with_a_worker_do_not_block_the_next_one(test):
    serve = test.serve(workers(test, 'in_flight = 2  request_timeout = 60000'))
    first = test.peer('rep', test.ipc('w'))
    serve.err.wait('worker connected')
    clients = [test.socket(zmq.REQ, test.ipc()) for _ in range(3)]
    clients[0].send(b'wait')
    first.out.wait('wait')
    for sock in clients[1:]:
        sock.send(b'x')
    first.kill()
    serve.err.wait(r'2 request\(s\) were lost with it')
    worker(test, serve, word='second')
    assert ask(test.socket(zmq.REQ, test.ipc()), b'y') == [b'second', b'y']


def test_a_late_reply_is_dropped(test):
    serve = test.serve(workers(test, 'request_timeout = 100'))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    request = back.recv_multipart()
    serve.err.wait('given up')
    back.send_multipart(request)
    serve.err.wait('no such request is open')
    assert silent(sock)


def test_garbage_of_a_worker_is_dropped_and_logged(test):
    serve = test.serve(workers(test))
    worker(test, serve, 'dealer-worker')
    sock = test.socket(zmq.REQ, test.ipc())
    assert ask(sock, b'garbage') == [b'reply', b'garbage']
    serve.err.wait('it is no reply')
    serve.err.wait('no such request is open')
    assert ask(sock, b'still there') == [b'reply', b'still there']


def test_a_worker_cannot_answer_for_another_lane(test):
    serve = test.serve(workers(test, plain=True, origin=True))
    plain, other = test.socket(zmq.DEALER, test.ipc('w')), test.socket(zmq.DEALER, test.ipc('wo'))
    serve.err.wait('worker connected')
    serve.err.wait('worker connected', serve.err.lines.index(serve.err.wait('worker connected').string) + 1)
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    while not (plain.poll(10) or other.poll(10)):
        pass
    mine, foreign = (plain, other) if plain.poll(0) else (other, plain)
    request = mine.recv_multipart()
    foreign.send_multipart([*request[:2], b'forged'])
    serve.err.wait('no such request is open')
    mine.send_multipart([*request[:2], b'right'])
    assert sock.recv() == b'right'


def test_a_flood_is_held_back_and_nothing_is_lost(test):
    serve = test.serve(workers(test, 'queue = 100'))
    dealer = test.socket(zmq.DEALER, test.ipc(), sndhwm=0)
    for number in range(20000):
        dealer.send_multipart([b'', b'%d' % number])
    serve.err.wait(r'100 requests \(\d+ octets\) wait for a worker')
    # Another client that comes now is served long before the flood is over.
    other = test.socket(zmq.REQ, test.ipc())
    other.send(b'other')
    worker(test, serve)
    taken = other_after = 0
    while taken < 20000:
        assert dealer.recv_multipart() == [b'', b'reply', b'%d' % taken]
        taken += 1
        if not other_after and other.poll(0):
            assert other.recv_multipart() == [b'reply', b'other']
            other_after = taken
    assert 0 < other_after < 15000, other_after
    assert serve.stop() == 0


def test_a_client_that_never_reads_does_not_stop_others(test):
    serve = test.serve(echo(test, 'send_hwm = 10'))
    sock = raw.connect(test, test.ipc())
    raw.handshake(sock, Socket_Type=b'DEALER')
    request = raw.frame(b'', more=True) + raw.frame(b'x' * 100000)
    sock.settimeout(0.3)
    try:
        for _ in range(200):
            sock.sendall(request)
    except TimeoutError:
        pass
    serve.err.wait('reply dropped: the client does not take its replies')
    assert ask(test.socket(zmq.REQ, test.ipc()), b'x') == [b'x']


def test_a_message_above_the_limit_ends_its_client_only(test):
    serve = test.serve(echo(test, 'max_message = 10000'))
    good = test.socket(zmq.REQ, test.ipc())
    assert ask(good, b'1') == [b'1']
    bad = test.socket(zmq.REQ, test.ipc())
    bad.send(b'x' * 20000)
    serve.err.wait('service echo: .*10000')
    assert ask(good, b'2') == [b'2']


def test_a_worker_may_echo_the_largest_request(test):
    serve = test.serve(workers(test, 'max_message = 10000'))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    sock = test.socket(zmq.REQ, test.ipc())
    largest = b'x' * (10000 - 2 * 128)  # of an empty frame and a body
    sock.send(largest)
    back.send_multipart(back.recv_multipart())
    assert sock.recv() == largest
    sock.send(largest + b'x')
    serve.err.wait('service work: .*max-message')


def test_no_descriptor_stays_behind(test):
    serve = test.serve(workers(test, plain=True, origin=True))
    before = serve.descriptors()
    for turn in range(5):
        peer = worker(test, serve, endpoint='w' if turn % 2 else 'wo')
        for _ in range(5):
            sock = test.socket(zmq.REQ, test.ipc())
            assert ask(sock, b'x')[0] == b'reply'
            sock.close()
        peer.kill()
    serve.wait_descriptors(before)


# Policy ---------------------------------------------------------------------------------------------------------------


def test_policy_allows_and_denies_by_uid(test):
    need_root()
    serve = test.serve(ME + echo(test, 'policy = "me"'))
    assert test.run('req', test.ipc(), 'x').returncode == 0
    denied = test.run('req', test.ipc(), 'x', uid=NOBODY)
    assert denied.returncode == 4 and 'x' not in denied.text
    serve.err.wait(rf'service echo: .*{NOBODY}')


def test_a_policy_file_is_found_beside_the_configuration(test):
    test.write('local.policy', 'rule "none" { deny = {"*"} }\n')
    test.serve(echo(test, 'policy = "./local.policy"'))
    assert test.run('req', test.ipc(), 'x').returncode == 4


def test_nobody_else_may_be_a_worker_unless_a_policy_says_so(test):
    need_root()
    serve = test.serve(workers(test, 'workers_mode = 0666'))
    test.peer('rep', test.ipc('w'), uid=NOBODY)
    serve.err.wait(rf'service work: .*{NOBODY}')
    worker(test, serve, word='mine')
    sock = test.socket(zmq.REQ, test.ipc())
    assert [ask(sock, b'x')[0] for _ in range(4)] == [b'mine'] * 4


def test_a_service_without_policy_is_pointed_out(test):
    serve = test.serve(echo(test))
    serve.err.wait('service echo has no policy')


# Signals and configuration --------------------------------------------------------------------------------------------


def test_sighup_reads_policies_again(test):
    serve = test.serve(ME + echo(test, 'policy = "me"'))
    sock = test.socket(zmq.REQ, test.ipc())
    assert ask(sock, b'1') == [b'1']
    test.write('kith.conf', 'policy "me" { rule "none" { deny = {"*"} } }\n' + echo(test, 'policy = "me"'))
    serve.send(signal.SIGHUP)
    serve.notify.wait('RELOADING=1')
    serve.notify.wait('READY=1')
    serve.err.wait('read again')
    sock.send(b'2')
    serve.err.wait('den[iy]')
    assert silent(sock)
    assert test.run('req', test.ipc(), 'x').returncode == 4


def test_a_bad_configuration_changes_nothing(test):
    serve = test.serve(ME + echo(test, 'policy = "me"'))
    sock = test.socket(zmq.REQ, test.ipc())
    for text in ('service "echo" {\n frob = 1\n}\n', 'policy "me" { rule "x" { } }\n' + echo(test, 'policy = "me"'), '', ME + echo(test, 'policy = "gone"')):
        seen = len(serve.err.lines)
        test.write('kith.conf', text)
        serve.send(signal.SIGHUP)
        line = serve.err.wait('nothing was changed', seen).string
        assert f'{serve.config}:' in line, line
        assert ask(sock, b'x') == [b'x']
    os.unlink(serve.config)
    serve.send(signal.SIGHUP)
    serve.err.wait('No such file.*nothing was changed')
    assert ask(sock, b'x') == [b'x']


def test_changed_endpoints_need_a_restart(test):
    serve = test.serve(echo(test))
    test.write('kith.conf', echo(test).replace('x.sock', 'y.sock') + 'service "new" { listen = {"ipc://@kith-e2e-new"}  builtin = "who" }\n')
    serve.send(signal.SIGHUP)
    serve.err.wait('service echo: endpoints.* needs a restart')
    serve.err.wait('service new is new: it needs a restart')
    assert ask(test.socket(zmq.REQ, test.ipc()), b'x') == [b'x']
    test.write('kith.conf', echo(test, service='other'))
    serve.send(signal.SIGHUP)
    serve.err.wait('service echo is no longer in .*: it goes on until a restart')


def test_a_policy_that_is_gone_from_the_configuration_stays_in_force(test):
    need_root()
    serve = test.serve(ME + echo(test, 'policy = "me"  mode = 0666'))
    test.write('kith.conf', echo(test, 'mode = 0666'))
    serve.send(signal.SIGHUP)
    serve.err.wait('its policy is gone: that needs a restart')
    serve.err.wait('read again')
    assert test.run('req', test.ipc(), 'x').returncode == 0
    assert test.run('req', test.ipc(), 'x', uid=NOBODY).returncode == 4


def test_workers_stay_under_policy_when_the_service_changes(test):
    need_root()
    serve = test.serve(workers(test, 'workers_mode = 0666'))
    test.write('kith.conf', echo(test, service='work'))
    serve.send(signal.SIGHUP)
    serve.err.wait('service work: .*needs a restart')
    test.peer('rep', test.ipc('w'), uid=NOBODY)
    serve.err.wait(rf'service work: .*{NOBODY}.*denied')


def test_sigterm_lets_replies_return(test):
    serve = test.serve(workers(test))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    request = back.recv_multipart()
    serve.send(signal.SIGTERM)
    serve.notify.wait('STOPPING=1')
    late = test.socket(zmq.REQ, test.ipc())
    late.send(b'late')
    assert silent(back)
    back.send_multipart(request)
    assert sock.recv() == b'x'
    assert serve.wait() == 0


def test_a_drain_ends_at_its_deadline(test):
    serve = test.serve('drain = 200\n' + workers(test))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    back.recv_multipart()
    assert serve.stop() == 0
    serve.err.wait('requests unanswered.*: 200 ms')


def test_requests_that_a_stop_leaves_unanswered_are_logged(test):
    serve = test.serve(workers(test))
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    while 'requests: 1 waiting' not in serve.notify.next():
        pass
    assert serve.stop() == 0
    serve.err.wait(r'service work: 1 request\(s\) stay without a reply: there is no worker')


def test_a_reload_of_the_default_configuration_ends_too(test):
    notify = Notify(test, test.folder / 'notify')
    serve = test.kith('serve', env={'NOTIFY_SOCKET': notify.path, 'RUNTIME_DIRECTORY': test.path('run')})
    notify.wait('READY=1')
    serve.send(signal.SIGHUP)
    notify.wait('RELOADING=1')
    notify.wait('READY=1')
    serve.err.wait('nothing to read again')
    serve.send(signal.SIGTERM)
    notify.wait('STOPPING=1')
    assert serve.wait() == 0


def test_a_second_signal_ends_it_at_once(test):
    serve = test.serve('drain = 100000\n' + workers(test))
    back = test.socket(zmq.DEALER, test.ipc('w'))
    serve.err.wait('worker connected')
    sock = test.socket(zmq.REQ, test.ipc())
    sock.send(b'x')
    back.recv_multipart()
    serve.send(signal.SIGTERM)
    serve.notify.wait('STOPPING=1')
    assert serve.stop(signal.SIGINT) == 0


def test_status_follows_what_happens(test):
    serve = test.serve(workers(test))
    worker(test, serve)
    while '1 workers' not in serve.notify.next():
        pass


def test_lines_carry_priorities_under_the_journal(test):
    reader, writer = os.pipe()
    status = os.fstat(writer)
    process = subprocess.Popen([harness.kith_path, 'serve', '-c', test.write('c', echo(test))], stderr=writer,
                               env={**os.environ, 'JOURNAL_STREAM': f'{status.st_dev}:{status.st_ino}'})
    test.callback(process.wait)
    test.callback(process.kill)
    os.close(writer)
    lines = harness.Lines(os.fdopen(reader, 'rb'))
    lines.wait(r'^<5>kith serve: ready')
    process.send_signal(signal.SIGTERM)
    assert all(line[0] == '<' and line[2] == '>' for line in lines.all())


harness.main(__file__)
