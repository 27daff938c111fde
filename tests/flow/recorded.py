"""recorded.py: what must be in a recording, whatever kernel it is of."""
import json


def model_of(test, path):
    return json.loads(test.run('flow', 'draw', '--json', path).text)


def names_up_from(model, call):
    """The functions from a call up to the root of its tree."""
    while call is not None:
        yield model['functions'][model['calls'][call]['function']]['name']
        call = model['calls'][call]['parent']


def has_way(model, lane, *functions):
    """Is there a call of the last function, below one of the function before, and so on, in this lane?"""
    last = {i for i, function in enumerate(model['functions']) if function['name'] == functions[-1]}
    for index, call in enumerate(model['calls']):
        if call['function'] in last and call['lane'] == lane:
            above = names_up_from(model, index)
            if all(any(name == function for name in above) for function in reversed(functions)):
                return True
    return False


def check_connection(test, path):
    """The life of a TCP connection, in order."""
    model = model_of(test, path)
    assert model['whole'] and model['lost_events'] == 0, model['notes']
    for lane, *functions in (
            ('client', '__x64_sys_connect', 'tcp_v4_connect', 'tcp_connect', 'ip_queue_xmit', 'ip_finish_output2', 'loopback_xmit'),
            ('softirq', '__netif_receive_skb', 'ip_rcv', 'tcp_v4_rcv', 'tcp_v4_do_rcv', 'tcp_conn_request'),
            ('client', '__x64_sys_connect', 'release_sock', 'tcp_v4_do_rcv', 'tcp_finish_connect'),
            ('server', '__x64_sys_accept', 'inet_accept', 'inet_csk_accept'),
            ('client', '__x64_sys_sendto', 'tcp_sendmsg', 'ip_queue_xmit'),
            ('server', '__x64_sys_recvfrom', 'tcp_recvmsg'),
            ('client', 'sock_close', 'tcp_close')):
        assert has_way(model, lane, *functions), (lane, functions)
    marks = model['marks']
    received = [mark['flags'] for mark in marks if mark['type'] == 'packet' and not mark['sent']]
    assert received[:2] == ['SYN', 'SYN,ACK'] and 'ACK' in received[2] and any('FIN' in flags for flags in received), received
    states = [mark['after'] for mark in marks if mark['type'] == 'state']
    assert [state for state in states if state in ('LISTEN', 'SYN-SENT', 'SYN-RECEIVED')] == ['LISTEN', 'SYN-SENT', 'SYN-RECEIVED'], states
    assert states.count('ESTABLISHED') == 2, states
    check_link(marks)


def check_link(marks):
    """The child belongs to the socket that listens, and is the one that accept() returned."""
    listener = next(mark['socket'] for mark in marks if mark['type'] == 'state' and mark['after'] == 'LISTEN')
    link = next(mark for mark in marks if mark['type'] == 'link')
    accepted = next(mark for mark in marks if mark['type'] == 'accept')
    assert (link['socket'], link['child']) == (listener, accepted['socket']), (listener, link, accepted)
