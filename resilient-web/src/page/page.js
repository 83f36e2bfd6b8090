"use strict";
(() => {
  // Texts come from programs and go into text nodes only: nothing here makes markup of one.
  const EVERY = 2000, SPANS = [60, 120, 300, 900], MOST_EVENTS = 300, MOST_LANES = 8;
  const SVG = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  const WORDS = {
    open: "open", forced_open: "forced open", half_open: "half-open", failing: "failing", disabled: "disabled",
    metrics_only: "metrics only", closed: "closed", none: "no breaker",
  };
  const RANK = { open: 0, forced_open: 1, half_open: 2, failing: 3, disabled: 4, metrics_only: 4, closed: 5, none: 5 };
  const ACTIONS = [
    ["reset", "Reset", "closes it and forgets what it counted"],
    ["force-open", "Force open", "refuses every call until somebody closes it", true],
    ["force-close", "Force close", "closes it, whatever it was"],
    ["disable", "Disable", "lets every call through and counts none", true],
    ["auto", "Auto", "back to its own rules, from forced open or disabled"],
  ];

  let all = [];
  let events = [];
  let answered = null;
  let actions = false;
  let token = null;
  let filter = "all";
  let lastId = null;
  let every = false;
  let since = 0;
  const rows = new Map();
  const until = new Map();

  function make(name, className, text) {
    const it = document.createElement(name);
    if (className) it.className = className;
    if (text !== undefined) it.textContent = text;
    return it;
  }
  function draw(name, attributes) {
    const it = document.createElementNS(SVG, name);
    for (const key in attributes) it.setAttribute(key, attributes[key]);
    return it;
  }
  function icon(name) {
    const svg = draw("svg", { class: "icon", "aria-hidden": "true", focusable: "false" });
    svg.append(draw("use", { href: "#i-" + name }));
    return svg;
  }
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  const now = () => Date.now() / 1000;

  function seconds(span) {
    if (span >= 90) return Math.round(span / 60) + " min";
    return span >= 10 ? Math.ceil(span) + " s" : Math.max(0, span).toFixed(1) + " s";
  }
  function ago(at) {
    const span = Math.max(0, now() - at);
    if (span < 2) return "now";
    if (span < 60) return Math.floor(span) + " s ago";
    if (span < 3600) return Math.floor(span / 60) + " min ago";
    return Math.floor(span / 3600) + " h ago";
  }
  function clock(at) {
    return new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  }
  function millis(value) {
    if (value === null || value === undefined) return "–";
    if (value < 1) return value.toFixed(2).replace(/0$/, "") + " ms";
    if (value < 1000) return value.toFixed(value < 10 ? 1 : 0).replace(/\.0$/, "") + " ms";
    return (value / 1000).toFixed(value < 10000 ? 1 : 0).replace(/\.0$/, "") + " s";
  }
  function rate(value) {
    if (value === 0) return "0";
    if (value < 0.1) return "< 0.1";
    return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
  }
  function percent(share) {
    if (share === 0) return "0 %";
    if (share < 0.001) return "< 0.1 %";
    return (share * 100).toFixed(share < 0.1 ? 1 : 0).replace(/\.0$/, "") + " %";
  }
  const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);

  // In the last ten seconds: what was mended is not called failing for the rest of a minute.
  function fails(history) {
    if (!history) return false;
    const sum = (of) => of.slice(-Math.ceil(10 / history.step)).reduce((all, n) => all + n, 0);
    const bad = sum(history.bad);
    return bad > 0 && bad >= 0.05 * sum(history.calls);
  }

  // How an operation is, in one word and a few more.
  function look(op) {
    const it = op.state, minute = op.minute;
    let key = "none", more = "";
    if (it && it.keys !== undefined) {
      key = it.open ? "open" : it.half_open ? "half_open" : "closed";
      const off = it.open || it.half_open;
      more = off ? off + " of " + count(it.keys, "key", "keys") : count(it.keys, "key", "keys");
    } else if (it) {
      key = it.state;
      if (it.critical && key !== "closed") more = "critical";
    }
    if ((key === "closed" || key === "none") && ((it && it.failing) || fails(op.history))) {
      more = WORDS[key];
      key = "failing";
    }
    const still = minute.calls === 0;
    return { key, more, still, rank: RANK[key] === 5 && still ? (op.totals.calls ? 6 : 7) : RANK[key] };
  }
  const FILTERS = [
    ["all", "All", () => true],
    ["trouble", "In trouble", (seen) => seen.rank <= 3],
    ["hand", "By hand", (seen) => seen.key === "forced_open" || RANK[seen.key] === 4],
    ["active", "Active", (seen) => !seen.still],
    ["never", "Never called", (seen, op) => op.totals.calls === 0],
  ];
  const SORTS = {
    trouble: (a, b) => a.seen.rank - b.seen.rank || b.op.minute.failed - a.op.minute.failed || b.op.minute.calls - a.op.minute.calls,
    name: () => 0,
    rate: (a, b) => b.op.minute.per_second - a.op.minute.per_second,
    slow: (a, b) => (b.op.minute.p95 || 0) - (a.op.minute.p95 || 0),
  };

  // Beside its own name a breaker need not be named again.
  const plain = (text) => text.replace(/^circuit breaker '[^']*' /, "").replace(" -> ", " → ").replaceAll("_", " ");

  // A long path may be broken where its parts meet.
  function broken(name) {
    const it = make("span");
    for (const part of name.split(/(?<=::|[._-])/)) it.append(part, make("wbr"));
    return it;
  }

  // Rows

  function row(op) {
    const tr = make("tr", "row");
    tr.setAttribute("role", "row");
    const cell = (className, label) => {
      const td = make("td", className);
      td.setAttribute("role", "cell");
      if (label) td.dataset.label = label;
      return td;
    };
    const state = cell("state"), word = make("span", "word"), wordText = make("span"), more = make("span", "more");
    word.append(icon("none"), wordText);
    state.append(word, more);
    const name = make("th", "name");
    name.setAttribute("role", "rowheader");
    name.scope = "row";
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    const sub = make("span", "sub");
    button.append(icon("more"), broken(op.name));
    name.append(button, sub);
    const cells = {
      calls: cell("number", "calls/s"), failed: cell("number", "failed"), p50: cell("number p50", "p50"), p95: cell("number", "p95"),
      p99: cell("number p99", "p99"), spark: cell("spark"), last: cell("last"),
    };
    const text = make("span", "text");
    cells.last.append(text);
    tr.append(state, name, cells.calls, cells.failed, cells.p50, cells.p95, cells.p99, cells.spark, cells.last);
    const made = { tr, word, wordText, more, button, sub, cells, text, key: null, spark: null, detail: null };
    button.addEventListener("click", () => toggle(op.name));
    return made;
  }

  function show(at, op, seen) {
    const { tr, cells } = at;
    const names = "row " + seen.key + (seen.still ? " still" : "") + (tr.classList.contains("changed") ? " changed" : "");
    if (tr.className !== names) tr.className = names;
    if (at.key !== seen.key) {
      at.word.firstChild.firstChild.setAttribute("href", "#i-" + seen.key);
      at.word.className = "word t-" + (seen.still && RANK[seen.key] === 5 ? "none" : seen.key);
      if (at.key !== null) {
        tr.classList.remove("changed");
        void tr.offsetWidth;
        tr.classList.add("changed");
      }
      at.key = seen.key;
    }
    at.word.className = "word t-" + (seen.still && RANK[seen.key] === 5 ? "none" : seen.key);
    say(at.wordText, WORDS[seen.key]);
    const left = until.get(op.name);
    const wait = left === undefined ? "" : left > now() ? "probes in " + seconds(left - now()) : "waits for a call";
    say(at.more, [seen.more, seen.key === "open" ? wait : ""].filter(Boolean).join(", "));
    const short = op.location ? op.location.split("/").slice(-2).join("/") : "seen while it ran";
    say(at.sub, [op.operation_type, short].filter(Boolean).join(" · "));
    say(cells.calls, seen.still ? "–" : rate(op.minute.per_second));
    // Whoever calls gets no answer from a refusal either.
    const bad = seen.still ? 0 : (op.minute.failed + op.minute.refused) / op.minute.calls;
    say(cells.failed, seen.still ? "–" : percent(bad));
    cells.failed.classList.toggle("bad", bad >= 0.05);
    for (const part of ["p50", "p95", "p99"]) say(cells[part], millis(op.minute[part]));
    const drawn = op.history ? op.history.calls.join() + "|" + op.history.bad.join() : "";
    if (at.spark !== drawn) {
      at.spark = drawn;
      cells.spark.replaceChildren(...sparkline(op.history));
    }
    say(at.text, op.last ? plain(op.last.text) + " · " + ago(op.last.at) : "");
    if (at.detail) facts(at.detail, op);
  }

  function sparkline(history) {
    if (!history) return [];
    // The last step is not over yet, and would look like a drop.
    const calls = history.calls.slice(0, -1), bad = history.bad.slice(0, -1), width = 120, height = 26, most = Math.max(...calls, 1);
    const step = width / calls.length, y = (n) => height - 1 - (n / most) * (height - 4);
    const svg = draw("svg", { viewBox: "0 0 120 26", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
    let line = "", bars = "";
    calls.forEach((n, i) => {
      line += (i ? "H" + (i * step).toFixed(1) + "V" : "M0 ") + y(n).toFixed(1);
      if (bad[i]) {
        bars += "M" + (i * step).toFixed(1) + " " + (height - 1) + "V" + y(bad[i]).toFixed(1) + "h" + step.toFixed(1) + "V" + (height - 1) + "z";
      }
    });
    svg.append(draw("path", { class: "floor", d: "M0 " + (height - 0.5) + "H" + width }));
    if (bars) svg.append(draw("path", { class: "bad", d: bars }));
    svg.append(draw("path", { class: "calls", d: line + "H" + width }));
    const peak = "at most " + count(most, "call", "calls") + " in " + history.step + " s";
    return [svg, make("span", "spoken", peak)];
  }

  function render() {
    const words = $("find").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const counts = {};
    let wanted = [];
    for (const op of all) {
      const seen = look(op);
      for (const [key, , takes] of FILTERS) if (takes(seen, op)) counts[key] = (counts[key] || 0) + 1;
      let at = rows.get(op.name);
      if (!at) rows.set(op.name, (at = row(op)));
      show(at, op, seen);
      const text = [op.name, op.operation_type, op.location, op.function, op.breaker, WORDS[seen.key]].join(" ").toLowerCase();
      if (FILTERS.find(([key]) => key === filter)[2](seen, op) && words.every((word) => text.includes(word))) wanted.push({ op, seen, at });
    }
    const known = new Set(all.map((op) => op.name));
    for (const name of rows.keys()) if (!known.has(name)) rows.delete(name);
    wanted.sort((a, b) => SORTS[$("sort").value](a, b) || (a.op.name < b.op.name ? -1 : 1));
    const most = every ? Infinity : matchMedia("(max-width: 720px)").matches ? 40 : 120;
    $("rest").hidden = wanted.length <= most;
    say($("rest"), "Show all " + wanted.length.toLocaleString("en"));
    const found = wanted.length;
    wanted = wanted.slice(0, most);
    place(wanted);
    for (const [key] of FILTERS) {
      const button = $("filter-" + key), n = counts[key] || 0;
      say(button.lastChild, String(n));
      button.lastChild.className = "count" + (key === "trouble" && n ? " some" : "");
      button.setAttribute("aria-pressed", String(filter === key));
    }
    $("none").hidden = found > 0 || answered === null;
    say($("none"), all.length ? "No operation is like that." : "This program has no annotated function, and has made no operation in code.");
    const open = all.filter((op) => ["open", "forced_open"].includes(look(op).key)).length;
    document.title = (open ? "(" + open + " open) " : "") + "Resilience";
  }

  // A row that moves away under the pointer or the focus is a nuisance: order waits until both are elsewhere.
  let held = "";
  function place(wanted) {
    const body = $("rows"), there = [...body.children].filter((tr) => tr.classList.contains("row"));
    const same = there.length === wanted.length && wanted.every(({ at }) => at.tr.parentNode === body);
    const asked = filter + "|" + $("sort").value + "|" + $("find").value;
    const busy = body.contains(document.activeElement) || (matchMedia("(hover: hover)").matches && body.matches(":hover"));
    if (same && busy && held === asked) return;
    held = asked;
    let before = body.firstElementChild;
    for (const { at } of wanted) {
      for (const part of at.detail ? [at.tr, at.detail.tr] : [at.tr]) {
        if (part === before) before = before.nextElementSibling;
        else body.insertBefore(part, before);
      }
    }
    while (before) {
      const next = before.nextElementSibling;
      before.remove();
      before = next;
    }
  }

  // What there is to know of one operation, below its row

  function toggle(name) {
    const at = rows.get(name), op = all.find((one) => one.name === name);
    if (at.detail) {
      at.detail.tr.remove();
      at.detail = null;
      at.button.setAttribute("aria-expanded", "false");
      at.button.removeAttribute("aria-controls");
      return;
    }
    const tr = make("tr", "detail"), td = make("td"), parts = make("div", "parts");
    tr.id = "detail-" + [...rows.keys()].indexOf(name);
    tr.setAttribute("role", "row");
    td.setAttribute("role", "cell");
    td.colSpan = 9;
    const about = make("dl", "facts"), counts = make("dl", "facts"), config = make("div", "wide");
    const part = (title, ...inside) => {
      const it = make("div");
      it.append(make("h3", "", title), ...inside);
      return it;
    };
    parts.append(part("Operation", about), part("Since " + clock(since), counts));
    if (op.breaker) parts.append(part("Breaker " + op.breaker, ...manual(op)));
    parts.append(config);
    td.append(parts);
    tr.append(td);
    at.detail = { tr, about, counts };
    at.tr.after(tr);
    at.button.setAttribute("aria-expanded", "true");
    at.button.setAttribute("aria-controls", tr.id);
    facts(at.detail, op);
    configuration(config, name);
  }

  function list(into, pairs) {
    const key = JSON.stringify(pairs);
    if (into.dataset.of === key) return;
    into.dataset.of = key;
    into.replaceChildren(...pairs.filter(([, value]) => value).flatMap(([term, value]) => [make("dt", "", term), make("dd", "", value)]));
  }

  function facts(detail, op) {
    const it = op.state || {}, totals = op.totals;
    list(detail.about, [
      ["function", op.made === "configured" ? "made in code" : op.function],
      ["source", op.location],
      ["attributes", (op.attributes || []).map((word) => "#[" + word + "]").join(" ")],
      ["kind", op.operation_type],
      ["opened by", it.because],
      ["last event", op.last && plain(op.last.text)],
    ]);
    const each = ["succeeded", "failed", "refused", "ignored", "cancelled"].filter((word) => totals[word]);
    list(detail.counts, [
      ["calls", totals.calls.toLocaleString("en")],
      ...each.map((word) => [word, totals[word].toLocaleString("en")]),
      ...["attempts", "retries", "timeouts", "hedges", "fallbacks"].filter((word) => totals[word]).map((word) => [word, totals[word].toLocaleString("en")]),
    ]);
  }

  function manual(op) {
    if (!actions) return [make("p", "note", "Manual actions are off: no token is configured.")];
    const keyed = op.state && op.state.keys !== undefined;
    const box = make("div", "actions");
    for (const [word, label, what, grave] of ACTIONS) {
      if (keyed && word !== "reset" && word !== "auto") continue;
      const button = make("button", "", label);
      button.type = "button";
      button.setAttribute("aria-label", label + " breaker " + op.breaker + ": " + what);
      button.title = what;
      button.addEventListener("click", () => act(op.breaker, word, label, what, grave));
      box.append(button);
    }
    const shared = all.filter((other) => other.breaker === op.breaker).length;
    const note = shared > 1 ? count(shared, "operation shares", "operations share") + " this breaker." : keyed ? "Kept by key: what is done is done to every key." : "";
    return note ? [box, make("p", "note", note)] : [box];
  }

  async function configuration(into, name) {
    const wait = make("p", "note", "Asking for its configuration ..");
    into.append(wait);
    let it;
    try {
      const response = await fetch("config?operation=" + encodeURIComponent(name));
      it = response.ok ? await response.json() : null;
    } catch {
      it = undefined;
    }
    if (!it) {
      wait.textContent = it === null
        ? "It was put together from policies, or is only seen by its events: nothing is known of its configuration."
        : "Its configuration was asked for, and nobody answered.";
      return;
    }
    const table = make("table", "config");
    table.append(make("caption", "", "Configuration in force"));
    const head = make("thead"), body = make("tbody"), line = make("tr");
    for (const title of ["Parameter", "Value", "Said by"]) {
      const th = make("th", "", title);
      th.scope = "col";
      line.append(th);
    }
    head.append(line);
    for (const { parameter, value, unit, source } of it.parameters) {
      const tr = make("tr", /^(built-in|same as|.* profile$)/.test(source) ? "" : "said"), th = make("th", "", parameter);
      th.scope = "row";
      const text = value === null ? "off" : value + (unit ? " " + (value === 1 && unit !== "s" ? unit.replace(/s$/, "") : unit) : "");
      tr.append(th, make("td", "number", text), make("td", "source", source));
      body.append(tr);
    }
    table.append(head, body);
    const about = make("dl", "facts");
    const worst = it.worst_case || {};
    list(about, [
      ["layers", (it.layers || []).join(" > ")],
      ["worst case", worst.limit === null || worst.limit === undefined ? "unbounded: no time limit" : "a call takes " + worst.limit + " s at most, in " + count(worst.attempts, "attempt", "attempts")],
      ["variables", it.variables],
      ...(it.notes || []).map((note) => ["note", note]),
    ]);
    into.replaceChildren(table, make("p", "note"), about);
  }

  // Manual actions. The token is kept by this page and nowhere else, until it is closed.

  function ask(title, text, { secret, yes }) {
    const dialog = $("ask");
    $("ask-title").textContent = title;
    $("ask-text").textContent = text;
    $("ask-label").hidden = !secret;
    $("ask-yes").textContent = yes;
    $("ask-wrong").textContent = "";
    $("token").value = "";
    dialog.showModal();
    (secret ? $("token") : $("ask-no")).focus();
    return new Promise((resolve) => {
      const end = (answer) => {
        $("ask-form").removeEventListener("submit", submit);
        $("ask-no").removeEventListener("click", no);
        dialog.removeEventListener("cancel", no);
        const given = $("token").value.trim();
        $("token").value = "";
        dialog.close();
        resolve(answer ? given || true : null);
      };
      const submit = (event) => {
        event.preventDefault();
        if (secret && !$("token").value.trim()) $("ask-wrong").textContent = "Enter the token first.";
        else end(true);
      };
      const no = () => end(false);
      $("ask-form").addEventListener("submit", submit);
      $("ask-no").addEventListener("click", no);
      dialog.addEventListener("cancel", no);
    });
  }

  function keep(given) {
    token = given;
    $("key").textContent = token ? "Forget token" : "Enter token";
    $("key").classList.toggle("kept", Boolean(token));
  }

  async function act(breaker, word, label, what, grave) {
    if (grave && !(await ask(label + " " + breaker + "?", "It " + what + ".", { yes: label }))) return;
    let why = "This is done for whoever has the token of this program. The page keeps it until it is closed.";
    for (;;) {
      if (!token) {
        const given = await ask(label + " " + breaker, why, { secret: true, yes: label });
        if (!given) return;
        keep(given);
      }
      let response;
      try {
        const path = "breakers/" + encodeURIComponent(breaker) + "/" + word;
        response = await fetch(path, { method: "POST", headers: { Authorization: "Bearer " + token } });
      } catch {
        return tell("Nobody answered: " + label.toLowerCase() + " of " + breaker + " may not be done.");
      }
      $("key").hidden = false;
      if (response.ok) {
        tell(label + " of " + breaker + ": done.");
        return refresh();
      }
      const trouble = await response.json().catch(() => ({}));
      if (response.status !== 401) return tell(label + " of " + breaker + " was refused: " + (trouble.title || response.status) + (trouble.retry_after ? ", come back in " + trouble.retry_after + " s" : "") + ".");
      keep(null);
      why = "This is not the token. Enter it again, or leave it.";
    }
  }

  let toldUntil = 0;
  function tell(text) {
    toldUntil = now() + 6;
    $("away").hidden = false;
    say($("away"), text);
    setTimeout(() => now() >= toldUntil && link(), 6100);
  }

  // What happens

  const spoken = [];
  let speaking = 0;
  function speak(text) {
    spoken.push(text);
    if (speaking) return;
    speaking = setTimeout(() => {
      speaking = 0;
      const many = spoken.length > 3 ? [spoken.length + " changes, the last: " + spoken[spoken.length - 1]] : spoken;
      say($("spoken"), many.join(". "));
      spoken.length = 0;
    }, 400);
  }

  function happened(entry, live) {
    if (lastId !== null && entry.id <= lastId) return;
    lastId = entry.id;
    events.push(entry);
    if (events.length > MOST_EVENTS) {
      const at = events.findIndex((one) => !one.to);
      events.splice(at < 0 || events.length > 2 * MOST_EVENTS ? 0 : at, 1);
    }
    if (!entry.to || !live) return;
    speak("Breaker " + entry.breaker + " " + WORDS[entry.to] + ": " + entry.reason);
    for (const op of all) {
      if (op.breaker !== entry.breaker || !op.state || op.state.keys !== undefined) continue;
      op.state.state = entry.to;
      op.state.because = entry.to === "open" ? entry.reason : null;
      if (entry.to === "open" && entry.retry_after !== null) until.set(op.name, entry.at + entry.retry_after);
      else until.delete(op.name);
    }
  }

  let soon = 0;
  function happening() {
    log();
    lanes();
    render();
    if (!soon) soon = setTimeout(() => { soon = 0; refresh(); }, 350);
  }

  // An outage is a long row of probes that fail: one line is enough for those that follow each other.
  function folded(entries) {
    const kept = [], last = new Map();
    const drop = (entry) => kept.splice(kept.lastIndexOf(entry), 1);
    for (const entry of entries) {
      const before = entry.to && last.get(entry.breaker);
      if (entry.from === "half_open" && entry.to === "open" && before && before.to === "half_open") {
        drop(before);
        const probes = before.before && before.before.probes ? before.before.probes : 0;
        if (probes) drop(before.before);
        const reason = entry.reason + (probes ? ", " + (probes + 1) + " times in a row" : "");
        const one = { ...entry, from: "open", reason, probes: probes + 1 };
        kept.push(one);
        last.set(entry.breaker, one);
        continue;
      }
      const one = before ? { ...entry, before } : entry;
      kept.push(one);
      if (entry.to) last.set(entry.breaker, one);
    }
    return kept;
  }

  function log() {
    const only = $("changes").checked;
    const wanted = events.filter((entry) => !only || entry.to || entry.kind === "configuration");
    const shown = (only ? folded(wanted) : wanted).slice(-100).reverse();
    const key = only + "|" + shown.map((entry) => entry.id + ago(entry.at)).join();
    $("log-none").hidden = shown.length > 0;
    if ($("log").dataset.of === key) return;
    $("log").dataset.of = key;
    $("log").replaceChildren(...shown.map((entry) => {
      const li = make("li");
      const mark = entry.to || (["attempt_failed", "attempt_timed_out", "refused", "budget_exhausted", "configuration"].includes(entry.kind) ? "failing" : "none");
      const symbol = icon(mark);
      symbol.classList.add("t-" + mark);
      const when = make("time", "", ago(entry.at));
      when.dateTime = new Date(entry.at * 1000).toISOString();
      when.title = clock(entry.at);
      const text = make("span", "text", entry.probes ? "still open: " + entry.reason : entry.to ? WORDS[entry.from] + " → " + WORDS[entry.to] + ": " + entry.reason : entry.text);
      if (entry.times > 1) text.append(make("span", "times", " × " + entry.times.toLocaleString("en")));
      li.append(symbol, make("span", "who", entry.operation), when, text);
      return li;
    }));
  }

  function lanes() {
    const end = now(), recent = events.filter((entry) => entry.to && entry.at >= end - 900), by = new Map();
    // As long as it takes to show all of them, and no longer: what is new shall not be a stroke at the edge.
    const first = recent.length ? recent[0].at : end, span = SPANS.find((one) => end - first <= one * 0.9) || 900;
    const begin = end - span;
    for (const entry of recent) (by.get(entry.breaker) || by.set(entry.breaker, []).get(entry.breaker)).push(entry);
    const shown = [...by].sort((a, b) => b[1][b[1].length - 1].at - a[1][a[1].length - 1].at).slice(0, MOST_LANES);
    say($("span"), shown.length ? ", last " + seconds(span) : "");
    $("lanes-none").hidden = shown.length > 0;
    const made = shown.map(([name, changes]) => {
      const lane = make("div", "lane"), svg = draw("svg", { viewBox: "0 0 900 14", preserveAspectRatio: "none", role: "img" });
      const who = make("span", "who", name);
      who.title = name;
      const last = changes[changes.length - 1];
      svg.setAttribute("aria-label", name + ": " + count(changes.length, "change", "changes") + " in " + seconds(span) + ", " + WORDS[last.to] + " since " + clock(last.at));
      svg.append(draw("rect", { class: "base", x: 0, y: 0, width: 900, height: 14 }));
      changes.forEach((change, i) => {
        const from = ((change.at - begin) / span) * 900, to = i + 1 < changes.length ? ((changes[i + 1].at - begin) / span) * 900 : 900;
        // Shape tells it too: open is high, half-open half as high, closed is low.
        const height = { open: 14, forced_open: 14, half_open: 8, disabled: 6, metrics_only: 6 }[change.to] || 3;
        svg.append(draw("rect", { class: "seg-" + change.to, x: from.toFixed(1), y: 14 - height, width: Math.max(to - from, 1.5).toFixed(1), height }));
      });
      lane.append(who, svg);
      return lane;
    });
    if (made.length) {
      const scale = make("div", "scale");
      scale.append(make("span", "", seconds(span) + " ago"), make("span", "", "now"));
      made.push(scale);
    }
    $("lanes").replaceChildren(...made);
  }

  // Asking

  async function json(path) {
    const response = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw new Error(path + " answered " + response.status);
    return response.json();
  }

  let asking = false;
  async function refresh() {
    if (asking) return;
    asking = true;
    try {
      const seen = await json("operations");
      all = seen.operations;
      actions = seen.actions;
      since = seen.since;
      answered = now();
      for (const op of all) {
        const left = op.state && op.state.retry_after;
        if (left === null || left === undefined || op.state.state !== "open") until.delete(op.name);
        else until.set(op.name, answered + left);
      }
      overall(seen.overall_health);
      $("key").hidden = !actions;
      render();
    } catch {
      // Said by `link`.
    }
    asking = false;
    link();
  }

  function overall(status) {
    const mark = { healthy: "closed", degraded: "failing", unhealthy: "open" }[status] || "none";
    if ($("overall").dataset.of === status) return;
    $("overall").dataset.of = status;
    $("overall").className = "overall t-" + status;
    $("overall").replaceChildren(icon(mark), make("span", "", status));
  }

  async function checks() {
    let found;
    try {
      found = Object.entries(await json("checks"));
    } catch {
      return;
    }
    $("checks-part").hidden = found.length === 0;
    $("checks").replaceChildren(...found.map(([name, { status, message, response_time_ms: took }]) => {
      const li = make("li"), symbol = icon({ healthy: "closed", degraded: "failing", unhealthy: "open" }[status] || "none");
      symbol.classList.add("t-" + status);
      const told = make("span");
      told.append(make("span", "who", name), make("span", "text", [status, message, millis(took)].filter(Boolean).join(" · ")));
      li.append(symbol, told);
      return li;
    }));
  }

  let source = null, streaming = false, triedAt = 0;
  function follow() {
    triedAt = now();
    source = new EventSource("events/stream?since=" + (lastId || 0));
    source.onopen = () => { streaming = true; link(); };
    source.onmessage = (message) => {
      happened(JSON.parse(message.data), true);
      happening();
    };
    source.onerror = () => {
      streaming = false;
      // It comes back by itself, unless it was refused: then every two seconds is often enough.
      if (source.readyState === EventSource.CLOSED) source = null;
      setTimeout(link, 2500);
    };
  }
  async function catchUp(live) {
    try {
      const { events: told, last } = await json("events?since=" + (lastId || 0));
      const before = lastId;
      for (const entry of told) happened(entry, live);
      lastId = Math.max(last, lastId || 0);
      if (lastId !== before) happening();
    } catch {
      // Said by `link`.
    }
  }

  let age = 0;
  function link() {
    const quiet = answered === null || now() - answered > 3 * (EVERY / 1000);
    const it = $("link");
    it.className = "link" + (quiet ? " lost" : streaming ? "" : " slow");
    say(it, quiet ? "no answer" : streaming ? "live" : "asking every 2 s");
    const text = quiet && answered !== null ? "No answer since " + clock(answered) + ". What is shown is from then; asking again." : "";
    if (now() >= toldUntil) {
      say($("away"), text);
      $("away").hidden = !text;
    }
  }

  // Round and round

  async function round() {
    age += 1;
    if (!document.hidden) {
      await Promise.all([refresh(), age % 3 === 1 ? checks() : null, streaming ? null : catchUp(true)]);
      log();
      lanes();
      if (!source && now() - triedAt > 30) follow();
    }
    setTimeout(round, EVERY);
  }

  say($("host"), location.host);
  for (const [key, label] of FILTERS) {
    const button = make("button", "", label);
    button.type = "button";
    button.id = "filter-" + key;
    button.append(make("span", "count", "0"));
    button.addEventListener("click", () => { filter = key; render(); });
    $("filters").append(button);
  }
  $("rest").addEventListener("click", () => {
    const last = [...rows.values()].filter((at) => at.tr.parentNode).pop();
    every = true;
    render();
    // The button goes away: the focus goes on from where it was.
    if (last) last.button.focus({ preventScroll: true });
  });
  $("find").addEventListener("input", render);
  $("sort").addEventListener("change", render);
  $("changes").addEventListener("change", log);
  $("key").addEventListener("click", async () => {
    if (token) return keep(null);
    const given = await ask("Enter token", "The page keeps it until it is closed, and sends it with manual actions only.", { secret: true, yes: "Keep" });
    if (given) keep(given);
  });
  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest && event.target.closest("input, select, dialog");
    if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      $("find").focus();
    } else if (event.key === "Escape" && event.target === $("find")) {
      $("find").value = "";
      render();
    }
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(() => { if (!document.hidden && until.size) render(); }, 1000);
  catchUp(false).then(() => {
    follow();
    round();
  });
})();
