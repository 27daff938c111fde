#!/usr/bin/python3
"""kith map --watch: what comes, changes and goes, as objects and as marked lines; and what the command refuses."""
import json
import signal
import socket
import time

import zoo  # noqa: F401  (it finds harness)
import harness


def watch(test, *arguments):
    return test.kith('map', '--watch', '--this-netns', '--interval', '0.1', *arguments)


def change(program, port, what):
    """The first change of this kind, of a socket with this port."""
    return json.loads(program.out.wait(rf'"change":"{what}".*"port":{port}\b').string)['socket']


def listener():
    return socket.create_server(('127.0.0.1', 0))


def test_what_comes_changes_and_goes_is_told(test):
    first = listener()
    port = first.getsockname()[1]
    program = watch(test, '--json', '--port', str(port))
    assert change(program, port, 'there')['state'] == 'listen'
    client = socket.create_connection(first.getsockname())
    accepted = first.accept()[0]
    assert change(program, port, 'new')['state'] == 'established'
    accepted.close()
    program.out.wait(r'"change":"changed".*"state":"close-wait"')
    client.close()
    first.close()
    program.out.wait(rf'"change":"gone".*"state":"listen","local":{{"text":"127.0.0.1:{port}"')
    program.stop()


def test_nothing_is_told_while_nothing_changes(test):
    with listener() as first:
        port = str(first.getsockname()[1])
        result = test.run('map', '--watch', '--this-netns', '--json', '--interval', '0.1', '--count', '5', '--port', port)
        assert result.returncode == 0, result
        # Another family's socket may have the number too, of some other program.
        changes = [json.loads(line) for line in result.text.splitlines()]
        assert [line['change'] for line in changes if line['socket']['local']['address'] == '127.0.0.1'] == ['there'], result


def test_looks_that_were_missed_are_not_made_up_for(test):
    with listener() as first:
        program = watch(test, '--json', '--port', str(first.getsockname()[1]), '--count', '10')
        program.out.wait('"change":"there"')
        program.send(signal.SIGSTOP)
        time.sleep(1)  # ten looks: nothing tells that they were missed
        program.send(signal.SIGCONT)
        start = time.monotonic()
        assert program.wait() == 0
        assert time.monotonic() - start > 0.3


def test_lines_have_marks(test):
    with listener() as first:
        port = first.getsockname()[1]
        program = watch(test, '--port', str(port))
        program.out.wait(rf'^ +tcp +listen .*127.0.0.1:{port} ')
        with socket.create_connection(first.getsockname()):
            program.out.wait(rf'^\+ +tcp +established .*127.0.0.1:{port} ')
        program.out.wait(r'^[-*] +tcp +')
        program.stop()


def test_what_it_cannot_do_is_said_with_the_way_out(test):
    for words, said in ((['--watch', '--follow'], '--follow'), (['--watch', '--tree'], '--json'), (['--follow', '--dot'], '--svg'),
                        (['--seconds', '3'], '--follow'), (['--count', '3'], '--watch'), (['--state', 'frob'], 'established'),
                        (['--family', 'tcp,frob'], "'frob'"), (['--by', 'frob'], 'container'),
                        (['--user', 'no-such-user'], 'no-such-user'), (['--listener', '1.2.3:x'], 'PORT'), (['--interval', '0'], '0.1'), (['8080'], '--port 8080')):
        result = test.run('map', *words)
        assert result.returncode == 2 and said in result.error and not result.text, (words, result)


harness.main(__file__)
