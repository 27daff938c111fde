#!/usr/bin/python3
"""kith flow record --vm on Debian's cloud kernel, out of its package: test_cloud.py KITH FOLDER keeps the package in FOLDER.

Which package that is, apt knows; it is downloaded when it is not there yet. Without it the test fails: it is no reason to skip.
"""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))
import harness  # noqa: E402
import recorded  # noqa: E402

META_PACKAGE = 'linux-image-cloud-amd64'
FOLDER = Path(sys.argv.pop())
DOWNLOAD_SECONDS = 300
harness.LIMIT = 120


def ask(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, cwd=FOLDER).stdout


def find_package():
    """The package's file, of the version that apt knows."""
    name = re.search(r'^ +Depends: (linux-image-\S+)', ask('apt-cache', 'depends', META_PACKAGE), re.M).group(1)
    version = re.search(r'^Version: (\S+)', ask('apt-cache', 'show', '--no-all-versions', name), re.M).group(1)
    path = FOLDER / f'{name}_{version.replace(":", "%3a")}_amd64.deb'
    if not path.exists():
        for old in FOLDER.glob('*.deb'):
            old.unlink()
        ask('apt-get', 'download', f'{name}={version}')
    return str(path)


def package():
    FOLDER.mkdir(exist_ok=True)
    try:
        return find_package()
    except (subprocess.CalledProcessError, AttributeError):  # apt knows of no package, or of one that is not there any more
        ask('apt-get', 'update')
        return find_package()


def test_a_connection_is_recorded_on_the_cloud_kernel(test):
    result = test.run('flow', 'record', '--vm', '--kernel', package(), '--scenario', 'tcp', '-o', test.path('x'))
    assert result.returncode == 0 and result.error == '', result
    assert 'cloud' in recorded.model_of(test, test.path('x'))['kernel']
    recorded.check_connection(test, test.path('x'))


def test_modules_come_from_the_package_with_what_they_depend_on(test):
    words = ('flow', 'record', '--vm', '--kernel', package(), '--module', 'tcp_diag', '-o', test.path('x'), '--scenario', 'udp')
    result = test.run(*words)
    assert result.returncode == 0 and result.error == '', result
    result = test.run(*(word if word != 'tcp_diag' else 'frob' for word in words))
    assert result.returncode == 1 and "no module 'frob'" in result.error and result.error.count('\n') == 1, result


harness.main(__file__)
