#!/usr/bin/python3
"""kith flow diff of what one kernel does before and after a setting, recorded in guests: test_diff.py KITH."""
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))
import harness  # noqa: E402

harness.LIMIT = 120
# The listener is there when the client comes: it waits for its line in the table of TCP sockets.
CONNECTION = ('echo {setting} > /proc/sys/net/ipv4/tcp_timestamps; nc -l -p 7777 > /dev/null & '
              'until grep -q :1E61 /proc/net/tcp /proc/net/tcp6; do :; done; echo hello | nc 127.0.0.1 7777; wait')


def record(test, name, setting):
    busybox = shutil.which('busybox')
    if not busybox:
        raise harness.Skip('package busybox-static is not installed')
    result = test.run('flow', 'record', '--vm', '-o', test.path(name), '--', busybox, 'sh', '-c', CONNECTION.format(setting=setting))
    assert result.returncode == 0, result
    return test.path(name)


def test_a_setting_is_a_difference_and_nothing_else_is(test):
    off, on, again = (record(test, name, setting) for name, setting in (('off', 0), ('on', 1), ('again', 1)))
    result = test.run('flow', 'diff', off, on, '--json')
    assert result.returncode == 1, result
    whole = json.loads(result.text)
    differences = {(item['difference'], item['function']) for item in whole['differences']}
    assert ('new', 'tcp_v4_init_ts_off') in differences, differences
    assert not {kind for kind, _ in differences} & {'gone', 'prototype', 'layer'}, differences
    assert any(way['function'] == 'tcp_v4_init_ts_off' and way['below'][-1] == 'tcp_conn_request' for way in whole['ways']), whole['ways']
    result = test.run('flow', 'diff', on, off)
    assert result.returncode == 1 and '\n  - tcp_v4_init_ts_off\n' in result.text, result
    result = test.run('flow', 'diff', on, again, '--json')
    assert json.loads(result.text)['differences'] == [], result


harness.main(__file__)
