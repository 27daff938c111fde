#!/usr/bin/python3
"""kith bench: what it measures, at which ends, and what it refuses. Figures are looked at for being there, not for being good."""
import json
import os
import re
import subprocess

import harness

QUICK = ('--count', '200', '--repetitions', '2')


def bench(test, *words):
    result = test.run('bench', *words, *QUICK, '--json')
    assert result.returncode == 0 and result.error == '', result
    return json.loads(result.text)


def check_figures(told, *names):
    for name in names:
        assert 0 < told[name]['low'] <= told[name]['median'] <= told[name]['high'], told
    return told


def test_latency_of_both_patterns_on_both_transports(test):
    for pattern in ('req', 'pair'):
        for endpoint in ('ipc', 'tcp'):
            told = check_figures(bench(test, 'latency', '--pattern', pattern, '--endpoint', endpoint), 'us', 'cpu_us')
            assert (told['bench'], told['pattern'], told['endpoint'], told['from'], told['to']) == ('latency', pattern, endpoint, 'kith', 'kith')
            assert told['repetitions'] == 2 and told['size'] == 64


def test_throughput_of_any_size(test):
    for size in ('8', '1024', '100000'):
        told = check_figures(bench(test, 'throughput', '--size', size), 'us', 'send_us', 'receive_us')
        assert told['size'] == int(size)
    check_figures(bench(test, 'throughput', '--pattern', 'pair', '--endpoint', 'tcp'), 'us', 'send_us', 'receive_us')


def test_fanout_to_processes(test):
    told = check_figures(bench(test, 'fanout', '--subscribers', '3'), 'us', 'send_us', 'receive_us')
    assert told['subscribers'] == 3


def test_libzmq_at_either_end_and_at_both(test):
    for kind in ('latency', 'throughput', 'fanout'):
        for words, ends in (((), ('kith', 'zeromq')), (('--reverse',), ('zeromq', 'kith')), (('--both',), ('zeromq', 'zeromq'))):
            more = ('--subscribers', '2') if kind == 'fanout' else ()
            told = check_figures(bench(test, kind, '--peer', 'zeromq', *words, *more), 'us')
            assert (told['from'], told['to']) == ends


def test_curve_at_both_ends(test):
    for peer in ('kith', 'zeromq'):
        told = check_figures(bench(test, 'throughput', '--curve', '--peer', peer), 'us')
        assert told['curve'] is True


def test_an_endpoint_of_ones_own_leaves_nothing_behind(test):
    told = bench(test, 'latency', '--endpoint', test.ipc('here'))
    assert told['endpoint'] == test.ipc('here') and os.listdir(test.folder) == []


def test_text_says_what_was_measured_where(test):
    result = test.run('bench', 'throughput', '--placement', 'one-core', *QUICK)
    assert result.returncode == 0 and result.error == '', result
    head, *lines = result.text.splitlines()
    assert head == 'throughput, push, kith to kith, 64 octets, ipc, one-core: 2 repetitions'
    assert len(lines) == 4 and re.fullmatch(r' +\d+ /s  messages delivered, [\d.]+ MiB/s', lines[-1]), lines


def test_what_makes_no_sense_is_said(test):
    for words, text in (([], 'latency, throughput or fanout'), (['speed'], 'latency, throughput or fanout'),
                        (['latency', '--pattern', 'push'], "--pattern: 'push'"), (['latency', '--peer', 'nng'], "--peer: 'nng'"),
                        (['latency', '--endpoint', 'inproc://x'], 'ipc:// or tcp://'), (['latency', '--endpoint', 'ipc://'], 'ipc://'),
                        (['latency', '--size', '7'], '--size'), (['latency', '--placement', 'here'], '--placement')):
        result = test.run('bench', *words)
        assert result.returncode == 2 and result.text == '' and text in result.error, (words, result)


def test_one_processor_is_not_two(test):
    result = subprocess.run(['taskset', '-c', str(min(os.sched_getaffinity(0))), harness.kith_path, 'bench', 'latency', '--placement',
                                     'two-cores', *QUICK], capture_output=True, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 1 and 'one processor only' in result.stderr, result


harness.main(__file__)
