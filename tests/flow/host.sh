#!/bin/sh
# kith flow record on a host, which is a guest here (tools/run-guest): the recording is whole, and ftrace is left as it was found.
# KITH and SCENARIO stand for the programs' paths: run-guest puts both where they are on this machine.
set -u
kith=@KITH@ scenario=@SCENARIO@
export KITH_FLOW_PROGRAMS="${scenario%/*}"
trace=/sys/kernel/tracing number=0
mkdir -p /run /tmp
mount -t tracefs tracefs $trace
cd /tmp || exit 1

# What a recorder changes.
settings() {
    for name in current_tracer set_ftrace_filter set_graph_function set_ftrace_pid set_event_pid set_event dynamic_events trace_clock \
        buffer_size_kb max_graph_depth tracing_on options/funcgraph-abstime options/funcgraph-proc options/funcgraph-tail \
        options/funcgraph-overhead options/funcgraph-irqs options/function-fork options/event-fork options/overwrite; do
        # A buffer that was never used says 7; once used it cannot be that again, and its size is rounded to pages.
        echo "$name: $(sed 's/^7 (expanded: 1408)$/1410/' $trace/$name)"
    done
}
result() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# said: /' out
        settings | diff /tmp/before - | sed -n 's/^[-+]/# settings: &/p'
    fi
}
unchanged() { settings >/tmp/now && cmp -s /tmp/before /tmp/now; }
is_whole() { "$kith" flow info --json "$1" | grep -q '"whole":true,"lost":0,'; }
until_recording() { # a recorder has begun
    while [ "$(cat $trace/tracing_on)" = 0 ] || [ "$(cat $trace/current_tracer)" != "$1" ]; do usleep 20000; done
}
# Somebody's own settings.
echo vfs_read >$trace/set_graph_function
echo 1 >$trace/options/funcgraph-overhead
echo 'p:mine/reading vfs_read' >$trace/dynamic_events
settings >/tmp/before
echo 1..9

"$kith" flow record --scenario tcp -o tcp.kflow >out 2>&1 && is_whole tcp.kflow && unchanged
result $? a_scenario_is_recorded_and_the_settings_are_put_back

"$kith" flow record -o command.kflow -- "$scenario" udp >out 2>&1 && is_whole command.kflow && unchanged
result $? a_command_is_recorded_and_the_settings_are_put_back

"$kith" flow record -o none.kflow -- /nonexistent >out 2>&1
[ $? = 1 ] && grep -q nonexistent out && ! grep -q -e --vm out && [ ! -e none.kflow ] && [ ! -e none.kflow.part ] && unchanged
result $? a_command_that_cannot_be_started_is_an_error_and_leaves_nothing

"$kith" flow record --probes-only --scenario tcp -o probes.kflow >out 2>&1 && is_whole probes.kflow && unchanged &&
    "$kith" flow info probes.kflow | grep -q 'sockets and packets only'
result $? probes_alone_are_recorded

sleep 1000 &
victim=$!
"$kith" flow record --pid $victim -o pid.kflow >out 2>&1 &
recorder=$!
until_recording function_graph
kill -TERM $recorder
wait $recorder && is_whole pid.kflow && unchanged
result $? a_recorder_that_is_stopped_by_a_signal_completes_and_puts_the_settings_back

"$kith" flow record --pid $victim -o killed.kflow >out 2>&1 &
recorder=$!
until_recording function_graph
kill -KILL $recorder
wait $recorder
! unchanged && ! "$kith" flow record --scenario udp -o second.kflow >out 2>&1 && grep -q 'kith flow restore' out
result $? after_sigkill_the_next_recorder_says_what_to_do
"$kith" flow restore >out 2>&1 && unchanged && [ ! -e /run/kith-flow.state ]
result $? what_a_killed_recorder_left_is_undone

echo function >$trace/current_tracer
echo 1 >$trace/tracing_on
echo mark-of-another >$trace/trace_marker
echo 0 >$trace/tracing_on # so that the mark stays in the buffer
echo vfs_write >$trace/set_ftrace_filter
! "$kith" flow record --scenario udp -o busy.kflow >out 2>&1 && grep -q "in use.*'function'" out && [ ! -e /run/kith-flow.state ] &&
    [ "$(cat $trace/current_tracer)" = function ] && grep -q mark-of-another $trace/trace && grep -q vfs_write $trace/set_ftrace_filter
result $? another_tracer_is_not_disturbed
echo nop >$trace/current_tracer
echo >$trace/set_ftrace_filter

umount $trace
! "$kith" flow record --scenario udp -o without.kflow >out 2>&1 && grep -q 'kith flow record --vm --scenario udp' out &&
    [ "$(grep -c . out)" = 1 ]
result $? a_host_without_tracefs_gets_one_line_and_the_way_out
