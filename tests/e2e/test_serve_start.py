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


BAD_ROUTES = [
    ('from_bind = {"ipc://@s"}\n', ':3: route "r" has 0 targets.*to ='),
    ('to = {"file:/x"}\n', ':3: route "r" has no source.*from ='),
    ('from = {"ipc://@s", "ipc://@s"}\nto = {"file:/x"}\n', ':2: ipc://@s is there twice'),
    ('from = {"frob://s"}\nto = {"file:/x"}\n', ':2: .*frob'),
    ('from = {"ipc://@s"}\nto = {"frob://x"}\n', ':3: frob://x: no such kind of target.*raw.tcp'),
    ('from = {"ipc://@s"}\nto = {"file:/x", "file:/x"}\n', ':3: target file:/x is there twice'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool = "x.spool"\n', ':4: spool = "x.spool": write a path that begins with /'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool_bytes = 100000\n', ':4: spool_bytes: is for a route with a spool'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool = "/x"\nqueue_bytes = 100000\n', ':5: queue_bytes: is for a route without a spool'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool = "/x"\noverflow = "drop-oldest"\n', ':4: .*spool_bytes'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool = "/x"\noverflow = "burn"\n', ':5: overflow = "burn": write refuse or drop-oldest'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nfrom_type = "req"\n', ':4: from_type = "req": write pull, sub, gather or dish'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nsubscribe = {"a"}\n', ':4: subscribe is for'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nframes = "all"\n', ':4: frames = "all": write refuse, join or last'),
    ('from = {"ipc://@s"}\nto = {"raw+tcp://h:1"}\nacks = yes\n', ':3: .*acks want origin'),
    ('from = {"ipc://@s"}\nto = {"tcp://h:1"}\nacks = yes\norigin = yes\n', ':3: .*acks'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nmax_message = 1000000000\n', ':4: max_message = 1000000000: .*at most'),
    ('from = {"ipc://@s"}\ntarget "t" {\n}\n', ':4: target "t" goes nowhere'),
    ('from = {"ipc://@s"}\ntarget "t" {\nto = "file:/x"\nkeep = 0\n}\n', ':5: keep'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\npolicy = "none"\n', ':4: .*no policy "none"'),
    ('from = {"ipc://@s"}\ntarget "t" {\nto = "tcp://h:1"\npolicy = "none"\n}\n', ':5: .*no policy "none"'),
    ('from = {"ipc://@s"}\ntarget "t" {\nto = "file:/x"\npolicy = "p"\n}\n}\npolicy "p" {\nrule "r" { allow = {"*"} }\n',
     ':4: file:/x: only a ZMTP peer .* can be asked who it is: leave the policy off'),
    ('from = {"ipc://@s"}\nto = {"exec:' + 'x' * 300 + '"}\n', ':3: .*target "NAME"'),
    ('from = {"ipc://@s"}\nto = {"file:/x"}\nspool = "/s"\n}\nroute "q" {\nfrom = {"ipc://@s"}\nto = {"file:/y"}\nspool = "/s"\n',
     ':9: /s is the spool of route "r" already'),
    ('from_bind = {"ipc://@s"}\nto = {"file:/x"}\n}\nroute "q" {\nfrom_bind = {"ipc://@s"}\nto = {"file:/y"}\n', ':6: .*used on line 2'),
]


def test_a_bad_route_is_named_with_file_line_and_remedy(test):
    for text, pattern in BAD_ROUTES:
        path = test.write('c', f'route "r" {{\n{text}}}\n')
        result = test.run('serve', '-c', path, '--check')
        assert result.returncode == 1 and result.error.count('\n') == 1, (text, result)
        assert result.error.startswith(f'kith: {path}:') and harness.re.search(pattern, result.error), (text, pattern, result.error)


def test_an_endpoint_that_cannot_be_bound_opens_nothing(test):
    text = echo(test) + f'service "two" {{ listen = {{"ipc:///no/such/directory/x"}}  builtin = "echo" }}\n'
    result = test.run('serve', '-c', test.write('c', text))
    assert result.returncode == 1 and '/no/such/directory/x' in result.error
    assert not os.path.exists(test.path('x.sock'))


def test_a_file_that_is_not_there_is_an_error(test):
    result = test.run('serve', '-c', test.path('none'))
    assert result.returncode == 1 and test.path('none') in result.error


harness.main(__file__)
