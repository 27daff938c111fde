"""kernel_package.py: Debian's kernel for clouds, with its modules and with what modules are built from, out of its packages: apt knows which
they are; they are downloaded when they are not there yet, and not installed. Without them a test fails: it is no reason to skip."""
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


def depends(folder, package):
    return re.findall(r'^ +Depends: (linux-\S+)', ask(folder, 'apt-cache', 'depends', package), re.M)


def field(folder, package, name):
    return re.search(rf'^{name}: (\S+)', ask(folder, 'apt-cache', 'show', '--no-all-versions', package), re.M).group(1)


def download(folder, name):
    """The package's file, of the version that apt knows; files of other versions go."""
    version = field(folder, name, 'Version')
    path = folder / f'{name}_{version.replace(":", "%3a")}_{field(folder, name, "Architecture")}.deb'
    if not path.exists():
        for old in folder.glob(f'{re.sub("[0-9]", "?", name)}_*.deb'):
            old.unlink()
        ask(folder, 'apt-get', 'download', f'{name}={version}')
    return path


def find(folder):
    return download(folder, depends(folder, META_PACKAGE)[0])


def find_headers(folder):
    """The kernel's release and the packages that `make -C` of its headers needs; the compiler's is the machine's own."""
    release = depends(folder, META_PACKAGE)[0].removeprefix('linux-image-')
    headers = f'linux-headers-{release}'
    needed = [headers, *(name for name in depends(folder, headers) if 'compiler' not in name)]
    return release, [download(folder, name) for name in needed]


def find_or_ask(folder, search=find):
    try:
        return search(folder)
    except (subprocess.CalledProcessError, AttributeError, IndexError):  # apt knows of no package, or of one that is not there any more
        ask(folder, 'apt-get', 'update')
        return search(folder)


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


def headers(folder):
    """The folder that the modules of the same kernel are built with: `make -C FOLDER M=...`."""
    folder = Path(folder).resolve()
    with alone(folder):
        release, packages = find_or_ask(folder, find_headers)
        tree = folder / packages[0].with_suffix('').name
        if not tree.exists():
            half = Path(f'{tree}.half')
            shutil.rmtree(half, ignore_errors=True)
            for package_file in packages:
                ask(folder, 'dpkg-deb', '-x', str(package_file), str(half))
            # The packages name each other by the places where they would be installed.
            for makefile in half.glob('usr/src/*/Makefile'):
                makefile.write_text(makefile.read_text().replace('/usr/src/', f'{tree}/usr/src/'))
            half.rename(tree)
    return tree / 'usr/src' / f'linux-headers-{release}'
