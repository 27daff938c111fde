#!/usr/bin/python3
"""kith serve: configurations that are wrong, and what cannot be opened: it does not start, and says why."""
import os

import harness


def echo(test):
    return f'service "echo" {{ listen = {{"{test.ipc()}"}}  builtin = "echo" }}\n'


BAD = [
    ('', 'there is no service'),
    ('service "x" {\n builtin = "echo"\n}\n', 'listens nowhere'),
    ('service "x" {\n listen = {"ipc://@x"}\n}\n', 'nobody who answers'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "frob"\n}\n', ':3: .*echo, who and status'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n workers = {"ipc://@w"}\n}\n', ':3: .*only one can answer'),
    ('service "" {\n listen = {"ipc://@x"}\n builtin = "echo"\n}\n', ':4: .*1 to 64'),
    ('service "' + 'x' * 65 + '" {\n listen = {"ipc://@x"}\n builtin = "echo"\n}\n', ':4: .*1 to 64'),
    ('service "x" {\n listen = {"nonsense"}\n builtin = "echo"\n}\n', ':2: .*nonsense'),
    ('service "x" {\n listen = {"frob://x"}\n builtin = "echo"\n}\n', ':2: .*frob.*ipc, tcp'),
    ('service "x" {\n listen = {"tcp://server.host.example:1"}\n builtin = "echo"\n}\n', ':2: .*server.host.example.*nor the name of an interface'),
    ('service "x" {\n listen = {"ipc:///' + 'x' * 200 + '"}\n builtin = "echo"\n}\n', ':2: .*107'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n policy = "none"\n}\n', ':4: .*no policy "none"'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n policy = "/no/such.policy"\n}\n', ':4: .*/no/such.policy'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n queue = 0\n}\n', ':4: .*queue'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n mode = 999\n}\n', ':4: .*mode'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n max_message = "1M"\n}\n', ':4: .*max_message'),
    ('service "x" {\n listen = {"ipc://@x"}\n workers = {"tcp://127.0.0.1:1"}\n}\n', ':3: .*worker_policy'),
    ('service "x" {\n listen = {"ipc://@x", "ipc://@x"}\n builtin = "echo"\n}\n', ':2: .*used on line 2'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n}\nservice "y" {\n listen = {"ipc://@x"}\n builtin = "echo"\n}\n', ':6: .*line 2'),
    ('service "x" {\n listen = {"ipc://@x"}\n builtin = "echo"\n}\nservice "x" {\n}\n', ':[56]: .*x'),
    ('service "x" {\n frob = 1\n}\n', ':2: .*frob'),
    ('policy "p" { rule "r" {\n allow = {"fly"}\n} }\nservice "x" { listen = {"ipc://@x"} builtin = "echo" }\n', ':2: .*fly'),
    ('drain = "soon"\nservice "x" { listen = {"ipc://@x"} builtin = "echo" }\n', ':1: .*drain'),
    ('service "x" {\n listen = {"ipc://@x"\n', 'c:1: .*close it'),
]


def test_a_bad_configuration_names_file_line_and_remedy(test):
    for text, pattern in BAD:
        path = test.write('c', text)
        for words in (['--check'], []):
            result = test.run('serve', '-c', path, *words)
            assert result.returncode == 1 and result.text == '', (text, result)
            assert result.error.startswith(f'kith: {path}:'), (text, result.error)
            assert harness.re.search(pattern, result.error), (text, result.error)
            assert result.error.count('\n') == 1, result.error


def test_an_endpoint_that_cannot_be_bound_opens_nothing(test):
    text = echo(test) + f'service "two" {{ listen = {{"ipc:///no/such/directory/x"}}  builtin = "echo" }}\n'
    result = test.run('serve', '-c', test.write('c', text))
    assert result.returncode == 1 and '/no/such/directory/x' in result.error
    assert not os.path.exists(test.path('x.sock'))


def test_a_file_that_is_not_there_is_an_error(test):
    result = test.run('serve', '-c', test.path('none'))
    assert result.returncode == 1 and test.path('none') in result.error


harness.main(__file__)
