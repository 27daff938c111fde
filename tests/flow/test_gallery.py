#!/usr/bin/python3
"""kith flow gallery: recordings, charts and pages of scenarios, and an index whose every link leads to a file."""
import os
import re
import shutil
import sys
import urllib.parse
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))
import harness  # noqa: E402

KERNEL = '/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux'
SAMPLE = Path(__file__).resolve().parent / 'tcp.kflow'
harness.LIMIT = 200


def links(folder):
    """The files that the index leads to."""
    text = (folder / 'index.html').read_text()
    found = {urllib.parse.unquote(link) for link in re.findall(r'(?:href|src)="([^"]*)"', text)}
    assert found and all((folder / link).is_file() for link in found), found
    return found


def test_what_is_recorded_is_drawn_and_what_is_there_is_kept(test):
    folder = Path(test.path('gallery'))
    result = test.run('flow', 'gallery', folder, '--kernel', KERNEL, '--scenario', 'unix-dgram')
    assert result.returncode == 0 and result.error == '' and result.text.endswith('/index.html\n'), result
    version = [name for name in os.listdir(folder) if name != 'index.html']
    assert len(version) == 1 and version[0].startswith('6.1.'), version
    charts = {f'{version[0]}/unix-dgram{call}.svg' for call in ('', '-socket', '-bind', '-send', '-recv', '-close')}
    assert charts <= links(folder), links(folder)
    for chart in charts:
        assert xml.etree.ElementTree.parse(folder / chart).getroot().tag.endswith('svg')

    recorded = (folder / version[0] / 'unix-dgram.kflow').stat().st_mtime_ns
    shutil.copy(SAMPLE, folder / version[0] / 'tcp.kflow')
    result = test.run('flow', 'gallery', folder, '--kernel', KERNEL, '--scenario', 'tcp', '--scenario', 'unix-dgram')
    assert result.returncode == 0, result
    assert (folder / version[0] / 'unix-dgram.kflow').stat().st_mtime_ns == recorded
    calls = ('socket', 'bind', 'listen', 'connect', 'accept', 'send', 'recv', 'shutdown', 'close')
    assert {f'{version[0]}/tcp-{call}.svg' for call in calls} <= links(folder)


def test_what_fails_is_said_and_costs_its_own_entry(test):
    folder = Path(test.path('gallery'))
    result = test.run('flow', 'gallery', folder, '--kernel', KERNEL, '--scenario', 'frob', '--kernel', __file__)
    assert result.returncode == 1 and 'frob' in result.text and 'failed' in result.text, result
    assert 'no Linux kernel' in result.error and 'scenario' in result.error, result
    assert (folder / 'index.html').exists() and 'frob' not in (folder / 'index.html').read_text()
    assert test.run('flow', 'gallery').returncode == 2
    result = test.run('flow', 'gallery', test.path('no/such'), '--kernel', KERNEL, '--scenario', 'tcp')
    assert result.returncode == 1 and 'no/such' in result.error and result.error.count('\n') == 1, result


harness.main(__file__)
