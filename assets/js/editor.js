// The editor of one's page: keeps what one types in the draft, shows it beside, and moves sections by drag and by
// keyboard. Without it, each section is a form with a button.
import { errorFrom } from "./forms.js";

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
  if (!response.ok) throw await errorFrom(response);
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

// How long one pauses before it is, and before it is tried again, in ms.
const PAUSE = 500;
const AGAIN = 5000;

// The largest picture that is taken, in bytes.
const LARGEST = 20 * 1024 * 1024;

// A form whose fields are kept while one types: one save at a time, and the last one is of what stands there last.
class Kept {
  #timer = 0;
  #saving = Promise.resolve();
  #underway = 0;
  dirty = false;

  constructor(form) {
    this.form = form;
    this.trouble = form.querySelector("[data-trouble]");
    this.section = form.closest("[data-section]")?.dataset.section;
    form.addEventListener("input", (event) => {
      this.dirty = true;
      this.#later(event.target.matches("textarea, input:not([type]), input[type=text]") ? PAUSE : 0);
    });
    form.addEventListener("focusin", () => this.section && point(this.section));
  }

  #later(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const files = [...this.form.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
      const large = files.find((input) => input.files[0].size > LARGEST);
      if (large) {
        large.value = "";
        this.#tell("That picture is larger than 20 MB. Send a smaller one.");
      } else if (files.length) this.form.requestSubmit(); // it comes back with the picture in it
      else this.save();
    }, pause);
  }

  // Whether all that was typed is kept.
  get settled() {
    return !this.dirty && !this.#underway;
  }

  // Keeps what stands there now; says whether that is done.
  save() {
    clearTimeout(this.#timer);
    this.#underway += 1;
    this.#saving = this.#saving.then(() => this.#save()).finally(() => { this.#underway -= 1; });
    return this.#saving;
  }

  async #save() {
    if (!this.dirty) return true;
    this.dirty = false;
    try {
      await post(this.form.action, content(this.form));
    } catch (error) {
      this.dirty = true;
      this.#tell(error.status === 422 ? `${error.message} Until then nothing new is kept here.` : error.message);
      // What is wrong is for whoever types; what is not there now may be later.
      if (error.status === undefined || error.status >= 500 || error.status === 429) this.#later(AGAIN);
      return false;
    }
    this.trouble.hidden = true;
    say("Kept in your draft. Publish it when you like it.");
    document.querySelector("[data-discard]")?.removeAttribute("hidden");
    this.#tag();
    refresh(this.section);
    return true;
  }

  #tell(words) {
    this.trouble.textContent = words;
    this.trouble.hidden = false;
    say(words);
  }

  // Who sees the section stands at its head.
  #tag() {
    const tag = this.form.closest("details").querySelector("[data-audience]");
    const audience = this.form.elements.audience?.value;
    if (!tag || !audience) return;
    tag.hidden = audience === "everyone";
    tag.textContent = audience === "nobody" ? "hidden" : audience;
  }

  // The form itself is on its way.
  sent() {
    clearTimeout(this.#timer);
    this.dirty = false;
  }
}

const forms = new Map([...document.querySelectorAll("form[data-fills]")].map((form) => [form, new Kept(form)]));
const isSettled = () => [...forms.values()].every((kept) => kept.settled);

addEventListener("beforeunload", (event) => { if (!isSettled()) event.preventDefault(); });

// Before a form leads away, what was typed in the others is kept; where it can't be, one stays.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", async (event) => {
    forms.get(form)?.sent();
    if (isSettled()) return;
    event.preventDefault();
    const done = await Promise.all([...forms.values()].map((kept) => kept.save()));
    const failed = [...forms.values()].filter((_, at) => !done[at]);
    if (failed.length) {
      if (forms.has(form)) forms.get(form).dirty = true;
      failed[0].form.closest("details").open = true;
      failed[0].trouble.scrollIntoView({ block: "center" });
      return;
    }
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
    const dragging = new AbortController();
    const end = (event) => {
      dragging.abort();
      part.classList.remove("dragged");
      clear();
      if (event.type === "pointerup" && target !== null) move(part, target);
    };
    grip.addEventListener("pointermove", drag, { signal: dragging.signal });
    grip.addEventListener("pointerup", end, { signal: dragging.signal });
    grip.addEventListener("pointercancel", end, { signal: dragging.signal });
  });
}

// Its buttons say where to from where it was when the page was made.
parts?.addEventListener("submit", (event) => {
  const way = { up: -1, down: 1 }[event.submitter?.dataset.move];
  if (!way) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const part = event.target.closest("[data-section]");
  move(part, all().indexOf(part) + way);
}, true);

// A section that is opened is shown beside.
parts?.addEventListener("toggle", (event) => {
  if (event.target.open) point(event.target.closest("[data-section]").dataset.section);
}, true);
