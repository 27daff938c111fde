"use strict";
/* Which calls are shown: what flow/view/select.c does, and chart.c for its levels, in a browser. */
const makeNarrowing = (model, words) => {
  const calls = model.calls, functions = model.functions;
  /* A page may have a part of the calls: here they go by their places. */
  const places = new Map(calls.map((call, at) => [call.index, at]));
  const placeOf = (index) => (places.has(index) ? places.get(index) : null);
  const parents = calls.map((call) => placeOf(call.parent));
  const callers = calls.map((call, at) => (parents[at] !== null ? parents[at] : placeOf(call.handed_from)));
  const named = (name) => new Set([...functions.keys()].filter((at) => functions[at].name === name));

  /* "send" is meant by all functions whose word it is, and by one of that name; what the page began with by those that it was given. */
  const meantBy = (word) => {
    const given = words.given && words.given.word === word ? words.given.functions : [];
    return new Set([...named(word), ...given, ...[...functions.keys()].filter((at) => words.of[at] === word)]);
  };
  const RELATED = 1, PASSED_BY = 2;
  const keepRelated = (shown, meant, down, nth) => {
    const related = new Uint8Array(calls.length);
    let outermost = 0;
    for (let k = 0; k < calls.length; k++) {
      const at = down ? k : calls.length - 1 - k, caller = callers[at];
      if (meant.has(calls[at].function) && (!down || caller === null || !related[caller]))
        related[at] |= ++outermost === nth || nth === 0 ? RELATED : PASSED_BY;
      if (caller === null) continue;
      if (down) related[at] |= related[caller];
      else related[caller] |= related[at];
    }
    related.forEach((how, at) => { shown[at] &= how === RELATED; });
  };
  /* Whole trees in which a mark has the socket, or a child of it. */
  const keepSocket = (shown, socket) => {
    const sockets = new Set([socket]);
    for (const mark of model.marks) if (mark.type === "link" && mark.socket === socket) sockets.add(mark.child);
    const related = new Uint8Array(calls.length);
    for (const mark of model.marks) if (places.has(mark.call) && sockets.has(mark.socket)) related[places.get(mark.call)] = 1;
    for (let at = calls.length; at-- > 0;) if (related[at] && parents[at] !== null) related[parents[at]] = 1;
    for (let at = 0; at < calls.length; at++) {
      if (parents[at] !== null && related[parents[at]]) related[at] = 1;
      shown[at] &= related[at];
    }
  };
  const keepDepth = (shown, depth) => {
    const levels = new Uint32Array(calls.length);
    for (let at = 0; at < calls.length; at++) {
      levels[at] = (parents[at] !== null ? levels[parents[at]] : 0) + shown[at];
      shown[at] &= levels[at] <= depth;
    }
  };
  /* From one source file into another; where they are not known, from one layer into another. */
  const crossesBorder = (from, to) => (from.file && to.file ? from.file !== to.file : from.layer !== to.layer);
  const OUTLINE = 0, LAYERS = 1, BORDERS = 2, NET = 3;
  const isOfLevel = (level, call, above) => {
    const about = functions[call.function];
    if (!above) return true;
    if (level === OUTLINE) return about.landmark && about.layer === "transport";
    if (level === LAYERS) return about.landmark;
    if (level === BORDERS)
      return about.landmark || (about.layer !== "elsewhere" && !about.helper && crossesBorder(functions[above.function], about));
    return level !== NET || about.layer !== "elsewhere";
  };

  /* Sets each call's `selected` (it is what was asked for), `shown` (and of the level), and `above`, the nearest shown call that led to it.
   * `wanted` is {call, nth, from, to, lanes, depth, socket, level}, all but nth, depth, lanes and level texts, "": whatever it is. Returns
   * how many are shown. */
  return (wanted) => {
    const shown = new Uint8Array(calls.length).fill(1);
    let count = 0;
    if (wanted.call) keepRelated(shown, meantBy(wanted.call), true, wanted.nth);
    if (wanted.from) keepRelated(shown, named(wanted.from), true, 0);
    if (wanted.to) keepRelated(shown, named(wanted.to), false, 0);
    if (wanted.socket) keepSocket(shown, wanted.socket);
    for (const [at, call] of calls.entries()) shown[at] &= wanted.lanes.has(call.lane);
    if (wanted.depth > 0) keepDepth(shown, wanted.depth);
    for (const [at, call] of calls.entries()) {
      const parent = parents[at] === null ? null : calls[parents[at]];
      call.above = parent && !parent.shown ? parent.above : parent;
      call.selected = shown[at] === 1;
      call.shown = call.selected && isOfLevel(wanted.level, call, call.above);
      count += call.shown;
    }
    return count;
  };
};
