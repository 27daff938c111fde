#!/usr/bin/python3
"""kith status: what a loop works with here, for people and for programs."""
import json
import os
import re
import resource
import socket

import harness

MEMBERS = {'kith', 'liburing', 'kernel', 'loop', 'loop_reason', 'KITH_LOOP', 'peer_pidfd', 'message_pidfd', 'descriptors', 'somaxconn',
           'io_uring_disabled'}


def status(test, **env):
    result = test.run('status', '--json', env=env)
    assert result.returncode == 0 and result.error == '', result
    return json.loads(result.text)


def can(name, call):
    try:
        call(name)
    except OSError:
        return False
    return True


def test_json_says_what_the_system_says(test):
    told = status(test, KITH_LOOP='')
    assert set(told) == MEMBERS
    assert told['kernel'] == os.uname().release
    assert f'kith {told["kith"]}\n' == test.run('--version').text
    soft, hard = (None if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    assert told['descriptors'] == {'soft': soft, 'hard': hard}
    with open('/proc/sys/net/core/somaxconn') as file:
        assert told['somaxconn'] == int(file.read())
    path = '/proc/sys/kernel/io_uring_disabled'
    assert told['io_uring_disabled'] == (int(open(path).read()) if os.path.exists(path) else None)
    assert re.fullmatch(r'\d+\.\d+.*', told['liburing']) and told['KITH_LOOP'] is None
    a, b = socket.socketpair()
    assert told['peer_pidfd'] == can(77, lambda name: os.close(a.getsockopt(socket.SOL_SOCKET, name)))
    assert told['message_pidfd'] == can(76, lambda name: a.setsockopt(socket.SOL_SOCKET, name, 1))


def test_either_the_best_loop_or_a_reason(test):
    told = status(test, KITH_LOOP='')
    assert (told['loop'], told['loop_reason']) == ('uring', None) or told['loop'] == 'epoll' and told['loop_reason'], told


def test_the_environment_chooses_the_loop(test):
    told = status(test, KITH_LOOP='epoll')
    assert (told['loop'], told['loop_reason'], told['KITH_LOOP']) == ('epoll', None, 'epoll')
    assert re.search(r'^loop +epoll +KITH_LOOP says so$', test.run('status', env={'KITH_LOOP': 'epoll'}).text, re.M)


def test_a_name_of_no_loop_is_an_error_that_lists_those_there_are(test):
    for words in (['status'], ['status', '--json']):
        result = test.run(*words, env={'KITH_LOOP': 'kqueue'})
        assert result.returncode == 1 and result.text == '', result
        assert result.error == 'kith: "kqueue" is no way to wait; there are uring and epoll (KITH_LOOP)\n', result.error


def test_the_table_says_the_same_in_words(test):
    told = status(test)
    text = test.run('status').text
    rows = dict(re.match(r'(.{18}) (\S+)', line).groups() for line in text.splitlines())
    rows = {name.strip(): value for name, value in rows.items()}
    assert rows['loop'] == told['loop'] and rows['kernel'] == told['kernel'] and rows['kith'] == told['kith']
    assert rows["peer's pidfd"] == ('yes' if told['peer_pidfd'] else 'no')
    assert rows['backlog'] == str(told['somaxconn']) and rows['descriptors'] == str(told['descriptors']['soft'])
    assert ('io_uring disabled' in rows) == (told['io_uring_disabled'] is not None)


def test_serve_says_at_debug_level_which_loop_it_runs_on(test):
    me = f'policy "me" {{ rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }} }}\n'
    program = test.serve(f'{me}service "echo" {{ listen = {{"{test.ipc()}"}}  builtin = "echo"  policy = "me" }}\n', '-v')
    program.err.wait(rf'^kith serve: loop: {status(test)["loop"]}')


def test_serve_names_a_loop_that_is_none(test):
    result = test.run('serve', env={'KITH_LOOP': 'kqueue'})
    assert result.returncode == 1 and '"kqueue" is no way to wait' in result.error


harness.main(__file__)
