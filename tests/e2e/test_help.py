#!/usr/bin/python3
"""The table of verbs: help, usage, version, completion, and what is said of words that are not in it."""
import os
import re
import subprocess
from pathlib import Path

import harness

TALK = ['push', 'pull', 'pub', 'sub', 'xpub', 'xsub', 'pair', 'dealer', 'router', 'client', 'server', 'radio', 'dish', 'scatter', 'gather',
        'channel', 'stream']
VERBS = ['req', 'rep', *TALK, 'serve', 'who', 'status', 'options', 'policy', 'keygen', 'wiretest', 'bench', 'flow', 'map', 'socket', 'help',
         'completion']


def test_no_word_lists_the_verbs_and_is_a_usage_error(test):
    result = test.run()
    assert result.returncode == 2
    for verb in VERBS:
        assert f'\n  {verb} ' in result.text, verb


def test_help_lists_the_verbs(test):
    for words in (['help'], ['--help'], ['-h']):
        result = test.run(*words)
        assert result.returncode == 0 and 'usage: kith VERB' in result.text


def test_each_verb_tells_its_usage_and_options(test):
    for verb in VERBS:
        by_help, by_option = test.run('help', verb), test.run(verb, '--help')
        assert by_help.returncode == by_option.returncode == 0
        assert by_help.text == by_option.text
        assert by_help.text.startswith(f'usage: kith {verb}')
        assert '(null)' not in by_help.text, by_help.text
    assert '--policy FILE' in test.run('help', 'rep').text


def test_version_names_the_program(test):
    result = test.run('--version')
    assert result.returncode == 0 and result.text.startswith('kith ') and result.text.count('\n') == 1


def test_a_mistyped_verb_suggests_the_right_one(test):
    result = test.run('polcy', 'check', 'x')
    assert result.returncode == 2 and "did you mean 'policy'" in result.error
    assert "did you mean 'rep'" in test.run('rap').error
    result = test.run('frobnicate')
    assert result.returncode == 2 and 'did you mean' not in result.error and 'frobnicate' in result.error
    assert test.run('help', 'serv').returncode == 2


def test_unknown_options_and_missing_values_are_usage_errors(test):
    for words, text in ((['rep', '--frob'], '--frob'), (['rep', '-Z', 'x'], '-Z'), (['rep', 'ipc://@x', '--policy'], '--policy'),
                        (['rep', '--echo=1', 'ipc://@x'], '--echo'), (['rep'], 'endpoint'), (['req'], 'endpoint'),
                        (['rep', '--jobs', '0', 'ipc://@x'], '--jobs'), (['req', '--timeout', '1s', 'ipc://@x'], '--timeout'),
                        (['rep', '--option', 'frob=1', 'ipc://@x'], 'max-message'), (['rep', '--option', 'max-message', 'ipc://@x'], 'NAME=VALUE'),
                        (['rep', '--option', 'send-hwm=0', 'ipc://@x'], 'send-hwm'), (['who', '1', '2'], 'PID'), (['who', 'init'], 'init'),
                        (['policy', 'frob', 'x'], 'frob'), (['policy'], 'check'), (['serve', 'x'], '-c FILE'), (['completion', 'fish'], 'shell'), (['status', 'x', 'y'], 'one gateway')):
        result = test.run(*words)
        assert result.returncode == 2, (words, result)
        assert text in result.error, (words, result.error)
        assert result.text == ''


def test_completion_is_a_script_that_bash_reads(test):
    script = test.run('completion', 'bash').text
    asked = script + '\nCOMP_WORDS=(kith rep --pol); COMP_CWORD=2; _kith; echo "${COMPREPLY[@]}"\n' \
        'COMP_WORDS=(kith se); COMP_CWORD=1; _kith; echo "${COMPREPLY[@]}"\n' \
        'COMP_WORDS=(kith help po); COMP_CWORD=2; _kith; echo "${COMPREPLY[@]}"\n'
    result = subprocess.run(['bash', '--norc', '-c', asked], capture_output=True, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 0 and result.stdout == '--policy\nserver serve\npolicy\n', result


def test_output_that_cannot_be_written_is_an_error(test):
    with open('/dev/full', 'w') as full:
        result = subprocess.run([harness.kith_path, 'help'], stdout=full, stderr=subprocess.PIPE, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 1 and 'No space left' in result.stderr


def test_a_closed_standard_output_is_an_error_not_a_crash(test):
    result = subprocess.run(['sh', '-c', f'{harness.kith_path} help >&-'], capture_output=True, text=True, timeout=harness.LIMIT, check=False)
    assert result.returncode == 1 and 'standard output' in result.stderr, result


def test_a_reader_that_has_gone_ends_it_quietly(test):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([harness.kith_path, 'help'], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=harness.LIMIT, check=False)
    os.close(writer)
    assert result.returncode == 0 and result.stderr == '', result


def test_the_manual_has_every_option(test):
    manual = Path(__file__).resolve().parent.parent.parent / 'man'
    for verb in ('req', 'rep', 'push', 'serve', 'who', 'status', 'policy', 'wiretest'):
        page = (manual / f'kith-{verb}.1').read_text()
        options = re.findall(r'^ +(?:-\w, )?--([\w-]+)', test.run('help', verb).text, re.M)
        assert options
        for option in options:
            assert re.search(rf'^\.It .*Fl (?:\w , )?-{option}\b', page, re.M), (verb, option)
    page = (manual / 'kith.1').read_text()
    for verb in VERBS:
        assert re.search(rf'^\.It (Xr kith-|Cm ){verb}\b', page, re.M), verb
    names = re.findall(r'^  ([\w-]+) ', test.run('req', 'ipc://@x', '--option', 'none=1').error, re.M)
    assert 'max-message' in names
    page = (manual / 'kith-options.7').read_text()
    for name in names:
        assert re.search(rf'^\.It Cm {name}$', page, re.M), name
    assert page == test.run('options', '--man').text, 'man/kith-options.7 is old: make it anew with `kith options --man`'


harness.main(__file__)
