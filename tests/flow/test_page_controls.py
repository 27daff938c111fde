#!/usr/bin/python3
"""What a user does with kith flow's page, in Chromium: narrowing shows what `kith flow draw` shows for the same options.

test_page_controls.py MAKE-PAGE RECORDING KITH. Prints TAP; without Chromium or Graphviz it is skipped.
"""
import json
import re
import subprocess
import sys

from browser import Browser, run_tests

SECONDS = 100  # a browser's start on a slow, busy machine; it is not what it takes
READY_MS = 20000  # likewise: the test prints what it took
LARGE = 100000  # calls
ROWS = '[...document.querySelectorAll(".row[data-call]")].map((row) => Number(row.dataset.call)).sort((a, b) => a - b)'
OUTSIDE = 'document.querySelectorAll("#chart g.node.outside").length'


def rows(browser):
    """The calls of a tree that is opened."""
    browser.ask('document.getElementById("open-all").click()')
    return browser.ask(ROWS)


def put(browser, name, value):
    """As a user sets a control."""
    browser.ask(f'{{ const control = document.getElementById("{name}"); control.value = "{value}";'
                ' control.dispatchEvent(new Event("change")); }')


class Tests:
    def __init__(self, make, recording, kith, chromium, folder):
        self.make, self.recording, self.kith, self.folder = make, recording, kith, folder
        self.browser = Browser(chromium, folder / 'browser', SECONDS)

    def run(self, *command):
        return subprocess.run(command, check=True, timeout=SECONDS, stdout=subprocess.PIPE).stdout

    def open(self, path):
        self.browser.open(path.as_uri())
        assert self.browser.ask('document.body.dataset.ready') == 'true', self.browser.ask('document.body.dataset.error')
        return self.browser

    def draw(self, *options):
        """Opens the page that the command makes."""
        path = self.folder / 'page.html'
        self.run(self.kith, 'flow', 'draw', self.recording, *options, '--html', path)
        return self.open(path)

    def calls(self, *options):
        """The indices of the calls that the command's JSON has for these options."""
        return [call['index'] for call in json.loads(self.run(self.kith, 'flow', 'draw', self.recording, *options, '--json'))['calls']]

    def test_controls_show_what_the_options_of_draw_do(self):
        everything, browser = self.calls(), self.draw()
        socket = browser.ask('document.getElementById("socket").options[1].value')
        for options in ({'call': 'connect'}, {'call': 'send'}, {'call': 'send', 'nth': '2'}, {'call': 'close'}, {'from': 'tcp_v4_rcv'},
                        {'to': 'tcp_conn_request'}, {'depth': '3'}, {'call': 'connect', 'to': 'ip_queue_xmit', 'depth': '9'},
                        {'socket': socket}):
            for name, value in options.items():
                put(browser, name, value)
            words = {name: value for name, value in options.items() if name != 'nth'}
            if 'nth' in options:
                words['call'] += ':' + options['nth']
            wanted = self.calls(*[word for name, value in words.items() for word in (f'--{name}', value)])
            assert 0 < len(wanted) < len(everything), options
            assert rows(browser) == wanted, options
            assert browser.ask('document.getElementById("shown").textContent') == f'{len(wanted)} of {len(everything)} calls'
            browser.ask('document.getElementById("all").click()')
            assert browser.ask('document.body.dataset.shown') == str(len(everything))

    def test_lanes_can_be_left_out(self):
        browser = self.draw()
        browser.ask('document.querySelector("button.lane.client").click(); document.querySelector("button.lane.softirq").click()')
        assert rows(browser) == self.calls('--lane', 'server')
        assert browser.ask('document.querySelector("button.lane.client").getAttribute("aria-pressed")') == 'false'

    def test_page_begins_with_the_options_of_draw(self):
        browser = self.draw('--call', 'sendto:1', '--lane', 'client')
        assert rows(browser) == self.calls('--call', 'sendto:1', '--lane', 'client')
        assert browser.ask('document.getElementById("call").value') == 'sendto'
        assert browser.ask('document.getElementById("nth").value') == '1'

    def test_level_shows_the_functions_of_the_chart_and_all_that_happened(self):
        browser = self.draw('--call', 'connect', '--level', '1')
        boxes = browser.ask('[...document.querySelectorAll("#chart g.node.linked text")].map((text) => text.textContent)')
        rows(browser)
        functions = browser.ask('[...document.querySelectorAll(".row[data-call] .text")].map((text) => text.textContent)')
        assert sorted(text for text in boxes if re.fullmatch(r'[a-z0-9_]+', text)) == sorted(functions), (boxes, functions)
        marks = browser.ask('[...document.querySelectorAll(".row.mark")].map((row) => row.textContent)')
        assert any('CLOSED \u2192 SYN-SENT' in mark for mark in marks) and any('received SYN,ACK' in mark for mark in marks), marks

    def test_boxes_of_what_is_not_shown_are_pale(self):
        browser = self.draw()
        assert browser.ask(OUTSIDE) == 0
        put(browser, 'call', 'connect')
        assert 0 < browser.ask(OUTSIDE) < browser.ask('document.querySelectorAll("#chart g.node.linked").length')
        browser.ask('document.getElementById("all").click()')
        assert browser.ask(OUTSIDE) == 0

    def test_box_that_is_pale_leads_out_of_what_is_shown(self):
        browser = self.draw()
        put(browser, 'call', 'accept')
        browser.ask('''{ const box = document.querySelector("#chart g.node.outside"), at = box.getBoundingClientRect();
            const event = (type) => new PointerEvent(type, {bubbles: true, button: 0, pointerId: 1, clientX: at.left, clientY: at.top});
            document.getElementById("chart").setPointerCapture = () => {};
            box.dispatchEvent(event("pointerdown"));
            box.dispatchEvent(event("pointerup")); }''')
        assert browser.ask('document.body.dataset.shown') == str(len(self.calls()))
        assert browser.ask('document.querySelectorAll(".row.chosen").length') == 1

    def test_what_no_call_is_all_of_is_said(self):
        browser = self.draw()
        put(browser, 'from', 'no_such_function')
        assert browser.ask('document.body.dataset.shown') == '0'
        assert browser.ask('document.getElementById("nothing").hidden') is False

    def test_hover_tells_prototype_layer_and_duration(self):
        browser = self.draw('--call', 'connect')
        browser.ask('''{ const box = document.getElementById("search");
            box.value = "tcp_v4_connect";
            box.dispatchEvent(new Event("input"));
            const row = document.querySelector(".row.chosen"), at = row.getBoundingClientRect();
            row.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: at.left + 20, clientY: at.top + 5})); }''')
        tip = browser.ask('document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent')
        assert 'int tcp_v4_connect(struct sock *sk' in tip and 'transport' in tip and ('ms' in tip or '\u00b5s' in tip), tip

    def test_page_asks_the_network_for_nothing(self):
        browser = self.draw()
        rows(browser)
        put(browser, 'call', 'connect')
        assert browser.requests == [(self.folder / 'page.html').as_uri()], browser.requests
        control = self.folder / 'control.html'  # a page that does ask is found out
        control.write_text('<img src="http://127.0.0.1:9/asked">')
        browser.open(control.as_uri())
        assert 'http://127.0.0.1:9/asked' in browser.requests, browser.requests
        browser.errors.clear()

    def test_large_recording_is_ready_soon_and_narrowed_soon(self):
        path = self.folder / 'large.html'
        self.run(self.make, path, str(LARGE))
        browser = self.open(path)
        assert browser.ask('document.body.dataset.shown') == str(LARGE)
        ready = int(browser.ask('document.body.dataset.readyMs'))
        took = browser.ask('''(() => { const began = performance.now(), to = document.getElementById("to");
            to.value = "release_sock"; to.dispatchEvent(new Event("change")); document.body.offsetHeight;
            return Math.round(performance.now() - began); })()''')
        searched = browser.ask('''(() => { const began = performance.now(), search = document.getElementById("search");
            document.getElementById("all").click(); search.value = "tcp_"; search.dispatchEvent(new Event("input"));
            document.body.offsetHeight; return Math.round(performance.now() - began); })()''')
        print(f'# {LARGE} calls: a page of {path.stat().st_size >> 20} MB, ready after {ready} ms, narrowed in {took} ms, searched in '
              f'{searched} ms', flush=True)
        assert int(browser.ask('document.getElementById("hits").textContent').split()[-1]) > 1000
        assert searched < READY_MS, searched
        put(browser, 'to', 'release_sock')
        assert 0 < int(browser.ask('document.body.dataset.shown')) < LARGE
        assert ready < READY_MS and took < READY_MS, (ready, took)

    def check(self, name):
        self.browser.errors.clear()
        getattr(self, name)()
        assert not self.browser.errors, self.browser.errors

    def close(self):
        self.browser.close()


sys.exit(run_tests(lambda chromium, folder: Tests(*sys.argv[1:], chromium, folder)))
