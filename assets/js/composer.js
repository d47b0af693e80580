// The composer of peeps: counts characters as the server does, posts without leaving the page, keeps the draft.
import { newIdempotencyKey, submitForm } from "./forms.js";

const NEAR_LIMIT = 20; // characters left from which the count is announced to screen readers

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

// Returns the length as the server counts it: graphemes, after the same cleaning as in domain/text.rs.
export function length(text) {
  const cleaned = text.normalize("NFC").replace(/\r\n?/g, "\n").trim().replace(/\n{3,}/g, "\n\n");
  let count = 0;
  for (const _ of segmenter.segment(cleaned)) count++;
  return count;
}

// Shows how many characters are left in a form's textarea. Returns a function that updates it.
function showCount(form) {
  const textarea = form.querySelector("textarea");
  const count = form.querySelector(".count");
  const status = form.querySelector("[data-count-status]");
  const limit = Number(form.dataset.limit);
  const update = () => {
    const left = limit - length(textarea.value);
    count.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    count.toggleAttribute("data-over-limit", left < 0);
    status.textContent = left <= NEAR_LIMIT ? count.textContent : "";
  };
  textarea.addEventListener("input", update);
  update();
  return update;
}

// Submits a form by Ctrl+Enter or Cmd+Enter in its textarea.
function submitByKeyboard(form) {
  form.querySelector("textarea").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}

// Keeps the draft in this tab over a reload and a lost connection. Returns a function that saves the draft.
function keepDraft(textarea) {
  const key = `draft of ${document.body.dataset.username} at ${location.pathname}`;
  if (!textarea.value) textarea.value = sessionStorage.getItem(key) ?? "";
  const save = () => (textarea.value ? sessionStorage.setItem(key, textarea.value) : sessionStorage.removeItem(key));
  textarea.addEventListener("input", save);
  return save;
}

for (const form of document.querySelectorAll("form[data-limit]")) submitByKeyboard(form);

for (const form of document.querySelectorAll("form[data-limit]:not(.composer)")) showCount(form);

for (const form of document.querySelectorAll("form.composer")) {
  const textarea = form.querySelector("textarea");
  const error = form.querySelector(".error");
  const button = form.querySelector("button.primary");
  const saveDraft = keepDraft(textarea);
  const updateCount = showCount(form);

  let lastAttempt = null; // the text of a try that failed
  const renewKey = () => {
    lastAttempt = null;
    form.elements.idempotency_key.value = newIdempotencyKey();
  };

  const showError = (sentence) => {
    error.hidden = !sentence;
    error.textContent = sentence;
    textarea.toggleAttribute("aria-invalid", Boolean(sentence));
    if (sentence) {
      textarea.setAttribute("aria-invalid", "true");
      textarea.setAttribute("aria-describedby", error.id);
      textarea.focus();
    }
  };

  const open = () => form.toggleAttribute("data-open", true);
  if (location.hash === `#${form.id}`) textarea.focus(); // opened by a Reply link
  if (textarea.value || textarea === document.activeElement) open();
  textarea.addEventListener("focus", open);
  textarea.addEventListener("input", () => showError(""));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return; // a post is under way
    form.ariaBusy = "true";
    // The same text is a second try with the same key; another text is another peep.
    if (lastAttempt !== null && lastAttempt !== textarea.value) renewKey();
    const sent = (lastAttempt = textarea.value);
    try {
      const response = await submitForm(form, button);
      const html = await response.text();
      if (textarea.value === sent) textarea.value = ""; // unless the text was changed in the meantime
      showError("");
      saveDraft();
      updateCount();
      textarea.focus();
      renewKey();
      document.dispatchEvent(new CustomEvent("peep:posted", { detail: { html } }));
    } catch (problem) {
      if (problem.status === 409) renewKey(); // the key was used for another text
      showError(problem.message);
    } finally {
      form.ariaBusy = "false";
    }
  });
}
