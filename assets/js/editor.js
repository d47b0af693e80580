// The editor of one's page: keeps what one types in the draft, shows it beside, and moves sections by drag and by
// keyboard. Without it, each section is a form with a button.
import { refusalOf } from "./forms.js";

const preview = document.querySelector("[data-preview]");
const status = document.querySelector("[data-status]");
const parts = document.querySelector("[data-parts]");

// Sends a form of the editor. Gives nothing, or throws an Error with the sentence for the person.
async function post(action, body) {
  let response;
  try {
    response = await fetch(action, { method: "POST", body, headers: { "chitter-fragment": "1" } });
  } catch {
    throw new Error("Not kept yet: there is no connection. Keep this page open.");
  }
  if (!response.ok) throw await refusalOf(response);
}

// What a form holds, in the way in which it is sent.
function content(form) {
  const fields = new FormData(form);
  return form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
}

const say = (words) => { status.textContent = words; };

// --- the page beside

let showing = Promise.resolve();

// Fetches the draft as it will be, and puts it into the frame without a flicker; then shows a section of it.
function refresh(section) {
  if (!preview || getComputedStyle(preview.parentElement).display === "none") return;
  showing = showing.then(async () => {
    const response = await fetch(preview.src);
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const page = preview.contentDocument;
    if (!page?.body) return;
    const link = (of) => of.querySelector("link[rel=stylesheet]");
    if (link(page) && link(fresh).getAttribute("href") !== link(page).getAttribute("href")) {
      const next = link(fresh).cloneNode();
      const old = link(page);
      next.addEventListener("load", () => old.remove());
      old.after(next);
    }
    page.body.replaceChildren(...page.importNode(fresh.body, true).childNodes);
    if (section) point(section);
  }).catch(() => {});
}

function point(section) {
  preview?.contentDocument?.getElementById(`s${section}`)?.scrollIntoView({ block: "nearest" });
}

// Links in the frame would lead away from what one is working on.
preview?.addEventListener("load", () => {
  preview.contentDocument?.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && !link.getAttribute("href").startsWith("#")) event.preventDefault();
  });
});

// --- what one types is kept

const waiting = new Map();

for (const form of document.querySelectorAll("form[data-fills]")) {
  const trouble = form.querySelector("[data-trouble]");
  const section = form.closest("[data-section]")?.dataset.section;
  const keep = async () => {
    waiting.delete(form);
    const files = [...form.querySelectorAll("input[type=file]")].some((input) => input.files.length);
    if (files) return form.requestSubmit(); // the form comes back with the picture in it
    try {
      await post(form.action, content(form));
      trouble.hidden = true;
      say("Kept in your draft. Publish it when you like it.");
      refresh(section);
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  };
  const later = (pause) => {
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(keep, pause));
  };
  form.addEventListener("input", (event) => later(event.target.matches("input[type=text], input:not([type]), textarea") ? 500 : 0));
  form.addEventListener("focusin", () => section && point(section));
}

addEventListener("beforeunload", (event) => { if (waiting.size) event.preventDefault(); });

// A form that is sent takes what it holds along; what waits in the others goes first.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", async (event) => {
    clearTimeout(waiting.get(form));
    waiting.delete(form);
    if (!waiting.size) return;
    event.preventDefault();
    const others = [...waiting.keys()];
    others.forEach((other) => clearTimeout(waiting.get(other)));
    waiting.clear();
    await Promise.allSettled(others.map((other) => post(other.action, content(other))));
    form.requestSubmit(event.submitter);
  });
}

// --- sections are moved

const all = () => [...parts.children];

async function move(part, to) {
  const from = all().indexOf(part);
  to = Math.max(0, Math.min(to, all().length - 1));
  if (to === from) return;
  const others = all().filter((one) => one !== part);
  parts.insertBefore(part, others[to] ?? null);
  const name = part.querySelector(".what").textContent;
  try {
    await post(`/settings/page/sections/${part.dataset.section}/move`, new URLSearchParams({ to }));
    say(`${name} is number ${to + 1} of ${all().length} now. Publish it when you like it.`);
    refresh(part.dataset.section);
  } catch (error) {
    parts.insertBefore(part, others[from] ?? null);
    say(error.message);
  }
}

for (const part of parts?.children ?? []) {
  const grip = part.querySelector(".grip");
  grip.hidden = false;
  grip.addEventListener("keydown", async (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const at = all().indexOf(part);
    const to = step ? at + step : { Home: 0, End: all().length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    await move(part, to);
    grip.focus();
  });
  grip.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    down.preventDefault();
    grip.focus();
    grip.setPointerCapture(down.pointerId);
    part.classList.add("dragged");
    let target = null;
    const clear = () => all().forEach((one) => one.classList.remove("before", "after"));
    const drag = (event) => {
      clear();
      const over = all().find((one) => {
        const box = one.getBoundingClientRect();
        return event.clientY >= box.top && event.clientY < box.bottom;
      });
      target = null;
      if (!over || over === part) return;
      const box = over.getBoundingClientRect();
      const behind = event.clientY > box.top + box.height / 2;
      over.classList.add(behind ? "after" : "before");
      const others = all().filter((one) => one !== part);
      target = others.indexOf(over) + (behind ? 1 : 0);
    };
    const end = (event) => {
      grip.removeEventListener("pointermove", drag);
      part.classList.remove("dragged");
      clear();
      if (event.type === "pointerup" && target !== null) move(part, target);
    };
    grip.addEventListener("pointermove", drag);
    grip.addEventListener("pointerup", end, { once: true });
    grip.addEventListener("pointercancel", end, { once: true });
  });
}

// A section that is opened is shown beside.
parts?.addEventListener("toggle", (event) => {
  if (event.target.open) point(event.target.closest("[data-section]").dataset.section);
}, true);
