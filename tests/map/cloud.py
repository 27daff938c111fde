#!/usr/bin/python3
"""cloud.py FOLDER RUN-GUEST ARGUMENT...: run-guest on Debian's kernel for clouds, whose package is kept in FOLDER, with the modules of
sock_diag(7) loaded."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'support'))
import kernel_package  # noqa: E402

MODULES = ['inet_diag', 'tcp_diag', 'udp_diag', 'raw_diag', 'mptcp_diag', 'unix_diag', 'netlink_diag', 'af_packet_diag', 'vsock',
           'vmw_vsock_virtio_transport_common', 'vsock_loopback', 'vsock_diag']

folder, run_guest, *arguments = sys.argv[1:]
kernel, modules = kernel_package.unpack(folder, MODULES)
command = [run_guest, '--kernel', str(kernel)]
for module in modules:
    command += ['--module', str(module)]
os.execv(run_guest, command + arguments)
