/* The tree beside the chart. All text comes out of a recording, which may be anybody's: it goes into text nodes only, never into markup. */
(() => {
  const byId = (id) => document.getElementById(id);
  let errors = 0;
  const failed = (text) => {
    document.body.dataset.errors = String(++errors);
    document.body.dataset.error = text;
  };
  addEventListener("error", (event) => failed(event.message));
  addEventListener("unhandledrejection", (event) => failed(String(event.reason)));
  addEventListener("securitypolicyviolation", (event) => failed("refused: " + event.violatedDirective));
  document.body.dataset.errors = "0";

  const model = JSON.parse(byId("model").textContent), start = JSON.parse(byId("start").textContent);
  const calls = new Map(model.calls.map((call) => [call.index, call]));
  const LANES = ["client", "softirq", "server", "other"], LEVEL_ALL = 4;
  const everything = () => ({call: "", nth: 0, from: "", to: "", lanes: new Set(LANES), depth: 0, socket: "", level: LEVEL_ALL});
  const narrow = makeNarrowing(model, {of: start.words, given: start.given});
  let wanted = {...everything(), ...start.narrow};
  if (start.lane) wanted.lanes = new Set([start.lane]);
  const isNarrowed = () => start.part || wanted.call || wanted.from || wanted.to || wanted.socket || wanted.depth > 0 ||
    wanted.lanes.size < LANES.length;

  /* What stands for a call: itself, or the nearest shown one that led to it. */
  const shownOf = (call) => (call && !call.shown ? call.above : call);
  const begin = (thing) => (thing.type ? thing.time_ns : thing.begin_ns);
  let roots = [], top = []; /* calls without a shown one above; these, and marks in none */
  const placeCalls = () => {
    for (const call of model.calls) {
      call.inside = [];
      call.packets = [];
      call.below = []; /* of a root: the marks in its tree */
    }
    for (const call of model.calls) {
      if (!call.shown) continue;
      const from = shownOf(calls.get(call.handed_from));
      if (call.above) call.above.inside.push(call);
      else roots.push(call);
      if (from) from.packets.push(call);
    }
    top = [...roots];
  };
  const placeMarks = () => {
    for (const mark of model.marks) {
      const call = calls.get(mark.call);
      if (mark.type === "socket" || (call ? !call.selected : isNarrowed())) continue;
      let root = shownOf(call);
      (root ? root.inside : top).push(mark);
      while (root && root.above) root = root.above;
      if (root) root.below.push(mark);
    }
  };
  const arrange = () => {
    const count = narrow(wanted);
    roots = [];
    placeCalls();
    placeMarks();
    for (const call of model.calls) if (call.inside.some((thing) => thing.type)) call.inside.sort((a, b) => begin(a) - begin(b));
    top.sort((a, b) => begin(a) - begin(b));
    return count;
  };

  /* Words ------------------------------------------------------------------------------------------------------------- */
  const functionOf = (call) => model.functions[call.function];
  const nameOf = (call) => functionOf(call).name || "?";
  const duration = (ns) => (ns < 1000 ? ns + " ns" : ns < 1e6 ? (ns / 1e3).toFixed(1) + " \u00b5s" : (ns / 1e6).toFixed(2) + " ms");
  const lasted = (call) => (call.unfinished ? "\u2265 " : "") + duration(call.end_ns - call.begin_ns);
  const arrow = " \u2192 ";
  const words = (mark) => {
    switch (mark.type) {
      case "state": return mark.before + arrow + mark.after + "  " + [mark.local, mark.remote].filter(Boolean).join(arrow);
      case "packet": return (mark.sent ? "sent " : "received ") + mark.flags + " seq " + mark.sequence + " ack " + mark.acknowledged +
        ", " + mark.octets + " octets, port " + mark.source + arrow + mark.destination;
      case "datagram": return (mark.sent ? "sent" : "received") + " a datagram, " + mark.octets + " octets, port " + mark.source + arrow +
        mark.destination;
      case "link": return "listener " + mark.socket + " has a child: " + mark.child;
      case "accept": return "accepted: socket " + mark.socket;
      case "lost": return mark.events + " events were lost here";
      default: return mark.type;
    }
  };
  /* What a closed tree is about: its packets and states, without those that repeat. */
  const TAGS_MAX = 6;
  const tags = (call) => {
    const short = {packet: (mark) => mark.flags, datagram: () => "datagram", state: (mark) => mark.before + arrow + mark.after};
    const texts = call.below.filter((mark) => short[mark.type]).map((mark) => short[mark.type](mark))
      .filter((text, at, all) => text !== all[at - 1]);
    return texts.length > TAGS_MAX ? [...texts.slice(0, TAGS_MAX), "\u2026"] : texts;
  };
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  /* Tree: a list is made when it is opened for the first time. ------------------------------------------------------------ */
  const rows = new Map();
  let chosen = null;
  let found = new Set(); /* what the search has found */

  const makeLink = (text, call) => {
    const link = make("span", "flag link", text);
    link.dataset.to = String(call.index);
    return link;
  };
  const isLeaf = (call) => call.inside.length === 0;
  const makeRow = (call, depth) => {
    const item = make("li");
    const row = make("div", "row " + call.lane + (depth === 0 ? " root" : "") + (found.has(call) ? " hit" : ""));
    item.setAttribute("role", "none");
    row.setAttribute("role", "treeitem");
    row.setAttribute("aria-level", String(depth + 1));
    row.style.setProperty("--depth", String(depth));
    row.dataset.call = String(call.index);
    row.id = "row-" + call.index;
    const twist = make("span", "twist", isLeaf(call) ? "" : "\u25b8");
    twist.setAttribute("aria-hidden", "true");
    row.append(twist, make("span", "text", nameOf(call)));
    const from = shownOf(calls.get(call.handed_from));
    if (from) row.append(makeLink("\u21e2 from " + nameOf(from), from));
    for (const packet of call.packets) row.append(makeLink("\u21e2 " + (tags(packet)[0] || nameOf(packet)), packet));
    for (const text of tags(call)) row.append(make("span", "tag", text));
    if (call.backlog) row.append(make("span", "flag", "[backlog]"));
    if (call.unfinished) row.append(make("span", "flag", "[end not recorded]"));
    if (call.unbegun) row.append(make("span", "flag", "[beginning not recorded]"));
    row.append(make("span", "time", lasted(call)));
    if (!isLeaf(call)) row.setAttribute("aria-expanded", "false");
    item.append(row);
    rows.set(call.index, {call, item, row, twist, depth, list: null});
    return item;
  };
  const makeMark = (mark, depth, lane) => {
    const item = make("li");
    const row = make("div", "row mark " + lane + (mark.type === "lost" ? " lost" : ""));
    row.style.setProperty("--depth", String(depth));
    row.append(make("span", "twist", "\u25c6"), make("span", "text", words(mark)));
    item.append(row);
    return item;
  };
  const setOpen = (entry, open) => {
    if (isLeaf(entry.call)) return;
    if (open && !entry.list) {
      entry.list = make("ul");
      entry.list.setAttribute("role", "group");
      for (const thing of entry.call.inside)
        entry.list.append(thing.type ? makeMark(thing, entry.depth + 1, entry.call.lane) : makeRow(thing, entry.depth + 1));
      entry.item.append(entry.list);
    }
    if (entry.list) entry.list.hidden = !open;
    entry.twist.textContent = open ? "\u25be" : "\u25b8";
    entry.row.setAttribute("aria-expanded", String(open));
  };
  const isOpen = (entry) => Boolean(entry.list) && !entry.list.hidden;
  const list = make("ul"), more = make("button", "more");
  list.setAttribute("role", "none");
  more.type = "button";
  byId("tree").append(list, more);
  const TOP_AT_ONCE = 2000; /* rows: more of them when they are asked for */
  let made = 0;
  const makeTop = () => {
    for (const thing of top.slice(made, made + TOP_AT_ONCE)) list.append(thing.type ? makeMark(thing, 0, "") : makeRow(thing, 0));
    made = Math.min(top.length, made + TOP_AT_ONCE);
    more.hidden = made === top.length;
    more.textContent = top.length - made + " more";
  };
  more.addEventListener("click", makeTop);
  const reveal = (call) => {
    const way = [];
    for (let at = call.above; at; at = at.above) way.push(at);
    const root = way.length > 0 ? way[way.length - 1] : call;
    while (!rows.has(root.index)) makeTop();
    for (const above of way.reverse()) setOpen(rows.get(above.index), true);
    return rows.get(call.index);
  };
  const choose = (call, scroll) => {
    if (!shownOf(call)) narrowTo(everything());
    const entry = reveal(shownOf(call));
    if (chosen) {
      chosen.row.classList.remove("chosen");
      chosen.row.removeAttribute("aria-selected");
    }
    chosen = entry;
    entry.row.classList.add("chosen");
    entry.row.setAttribute("aria-selected", "true");
    byId("tree").setAttribute("aria-activedescendant", entry.row.id);
    if (scroll) entry.row.scrollIntoView({block: "center", inline: "nearest"});
    markChart(entry.call);
  };
  const OPENED_AT_FIRST = 60;
  const makeTree = () => {
    const open = [...rows.values()].filter(isOpen).map((entry) => entry.call).sort((a, b) => a.index - b.index);
    const before = chosen && chosen.call, count = arrange();
    rows.clear();
    list.replaceChildren();
    chosen = null;
    made = 0;
    makeTop();
    for (const call of roots.length <= OPENED_AT_FIRST ? roots : []) setOpen(rows.get(call.index), true);
    for (const call of open) if (call.shown) setOpen(reveal(call), true);
    byId("shown").textContent = count + " of " + start.of + " calls" + (start.part ? "; this page has: " + start.part : "");
    byId("nothing").hidden = count > 0 || model.calls.length === 0;
    document.body.dataset.shown = String(count);
    if (before && shownOf(before)) choose(before, true);
  };

  byId("tree").addEventListener("click", (event) => {
    const row = event.target.closest(".row[data-call]");
    if (!row) return;
    const entry = rows.get(Number(row.dataset.call));
    const link = event.target.closest(".link");
    if (link) return choose(calls.get(Number(link.dataset.to)), true);
    if (event.target.closest(".twist") || entry === chosen) setOpen(entry, !isOpen(entry));
    choose(entry.call, false);
  });
  const shownRows = () => [...byId("tree").querySelectorAll(".row[data-call]")].filter((row) => row.offsetParent !== null);
  const step = (by) => {
    const shown = shownRows();
    const at = chosen ? shown.indexOf(chosen.row) : -1;
    const row = shown[Math.min(shown.length - 1, Math.max(0, at + by))];
    if (row) choose(rows.get(Number(row.dataset.call)).call, true);
  };
  byId("tree").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "ArrowRight" && chosen) setOpen(chosen, true);
    else if (event.key === "ArrowLeft" && chosen && isOpen(chosen)) setOpen(chosen, false);
    else if (event.key === "ArrowLeft" && chosen && chosen.call.above) choose(chosen.call.above, true);
    else return;
    event.preventDefault();
  });
  const OPEN_ALL_MAX = 20000;
  byId("open-all").addEventListener("click", () => {
    for (const call of model.calls.filter((one) => one.shown).slice(0, OPEN_ALL_MAX)) setOpen(reveal(call), true);
  });
  byId("close-all").addEventListener("click", () => {
    for (const entry of rows.values()) setOpen(entry, false);
  });

  /* Narrowing: the controls say what is wanted, and what is wanted sets the controls. ------------------------------------------- */
  const addOptions = (id, options) => {
    for (const [value, text] of options) {
      const option = make("option", "", text);
      option.value = value;
      byId(id).append(option);
    }
  };
  const occurring = model.functions.filter((about) => about.calls > 0).map((about) => about.name || "?");
  const fillControls = () => {
    const callWords = new Set(start.words.filter((word, at) => word && model.functions[at].calls > 0).concat(wanted.call || []));
    const sockets = new Map(model.marks.filter((mark) => mark.socket).map((mark) => [mark.socket, "socket"]));
    for (const mark of model.marks) {
      if (mark.type === "state" && mark.after === "SYN-SENT") sockets.set(mark.socket, "client");
      if (mark.type !== "link") continue;
      sockets.set(mark.socket, "listener");
      sockets.set(mark.child, "child");
    }
    addOptions("call", [["", "every call"], ...[...callWords].map((word) => [word, word])]);
    addOptions("socket", [["", "every socket"], ...[...sockets].map(([socket, role]) => [socket, role + " " + socket])]);
    addOptions("functions", [...new Set(occurring)].sort().map((name) => [name, ""]));
  };
  const TEXTS = ["call", "from", "to", "socket"], NUMBERS = ["nth", "depth"];
  const laneButtons = new Map();
  const narrowTo = (next) => {
    wanted = next;
    for (const id of TEXTS) byId(id).value = wanted[id];
    for (const id of NUMBERS) byId(id).value = wanted[id] > 0 ? wanted[id] : "";
    byId("level").value = String(wanted.level);
    byId("nth").hidden = !wanted.call;
    for (const [lane, button] of laneButtons) button.setAttribute("aria-pressed", String(wanted.lanes.has(lane)));
    makeTree();
    dimChart();
    if (byId("search").value) search();
  };
  for (const lane of LANES) {
    const count = model.calls.filter((call) => call.lane === lane).length;
    if (count === 0) continue;
    const button = make("button", "lane " + lane, lane + " " + count);
    button.type = "button";
    laneButtons.set(lane, button);
    button.addEventListener("click", () => {
      const lanes = new Set(wanted.lanes);
      if (!lanes.delete(lane)) lanes.add(lane);
      narrowTo({...wanted, lanes});
    });
    byId("lanes").append(button);
  }
  for (const id of TEXTS) byId(id).addEventListener("change", () => narrowTo({...wanted, [id]: byId(id).value.trim()}));
  for (const id of NUMBERS)
    byId(id).addEventListener("change", () => narrowTo({...wanted, [id]: Math.max(0, Math.floor(Number(byId(id).value) || 0))}));
  byId("level").addEventListener("change", () => narrowTo({...wanted, level: Number(byId("level").value)}));
  byId("all").addEventListener("click", () => narrowTo(everything()));

  /* Chart: its boxes have the class "call-NUMBER" of the call that they stand for, or in which it happened what they say. --------- */
  const chart = byId("chart");
  const svg = chart.querySelector("svg");
  const view = {x: 0, y: 0, scale: 1};
  const natural = (svg && svg.viewBox.baseVal) || {width: 0, height: 0};
  const place = () => {
    if (svg) svg.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  };
  const SCALE_MIN = 0.02, SCALE_MAX = 20;
  const zoom = (factor, x, y) => {
    const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, view.scale * factor));
    view.x = x - (x - view.x) * scale / view.scale;
    view.y = y - (y - view.y) * scale / view.scale;
    view.scale = scale;
    place();
  };
  const MARGIN = 12;
  const across = () => (chart.clientWidth - 2 * MARGIN) / (natural.width || 1);
  const down = () => (chart.clientHeight - 2 * MARGIN) / (natural.height || 1);
  const fit = (whole, most = SCALE_MAX) => {
    view.scale = Math.max(SCALE_MIN, Math.min(most, whole ? Math.min(across(), down()) : across()));
    view.x = Math.max(MARGIN, (chart.clientWidth - natural.width * view.scale) / 2);
    view.y = MARGIN;
    place();
  };
  const boxes = new Map(); /* a call's index -> its boxes, in the order of the chart */
  const callOfBox = (target) => {
    const box = target.closest("g.node");
    const name = box && [...box.classList].find((word) => /^call-[0-9]+$/.test(word));
    return name ? calls.get(Number(name.slice("call-".length))) : undefined;
  };
  const boxesOf = (call) => {
    for (let at = call; at; at = calls.get(at.parent)) if (boxes.has(at.index)) return boxes.get(at.index);
    return [];
  };
  function markChart(call) {
    for (const box of chart.querySelectorAll("g.node.chosen")) box.classList.remove("chosen");
    const found = boxesOf(call);
    if (found.length === 0) return;
    for (const box of found) box.classList.add("chosen");
    const at = found[0].getBoundingClientRect(), frame = chart.getBoundingClientRect();
    if (at.left < frame.left || at.right > frame.right) view.x += frame.left + frame.width / 2 - (at.left + at.width / 2);
    if (at.top < frame.top || at.bottom > frame.bottom) view.y += frame.top + frame.height / 2 - (at.top + at.height / 2);
    place();
  }
  /* Boxes of what was not asked for are pale: the chart is as it was drawn. */
  function dimChart() {
    for (const [index, of] of boxes) for (const box of of) box.classList.toggle("outside", !calls.get(index).selected);
  }
  if (svg) {
    svg.setAttribute("width", natural.width);
    svg.setAttribute("height", natural.height);
    for (const box of svg.querySelectorAll("g.node")) {
      const call = callOfBox(box);
      if (!call) continue;
      boxes.set(call.index, [...(boxes.get(call.index) || []), box]);
      box.classList.add("linked");
      for (const title of box.querySelectorAll("title")) title.remove(); /* the browser's own hover would lie over ours */
    }
  } else {
    chart.append(make("p", "none", "This page was made without a chart."));
  }
  let drag = null;
  const DRAG_MIN = 4;
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = {x: event.clientX, y: event.clientY, from: {...view}, moved: false, call: callOfBox(event.target)};
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    drag.moved = drag.moved || Math.hypot(x, y) > DRAG_MIN;
    if (!drag.moved) return;
    chart.classList.add("moving");
    view.x = drag.from.x + x;
    view.y = drag.from.y + y;
    place();
  });
  const drop = () => {
    chart.classList.remove("moving");
    if (drag && !drag.moved && drag.call) choose(drag.call, true);
    drag = null;
  };
  chart.addEventListener("pointerup", drop);
  chart.addEventListener("pointercancel", () => { drag = null; chart.classList.remove("moving"); });
  chart.addEventListener("wheel", (event) => {
    const frame = chart.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - frame.left, event.clientY - frame.top);
    event.preventDefault();
  }, {passive: false});
  const middle = (factor) => zoom(factor, chart.clientWidth / 2, chart.clientHeight / 2);
  byId("zoom-in").addEventListener("click", () => middle(1.25));
  byId("zoom-out").addEventListener("click", () => middle(0.8));
  byId("zoom-fit").addEventListener("click", () => fit(true));
  byId("zoom-width").addEventListener("click", () => fit(false));

  /* Hover ------------------------------------------------------------------------------------------------------------- */
  const tip = byId("tip");
  const explain = (call) => {
    const about = functionOf(call), below = call.inside.filter((thing) => !thing.type).length;
    tip.replaceChildren(make("b", "", nameOf(call) + (about.module ? " [" + about.module + "]" : "")));
    if (about.prototype) tip.append(make("code", "", about.prototype));
    if (about.file) tip.append(make("div", "", about.file + (about.line ? ":" + about.line : "")));
    tip.append(make("div", "", lasted(call) + ", begun at " + duration(call.begin_ns) + ", processor " + call.cpu));
    const times = about.calls + (about.calls === 1 ? " time" : " times");
    tip.append(make("div", "", call.lane + ", " + about.layer + "; calls " + below + ", occurs " + times));
    if (call.packets.length) tip.append(make("div", "", "packets handed over to the softirq: " + call.packets.length));
  };
  const TIP_AWAY = 16;
  const hover = (event, call) => {
    tip.hidden = !call;
    if (!call) return;
    explain(call);
    tip.style.left = Math.max(0, Math.min(event.clientX + TIP_AWAY, innerWidth - tip.offsetWidth - TIP_AWAY)) + "px";
    const below = event.clientY + TIP_AWAY;
    tip.style.top = (below + tip.offsetHeight > innerHeight ? Math.max(0, event.clientY - tip.offsetHeight - TIP_AWAY) : below) + "px";
  };
  const callOfRow = (target) => {
    const row = target.closest(".row[data-call]");
    return row ? calls.get(Number(row.dataset.call)) : null;
  };
  byId("tree").addEventListener("pointermove", (event) => hover(event, callOfRow(event.target)));
  chart.addEventListener("pointermove", (event) => hover(event, drag ? null : callOfBox(event.target)));
  for (const side of [byId("tree"), chart]) side.addEventListener("pointerleave", () => { tip.hidden = true; });

  /* Search ------------------------------------------------------------------------------------------------------------ */
  const HITS_OPENED = 50; /* of many the others are opened when they are turned to */
  let hits = [], hit = -1;
  const show = () => {
    const asked = byId("search").value !== "";
    byId("hits").textContent = !asked ? "" : hits.length === 0 ? (isNarrowed() ? "none here" : "none") : hit + 1 + " of " + hits.length;
    if (hit >= 0) choose(hits[hit], true);
  };
  function search() {
    const text = byId("search").value.trim().toLowerCase();
    hits = text === "" ? [] : model.calls.filter((call) => call.shown && nameOf(call).toLowerCase().includes(text));
    hit = hits.length > 0 ? 0 : -1;
    found = new Set(hits);
    for (const entry of rows.values()) entry.row.classList.toggle("hit", found.has(entry.call));
    for (const [index, of] of boxes) for (const box of of) box.classList.toggle("hit", found.has(calls.get(index)));
    for (const call of hits.slice(0, HITS_OPENED)) reveal(call);
    show();
  }
  const turn = (by) => {
    if (hits.length === 0) return;
    hit = (hit + by + hits.length) % hits.length;
    show();
  };
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") turn(event.shiftKey ? -1 : 1);
  });
  byId("next").addEventListener("click", () => turn(1));
  byId("previous").addEventListener("click", () => turn(-1));
  addEventListener("keydown", (event) => {
    const typing = document.activeElement === byId("search");
    if (document.activeElement.matches("input:not(#search), select")) return;
    if (event.key === "/" && !typing) { byId("search").focus(); event.preventDefault(); }
    else if (typing) { if (event.key === "Escape") byId("search").blur(); }
    else if (event.key === "+") middle(1.25);
    else if (event.key === "-") middle(0.8);
    else if (event.key === "0") fit(true);
  });

  /* Frame ------------------------------------------------------------------------------------------------------------- */
  const about = model.scenario || model.command || "recording";
  document.title = "kith flow: " + about;
  byId("title").textContent = "kith flow: " + about;
  byId("subject").textContent = ["Linux " + (model.kernel || "?"), model.machine, model.recorded_at, start.of + " calls",
    duration(model.duration_ns)].filter(Boolean).join(" \u00b7 ");
  for (const note of model.notes) byId("notes").append(make("li", note.loss ? "loss" : "", note.text));
  byId("divider").addEventListener("pointerdown", (event) => {
    const divider = byId("divider");
    const move = (moved) => { byId("tree-side").style.flexBasis = Math.max(120, Math.min(innerWidth - 160, moved.clientX)) + "px"; };
    divider.setPointerCapture(event.pointerId);
    divider.addEventListener("pointermove", move);
    divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", move), {once: true});
  });
  /* At first whole, if it can be read then; a tall one from its top. */
  const READABLE = 0.6, LARGE = 1.6;
  fit(Math.min(across(), down()) > READABLE || across() < down(), LARGE);
  /* page.html#tcp_v4_connect: a link to a function. */
  const follow = () => {
    if (location.hash.length < 2) return;
    try {
      byId("search").value = decodeURIComponent(location.hash.slice(1));
    } catch (malformed) {
      byId("search").value = location.hash.slice(1);
    }
    search();
  };
  addEventListener("hashchange", follow);
  fillControls();
  narrowTo(wanted);
  follow();
  document.body.dataset.readyMs = String(Math.round(performance.now()));
  document.body.dataset.ready = "true";
})();
