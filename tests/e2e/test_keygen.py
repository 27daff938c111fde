#!/usr/bin/python3
"""kith keygen: pairs of keys, printed and in files."""
import json
import os
import stat
import subprocess

import zmq

import harness

# zmq_curve(7)
SECRET, PUBLIC = 'JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6', 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_pair_is_printed_and_belongs_together(test):
    result = test.run('keygen')
    assert result.returncode == 0 and result.error == '', result
    (word, public), (other, secret) = [line.split(' ') for line in result.text.splitlines()]
    assert (word, other) == ('public', 'secret') and public != test.run('keygen').text.split()[1]
    assert zmq.curve_public(secret.encode()).decode() == public


def test_json_has_both(test):
    keys = json.loads(test.run('keygen', '--json').text)
    assert set(keys) == {'public', 'secret'} and zmq.curve_public(keys['secret'].encode()).decode() == keys['public']


def test_files_are_written_and_the_secret_one_is_the_owners(test):
    os.umask(0)
    result = test.run('keygen', '--out', test.path('k'))
    assert result.returncode == 0 and 'secret' not in result.text, result
    public, secret = open(test.path('k')).read(), open(test.path('k.secret')).read()
    assert result.text == f'public {public}' and public.endswith('\n') and len(public) == 41
    assert zmq.curve_public(secret.strip().encode()).decode() == public.strip()
    assert mode(test.path('k.secret')) == 0o600 and mode(test.path('k')) == 0o644
    assert sorted(os.listdir(test.folder)) == ['k', 'k.secret']


def test_what_is_there_is_never_replaced_unless_asked_for(test):
    for there in ['k', 'k.secret']:
        path = test.write(there, 'precious')
        result = test.run('keygen', '--out', test.path('k'))
        assert result.returncode == 1 and f'{path}: is there already' in result.error and result.text == '', result
        assert os.listdir(test.folder) == [there] and open(path).read() == 'precious'
        os.unlink(path)
    test.write('k', 'precious')
    test.write('k.secret', 'precious')
    assert test.run('keygen', '--out', test.path('k'), '--force').returncode == 0
    assert len(open(test.path('k')).read()) == 41 and mode(test.path('k.secret')) == 0o600
    assert sorted(os.listdir(test.folder)) == ['k', 'k.secret']


def test_a_link_is_not_followed(test):
    victim = test.write('victim', 'precious')
    os.symlink(victim, test.path('k.secret'))
    assert test.run('keygen', '--out', test.path('k')).returncode == 1
    assert test.run('keygen', '--out', test.path('k'), '--force').returncode == 0
    assert open(victim).read() == 'precious' and not os.path.islink(test.path('k.secret'))


def test_a_folder_that_is_not_there_is_named(test):
    result = test.run('keygen', '--out', test.path('none/k'))
    assert result.returncode == 1 and test.path('none/k.secret') in result.error, result


def test_the_public_key_of_a_secret_one(test):
    result = test.run('keygen', '--from-secret', test.write('s', f'  {SECRET}\n'))
    assert result.returncode == 0 and result.text == f'public {PUBLIC}\n', result
    result = subprocess.run([harness.kith_path, 'keygen', '--from-secret', '-', '--json'], input=SECRET.encode(), capture_output=True)
    assert json.loads(result.stdout) == {'public': PUBLIC}, result


def test_what_is_no_secret_key_is_refused(test):
    for text in ['', SECRET[:-1], SECRET + 'x', SECRET + ' x', SECRET[:-1] + '"', '#' * 40]:
        result = test.run('keygen', '--from-secret', test.write('s', text))
        assert result.returncode == 1 and result.text == '' and 'no secret key' in result.error, (text, result)
        assert not text or SECRET[:20] not in result.error
    assert test.run('keygen', '--from-secret', test.path('none')).returncode == 1


def test_wrong_use(test):
    for words in [['x'], ['--force'], ['--out', 'a', '--from-secret', 'b']]:
        assert test.run('keygen', *words).returncode == 2


harness.main(__file__)
