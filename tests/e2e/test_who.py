#!/usr/bin/python3
"""kith who: facts and witnesses, of itself and of others."""
import os
import re
import subprocess

import harness
from harness import need_root, parse


def test_of_itself_the_kernel_vouches_for_the_message(test):
    result = test.run('who', '--json')
    assert result.returncode == 0, result
    origin = parse(result.text)
    assert origin['uid'] == os.geteuid() and origin['gid'] == os.getegid()
    assert origin['exe'] == os.path.realpath(harness.kith_path)
    for fact in ('pid', 'uid', 'gid'):
        assert origin['witness'][fact] == 'kernel-message', origin
    assert origin['witness']['exe'] in ('kernel-connect', 'inferred')


def test_another_uid_is_seen_as_such(test):
    need_root()
    origin = parse(test.run('who', '--json', uid=1234).text)
    assert (origin['uid'], origin['gid']) == (1234, 1234) and origin['witness']['uid'] == 'kernel-message'


def test_the_table_tells_each_witness_in_words(test):
    result = test.run('who')
    assert result.returncode == 0
    rows = {line.split()[0]: line for line in result.text.splitlines()}
    for fact in ('pid', 'uid', 'gid', 'groups', 'exe', 'cgroup', 'start-time' if 'start-time' in rows else 'start_time'):
        assert fact in rows, (fact, result.text)
    assert re.search(r'^uid +\d+ .*kernel-message +the kernel says so of this very message', rows['uid'])
    for line in rows.values():
        assert len(line.split()) >= 3


def test_another_process_by_its_pid(test):
    sleeper = subprocess.Popen(['sleep', '1000'])
    test.callback(sleeper.wait)
    test.callback(sleeper.kill)
    origin = parse(test.run('who', sleeper.pid, '--json').text)
    assert origin['pid'] == sleeper.pid and origin['exe'] == os.path.realpath('/bin/sleep')
    assert 'kernel-message' not in origin['witness'].values(), 'a process that sends nothing has no witness for a message'


def test_a_process_that_is_not_there_is_an_error_with_its_number(test):
    ended = subprocess.Popen(['true'])
    ended.wait()
    result = test.run('who', ended.pid)
    assert result.returncode == 1 and str(ended.pid) in result.error and result.text == ''


harness.main(__file__)
