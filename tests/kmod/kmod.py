#!/usr/bin/python3
"""kmod.py FOLDER SOURCE RUN-GUEST ARGUMENT...: builds kith.ko, its example, the benchmark's module and the tests' for Debian's kernel for
clouds, whose packages are kept in FOLDER, in a copy of what SOURCE has of them, and runs run-guest on that kernel. The tests find the modules
in FOLDER/modules."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'support'))
import kernel_package  # noqa: E402


def build(kernels, source, target):
    """The modules' files. A warning is an error."""
    headers = kernel_package.headers(kernels)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source / 'kmod', target / 'kmod', ignore=shutil.ignore_patterns('*.o', '*.ko', '*.mod', '.*'))  # another kernel's
    shutil.copytree(source / 'uapi', target / 'uapi')
    (target / 'kmod/tests').mkdir()
    shutil.copy(source / 'tests/kmod/kith_test.c', target / 'kmod/tests')
    with (target / 'kmod/Kbuild').open('a') as kbuild:
        kbuild.write('obj-m += tests/kith_test.o\nccflags-y += -Werror -I$(src)/..\n')
    result = subprocess.run(['make', '-C', str(headers), f'M={target}/kmod', '-j2', 'modules'], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                            env={**os.environ, 'MAKEFLAGS': '', 'LC_ALL': 'C'})
    if result.returncode:
        sys.exit(f'the modules could not be built:\n{result.stdout}')
    built = [target / 'kmod' / name for name in ('kith.ko', 'examples/kith_demo.ko', 'bench/kith_bench.ko', 'tests/kith_test.ko')]
    for module in built:
        subprocess.run(['strip', '--strip-debug', str(module)], check=True)
        shutil.copy(module, target)
    return [target / module.name for module in built]


folder, source, run_guest, *arguments = sys.argv[1:]
kernel, [veth] = kernel_package.unpack(folder, ['veth'])
command = [run_guest, '--kernel', str(kernel), '--module', str(veth)]
for module in build(folder, Path(source), Path(folder).resolve() / 'modules'):
    command += ['--file', str(module)]
os.execv(run_guest, command + arguments)
