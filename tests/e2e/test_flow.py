#!/usr/bin/python3
"""kith flow: recordings as files, and what is said when a guest cannot be had. What records is tested in guests (tests/flow)."""
import json
import os
import struct
import subprocess
from pathlib import Path

import harness

SAMPLE = Path(__file__).resolve().parent.parent / 'flow' / 'tcp.kflow'
CLOUD = SAMPLE.with_name('tcp-cloud.kflow')
KERNELS = '/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux'


def test_each_verb_of_flow_tells_its_usage(test):
    listed = test.run('help', 'flow').text
    for verb in ('record', 'restore', 'info', 'draw', 'diff', 'gallery'):
        by_help, by_option = test.run('help', 'flow', verb), test.run('flow', verb, '--help')
        assert by_help.returncode == 0 and by_help.text == by_option.text and by_help.text.startswith(f'usage: kith flow {verb}')
        assert f'kith flow {verb} ' in listed
    for words in (['flow'], ['flow', 'frob'], ['flow', '--frob'], ['help', 'flow', 'frob'], ['help', 'rep', 'req']):
        assert test.run(*words).returncode == 2, words


def test_info_says_what_a_recording_is_of(test):
    result = test.run('flow', 'info', str(SAMPLE))
    lines = dict(line.split(None, 1) for line in result.text.splitlines())
    assert result.returncode == 0 and lines['kernel'].startswith('6.1.') and lines['scenario'] == 'tcp', result
    whole = json.loads(test.run('flow', 'info', '--json', str(SAMPLE)).text)
    assert whole['whole'] is True and whole['lost'] == 0 and whole['pages'] > 10
    assert sorted(whole['meta']['roles'].values()) == ['client', 'server']


def test_a_recording_that_was_cut_is_read_and_said_to_be(test):
    octets = SAMPLE.read_bytes()
    Path(test.path('cut')).write_bytes(octets[:len(octets) // 2])
    result = test.run('flow', 'info', test.path('cut'))
    assert result.returncode == 0 and result.text.startswith('the recording ends early'), result


def test_what_is_no_recording_is_an_error(test):
    for content, text in ((b'', 'no recording'), (b'#!/bin/sh\n' * 10, 'no recording'), (b'KITHFLOW\2' + bytes(60), 'format 2'),
                          (b'KITHFLOW\1' + bytes(7) + b'\xff' * 60, 'broken')):
        Path(test.path('file')).write_bytes(content)
        result = test.run('flow', 'info', test.path('file'))
        assert result.returncode == 1 and text in result.error and result.error.count('\n') == 1, (content, result)
    assert 'No such file' in test.run('flow', 'info', test.path('none')).error


def test_draw_shows_a_recording_in_each_of_its_forms(test):
    tree = test.run('flow', 'draw', str(SAMPLE), '--call', 'connect')
    assert tree.returncode == 0 and '__x64_sys_connect' in tree.text and 'tcp_conn_request' in tree.text and '__x64_sys_bind' not in tree.text
    assert '\x1b' not in tree.text and '\x1b[' in test.run('flow', 'draw', str(SAMPLE), '--colour', 'always').text
    whole = json.loads(test.run('flow', 'draw', str(SAMPLE), '--json').text)
    assert len(whole['calls']) > 500 and whole['notes']
    assert test.run('flow', 'draw', str(SAMPLE), '--folded').text.startswith(('client;', 'server;'))
    assert test.run('flow', 'draw', str(SAMPLE), '--perfetto', test.path('trace')).text == ''
    assert json.loads(Path(test.path('trace')).read_text())['traceEvents']


def test_draw_says_what_it_cannot_show(test):
    for words, status, text in (([str(SAMPLE), '--call', 'frob'], 1, 'frob'), ([str(SAMPLE), '--lane', 'left'], 1, 'client, softirq'),
                                ([str(SAMPLE), '--socket', 'x'], 2, 'hexadecimal'), ([str(SAMPLE), '--depth', '0'], 2, '--depth'),
                                ([str(SAMPLE), '--colour', 'red'], 2, 'always'), ([str(SAMPLE), '--dot', '--level', '5'], 2, 'nor page'),
                                ([str(SAMPLE), '--call', 'connect:2'], 1, 'only 1'), ([str(SAMPLE), '--call', 'connect:x'], 2, '--call'),
                                ([], 2, 'which recording'),
                                ([str(SAMPLE), '--perfetto', test.path('no/such')], 1, 'No such file'), ([__file__], 1, 'no recording')):
        result = test.run('flow', 'draw', *words)
        assert result.returncode == status and text in result.error and result.text == '', (words, result)


def test_diff_tells_and_draws_what_two_kernels_do_otherwise(test):
    text = test.run('flow', 'diff', str(SAMPLE), str(CLOUD))
    assert text.returncode == 1 and '> tcp_v4_connect\n  - secure_tcp_seq\n' in text.text and '\n  ! tcp_v4_syn_recv_sock  ' in text.text, text
    whole = json.loads(test.run('flow', 'diff', str(SAMPLE), str(CLOUD), '--json').text)
    assert {'gone', 'new', 'prototype'} <= {item['difference'] for item in whole['differences']}
    assert any(way['function'] == 'secure_tcp_seq_and_ts_off' and way['below'][-1] == 'tcp_v4_connect' for way in whole['ways'])
    dot = test.run('flow', 'diff', str(SAMPLE), str(CLOUD), '--dot', '--call', 'connect').text
    assert '"+ secure_tcp_seq_and_ts_off"' in dot and 'only before' in dot
    result = test.run('flow', 'diff', str(SAMPLE), str(CLOUD), '--svg', test.path('x.svg'), '--call', 'accept')
    assert result.returncode == 1 and Path(test.path('x.svg')).read_text().rstrip().endswith('</svg>'), result
    same = test.run('flow', 'diff', str(SAMPLE), str(SAMPLE))
    assert same.returncode == 0 and 'no function differs' in same.text and '\n  + ' not in same.text and '\n  - ' not in same.text, same


def test_diff_says_what_it_cannot_compare(test):
    for words, status, text in (([str(SAMPLE)], 2, 'which two'), ([str(SAMPLE), test.path('none')], 2, 'No such file'),
                                ([str(SAMPLE), __file__], 2, 'BTF'), ([str(SAMPLE), __file__, '--dot'], 2, 'no chart'),
                                ([str(SAMPLE), str(CLOUD), '--call', 'connect'], 2, 'only a chart')):
        result = test.run('flow', 'diff', *words)
        assert result.returncode == status and text in result.error and result.text == '', (words, result)


def types(*functions):
    """BTF of a kernel whose functions are all int NAME(int x): Documentation/bpf/btf.rst."""
    strings, octets = b'\0', b''

    def name(text):
        nonlocal strings
        strings += text.encode() + b'\0'
        return len(strings) - len(text) - 1

    octets += struct.pack('<IIII', name('int'), 1 << 24, 4, 1 << 24 | 32)  # 1: an integer of four octets
    octets += struct.pack('<IIIII', 0, 13 << 24 | 1, 1, name('x'), 1)  # 2: int (int x)
    for function in functions:
        octets += struct.pack('<III', name(function), 12 << 24, 2)
    return struct.pack('<HBBIIIII', 0xeb9f, 1, 0, 24, 0, len(octets), len(octets), len(strings)) + octets + strings


def test_diff_with_types_tells_what_another_kernel_has_otherwise(test):
    Path(test.path('types')).write_bytes(types('tcp_v4_connect', 'tcp_connect'))
    result = test.run('flow', 'diff', str(SAMPLE), test.path('types'))
    assert result.returncode == 1 and 'cannot be judged' in result.text and '\n  ? tcp_small_queue_check.isra.0\n' in result.text, result
    assert '\n  - tcp_v4_rcv\n' in result.text and '=>  int tcp_v4_connect(int x)\n' in result.text, result
    whole = json.loads(test.run('flow', 'diff', str(SAMPLE), test.path('types'), '--json').text)
    assert whole['types']['compared'] == len(whole['differences']) and whole['ways'] == []
    assert 'tcp_small_queue_check.isra.0' in whole['types']['undecided'], whole['types']


def test_one_thing_is_recorded_at_a_time(test):
    for words in ([], ['--scenario', 'tcp', '--pid', '1'], ['--pid', '1', '--', 'true'], ['--vm', '--pid', '1'],
                  ['--kernel', 'x', '--scenario', 'tcp'], ['--pid', 'x']):
        result = test.run('flow', 'record', *words)
        assert result.returncode == 2 and result.text == '', (words, result)


def test_what_cannot_run_in_a_guest_is_said_before_one_is_started(test):
    if not os.path.exists(KERNELS):
        raise harness.Skip('no kernel: the package debian-installer-12-netboot-amd64 has one')
    for words, text in ((['--kernel', test.path('none'), '--scenario', 'tcp'], 'No such file'),
                        (['--kernel', __file__, '--scenario', 'tcp'], 'no Linux kernel'),
                        (['--kernel', KERNELS, '--', '/usr/bin/python3'], '-static'),
                        (['--kernel', KERNELS, '--', 'no-such-command-at-all'], 'no such command')):
        result = test.run('flow', 'record', '--vm', '-o', test.path('x.kflow'), *words)
        assert result.returncode == 1 and text in result.error and result.error.count('\n') == 1, (words, result)
    assert os.listdir(test.path('')) == [], os.listdir(test.path(''))


def test_a_host_without_qemu_is_told_which_package_has_it(test):
    if not os.path.exists(KERNELS):
        raise harness.Skip('no kernel: the package debian-installer-12-netboot-amd64 has one')
    result = subprocess.run([harness.kith_path, 'flow', 'record', '--vm', '--scenario', 'tcp', '-o', test.path('x.kflow')],
                            env={'PATH': test.path('')}, capture_output=True, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 1 and 'qemu-system-x86' in result.stderr and result.stderr.count('\n') == 1, result


harness.main(__file__)
