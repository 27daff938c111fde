#!/bin/sh
# kith map on a kernel that has no sock_diag for any family (its modules are not there): what /proc/net says is joined all the same.
# KITH stands for the program's path: run-guest puts it where it is on this machine.
kith=@KITH@ number=0
cd /tmp || exit 1
: >rep
: >rep2
# OUTPUT-PATTERN NAME ARGUMENT...
check() {
    pattern=$1 name=$2 number=$((number + 1))
    shift 2
    "$kith" "$@" >out 2>&1 </dev/null
    if grep -Eq "$pattern" out; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        sed 's/^/# said: /' out
    fi
}
"$kith" rep tcp://127.0.0.1:7001 --echo >rep 2>&1 &
until grep -q 7001 rep; do usleep 20000; done
"$kith" rep ipc:///tmp/x.sock --echo >rep2 2>&1 &
until grep -q x.sock rep2; do usleep 20000; done
sleep 100 | nc 127.0.0.1 7001 >nc &
until grep -q ':1B59 .* 01 ' /proc/net/tcp; do usleep 20000; done
echo 1..6
check '^tcp +listen .*127\.0\.0\.1:7001 +kith\[[0-9]+\]/[0-9]+$' 'a listener has its process' map --state listen
check '^tcp +established .*127\.0\.0\.1:7001 +127\.0\.0\.1:[0-9]+ +kith\[[0-9]+\]/[0-9]+ +nc\[' 'an accepted connection has its other end' map --port 7001
check '127\.0\.0\.1:[0-9]+ +established .*\[matched' 'a listener has what it accepted' map --listener 127.0.0.1:7001
check '^unix stream +listen +/tmp/x.sock +kith\[' 'a unix listener has its process' map --path /tmp/x.sock
check '"cookie":null' 'there is no cookie, and none is made up' map --json --port 7001
check '^tcp established' 'one socket is found by its two addresses' socket "127.0.0.1:7001,127.0.0.1:$(sed -n 's/.*:1B59 0100007F:\(....\) 01 .*/\1/p' /proc/net/tcp | head -1 | { read -r port; echo $((0x$port)); })"
