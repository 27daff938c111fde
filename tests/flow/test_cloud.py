#!/usr/bin/python3
"""kith flow record --vm on Debian's cloud kernel, out of its package: test_cloud.py KITH FOLDER keeps the package in FOLDER."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'e2e'))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'support'))
import harness  # noqa: E402
import kernel_package  # noqa: E402
import recorded  # noqa: E402

FOLDER = Path(sys.argv.pop())
harness.LIMIT = 120


def package():
    return str(kernel_package.package(FOLDER))


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
