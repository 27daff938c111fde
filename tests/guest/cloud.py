"""cloud.py: Debian's cloud kernel, out of its package. Which package that is, apt knows; it is downloaded when it is not there yet."""
import fcntl
import os
import re
import subprocess

META_PACKAGE = 'linux-image-cloud-amd64'
DOWNLOAD_SECONDS = 300


def ask(folder, *words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, cwd=folder).stdout


def find_package(folder):
    """The package's file, of the version that apt knows."""
    name = re.search(r'^ +Depends: (linux-image-\S+)', ask(folder, 'apt-cache', 'depends', META_PACKAGE), re.M).group(1)
    version = re.search(r'^Version: (\S+)', ask(folder, 'apt-cache', 'show', '--no-all-versions', name), re.M).group(1)
    path = folder / f'{name}_{version.replace(":", "%3a")}_amd64.deb'
    if not path.exists():
        for old in folder.glob('*.deb'):
            old.unlink()
        ask(folder, 'apt-get', 'download', f'{name}={version}')
    return str(path)


def package(folder):
    """Its path; it stays in `folder`. Who else asks for it there meanwhile, waits."""
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return find_package(folder)
        except (subprocess.CalledProcessError, AttributeError):  # apt knows of no package, or of one that is not there any more
            ask(folder, 'apt-get', 'update')
            return find_package(folder)
    finally:
        os.close(lock)
