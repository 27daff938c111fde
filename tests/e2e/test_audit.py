#!/usr/bin/python3
"""kith serve: the audit of what was denied to whom."""
import json
import os
import signal

import harness
from harness import NOBODY, need_root

ME = f'policy "me" {{ rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }} }}\n'


def config(test, more=''):
    return f'audit_file = "{test.folder}/audit"\n{more}{ME}service "echo" {{ listen = {{"{test.ipc()}"}}  policy = "me"  builtin = "echo" }}\n'


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def ask(test, status, **options):
    assert test.run('req', test.ipc(), 'x', **options).returncode == status


def test_a_denial_is_a_line_with_the_kernels_word(test):
    need_root()
    serve = test.serve(config(test))
    ask(test, 0)
    ask(test, 4, uid=NOBODY)
    serve.err.wait(f'service echo: .*uid {NOBODY}')
    line, = lines(test.folder / 'audit')
    assert (line['event'], line['where'], line['error'], line['count']) == ('denied-connect', 'service echo', 'EACCES', 1), line
    assert line['verb'] == 'connect' and 'rule' not in line and line['peer'] > 0, line
    assert line['origin']['uid'] == NOBODY and line['origin']['witness']['uid'] == 'kernel-message', line
    assert line['endpoint'] == test.ipc() and 'connect denied' in line['text'], line
    assert (test.folder / 'audit').stat().st_mode & 0o027 == 0


def test_lines_and_what_is_lost_are_in_the_status(test):
    need_root()
    status = f'service "status" {{ listen = {{"{test.ipc("status")}"}}  builtin = "status" }}\n'
    serve = test.serve(config(test).replace(f'{test.folder}/audit', '/dev/full') + status)
    for _ in range(2):
        ask(test, 4, uid=NOBODY)
    serve.err.wait('audit_file /dev/full: No space left on device')
    result = test.run('status', test.ipc('status'))
    assert result.returncode == 0 and 'audit: 0 lines, 2 lost\n' in result.text, result
    told = json.loads(test.run('status', test.ipc('status'), '--json').text)
    assert told['audit'] == {'written': 0, 'suppressed': 0, 'lost': 2}, told


def test_all_events_are_lines_on_demand(test):
    serve = test.serve(config(test, 'audit = "all"\n'))
    ask(test, 0)
    serve.send(signal.SIGTERM)
    assert serve.wait() == 0
    seen = [line['event'] for line in lines(test.folder / 'audit')]
    assert seen[0] == 'listening' and 'connected' in seen and 'disconnected' in seen, seen


def test_a_file_that_was_moved_is_made_anew(test):
    need_root()
    serve = test.serve(config(test))
    os.rename(test.folder / 'audit', test.folder / 'old')
    serve.send(signal.SIGHUP)
    serve.err.wait('read again')
    ask(test, 4, uid=NOBODY)
    serve.err.wait(f'uid {NOBODY}')
    assert len(lines(test.folder / 'audit')) == 1 and lines(test.folder / 'old') == []


def test_a_file_that_cannot_be_had_is_an_error_with_its_name(test):
    test.write('kith.conf', config(test).replace('/audit"', '/nowhere/audit"'))
    result = test.run('serve', '-c', test.folder / 'kith.conf')
    assert result.returncode != 0 and 'nowhere/audit cannot be opened: No such file' in result.error, result


def test_a_wrong_word_is_an_error_with_its_line(test):
    test.write('kith.conf', config(test, 'audit = "some"\n'))
    result = test.run('serve', '--check', '-c', test.folder / 'kith.conf')
    assert result.returncode != 0 and 'kith.conf:2: audit = "some": write denials, all or off' in result.error, result


harness.main(__file__)
