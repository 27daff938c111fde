#!/usr/bin/python3
"""kith flow's page in a browser: tree and chart are there, hostile texts are texts, and nothing is logged as an error.

test_page.py MAKE-PAGE RECORDING. Prints TAP; without Chromium or Graphviz it is skipped.
"""
import html.parser
import os
import re
import subprocess
import sys

from browser import run_tests

SECONDS = 100  # a browser's start on a slow, busy machine; it is not what it takes

CHART = '''<?xml version="1.0"?>
<svg width="200pt" height="120pt" viewBox="0 0 200 120" xmlns="http://www.w3.org/2000/svg">
<g id="graph0" class="graph">
<g id="node1" class="node call-0"><title>first</title>
<polygon fill="white" stroke="black" points="10,10 150,10 150,40 10,40"/><text x="20" y="30">%s</text></g>
<g id="node2" class="node call&#45;1"><title>second</title>
<polygon fill="white" stroke="black" points="10,70 150,70 150,100 10,100"/><text x="20" y="90">b</text></g>
<g id="node3" class="node call-1">
<polygon fill="white" stroke="black" points="160,70 190,70 190,100 160,100"/><text x="170" y="90">c</text></g>
<g id="node4" class="node"><text x="0" y="110">legend</text></g>
<g id="node5" class="node call-4000000000"><text x="0" y="115">no such call</text></g>
</g></svg>
'''
HOSTILE_LABEL = '&lt;/script&gt;&lt;script&gt;document.body.dataset.broken=3&lt;/script&gt;'


class Page(html.parser.HTMLParser):
    """What a test asks for: attributes of <body>, rows of the tree, boxes of the chart, texts by id."""

    def __init__(self, text):
        super().__init__()
        self.body, self.rows, self.boxes, self.chosen, self.texts, self.scripts, self.images = {}, [], [], [], {}, 0, 0
        self.stack = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        classes = (attrs.get('class') or '').split()
        if tag == 'body':
            self.body = attrs
        if 'row' in classes and 'data-call' in attrs:
            self.rows.append(attrs)
        if tag == 'g' and 'linked' in classes:
            self.boxes.append(attrs['id'])
            self.chosen += [attrs['id']] if 'chosen' in classes else []
        self.scripts += tag == 'script'
        self.images += tag == 'img'
        if tag not in ('meta', 'input', 'img', 'polygon', 'path', 'ellipse', 'br', 'link'):
            self.stack.append(attrs.get('id') or '.'.join(classes))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if self.stack and tag not in ('meta', 'input', 'img', 'polygon', 'path', 'ellipse', 'br', 'link'):
            self.stack.pop()

    def handle_data(self, data):
        for name in self.stack:
            self.texts[name] = self.texts.get(name, '') + data


def browse(chromium, path, home, fragment=''):
    command = [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
               '--disable-background-networking', '--enable-logging=stderr', '--log-level=0', f'--user-data-dir={home}', '--dump-dom',
               path.as_uri() + fragment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True, env={**os.environ, 'HOME': str(home)})
    return Page(done.stdout), re.findall(r'.*CONSOLE.*', done.stderr)


class Tests:
    def __init__(self, make, recording, chromium, folder):
        self.make, self.recording, self.chromium, self.folder = make, recording, chromium, folder
        self.chart = folder / 'chart.svg'
        self.chart.write_text(CHART % HOSTILE_LABEL)

    def page(self, what, *chart, fragment=''):
        path = self.folder / 'page.html'
        subprocess.run([self.make, path, what, *chart], check=True, timeout=SECONDS)
        page, console = browse(self.chromium, path, self.folder, fragment)
        assert not console, console
        assert page.body.get('data-ready') == 'true', page.body
        assert page.body.get('data-errors') == '0', page.body
        return page

    def test_small_model_has_tree_chart_and_notes(self):
        page = self.page('small', self.chart)
        assert {int(row['data-call']) for row in page.rows} >= {0, 4, 9}, page.rows
        assert page.boxes == ['node1', 'node2', 'node3'], page.boxes
        tree = page.texts['tree']
        assert '__x64_sys_connect' in tree and 'tcp_v4_connect' in tree and '\u21e2 from ip_queue_xmit' in tree, tree
        assert 'inlined' in page.texts['notes'], page.texts['notes']
        assert 'tcp' in page.texts['title']

    def test_closed_trees_tell_packets_and_states(self):
        tags = self.page('small').texts['tag']
        assert 'CLOSED \u2192 SYN-SENT' in tags and 'SYN-SENT \u2192 ESTABLISHED' in tags and 'SYN,ACK' in tags, tags

    def test_link_to_a_function_opens_the_way_to_it(self):
        page = self.page('small', self.chart, fragment='#ip_queue_xmit')
        rows = {row['data-call']: row for row in page.rows}
        assert rows['3'].get('aria-selected') == 'true' and 'hit' in rows['3']['class'], rows['3']
        assert all(rows[call]['aria-expanded'] == 'true' for call in '012'), rows
        assert page.texts['hits'] == '1 of 1', page.texts['hits']
        assert '\u21e2 SYN' in page.texts['flag.link'], page.texts['flag.link']  # what it handed over to the softirq
        # The nearest caller that has boxes in the chart.
        assert page.chosen == ['node2', 'node3'], page.chosen

    def test_malformed_link_finds_nothing(self):
        assert self.page('small', fragment='#%E0%A4%A').texts['hits'] == 'none'

    def test_page_without_chart_says_so(self):
        page = self.page('small')
        assert page.boxes == [] and 'without a chart' in page.texts['chart']

    def test_narrowed_page_has_what_was_asked_for_alone(self):
        page = self.page(self.recording, '--call', 'connect')
        tree = page.texts['tree']
        assert '__x64_sys_connect' in tree and '__netif_receive_skb' in tree and '__x64_sys_bind' not in tree and 'sock_close' not in tree

    def test_hostile_texts_stay_texts(self):
        page = self.page('hostile', self.chart)
        assert 'data-broken' not in page.body, page.body
        assert page.scripts == 3 and page.images == 0, (page.scripts, page.images)
        assert '</script><script>' in page.texts['tree'] and '</script><script>' in page.texts['notes']

    def test_recording_has_its_calls(self):
        page = self.page(self.recording, self.chart)
        assert len(page.rows) > 20, len(page.rows)
        lanes = {lane for row in page.rows for lane in row['class'].split() if lane in ('client', 'softirq', 'server')}
        assert lanes == {'client', 'softirq', 'server'}, lanes
        assert '__x64_sys_connect' in page.texts['tree']


    def draw(self, what, level):
        dot, svg = self.folder / 'drawn.dot', self.folder / 'drawn.svg'
        subprocess.run([self.make, dot, what, '--dot', str(level)], check=True, timeout=SECONDS)
        svg.write_bytes(subprocess.run(['dot', '-Kneato', '-n2', '-Tsvg', dot], check=True, capture_output=True, timeout=SECONDS).stdout)
        return svg

    def test_chart_of_a_recording_is_linked_to_its_calls(self):
        svg = self.draw(self.recording, 1)
        page = self.page(self.recording, svg, fragment='#tcp_conn_request')
        assert len(page.boxes) == len(re.findall(r'class="node call', svg.read_text())) > 50, len(page.boxes)
        assert page.chosen and 'SYN' in page.texts['chart'], page.chosen

    def test_chart_of_hostile_texts_stays_text(self):
        page = self.page('hostile', self.draw('hostile', 4))
        assert 'data-broken' not in page.body, page.body
        assert page.scripts == 3 and page.images == 0 and page.boxes, (page.scripts, page.images, page.boxes)
        assert '</script><script>' in page.texts['chart'], page.texts['chart']

    def check(self, name):
        getattr(self, name)()

    def close(self):
        """Each page had a browser of its own."""


sys.exit(run_tests(lambda chromium, folder: Tests(*sys.argv[1:], chromium, folder)))
