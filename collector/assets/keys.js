// Keys of the list of concerns. They work while the list, or the bar under an open concern, has the focus; every page works
// without this file.
(function () {
  "use strict";
  var list = document.querySelector("[data-keys]");
  if (!list) { return; }
  var bar = document.querySelector("[data-bar-of]");
  var open = bar ? bar.getAttribute("data-bar-of") : "";
  var kept = "lapwing.keys";

  function rows() { return Array.from(list.querySelectorAll("a.row")); }
  function referenceOf(row) { return row.closest("[data-reference]").getAttribute("data-reference"); }
  function current() { return list.querySelector("a.row[aria-current]"); }
  function focused() {
    var row = document.activeElement && document.activeElement.closest && document.activeElement.closest("a.row");
    return row || (has(bar) || has(list) ? current() : null);
  }
  function has(box) { return !!box && box.contains(document.activeElement); }
  function isShown(element) { return !!element && element.getClientRects().length > 0; }
  // The page that an act leads to has its focus in the list again.
  function remember() { try { window.sessionStorage.setItem(kept, "on"); } catch (error) { return; } }
  function wasRemembered() {
    try {
      var was = window.sessionStorage.getItem(kept) === "on";
      window.sessionStorage.removeItem(kept);
      return was;
    } catch (error) { return false; }
  }

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
    if (row && referenceOf(row) !== open) {
      remember();
      window.location.assign(row.href + "#" + place);
      return;
    }
    show(place);
  }
  function show(place) {
    var panel = document.getElementById(place);
    if (!panel) { return; }
    if (panel.matches("details")) { panel.open = true; }
    panel.scrollIntoView({ block: "center" });
    var first = panel.querySelector("button:not([hidden]), textarea, select, input:not([type=hidden])");
    if (first) { first.focus(); }
  }
  function submit(form) {
    if (!form) { return; }
    remember();
    form.requestSubmit();
  }
  function acknowledge(row) {
    if (!row || referenceOf(row) === open) {
      submit(document.querySelector("form[data-acknowledge]"));
      return;
    }
    go(row, "acknowledge");
  }
  function pick(row) {
    var box = row && row.parentElement.querySelector(".pick");
    list.classList.add("selecting");
    if (box) { box.checked = !box.checked; }
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
      dialog.append(table, close);
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
      if (row && referenceOf(row) !== open) { go(row, "file-text"); return; }
      var button = document.querySelector("[data-copy]");
      if (button) { button.click(); }
    },
    x: pick,
    u: function () { submit(document.querySelector("form[data-undo]")); },
    "/": function () {
      var seek = document.getElementById("q");
      if (seek) { seek.focus(); } else { window.location.assign("/queue#q"); }
    },
    "?": help
  };

  function isTyping(element) { return !!element && element.matches("input:not(.pick), textarea, select"); }
  document.addEventListener("keydown", function (event) {
    if (list.getAttribute("data-keys") !== "on" || event.defaultPrevented) { return; }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector(".cover, dialog[open]")) { return; }
    var digits = document.activeElement && document.activeElement.closest && document.activeElement.closest("[data-digits]");
    if (digits && /^[1-9]$/.test(event.key)) {
      var button = digits.querySelector("[data-digit='" + event.key + "']");
      if (button) { event.preventDefault(); remember(); button.click(); }
      return;
    }
    if (event.key === "Escape" && !has(list) && isShown(list)) {
      var row = current() || rows()[0];
      if (row) { row.focus(); }
      return;
    }
    if (isTyping(document.activeElement) || !(has(list) || has(bar))) { return; }
    // The link itself opens the page; the list there has the focus again.
    if (event.key === "Enter" && document.activeElement.matches("a.row")) { remember(); return; }
    var act = Object.prototype.hasOwnProperty.call(acts, event.key) ? acts[event.key] : null;
    if (act) { event.preventDefault(); act(focused()); }
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
  var place = window.location.hash.slice(1);
  if (wasRemembered()) {
    if (place === "acknowledge") { submit(document.querySelector("form[data-acknowledge]")); return; }
    if (place && document.getElementById(place)) { show(place); return; }
    var first = current() || rows()[0];
    if (first && isShown(first)) { first.focus({ preventScroll: true }); }
  }
}());
