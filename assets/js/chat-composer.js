// What one says: a bubble at once, which settles when the server has it. What could not be sent stays,
// also over a reload, and says so. Files are sent while one still writes.
import { length } from "./composer.js";
import { newKey, send } from "./forms.js";
import { parse } from "./fragments.js";
import { isMine } from "./chat-messages.js";

const me = document.querySelector("chat-room").dataset.me;
// With a keyboard on the screen Enter begins a new line: there is no other way to, and a button that sends.
export const byThumb = matchMedia("(hover: none) and (pointer: coarse)");
const LARGEST = 20 * 1024 * 1024; // the server says the same

export class Say {
  #room; #messages; #form; #area; #error; #tray; #files = []; #queue = []; #failed = []; #sending = null; #replyTo = null;

  constructor(room, messages) {
    this.#room = room;
    this.#messages = messages;
    this.#form = room.querySelector("[data-say]");
    this.#area = this.#form.querySelector("textarea");
    this.#error = this.#form.querySelector(".error");
    this.#tray = this.#form.querySelector("[data-tray]");
    this.#area.addEventListener("keydown", (event) => this.#key(event));
    this.#area.addEventListener("input", () => this.#typed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    // With a keyboard at hand one can begin to write at once.
    if (!byThumb.matches && !location.hash && !this.#form.hidden && document.activeElement === document.body) {
      this.#area.focus({ preventScroll: true });
    }
    this.#attachments();
    this.#keepDraft();
    this.#restore();
    addEventListener("online", () => this.#retryAll());
  }

  // Someone wants to answer a message.
  reply(message) {
    this.#replyTo = message;
    const bar = this.#form.querySelector("[data-reply-to]");
    const words = document.createElement("span");
    words.textContent = `Answering ${message.querySelector(".who bdi").textContent}: ${excerpt(message)}`;
    const stop = document.createElement("button");
    stop.type = "button";
    stop.className = "plain";
    stop.textContent = "Don’t";
    stop.addEventListener("click", () => this.#endReply());
    bar.replaceChildren(words, stop);
    bar.hidden = false;
    this.#area.focus();
  }

  #endReply() {
    this.#replyTo = null;
    this.#form.querySelector("[data-reply-to]").hidden = true;
    this.#area.focus();
  }

  // What is one's own and came by the socket before its answer did: it takes the bubble's place.
  settle(message) {
    if (!isMine(message) || !this.#sending || this.#messages.byId(message.dataset.id)) return false;
    const bubble = this.#sending.bubble;
    this.#sending.bubble = null;
    if (!bubble?.isConnected) return false;
    bubble.remove();
    this.#messages.place(message);
    return true;
  }

  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !byThumb.matches) {
      event.preventDefault();
      this.#form.requestSubmit();
    } else if (event.key === "Escape" && this.#replyTo) {
      this.#endReply();
    } else if (event.key === "ArrowUp" && !this.#area.value) {
      const mine = this.#messages.all().findLast((message) => isMine(message) && message.dataset.id !== "0");
      if (mine) {
        event.preventDefault();
        this.#room.dispatchEvent(new CustomEvent("message:edit", { detail: mine }));
      }
    }
  }

  #typed() {
    this.#refuse("");
    this.#grow();
    if (this.#area.value.trim()) this.#room.dispatchEvent(new Event("typing"));
  }

  // For browsers that do not let a field grow by itself.
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#area.style.blockSize = "auto";
    this.#area.style.blockSize = `${this.#area.scrollHeight + 2}px`;
  }

  #refuse(sentence) {
    this.#error.hidden = !sentence;
    this.#error.textContent = sentence;
    if (sentence) {
      this.#area.setAttribute("aria-invalid", "true");
      this.#area.setAttribute("aria-describedby", this.#error.id);
      this.#area.focus();
    } else {
      this.#area.removeAttribute("aria-invalid");
    }
  }

  #say() {
    const body = this.#area.value;
    const files = this.#files.filter((file) => file.id);
    if (this.#files.some((file) => file.sending)) return this.#refuse("A moment: a file is still on its way.");
    if (!body.trim() && files.length === 0) return this.#area.focus();
    const limit = Number(this.#form.dataset.most);
    const over = length(body) - limit;
    if (over > 0) return this.#refuse(`That is ${limit + over} characters, and there is room for ${limit}. Take out ${over}.`);
    const said = {
      key: newKey(),
      body,
      replyTo: this.#replyTo?.dataset.id ?? "",
      quoted: this.#replyTo ? [this.#replyTo.querySelector(".who bdi").textContent, excerpt(this.#replyTo)] : null,
      files: files.map(({ id, name }) => ({ id, name })),
      at: new Date().toISOString(),
    };
    this.#area.value = "";
    this.#area.dispatchEvent(new Event("input"));
    this.#files = [];
    this.#showTray();
    if (this.#replyTo) this.#endReply();
    this.#show(said);
    this.#messages.toEnd();
    this.#enqueue(said);
  }

  // The bubble, before the server knows of it: from the template that the server renders messages by.
  #show(said) {
    const bubble = document.getElementById("mine").content.firstElementChild.cloneNode(true);
    bubble.removeAttribute("id");
    bubble.classList.add("sending");
    bubble.querySelector("time").dateTime = said.at;
    const words = bubble.querySelector(".words");
    words.textContent = said.body.trim() || said.files.map((file) => file.name).join(", ");
    words.classList.add("verbatim");
    if (said.quoted) {
      const quote = document.createElement("span");
      quote.className = "quote";
      const name = document.createElement("strong");
      name.textContent = said.quoted[0];
      quote.append(name, said.quoted[1]);
      words.before(quote);
    }
    said.bubble = this.#messages.place(bubble);
  }

  #enqueue(said) {
    said.failed = null;
    this.#queue.push(said);
    this.#keep();
    this.#work();
  }

  // One after the other, so that they are said in the order in which they were written.
  async #work() {
    if (this.#sending || this.#queue.length === 0) return;
    const said = (this.#sending = this.#queue[0]);
    try {
      const data = { body: said.body, reply_to: said.replyTo, idempotency_key: said.key };
      data.attachments = said.files.map((file) => file.id).join(" ");
      const response = await send(this.#form, null, data);
      const message = parse(await response.text());
      said.bubble?.remove();
      if (!this.#messages.byId(message.dataset.id)) this.#messages.place(message);
      this.#room.dispatchEvent(new CustomEvent("said", { detail: message }));
      this.#done(said);
    } catch (problem) {
      this.#fail(said, problem);
    }
    this.#sending = null;
    this.#work();
  }

  #done(said) {
    this.#queue = this.#queue.filter((other) => other !== said);
    this.#keep();
  }

  // It stays where it is, and says what is wrong. Those behind it wait, unless they can't be meant.
  #fail(said, problem) {
    this.#queue = this.#queue.filter((other) => other !== said);
    said.failed = problem.status ? problem.message : "Not sent yet.";
    this.#failed.push(said);
    this.#keep();
    const bubble = said.bubble;
    if (!bubble) return;
    bubble.classList.remove("sending");
    bubble.classList.add("failed");
    const under = document.createElement("div");
    under.className = "under";
    const wrong = document.createElement("span");
    wrong.className = "wrong";
    wrong.setAttribute("role", "status");
    wrong.textContent = said.failed;
    under.append(wrong, this.#button("Retry", () => this.#retry(said)), this.#button("Delete", () => this.#forget(said)));
    this.#messages.keepPlace(() => bubble.append(under));
  }

  #button(words, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = words;
    button.addEventListener("click", act);
    return button;
  }

  #retry(said) {
    this.#failed = this.#failed.filter((other) => other !== said);
    said.bubble.querySelector(".under")?.remove();
    said.bubble.classList.remove("failed");
    said.bubble.classList.add("sending");
    this.#area.focus();
    this.#enqueue(said);
  }

  #retryAll() {
    for (const said of [...this.#failed]) this.#retry(said);
  }

  #forget(said) {
    this.#failed = this.#failed.filter((other) => other !== said);
    this.#messages.remove(said.bubble);
    this.#keep();
    this.#area.focus();
  }

  // What is not sent yet, in this browser's memory.
  get #name() {
    return `unsent by ${me} in ${this.#room.dataset.id}`;
  }

  #keep() {
    const unsent = [...this.#failed, ...this.#queue].map(({ bubble, ...said }) => said);
    if (unsent.length) localStorage.setItem(this.#name, JSON.stringify(unsent));
    else localStorage.removeItem(this.#name);
  }

  // Each has its key: what had arrived after all is not said twice.
  #restore() {
    const unsent = JSON.parse(localStorage.getItem(this.#name) ?? "[]");
    for (const said of unsent) {
      this.#show(said);
      this.#enqueue(said);
    }
  }

  // What is being written survives a reload, in this tab.
  #keepDraft() {
    const name = `draft by ${me} in ${this.#room.dataset.id}`;
    if (!this.#area.value) this.#area.value = sessionStorage.getItem(name) ?? "";
    this.#area.addEventListener("input", () => {
      if (this.#area.value) sessionStorage.setItem(name, this.#area.value);
      else sessionStorage.removeItem(name);
    });
    this.#grow();
  }

  #attachments() {
    const button = this.#form.querySelector("[data-attach]");
    const input = this.#form.querySelector("[data-files]");
    if (!button.hasAttribute("data-may")) return;
    button.hidden = false;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.#send(input.files);
      input.value = "";
    });
    this.#area.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.#send(event.clipboardData.files);
    });
    const over = (on) => this.#form.toggleAttribute("data-drop", on);
    this.#room.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      over(true);
    });
    this.#room.addEventListener("dragleave", (event) => this.#room.contains(event.relatedTarget) || over(false));
    this.#room.addEventListener("drop", (event) => {
      over(false);
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#send(event.dataTransfer.files);
    });
  }

  #send(files) {
    for (const file of files) {
      if (this.#files.length >= 10) return this.#refuse("Ten files fit into one message. Send the rest after it.");
      if (file.size > LARGEST) {
        this.#refuse(`“${file.name}” is larger than 20 MB. Send a smaller one.`);
        continue;
      }
      const item = { name: file.name || "picture", sending: true, share: 0 };
      this.#files.push(item);
      this.#showTray();
      this.#upload(file, item);
    }
    this.#area.focus();
  }

  // By XMLHttpRequest, because fetch does not tell how far it is.
  #upload(file, item) {
    const request = (item.request = new XMLHttpRequest());
    request.open("POST", `/api/v1/conversations/${this.#room.dataset.id}/attachments`);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      item.share = loaded / total;
      if (item.bar) item.bar.value = item.share;
    });
    request.addEventListener("loadend", () => {
      item.sending = false;
      if (request.status === 201) {
        item.id = request.response.id;
      } else if (this.#files.includes(item)) {
        this.#files = this.#files.filter((other) => other !== item);
        this.#refuse(request.response?.detail ?? `“${item.name}” did not arrive. Attach it once more.`);
      }
      this.#showTray();
    });
    const form = new FormData();
    form.append("file", file, item.name);
    request.send(form);
  }

  #showTray() {
    this.#tray.hidden = this.#files.length === 0;
    this.#tray.replaceChildren(
      ...this.#files.map((item) => {
        const row = document.createElement("li");
        const name = document.createElement("bdi");
        name.textContent = item.name;
        row.append(name);
        if (item.sending) {
          item.bar = document.createElement("progress");
          item.bar.max = 1;
          item.bar.value = item.share;
          item.bar.ariaLabel = `Sending ${item.name}`;
          row.append(item.bar);
        }
        const remove = this.#button("Remove", () => {
          this.#files = this.#files.filter((other) => other !== item);
          if (item.sending) item.request.abort();
          this.#showTray();
          this.#area.focus();
        });
        remove.ariaLabel = `Remove ${item.name}`;
        row.append(remove);
        return row;
      }),
    );
  }
}

export function excerpt(message) {
  const words = message.querySelector(".words")?.innerText.trim().replace(/\s+/g, " ") ?? "a file";
  return words.length > 90 ? `${words.slice(0, 89)}…` : words;
}

