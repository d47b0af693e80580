// What one can do to a message: react, answer, change, delete. The handles are one for the whole list,
// and stand in the message where the pointer, a tap or the keyboard is.
import { call } from "./forms.js";
import { isMine } from "./chat-messages.js";
import { byThumb } from "./chat-composer.js";

export class Handles {
  #room; #messages; #say; #handles; #emoji; #for = null;

  constructor(room, messages, say) {
    this.#room = room;
    this.#messages = messages;
    this.#say = say;
    this.#handles = document.getElementById("handles").content.firstElementChild.cloneNode(true);
    this.#emoji = document.getElementById("emoji");
    const { list } = messages;
    list.addEventListener("pointerover", ({ target, pointerType }) => pointerType !== "touch" && this.#offer(target));
    list.addEventListener("focusin", ({ target }) => this.#offer(target));
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("pointerleave", () => this.#withdraw());
    this.#emoji.addEventListener("toggle", ({ newState }) => newState === "closed" && this.#withdraw());
    this.#handles.addEventListener("click", (event) => this.#act(event));
    this.#emoji.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-emoji]");
      if (button) this.#react(this.#for, button.dataset.emoji, true);
    });
    this.#emoji.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = event.target.querySelector("input");
      this.#react(this.#for, input.value.trim(), true);
      input.value = "";
    });
    room.addEventListener("message:edit", ({ detail }) => this.#edit(detail));
  }

  #path(message, rest = "") {
    return `/api/v1/conversations/${this.#room.dataset.id}/messages/${message.dataset.id}${rest}`;
  }

  // The handles go when nobody is at them: neither the keyboard nor the emoji that hang from them.
  #withdraw() {
    if (this.#messages.list.contains(document.activeElement) || this.#emoji.matches(":popover-open")) return;
    this.#handles.remove();
  }

  #offer(target) {
    if (this.#emoji.matches(":popover-open")) return;
    const message = target.closest?.(".message");
    const can = message && message.dataset.id !== "0" && !message.matches(".gone, .sending, .failed, :has(.edit)");
    if (!can) return this.#handles.contains(target) || this.#handles.remove();
    if (this.#handles.parentElement === message) return;
    const writes = !this.#room.hasAttribute("data-locked");
    const rules = this.#room.hasAttribute("data-owner") || this.#room.hasAttribute("data-admin");
    const may = { react: writes, reply: writes, edit: writes && isMine(message), delete: isMine(message) || rules };
    for (const button of this.#handles.querySelectorAll("button")) {
      button.hidden = !may[button.dataset.do];
      this.#ask(button, false);
    }
    message.append(this.#handles);
  }

  #click(event) {
    const { target } = event;
    const reaction = target.closest(".reaction");
    const quote = target.closest("a.quote");
    const message = target.closest(".message");
    if (reaction) {
      this.#react(message, reaction.dataset.emoji, reaction.ariaPressed !== "true");
    } else if (quote) {
      const quoted = document.getElementById(quote.hash.slice(1));
      if (!quoted) return; // it is on another page: the link leads there
      event.preventDefault();
      quoted.scrollIntoView({ block: "center" });
      quoted.focus({ preventScroll: true });
      quoted.setAttribute("data-found", "");
      setTimeout(() => quoted.removeAttribute("data-found"), 2000);
    } else if (message && !target.closest("a, button, textarea, input")) {
      this.#offer(target); // a tap
    }
  }

  #act(event) {
    const button = event.target.closest("button");
    const message = this.#handles.closest(".message");
    if (!button || !message) return;
    const act = button.dataset.do;
    if (act === "reply") this.#say.reply(message);
    else if (act === "edit") this.#edit(message);
    else if (act === "react") this.#choose(message, button);
    else if (act === "delete") this.#delete(message, button);
  }

  #choose(message, button) {
    this.#for = message;
    if (this.#emoji.matches(":popover-open")) this.#emoji.hidePopover();
    else this.#emoji.showPopover({ source: button });
    this.#emoji.querySelector("button").focus();
  }

  async #react(message, emoji, on) {
    if (this.#emoji.matches(":popover-open")) this.#emoji.hidePopover();
    if (!message || !emoji) return;
    await this.#try(message, () => call(on ? "PUT" : "DELETE", this.#path(message, `/reactions/${encodeURIComponent(emoji)}`)));
  }

  // Asks once: the button says what a second press does.
  async #delete(message, button) {
    if (!button.classList.contains("asks")) {
      this.#ask(button, true);
      setTimeout(() => this.#ask(button, false), 4000);
      return;
    }
    await this.#try(message, () => call("DELETE", this.#path(message)));
  }

  #ask(button, asks) {
    if (button.classList.contains("asks") === asks) return;
    button.classList.toggle("asks", asks);
    button.classList.toggle("danger", asks);
    button.querySelector("span").className = asks ? "" : "sr";
    button.querySelector("span").textContent = asks ? "Delete it?" : "Delete";
  }

  async #edit(message) {
    const bubble = message.querySelector(".bubble");
    if (bubble.querySelector(".edit")) return;
    let body;
    try {
      ({ body } = await call("GET", this.#path(message)));
    } catch (problem) {
      return this.#tell(message, problem.message);
    }
    this.#handles.remove();
    const words = bubble.querySelector(".words");
    const form = document.createElement("form");
    form.className = "edit";
    form.innerHTML = `<textarea aria-label="Your message" rows="2" dir="auto"></textarea>
      <div class="row"><button class="button main">Save</button><button class="button" type="button">Leave it</button></div>`;
    const area = form.querySelector("textarea");
    area.value = body;
    const end = () => {
      form.remove();
      if (words) words.hidden = false;
      message.focus({ preventScroll: true });
      this.#room.dispatchEvent(new CustomEvent("message:edited", { detail: message.dataset.id }));
    };
    form.querySelector("button[type=button]").addEventListener("click", end);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !byThumb.matches && event.target === area) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const done = await this.#try(message, () => call("PATCH", this.#path(message), { body: area.value }));
      if (done) end();
      else area.focus();
    });
    if (words) words.hidden = true;
    bubble.append(form);
    area.focus();
    area.setSelectionRange(body.length, body.length);
  }

  // Its outcome comes by the socket; only what went wrong is told here.
  async #try(message, act) {
    try {
      await act();
      message.querySelector(".wrong")?.parentElement.remove();
      return true;
    } catch (problem) {
      this.#tell(message, problem.message);
      return false;
    }
  }

  #tell(message, sentence) {
    message.querySelector(".wrong")?.parentElement.remove();
    const under = document.createElement("div");
    under.className = "under";
    const wrong = document.createElement("span");
    wrong.className = "wrong";
    wrong.setAttribute("role", "status");
    wrong.textContent = sentence;
    under.append(wrong);
    this.#messages.keepPlace(() => message.append(under));
    setTimeout(() => under.remove(), 8000);
  }
}
