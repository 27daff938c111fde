#!/usr/bin/python3
"""kith flow record --vm: recordings from a guest, made by an ordinary user, and guests that come to nothing."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))
import harness  # noqa: E402
import recorded  # noqa: E402

KERNEL = '/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux'
SCENARIO = os.environ['KITH_FLOW_SCENARIO']
harness.LIMIT = 120


def record(test, *words):
    """Into the file x; returns the result, and what it is of."""
    result = test.run('flow', 'record', '--vm', '--kernel', KERNEL, '-o', test.path('x'), *words)
    if result.returncode != 0:
        return result, None
    assert result.text == test.path('x') + '\n' and os.listdir(test.path('')) == ['x'], result
    return result, json.loads(test.run('flow', 'info', '--json', test.path('x')).text)


def test_a_connection_is_recorded_whole(test):
    result, info = record(test, '--scenario', 'tcp')
    assert result.returncode == 0 and info['whole'] and info['lost'] == 0, result
    assert info['meta']['scenario'] == 'tcp' and sorted(info['meta']['roles'].values()) == ['client', 'server']
    assert info['meta']['filter']['functions'] > 3000
    recorded.check_connection(test, test.path('x'))


def test_a_request_and_its_reply_are_recorded_in_both_lanes(test):
    result, info = record(test, '--scenario', 'zeromq')
    assert result.returncode == 0 and info['whole'] and info['lost'] == 0, result
    for lane, call in ('client', 'connect'), ('server', 'accept4'), ('server', 'sendto'), ('client', 'recvfrom'):
        tree = test.run('flow', 'draw', test.path('x'), '--lane', lane, '--call', call, '--depth', '1').text
        assert f'__x64_sys_{call}\n' in tree, (lane, call, tree)


def test_datagrams_are_seen_sent_and_received(test):
    for scenario in 'udp', 'udp6':
        result, _ = record(test, '--probes-only', '--scenario', scenario)
        assert result.returncode == 0, result
        model = recorded.model_of(test, test.path('x'))
        marks = [mark for mark in model['marks'] if mark['type'] == 'datagram']
        assert [(mark['sent'], mark['octets']) for mark in marks] == 3 * [(True, 4), (False, 4)], marks
        ports = [(mark['source'], mark['destination']) for mark in marks]
        assert ports[0] == ports[1] == ports[4] == ports[5] == ports[2][::-1] == ports[3][::-1] and 0 not in ports[0], ports
        os.unlink(test.path('x'))


def test_probes_alone_take_a_fraction(test):
    result, info = record(test, '--probes-only', '--scenario', 'tcp')
    assert result.returncode == 0 and info['whole'] and info['meta']['probes_only'] and 0 < info['pages'] < 10, (result, info)


def test_a_static_command_is_recorded(test):
    result, info = record(test, '--', SCENARIO, 'udp')
    assert result.returncode == 0 and info['whole'] and info['meta']['command'] == ['/bin/kith-flow-scenario', 'udp'], (result, info)


def test_a_scenario_that_does_not_exist_is_an_error(test):
    result, _ = record(test, '--scenario', 'frob')
    assert result.returncode == 1 and result.error.count('\n') == 1 and 'scenario' in result.error, result
    assert os.listdir(test.path('')) == []


def test_a_guest_that_takes_too_long_is_stopped(test):
    result, _ = record(test, '--seconds', '1', '--scenario', 'tcp')
    assert result.returncode == 1 and 'not done after 1 s' in result.error and os.listdir(test.path('')) == [], result


def test_another_user_records_where_only_that_user_can_write(test):
    harness.need_root()
    folder = Path(test.path('own'))
    folder.mkdir(mode=0o700)
    os.chown(folder, harness.NOBODY, harness.NOBODY)
    result = test.run('flow', 'record', '--vm', '-o', folder / 'x', '--scenario', 'udp', uid=harness.NOBODY)
    assert (result.returncode, result.text, result.error) == (0, f'{folder}/x\n', ''), result
    assert (folder / 'x').stat().st_uid == harness.NOBODY and os.listdir(folder) == ['x']
    result = test.run('flow', 'record', '--vm', '-o', test.path('x'), '--scenario', 'udp', uid=harness.NOBODY)
    assert result.returncode == 1 and test.path('x') in result.error and result.error.count('\n') == 1, result


def test_kvm_is_used_or_the_way_without_it_is_told(test):
    result, _ = record(test, '--accel', 'kvm', '--scenario', 'udp', '--seconds', '30')
    usable = os.access('/dev/kvm', os.R_OK | os.W_OK)
    if result.returncode != 0 or not usable:  # within another virtual machine it may be there, and get no guest to its end
        assert result.returncode == 1 and ('after 30 s' if usable else '/dev/kvm') in result.error, result
        assert 'without --accel kvm' in result.error, result
        assert result.error.count('\n') == 1 and os.listdir(test.path('')) == [], result
    result, _ = record(test, '--accel', 'frob', '--scenario', 'udp')
    assert result.returncode == 1 and 'tcg and kvm' in result.error and os.listdir(test.path('')) == [], result


# What is looked for in a kernel: files of tracefs, a driver, the header of BTF, the note that QEMU enters at.
ABLE = b'set_ftrace_filter set_graph_function kprobe_events serial8250 \x9f\xeb\1\0\x18' + bytes(7) + b'\x12\0\0\0Xen\0'


def test_a_kernel_that_cannot_be_recorded_is_told_with_what_to_do(test):
    for lacks, what in (b'set_ftrace', 'CONFIG_DYNAMIC_FTRACE'), (b'\x9f\xeb', 'CONFIG_DEBUG_INFO_BTF'):
        Path(test.path('vmlinux')).write_bytes(b'\x7fELF\2\1\1' + ABLE.replace(lacks, b''))
        result = test.run('flow', 'record', '--vm', '--kernel', test.path('vmlinux'), '-o', test.path('x'), '--scenario', 'tcp')
        assert result.returncode == 1 and result.error.count('\n') == 1 and what in result.error and '--kernel' in result.error, result
        assert os.listdir(test.path('')) == ['vmlinux']


def test_a_package_that_is_broken_is_told(test):
    Path(test.path('linux.deb')).write_bytes(b'!<arch>\ndebian-binary   ')
    result = test.run('flow', 'record', '--vm', '--kernel', test.path('linux.deb'), '-o', test.path('x'), '--scenario', 'tcp')
    assert (result.returncode, result.error) == (1, f'kith: {test.path("linux.deb")}: the package is broken\n'), result
    assert os.listdir(test.path('')) == ['linux.deb']


def test_a_guest_that_dies_leaves_its_last_words(test):
    # An ELF file with nothing in it that could run: QEMU refuses it.
    Path(test.path('vmlinux')).write_bytes(b'\x7fELF\2\1\1' + bytes(200) + ABLE)
    result = test.run('flow', 'record', '--vm', '--kernel', test.path('vmlinux'), '-o', test.path('x'), '--scenario', 'tcp')
    assert result.returncode == 1 and 'without a recording' in result.error and result.error.count('\n') == 1, result


harness.main(__file__)
