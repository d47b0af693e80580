// The actions on a message: react, reply, edit, delete. One toolbar serves the whole list; it is shown in the
// message under the pointer, the tap or the keyboard focus.
import { messageError, touchInput } from "./chat-composer.js";
import { isOwn } from "./chat-messages.js";
import { callApi } from "./forms.js";

const CONFIRM_TIMEOUT = 4000; // ms within which the second press deletes
const HIGHLIGHT_TIMEOUT = 2000; // ms for which a quoted message is highlighted
const ERROR_TIMEOUT = 8000; // ms for which an error is shown

export class MessageActions {
  #chat; #messages; #composer; #toolbar; #emojiPicker; #target = null;

  constructor(chat, messages, composer) {
    this.#chat = chat;
    this.#messages = messages;
    this.#composer = composer;
    this.#toolbar = document.getElementById("message-actions").content.firstElementChild.cloneNode(true);
    this.#emojiPicker = document.getElementById("emoji-picker");
    const { list } = messages;
    list.addEventListener("pointerover", ({ target, pointerType }) => pointerType !== "touch" && this.#show(target));
    list.addEventListener("focusin", ({ target }) => this.#show(target));
    list.addEventListener("click", (event) => this.#onListClick(event));
    list.addEventListener("pointerleave", () => this.#hide());
    this.#emojiPicker.addEventListener("toggle", ({ newState }) => newState === "closed" && this.#hide());
    this.#toolbar.addEventListener("click", (event) => this.#onToolbarClick(event));
    this.#emojiPicker.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-emoji]");
      if (button) this.#react(this.#target, button.dataset.emoji, true);
    });
    this.#emojiPicker.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = event.target.querySelector("input");
      this.#react(this.#target, input.value.trim(), true);
      input.value = "";
    });
    chat.addEventListener("message:edit", ({ detail }) => this.#edit(detail));
  }

  #path(message, rest = "") {
    return `/api/v1/conversations/${this.#chat.dataset.id}/messages/${message.dataset.id}${rest}`;
  }

  // Removes the toolbar, unless the keyboard focus is in the list or the emoji picker is open.
  #hide() {
    if (this.#messages.list.contains(document.activeElement) || this.#emojiPicker.matches(":popover-open")) return;
    this.#toolbar.remove();
  }

  #show(target) {
    if (this.#emojiPicker.matches(":popover-open")) return;
    const message = target.closest?.(".message");
    const usable =
      message && message.dataset.id !== "0" && !message.matches(".deleted, .sending, .failed, :has(.edit-form)");
    if (!usable) return this.#toolbar.contains(target) || this.#toolbar.remove();
    if (this.#toolbar.parentElement === message) return;
    const mayWrite = !this.#chat.hasAttribute("data-locked");
    const moderates = this.#chat.hasAttribute("data-owner") || this.#chat.hasAttribute("data-admin");
    const own = isOwn(message);
    const allowed = { react: mayWrite, reply: mayWrite, edit: mayWrite && own, delete: own || moderates };
    for (const button of this.#toolbar.querySelectorAll("button")) {
      button.hidden = !allowed[button.dataset.action];
      this.#setConfirming(button, false);
    }
    message.append(this.#toolbar);
  }

  #onListClick(event) {
    const { target } = event;
    const reaction = target.closest(".reaction");
    const quote = target.closest("a.quote");
    const message = target.closest(".message");
    if (reaction) {
      this.#react(message, reaction.dataset.emoji, reaction.ariaPressed !== "true");
    } else if (quote) {
      const quoted = document.getElementById(quote.hash.slice(1));
      if (!quoted) return; // the quoted message is on another page, where the link leads
      event.preventDefault();
      quoted.scrollIntoView({ block: "center" });
      quoted.focus({ preventScroll: true });
      quoted.setAttribute("data-highlighted", "");
      setTimeout(() => quoted.removeAttribute("data-highlighted"), HIGHLIGHT_TIMEOUT);
    } else if (message && !target.closest("a, button, textarea, input")) {
      this.#show(target); // a tap
    }
  }

  #onToolbarClick(event) {
    const button = event.target.closest("button");
    const message = this.#toolbar.closest(".message");
    if (!button || !message) return;
    const { action } = button.dataset;
    if (action === "reply") this.#composer.startReply(message);
    else if (action === "edit") this.#edit(message);
    else if (action === "react") this.#toggleEmojiPicker(message, button);
    else if (action === "delete") this.#delete(message, button);
  }

  #toggleEmojiPicker(message, button) {
    this.#target = message;
    if (this.#emojiPicker.matches(":popover-open")) this.#emojiPicker.hidePopover();
    else this.#emojiPicker.showPopover({ source: button });
    this.#emojiPicker.querySelector("button").focus();
  }

  async #react(message, emoji, on) {
    if (this.#emojiPicker.matches(":popover-open")) this.#emojiPicker.hidePopover();
    if (!message || !emoji) return;
    const path = this.#path(message, `/reactions/${encodeURIComponent(emoji)}`);
    await this.#try(message, () => callApi(on ? "PUT" : "DELETE", path));
  }

  // Deletes at the second press of the button. The first press changes its label to ask for confirmation.
  async #delete(message, button) {
    if (!button.classList.contains("confirming")) {
      this.#setConfirming(button, true);
      setTimeout(() => this.#setConfirming(button, false), CONFIRM_TIMEOUT);
      return;
    }
    await this.#try(message, () => callApi("DELETE", this.#path(message)));
  }

  #setConfirming(button, confirming) {
    if (button.classList.contains("confirming") === confirming) return;
    button.classList.toggle("confirming", confirming);
    button.classList.toggle("danger", confirming);
    button.querySelector("span").className = confirming ? "" : "sr";
    button.querySelector("span").textContent = confirming ? "Delete it?" : "Delete";
  }

  async #edit(message) {
    const bubble = message.querySelector(".bubble");
    if (bubble.querySelector(".edit-form")) return;
    let body;
    try {
      ({ body } = await callApi("GET", this.#path(message)));
    } catch (error) {
      return this.#showError(message, error.message);
    }
    this.#toolbar.remove();
    const shown = bubble.querySelector(".body");
    const form = document.createElement("form");
    form.className = "edit-form";
    form.innerHTML = `<textarea aria-label="Your message" rows="2" dir="auto"></textarea>
      <div class="row"><button class="button primary">Save</button>
      <button class="button" type="button">Leave it</button></div>`;
    const textarea = form.querySelector("textarea");
    textarea.value = body;
    const close = () => {
      form.remove();
      if (shown) shown.hidden = false;
      message.focus({ preventScroll: true });
      this.#chat.dispatchEvent(new CustomEvent("message:edit-end", { detail: message.dataset.id }));
    };
    form.querySelector("button[type=button]").addEventListener("click", close);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      const submits = event.key === "Enter" && !event.shiftKey && !event.isComposing && !touchInput.matches;
      if (submits && event.target === textarea) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const saved = await this.#try(message, () => callApi("PATCH", this.#path(message), { body: textarea.value }));
      if (saved) close();
      else textarea.focus();
    });
    if (shown) shown.hidden = true;
    bubble.append(form);
    textarea.focus();
    textarea.setSelectionRange(body.length, body.length);
  }

  // Runs an action and returns whether it succeeded. Its result arrives by the socket; only an error is shown here.
  async #try(message, action) {
    try {
      await action();
      message.querySelector(".message-error")?.parentElement.remove();
      return true;
    } catch (error) {
      this.#showError(message, error.message);
      return false;
    }
  }

  #showError(message, sentence) {
    message.querySelector(".message-error")?.parentElement.remove();
    const footer = messageError(sentence);
    this.#messages.preserveScroll(() => message.append(footer));
    setTimeout(() => footer.remove(), ERROR_TIMEOUT);
  }
}
