// Keys of the list of concerns. They work while the list, or the bar under an open concern, has the focus; every page works
// without this file.
(function () {
  "use strict";
  // When a key led to this page; whatever page it is, it is said once.
  var kept = "lapwing.keys";
  var led = 0;
  try {
    led = Number(window.sessionStorage.getItem(kept));
    window.sessionStorage.removeItem(kept);
  } catch (error) { led = 0; }
  var isLed = Date.now() - led < 10000;

  // A form is sent once: a key that is pressed twice decides nothing twice.
  document.addEventListener("submit", function (event) {
    if (event.target.hasAttribute("data-sent")) { event.preventDefault(); return; }
    event.target.setAttribute("data-sent", "");
  });
  window.addEventListener("pageshow", function () {
    Array.from(document.querySelectorAll("[data-sent]")).forEach(function (form) { form.removeAttribute("data-sent"); });
  });

  var list = document.querySelector("[data-keys]");
  if (!list) { return; }
  var bar = document.querySelector("[data-bar-of]");
  var open = bar ? bar.getAttribute("data-bar-of") : "";
  var said = list.querySelector("[data-said]");
  document.documentElement.classList.toggle("with-keys", list.getAttribute("data-keys") === "on");

  function rows() { return Array.from(list.querySelectorAll("a.row")); }
  function referenceOf(row) { return row.closest("[data-reference]").getAttribute("data-reference"); }
  function current() { return list.querySelector("a.row[aria-current]"); }
  // The row that has the focus, by its link or its box; the open concern's, where the bar under it has.
  function focused() {
    var item = document.activeElement && document.activeElement.closest && document.activeElement.closest("[data-reference]");
    if (item && list.contains(item)) { return item.querySelector("a.row"); }
    return has(bar) ? current() : null;
  }
  function has(box) { return !!box && box.contains(document.activeElement); }
  function isShown(element) { return !!element && element.getClientRects().length > 0; }
  // The page that an act leads to has its focus in the list again.
  function remember() { try { window.sessionStorage.setItem(kept, String(Date.now())); } catch (error) { return; } }
  function tell(words) { if (said) { said.textContent = ""; said.textContent = words; } }

  function step(by) {
    var all = rows();
    if (!all.length) { return; }
    var at = all.indexOf(focused());
    var next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  // A form or a panel of the open concern; of another row, its page is opened at that place.
  function go(row, place) {
    if (referenceOf(row) !== open) {
      remember();
      window.location.assign(row.href + "#" + place);
      return;
    }
    show(place);
  }
  function show(place) {
    var panel = document.getElementById(place);
    if (!panel) { tell("That is not possible for this concern now."); return; }
    if (panel.matches("details")) { panel.open = true; }
    panel.scrollIntoView({ block: "center" });
    // Where digits decide, the panel itself has the focus: no button that a stray key would press.
    if (panel.hasAttribute("data-digits")) { panel.setAttribute("tabindex", "-1"); panel.focus(); return; }
    if (panel.matches("input")) { panel.focus(); return; }
    var first = panel.querySelector("button:not([hidden]), textarea, select, input:not([type=hidden])");
    if (first) { first.focus(); }
  }
  function submit(form) {
    if (!form) { tell("There is nothing to do with that key now."); return; }
    remember();
    form.requestSubmit();
  }
  function acknowledge(row) {
    if (referenceOf(row) === open) {
      submit(document.querySelector("form[data-acknowledge]"));
      return;
    }
    go(row, "decide");
  }
  function pick(row) {
    var box = row.parentElement.querySelector(".pick");
    list.classList.add("selecting");
    if (!box) { tell("This one is decided by itself."); return; }
    box.checked = !box.checked;
    tell(box.checked ? "Chosen." : "No longer chosen.");
  }
  function help() {
    window.fetch("/keys").then(function (answer) { return answer.text(); }).then(function (text) {
      var page = new DOMParser().parseFromString(text, "text/html");
      var table = page.querySelector("[data-keys-table]");
      if (!table) { window.location.assign("/keys"); return; }
      var dialog = document.createElement("dialog");
      var close = document.createElement("button");
      close.type = "button";
      close.textContent = "Close";
      close.addEventListener("click", function () { dialog.close(); });
      dialog.className = "help stack";
      dialog.setAttribute("aria-label", "Keys");
      dialog.append(close, table);
      var from = document.activeElement;
      dialog.addEventListener("close", function () { dialog.remove(); if (from) { from.focus(); } });
      document.body.appendChild(dialog);
      dialog.showModal();
      close.focus();
    });
  }

  var acts = {
    j: function () { step(1); },
    k: function () { step(-1); },
    a: acknowledge,
    c: function (row) { go(row, "settle"); },
    s: function (row) { go(row, "put-off"); },
    g: function (row) { go(row, "assign"); },
    n: function (row) { go(row, "note"); },
    e: function (row) { go(row, "escalate"); },
    t: function (row) {
      if (referenceOf(row) !== open) { go(row, "file-text"); return; }
      var button = document.querySelector("[data-copy]");
      if (button) { button.click(); }
    },
    x: pick,
    u: function () { submit(document.querySelector("form[data-undo]")); },
    "/": function () {
      var seek = document.getElementById("q");
      if (seek) { seek.focus(); return; }
      remember();
      window.location.assign("/queue" + window.location.search.replace(/([?&])(done|was|left)=[^&]*/g, "$1") + "#q");
    },
    "?": help
  };

  function isTyping(element) { return !!element && element.matches("input:not(.pick), textarea:not([readonly]), select"); }
  // Something that was written and not sent: no key may lose it.
  function isDraft() {
    return Array.from(document.querySelectorAll(".forms textarea:not([readonly]), .forms input[type=text]")).some(function (field) {
      return field.value !== field.defaultValue;
    });
  }
  document.addEventListener("keydown", function (event) {
    if (list.getAttribute("data-keys") !== "on" || event.defaultPrevented) { return; }
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector(".cover, dialog[open]")) { return; }
    var digits = document.activeElement && document.activeElement.closest && document.activeElement.closest("[data-digits]");
    if (digits && /^[1-9]$/.test(event.key)) {
      var button = digits.querySelector("[data-digit='" + event.key + "']");
      if (button) { event.preventDefault(); remember(); button.click(); }
      return;
    }
    if (event.key === "Escape" && !has(list) && isShown(list) && !(isTyping(document.activeElement) && isDraft())) {
      var row = current() || rows()[0];
      if (row) { row.focus(); }
      return;
    }
    if (isTyping(document.activeElement) || !(has(list) || has(bar))) { return; }
    // The link itself opens the page; the list there has the focus again.
    if (event.key === "Enter" && document.activeElement.matches("a.row")) { remember(); return; }
    var act = Object.prototype.hasOwnProperty.call(acts, event.key) ? acts[event.key] : null;
    if (!act) { return; }
    event.preventDefault();
    var leaves = event.key !== "j" && event.key !== "k" && event.key !== "x" && event.key !== "?";
    if (leaves && isDraft()) { tell("What you wrote is not saved yet. Save it or clear it first."); return; }
    var row = focused();
    if (!row && "jku/?".indexOf(event.key) < 0) { tell("Move to a concern first."); return; }
    act(row);
  });

  // ---- copying, where the browser lets a page do it
  Array.from(document.querySelectorAll("[data-copy]")).forEach(function (button) {
    if (!navigator.clipboard) { return; }
    button.hidden = false;
    button.addEventListener("click", function () {
      var field = document.getElementById(button.getAttribute("data-copy"));
      var said = document.getElementById(field.getAttribute("data-copied"));
      navigator.clipboard.writeText(field.value).then(
        function () { said.textContent = "Copied. Paste it into the child's file."; },
        function () { field.focus(); field.select(); said.textContent = "Press Ctrl and C to copy it."; });
    });
  });

  // ---- where the focus is when the page comes
  var at = current();
  if (at && isShown(at)) { list.scrollTop = Math.max(0, at.offsetTop - list.clientHeight / 2); }
  var done = document.querySelector(".said [role=status]");
  if (done) { window.setTimeout(function () { tell(done.textContent); }, 100); }
  var place = window.location.hash.slice(1);
  if (!isLed) { return; }
  if (place === "decide") { place = ""; at = document.querySelector("form[data-acknowledge] button") || at; }
  if (place && document.getElementById(place)) { show(place); return; }
  var first = at || rows()[0];
  if (!isShown(first)) { first = bar && bar.querySelector("button, a"); }
  if (first) { first.focus({ preventScroll: true }); }
}());
