// Keys, blank screen and live rows. Every page works without this file.
(function () {
  "use strict";

  // ---- blank screen: the page is hidden at once, Escape or the button brings it back
  function cover() {
    if (document.querySelector(".cover")) { return; }
    var back = document.createElement("button");
    var box = document.createElement("div");
    box.className = "cover";
    back.type = "button";
    back.textContent = "Show the page";
    back.addEventListener("click", uncover);
    box.appendChild(back);
    document.body.appendChild(box);
    document.body.classList.add("blanked");
    document.title = "Lapwing";
    back.focus();
  }
  var title = document.title;
  function uncover() {
    var box = document.querySelector(".cover");
    if (!box) { return; }
    box.remove();
    document.body.classList.remove("blanked");
    document.title = title;
    var blank = document.querySelector("[data-blank]");
    if (blank) { blank.focus(); }
  }
  document.addEventListener("click", function (event) {
    if (event.target.closest && event.target.closest("[data-blank]")) {
      event.preventDefault();
      cover();
    }
  });
  // Escape and then b, wherever the focus is: within two seconds, so that a b that is typed later stays a letter.
  var escaped = 0;
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      if (document.querySelector(".cover")) { uncover(); escaped = 0; } else { escaped = event.timeStamp; }
      return;
    }
    var follows = escaped > 0 && event.timeStamp - escaped < 2000;
    escaped = 0;
    if (follows && event.key === "b" && document.querySelector("[data-blank]")) {
      event.preventDefault();
      cover();
    }
  });

  // ---- live rows: a known row changes where it stands, a new one waits behind the bar
  var queue = document.querySelector("[data-live]");
  if (!queue || !window.EventSource) { return; }
  var bar = document.querySelector("[data-bar]");
  var said = document.querySelector("[data-said]");
  var waiting = {};
  var source = new EventSource(queue.getAttribute("data-live"));
  source.addEventListener("row", function (event) {
    var page = new DOMParser().parseFromString(event.data, "text/html");
    var fresh = page.querySelector("[data-reference]");
    if (!fresh) { return; }
    var reference = fresh.getAttribute("data-reference");
    var known = document.getElementById("row-" + reference);
    if (known) { change(known, fresh); return; }
    if (waiting[reference]) { return; }
    waiting[reference] = true;
    announce(Object.keys(waiting).length);
  });
  // The session is over: what the page shows goes with it.
  source.addEventListener("end", function () {
    source.close();
    window.location.replace("/sign-in?said=ended&onward=" + encodeURIComponent(window.location.pathname));
  });
  source.addEventListener("error", function () {
    if (source.readyState === EventSource.CLOSED) { say("This page has stopped updating. Load it again.", here()); }
  });
  function change(known, fresh) {
    var link = known.querySelector("a");
    var next = fresh.querySelector("a");
    if (!link || !next || link.innerHTML === next.innerHTML) { return; }
    link.className = next.className;
    link.replaceChildren.apply(link, Array.from(next.childNodes));
  }
  function announce(count) {
    say(count === 1 ? "1 new concern. Show it." : count + " new concerns. Show them.", here());
  }
  // The page with its filter, and without what was just done.
  function here() { return window.location.pathname + window.location.search.replace(/([?&])done=[^&]*&?/, "$1"); }
  function say(words, address) {
    if (bar) { bar.textContent = words; bar.setAttribute("href", address); bar.hidden = false; }
    if (said) { said.textContent = words; }
  }
}());
