#!/usr/bin/python3
"""kith policy: what is wrong with a file, what it decides, and why."""
import os
import pwd

import harness
from harness import parse

POLICY = '''
rule "nobody"    { deny = {"*"}  uid = {"65534"} }
rule "daemons"   { allow = {"connect"}  unit = {"nginx.service"} }
rule "operators" { allow = {"connect", "send"}  gid = {"27"}  witness = "kernel-connect" }
rule "tool"      { allow = {"*"}  exe = {"/usr/bin/**"}  uid = {"1000-1999"} }
'''


def test_check_counts_the_rules_of_a_right_file(test):
    result = test.run('policy', 'check', test.write('p', POLICY))
    assert result.returncode == 0 and '4 rule' in result.text and result.error == ''


def test_check_says_that_an_empty_policy_denies_everything(test):
    result = test.run('policy', 'check', test.write('p', '# nothing\n'))
    assert result.returncode == 0 and 'everything is denied' in result.text


def test_check_names_file_line_and_remedy(test):
    path = test.write('p', '\n\nrule "x" {\n  allow = {"connect"}\n  uid = {"abc"}\n}\n')
    result = test.run('policy', 'check', path)
    assert result.returncode == 1 and f'{path}:5:' in result.error and result.text == '', result


def test_check_looks_at_every_file(test):
    wrong = test.write('wrong', 'rule "x" { uid = 1 }\n')
    result = test.run('policy', 'check', wrong, test.write('p', POLICY), test.path('none'))
    assert result.returncode == 1 and f'{wrong}:1:' in result.error and test.path('none') in result.error and '4 rule' in result.text, result


def test_check_reads_what_a_file_includes(test):
    test.write('part', 'rule "part" { allow = "fly" }\n')
    result = test.run('policy', 'check', test.write('p', 'include = "part"\n'))
    assert result.returncode == 1 and f'{test.path("part")}:1: "fly"' in result.error, result


def test_check_of_a_file_that_is_not_there_is_an_error(test):
    result = test.run('policy', 'check', test.path('none'))
    assert result.returncode == 1 and 'No such file' in result.error and test.path('none') in result.error


def test_test_names_the_rule_that_decides_and_why_others_do_not(test):
    path = test.write('p', POLICY)
    result = test.run('policy', 'test', path, '--verb', 'send', '--uid', 1000, '--gid', 1000, '--groups', '4,27')
    assert result.returncode == 0, result
    lines = result.text.splitlines()
    assert lines[0] == 'send: allowed by rule "operators"'
    assert lines[1].startswith('  rule "nobody" (deny): ') and '1000' in lines[1]
    assert len(lines) == 4 and lines[3].startswith('  rule "operators" (allow): ')


def test_both_verbs_must_be_allowed_when_none_is_named(test):
    path = test.write('p', POLICY)
    result = test.run('policy', 'test', path, '--unit', 'nginx.service')
    assert result.returncode == 4
    assert 'connect: allowed by rule "daemons"' in result.text and 'send: denied, because no rule applies' in result.text
    assert test.run('policy', 'test', path, '--unit', 'nginx.service', '--verb', 'connect').returncode == 0


def test_a_weaker_witness_than_the_rule_asks_for_does_not_do(test):
    path = test.write('p', POLICY)
    facts = ['--verb', 'send', '--gid', 27]
    assert test.run('policy', 'test', path, *facts, '--witness', 'kernel-connect').returncode == 0
    result = test.run('policy', 'test', path, *facts, '--witness', 'inferred')
    assert result.returncode == 4 and 'inferred' in result.text
    assert test.run('policy', 'test', path, *facts, '--witness', 'claimed').returncode == 4
    assert test.run('policy', 'test', path, *facts, '--witness', 'frob').returncode == 2


def test_json_is_one_object_a_verb(test):
    result = test.run('policy', 'test', test.write('p', POLICY), '--uid', 1001, '--exe', '/usr/bin/x/y', '--json')
    assert result.returncode == 0
    lines = [parse(line) for line in result.text.splitlines()]
    assert [line['verb'] for line in lines] == ['connect', 'send']
    assert lines[1]['allow'] is True and lines[1]['rule'] == 'tool'
    assert [rule['name'] for rule in lines[1]['rules']] == ['nobody', 'daemons', 'operators', 'tool']
    assert lines[1]['origin']['uid'] == 1001 and lines[1]['origin']['exe'] == '/usr/bin/x/y'
    denied = parse(test.run('policy', 'test', test.path('p'), '--uid', 65534, '--json', '--verb', 'send').text)
    assert denied['allow'] is False and denied['rule'] == 'nobody'
    default = parse(test.run('policy', 'test', test.path('p'), '--uid', 5, '--json', '--verb', 'send').text)
    assert default['allow'] is False and default['rule'] is None and len(default['rules']) == 4


REQUESTS = '''
default = "allow"
set "staff" { uid = {5, 6} }
rule "devices"  { deny = "send"  fd_kind = "device" }
rule "office"   { allow = "send"  uid = "@staff"  time = "mon-fri 08:00-18:00 UTC"  size = 0-1K  rate = "3/s per uid" }
rule "topics"   { deny = {"subscribe", "receive"}  topic = "ops.*" }
rule "servers"  { deny = "serve"  not_address = "192.0.2.0/24" }
'''


def test_all_of_a_request_can_be_given(test):
    path = test.write('p', REQUESTS)

    def rule(verb, *options):
        line = parse(test.run('policy', 'test', path, '--verb', verb, '--json', *options).text)
        return line['rule'], line['looked_at']

    office = ['--uid', 5, '--at', '2026-11-27T09:00Z']
    assert rule('send', *office)[0] == 'office'
    assert rule('send', '--uid', 5, '--at', '2026-11-27T18:00Z')[0] is None
    assert rule('send', '--uid', 5, '--at', '2026-11-28T09:00Z')[0] is None
    assert rule('send', *office, '--size', 1025)[0] is None
    assert rule('send', *office, '--repeat', 3)[0] == 'office'
    assert rule('send', *office, '--repeat', 4)[0] is None
    assert rule('send', *office, '--fd-kind', 'device', '--fd-kind', 'file', '--fds', 2)[0] == 'devices'
    assert rule('receive', '--topic', 'ops.x') == ('topics', ['topic'])
    assert rule('receive', '--topic', 'x')[0] is None
    assert rule('subscribe', '--topic', 'o')[0] == 'topics'
    assert rule('subscribe', '--topic', 'o', '--pattern', 'RADIO')[0] is None
    assert rule('serve', '--address', '198.51.100.1:5') == ('servers', ['origin'])
    assert rule('serve', '--address', '192.0.2.1:5')[0] is None
    for wrong in (['--at', 'yesterday'], ['--fd-kind', 'thing'], ['--fds', 254], ['--repeat', 0], ['--verb', 'fly']):
        assert test.run('policy', 'test', path, *wrong).returncode == 2, wrong


def test_every_governed_verb_is_asked_when_none_is_named(test):
    path = test.write('p', REQUESTS)
    lines = [parse(line) for line in test.run('policy', 'test', path, '--json').text.splitlines()]
    assert [line['verb'] for line in lines] == ['connect', 'send', 'subscribe', 'receive', 'serve']
    assert all(line['governed'] for line in lines)
    other = parse(test.run('policy', 'test', test.write('q', POLICY), '--json', '--verb', 'serve').text)
    assert other['governed'] is False and other['allow'] is True and other['rule'] is None and other['rules'] == []


def test_explain_tells_for_whom_what_else_and_what_it_depends_on(test):
    result = test.run('policy', 'explain', test.write('p', POLICY), '--verb', 'connect', '--unit', 'nginx.service', '--pid', 812)
    assert result.returncode == 0, result
    lines = result.text.splitlines()
    assert lines[0] == 'connect: allowed by rule "daemons"'
    assert lines[1] == '  for pid 812 unit nginx.service'
    assert lines[2:4] == ['  rule "nobody" (deny): uid is unknown', '  rule "daemons" (allow): applies']
    assert lines[4] == '  rule "operators" (allow): not reached; else: gid is unknown, group list is unknown'
    assert lines[-1] == '  the verdict depends on origin'
    denied = test.run('policy', 'explain', test.path('p'), '--verb', 'send', '--uid', 5, '--json')
    assert denied.returncode == 4 and len(parse(denied.text)['rules']) == 4


def test_a_user_by_name_brings_uid_and_groups(test):
    name = pwd.getpwuid(os.geteuid()).pw_name
    path = test.write('p', f'rule "me" {{ allow = {{"*"}}  uid = {{"{os.geteuid()}"}} }}')
    assert test.run('policy', 'test', path, '--user', name).returncode == 0
    result = test.run('policy', 'test', path, '--user', 'no-such-user')
    assert result.returncode == 1 and 'no-such-user' in result.error


def test_a_pid_alone_is_the_running_process(test):
    exe = os.readlink('/proc/self/exe')
    path = test.write('p', f'rule "python" {{ allow = {{"*"}}  exe = {{"{exe}"}} }}')
    result = test.run('policy', 'test', path, '--pid', os.getpid(), '--json', '--verb', 'send')
    assert result.returncode == 0, result
    assert parse(result.text)['origin']['exe'] == exe
    # With any other fact the pid is a number only.
    assert test.run('policy', 'test', path, '--pid', os.getpid(), '--uid', 0).returncode == 4
    gone = test.run('policy', 'test', path, '--pid', 2**22 - 1)
    assert gone.returncode == 1 and str(2**22 - 1) in gone.error


harness.main(__file__)
