"""kernel_package.py: Debian's kernel for clouds, with its modules, out of its package: apt knows which that is; it is downloaded when it is
not there yet. Without it a test fails: it is no reason to skip."""
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

META_PACKAGE = 'linux-image-cloud-amd64'
DOWNLOAD_SECONDS = 300


@contextlib.contextmanager
def alone(folder):
    """Tests run side by side, and what one of them is about to download or unpack, another must not find half done."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def ask(folder, *words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, cwd=folder).stdout


def find(folder):
    """The package's file, of the version that apt knows."""
    name = re.search(r'^ +Depends: (linux-image-\S+)', ask(folder, 'apt-cache', 'depends', META_PACKAGE), re.M).group(1)
    version = re.search(r'^Version: (\S+)', ask(folder, 'apt-cache', 'show', '--no-all-versions', name), re.M).group(1)
    path = folder / f'{name}_{version.replace(":", "%3a")}_amd64.deb'
    if not path.exists():
        for old in folder.glob('*.deb'):
            old.unlink()
        ask(folder, 'apt-get', 'download', f'{name}={version}')
    return path


def find_or_ask(folder):
    try:
        return find(folder)
    except (subprocess.CalledProcessError, AttributeError):  # apt knows of no package, or of one that is not there any more
        ask(folder, 'apt-get', 'update')
        return find(folder)


def package(folder):
    folder = Path(folder).resolve()
    with alone(folder):
        return find_or_ask(folder)


def unpack(folder, modules):
    """The kernel's image, and the files of `modules` (names), in their order."""
    folder = Path(folder).resolve()
    with alone(folder):
        deb = find_or_ask(folder)
        tree = deb.with_suffix('')
        if not tree.exists():
            half = Path(f'{tree}.half')
            shutil.rmtree(half, ignore_errors=True)
            ask(folder, 'dpkg-deb', '-x', str(deb), str(half))
            half.rename(tree)
    files = {path.stem: path for path in tree.glob('lib/modules/*/kernel/**/*.ko')}
    return next(tree.glob('boot/vmlinuz-*')), [files[name] for name in modules]
