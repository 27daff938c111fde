"""benchmark: what the tools/bench* share: running a program, medians and ratios, the machine, a table."""
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fail(text):
    sys.exit(f'{Path(sys.argv[0]).name}: {text}')


def output_of(command):
    """The command makes what files it needs in a folder that is gone afterwards, however it ended."""
    with tempfile.TemporaryDirectory(prefix='kith-bench-') as folder:
        result = subprocess.run(command, env={**os.environ, 'TMPDIR': folder}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                check=False)
    if result.returncode != 0:
        fail(f'{" ".join(map(str, command))} ended with {result.returncode}')
    return result.stdout


def program_of(build, name):
    program = build / 'bench' / name
    if not program.exists():
        fail(f'{program} is not there: build it first (ninja -C {build})')
    return program.resolve()


def quartiles(values):
    """Lower quartile, median, upper quartile; of one or two values there is only the median."""
    if len(values) < 3:
        return (statistics.median(values),) * 3
    return tuple(statistics.quantiles(values, n=4, method='inclusive'))


def median_and_spread(values, digits=1):
    """Median, and the quartiles around it."""
    low, middle, high = quartiles(values)
    return f'{middle:.{digits}f}' if len(values) < 3 else f'{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})'


def ratios(ours, theirs):
    """One a repetition: what the machine did then fell on both."""
    return [one / other for one, other in zip(ours, theirs)]


def machine():
    processor = re.search(r'^model name\s*:\s*(.*)$', Path('/proc/cpuinfo').read_text(), re.M)
    return f'Linux {platform.release()}, {processor.group(1) if processor else platform.machine()}'


def kith_version():
    return re.search(r"version: '([^']*)'", (ROOT / 'meson.build').read_text()).group(1)


def print_table(rows):
    """The first row is the head; Markdown."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print('| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |')
        if number == 0:
            print('|' + '|'.join('-' * (width + 2) for width in widths) + '|')
