// The composer: counts as the server does, posts without leaving the page, keeps what was typed.
import { newIdempotencyKey, submitForm } from "./forms.js";

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

// What the server would count: it cleans first (domain/text.rs).
export function length(text) {
  const cleaned = text.normalize("NFC").replace(/\r\n?/g, "\n").trim().replace(/\n{3,}/g, "\n\n");
  let count = 0;
  for (const _ of segmenter.segment(cleaned)) count++;
  return count;
}

// Keeps the number of characters that are left beside a textarea; tells it aloud only near the end.
function count(form) {
  const area = form.querySelector("textarea");
  const shown = form.querySelector(".count");
  const said = form.querySelector("[data-count-said]");
  const limit = Number(form.dataset.limit);
  const tell = () => {
    const left = limit - length(area.value);
    shown.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    shown.toggleAttribute("data-over", left < 0);
    said.textContent = left <= 20 ? shown.textContent : "";
  };
  area.addEventListener("input", tell);
  tell();
  return tell;
}

function submitByKeyboard(form) {
  form.querySelector("textarea").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}

// What was typed and not sent survives a reload and a lost connection, in this tab.
function keepDraft(form, area) {
  const name = `draft of ${document.body.dataset.username} at ${location.pathname}`;
  if (!area.value) area.value = sessionStorage.getItem(name) ?? "";
  const keep = () => (area.value ? sessionStorage.setItem(name, area.value) : sessionStorage.removeItem(name));
  area.addEventListener("input", keep);
  return keep;
}

for (const form of document.querySelectorAll("form[data-limit]")) submitByKeyboard(form);

for (const form of document.querySelectorAll("form[data-limit]:not(.composer)")) count(form);

for (const form of document.querySelectorAll("form.composer")) {
  const area = form.querySelector("textarea");
  const error = form.querySelector(".error");
  const button = form.querySelector("button.main");
  const keep = keepDraft(form, area);
  const tell = count(form);

  let tried = null;
  const begin = () => {
    tried = null;
    form.elements.idempotency_key.value = newIdempotencyKey();
  };

  const refuse = (sentence) => {
    error.hidden = !sentence;
    error.textContent = sentence;
    area.toggleAttribute("aria-invalid", Boolean(sentence));
    if (sentence) {
      area.setAttribute("aria-invalid", "true");
      area.setAttribute("aria-describedby", error.id);
      area.focus();
    }
  };

  const open = () => form.toggleAttribute("data-open", true);
  if (location.hash === `#${form.id}`) area.focus(); // one came here to answer
  if (area.value || area === document.activeElement) open();
  area.addEventListener("focus", open);
  area.addEventListener("input", () => refuse(""));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return; // once is enough
    form.ariaBusy = "true";
    // The same words once more are a second try, with the same key; other words are another peep.
    if (tried !== null && tried !== area.value) begin();
    const sent = (tried = area.value);
    try {
      const response = await submitForm(form, button);
      const html = await response.text();
      if (area.value === sent) area.value = ""; // and not what was typed meanwhile
      refuse("");
      keep();
      tell();
      area.focus();
      begin();
      document.dispatchEvent(new CustomEvent("peep:posted", { detail: { html } }));
    } catch (problem) {
      if (problem.status === 409) begin(); // the old one is spent
      refuse(problem.message);
    } finally {
      form.ariaBusy = "false";
    }
  });
}
