#!/usr/bin/python3
"""kith options: the table, for people and for programs."""
import harness
from harness import parse


def test_every_option_is_told(test):
    rows = [parse(line) for line in test.run('options', '--json').text.splitlines()]
    names = [row['name'] for row in rows]
    assert len(set(names)) == len(names) > 50
    for row in rows:
        assert row['type'] in ('number', 'flag', 'octets', 'text', 'key') and row['change'] in ('now', 'connection', 'endpoint')
        assert row['min'] <= row['max'] and row['summary']
        assert ('default' in row) == (row['type'] in ('number', 'flag'))
        if 'default' in row:
            assert row['min'] <= row['default'] <= row['max']
    text = test.run('options').text.splitlines()
    assert [line for line in text if not line.startswith(' ')] == names


def test_one_option_is_told(test):
    result = test.run('options', 'send-hwm')
    assert result.returncode == 0 and result.text.startswith('send-hwm\n') and '1000' in result.text
    assert test.run('options', 'none').returncode == 2
    assert test.run('options', 'send-hwm', '--man').returncode == 2


harness.main(__file__)
