#!/usr/bin/python3
"""dkms.py FOLDER BUILD RUN-GUEST PROGRAM: installs the sources of kith.ko from BUILD into a folder that is thrown away, has dkms(8) build them
for Debian's kernel for clouds, whose packages are kept in FOLDER, and loads what came out in a guest, where PROGRAM looks at it. Nothing is
installed on this machine, and no file of dkms's own is written to."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'support'))
import kernel_package  # noqa: E402


def run(*command, **settings):
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False, **settings)
    if result.returncode:
        sys.exit(f'{" ".join(str(word) for word in command)}:\n{result.stdout}')
    return result.stdout


def install(build, folder):
    """The one folder src/kith-VERSION, wherever the prefix puts it."""
    run('meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--tags', 'kmod', '--destdir', folder)
    [conf] = folder.glob('**/src/kith-*/dkms.conf')
    return conf.parent


def build_module(headers, sources, folder):
    name, _, version = sources.name.rpartition('-')
    release = headers.name.removeprefix('linux-headers-')
    tree = folder / 'dkms'
    tree.mkdir()
    settings = {**os.environ, 'MAKEFLAGS': '', 'LC_ALL': 'C', 'TMPDIR': str(folder)}
    trees = ('--dkmstree', tree, '--sourcetree', sources.parent, '-m', name, '-v', version)
    run('dkms', 'add', *trees, env=settings)
    print(run('dkms', 'build', *trees, '-k', release, '--arch', 'x86_64', '--kernelsourcedir', headers, '--no-depmod', env=settings))
    [module] = tree.glob(f'{name}/{version}/{release}/x86_64/module/*.ko*')
    for field in (f'version={version}', 'license=Dual MIT/GPL'):
        if field.encode() + b'\0' not in module.read_bytes():
            sys.exit(f'{module.name} does not say {field}: kmod/main.c')
    return module


kernels, build, run_guest, program = sys.argv[1:]
if not shutil.which('dkms'):
    sys.exit('there is no dkms (`make deps`)')
kernel, _ = kernel_package.unpack(kernels, [])
with tempfile.TemporaryDirectory(prefix='kith-dkms-') as name:
    folder = Path(name)
    module = build_module(kernel_package.headers(kernels), install(build, folder / 'root'), folder)
    print(run(run_guest, '--kernel', kernel, '--module', module, '--show', program))
