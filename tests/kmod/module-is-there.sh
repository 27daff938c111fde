#!/bin/sh
# module-is-there.sh: kith.ko is loaded, and goes when it is told to.
set -e
cat /sys/module/kith/version
rmmod kith
[ ! -e /sys/module/kith ]
