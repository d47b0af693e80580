// The editor of a member's page: saves the draft while the member types, shows it in the preview, and moves sections by
// drag and by keyboard. Without scripts each section is a form with a button.
import { errorFrom } from "./forms.js";

// All in ms.
const SAVE_DELAY = 500; // a pause in typing after which the form is saved
const RETRY_DELAY = 5000;

const MAX_PICTURE_BYTES = 20 * 1024 * 1024; // the server's limit

const preview = document.querySelector("[data-preview]");
const status = document.querySelector("[data-save-status]");
const list = document.querySelector("[data-sections]");

// Posts to the editor. Throws an Error with the sentence for the person.
async function post(action, body) {
  let response;
  try {
    response = await fetch(action, { method: "POST", body, headers: { "chitter-fragment": "1" } });
  } catch {
    throw new Error("Not kept yet: there is no connection. Keep this page open.");
  }
  if (!response.ok) throw await errorFrom(response);
}

// Returns the fields of a form, encoded by its enctype.
function encode(form) {
  const fields = new FormData(form);
  return form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
}

const setStatus = (text) => { status.textContent = text; };

// --- The preview

let refreshing = Promise.resolve();

// Updates the preview in place, because a reload of the frame would flicker. Then scrolls to a section of it.
function refreshPreview(sectionId) {
  if (!preview || getComputedStyle(preview.parentElement).display === "none") return;
  refreshing = refreshing.then(async () => {
    const response = await fetch(preview.src);
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const page = preview.contentDocument;
    if (!page?.body) return;
    const stylesheet = (root) => root.querySelector("link[rel=stylesheet]");
    if (stylesheet(page) && stylesheet(fresh).getAttribute("href") !== stylesheet(page).getAttribute("href")) {
      const next = stylesheet(fresh).cloneNode();
      const old = stylesheet(page);
      next.addEventListener("load", () => old.remove());
      old.after(next);
    }
    page.body.replaceChildren(...page.importNode(fresh.body, true).childNodes);
    if (sectionId) scrollPreviewTo(sectionId);
  }).catch(() => {});
}

function scrollPreviewTo(sectionId) {
  preview?.contentDocument?.getElementById(`s${sectionId}`)?.scrollIntoView({ block: "nearest" });
}

// Links in the preview do nothing: they would lead away from the page that is being edited.
preview?.addEventListener("load", () => {
  preview.contentDocument?.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && !link.getAttribute("href").startsWith("#")) event.preventDefault();
  });
});

// --- Saving

// A form that is saved while the member types. Saves run one after the other, so the last save has the latest fields.
class AutosavedForm {
  #timer = 0;
  #queue = Promise.resolve();
  #running = 0;
  dirty = false;

  constructor(form) {
    this.form = form;
    this.error = form.querySelector("[data-save-error]");
    this.sectionId = form.closest("[data-section]")?.dataset.section;
    form.addEventListener("input", (event) => {
      this.dirty = true;
      this.#schedule(event.target.matches("textarea, input:not([type]), input[type=text]") ? SAVE_DELAY : 0);
    });
    form.addEventListener("focusin", () => this.sectionId && scrollPreviewTo(this.sectionId));
  }

  #schedule(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const files = [...this.form.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
      const tooLarge = files.find((input) => input.files[0].size > MAX_PICTURE_BYTES);
      if (tooLarge) {
        tooLarge.value = "";
        this.#showError("That picture is larger than 20 MB. Send a smaller one.");
      } else if (files.length) this.form.requestSubmit(); // the reloaded page shows the picture
      else this.save();
    }, delay);
  }

  get isSaved() {
    return !this.dirty && !this.#running;
  }

  // Saves the fields as they are now. Returns whether they are saved.
  save() {
    clearTimeout(this.#timer);
    this.#running += 1;
    this.#queue = this.#queue.then(() => this.#save()).finally(() => { this.#running -= 1; });
    return this.#queue;
  }

  async #save() {
    if (!this.dirty) return true;
    this.dirty = false;
    try {
      await post(this.form.action, encode(this.form));
    } catch (error) {
      this.dirty = true;
      this.#showError(error.status === 422 ? `${error.message} Until then nothing new is kept here.` : error.message);
      // An invalid field has to be corrected first. After a lost connection or a busy server the save is tried again.
      if (error.status === undefined || error.status >= 500 || error.status === 429) this.#schedule(RETRY_DELAY);
      return false;
    }
    this.error.hidden = true;
    setStatus("Kept in your draft. Publish it when you like it.");
    document.querySelector("[data-discard]")?.removeAttribute("hidden");
    this.#updateAudience();
    refreshPreview(this.sectionId);
    return true;
  }

  #showError(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = false;
    setStatus(sentence);
  }

  // Shows the section's audience beside its name.
  #updateAudience() {
    const tag = this.form.closest("details").querySelector("[data-audience]");
    const audience = this.form.elements.audience?.value;
    if (!tag || !audience) return;
    tag.hidden = audience === "everyone";
    tag.textContent = audience === "nobody" ? "hidden" : audience;
  }

  // Cancels the save that is due, because the form is being submitted.
  onSubmit() {
    clearTimeout(this.#timer);
    this.dirty = false;
  }
}

const forms = new Map();
for (const form of document.querySelectorAll("form[data-autosave]")) forms.set(form, new AutosavedForm(form));
const allSaved = () => [...forms.values()].every((form) => form.isSaved);

addEventListener("beforeunload", (event) => { if (!allSaved()) event.preventDefault(); });

// Saves the other forms before a form is submitted, which leaves the page. Does not submit if one of them is refused.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", async (event) => {
    forms.get(form)?.onSubmit();
    if (allSaved()) return;
    event.preventDefault();
    const saved = await Promise.all([...forms.values()].map((each) => each.save()));
    const failed = [...forms.values()].filter((_, at) => !saved[at]);
    if (failed.length) {
      if (forms.has(form)) forms.get(form).dirty = true;
      failed[0].form.closest("details").open = true;
      failed[0].error.scrollIntoView({ block: "center" });
      return;
    }
    form.requestSubmit(event.submitter);
  });
}

// --- The order of the sections

const sections = () => [...list.children];

async function move(section, to) {
  const from = sections().indexOf(section);
  to = Math.max(0, Math.min(to, sections().length - 1));
  if (to === from) return;
  const others = sections().filter((other) => other !== section);
  list.insertBefore(section, others[to] ?? null);
  const name = section.querySelector(".section-name").textContent;
  try {
    await post(`/settings/page/sections/${section.dataset.section}/move`, new URLSearchParams({ to }));
    setStatus(`${name} is number ${to + 1} of ${sections().length} now. Publish it when you like it.`);
    refreshPreview(section.dataset.section);
  } catch (error) {
    list.insertBefore(section, others[from] ?? null);
    setStatus(error.message);
  }
}

for (const section of list?.children ?? []) {
  const handle = section.querySelector(".drag-handle");
  handle.hidden = false;
  handle.addEventListener("keydown", async (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const at = sections().indexOf(section);
    const to = step ? at + step : { Home: 0, End: sections().length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    await move(section, to);
    handle.focus();
  });
  handle.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    down.preventDefault();
    handle.focus();
    handle.setPointerCapture(down.pointerId);
    section.classList.add("dragged");
    let target = null;
    const clearMarkers = () => sections().forEach((each) => each.classList.remove("before", "after"));
    const drag = (event) => {
      clearMarkers();
      const over = sections().find((each) => {
        const box = each.getBoundingClientRect();
        return event.clientY >= box.top && event.clientY < box.bottom;
      });
      target = null;
      if (!over || over === section) return;
      const box = over.getBoundingClientRect();
      const after = event.clientY > box.top + box.height / 2;
      over.classList.add(after ? "after" : "before");
      const others = sections().filter((other) => other !== section);
      target = others.indexOf(over) + (after ? 1 : 0);
    };
    const dragging = new AbortController();
    const end = (event) => {
      dragging.abort();
      section.classList.remove("dragged");
      clearMarkers();
      if (event.type === "pointerup" && target !== null) move(section, target);
    };
    handle.addEventListener("pointermove", drag, { signal: dragging.signal });
    handle.addEventListener("pointerup", end, { signal: dragging.signal });
    handle.addEventListener("pointercancel", end, { signal: dragging.signal });
  });
}

// The values of the buttons are the positions at the time when the page was rendered, so they are not used here.
list?.addEventListener("submit", (event) => {
  const step = { up: -1, down: 1 }[event.submitter?.dataset.move];
  if (!step) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const section = event.target.closest("[data-section]");
  move(section, sections().indexOf(section) + step);
}, true);

// Opening a section scrolls the preview to it.
list?.addEventListener("toggle", (event) => {
  if (event.target.open) scrollPreviewTo(event.target.closest("[data-section]").dataset.section);
}, true);
