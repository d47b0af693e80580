// The composer of a conversation. A message shows at once as a pending bubble, until the server confirms it.
// Unsent messages stay and survive a reload. Files are uploaded while the text is still being written.
import { authorName, isOwn } from "./chat-messages.js";
import { length } from "./composer.js";
import { newIdempotencyKey, submitForm } from "./forms.js";
import { parseFragment } from "./fragments.js";

const me = document.querySelector("chat-conversation").dataset.me;
// Devices with an on-screen keyboard, where Enter is the only way to a new line and the button sends.
export const touchInput = matchMedia("(hover: none) and (pointer: coarse)");
const MAX_FILE_BYTES = 20 * 1024 * 1024; // the server's limit
const MAX_FILES = 10; // per message, the server's limit

export class ChatComposer {
  #chat; #messages; #form; #textarea; #error; #fileList;
  #files = []; #queue = []; #failed = []; #sending = null; #replyTo = null;

  constructor(chat, messages) {
    this.#chat = chat;
    this.#messages = messages;
    this.#form = chat.querySelector("[data-composer]");
    this.#textarea = this.#form.querySelector("textarea");
    this.#error = this.#form.querySelector(".error");
    this.#fileList = this.#form.querySelector("[data-attachments]");
    this.#textarea.addEventListener("keydown", (event) => this.#onKeydown(event));
    this.#textarea.addEventListener("input", () => this.#onInput());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // With a physical keyboard, the field has the focus from the beginning.
    if (!touchInput.matches && !location.hash && !this.#form.hidden && document.activeElement === document.body) {
      this.#textarea.focus({ preventScroll: true });
    }
    this.#setUpAttachments();
    this.#keepDraft();
    this.#restoreUnsent();
    addEventListener("online", () => this.#retryAll());
  }

  // Starts a reply to a message.
  startReply(message) {
    this.#replyTo = message;
    const bar = this.#form.querySelector("[data-reply-to]");
    const label = document.createElement("span");
    label.textContent = `Answering ${authorName(message)}: ${excerpt(message)}`;
    bar.replaceChildren(label, this.#button("Don’t", () => this.#endReply()));
    bar.hidden = false;
    this.#textarea.focus();
  }

  #endReply() {
    this.#replyTo = null;
    this.#form.querySelector("[data-reply-to]").hidden = true;
    this.#textarea.focus();
  }

  // Replaces the pending bubble by a message that the socket delivers before the response arrives. Returns false if it
  // is not the pending message.
  confirm(message) {
    if (!isOwn(message) || !this.#sending || this.#messages.byId(message.dataset.id)) return false;
    const bubble = this.#sending.bubble;
    this.#sending.bubble = null;
    if (!bubble?.isConnected) return false;
    bubble.remove();
    this.#messages.insert(message);
    return true;
  }

  #onKeydown(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !touchInput.matches) {
      event.preventDefault();
      this.#form.requestSubmit();
    } else if (event.key === "Escape" && this.#replyTo) {
      this.#endReply();
    } else if (event.key === "ArrowUp" && !this.#textarea.value) {
      const own = this.#messages.all().findLast((message) => isOwn(message) && message.dataset.id !== "0");
      if (own) {
        event.preventDefault();
        this.#chat.dispatchEvent(new CustomEvent("message:edit", { detail: own }));
      }
    }
  }

  #onInput() {
    this.#showError("");
    this.#grow();
    if (this.#textarea.value.trim()) this.#chat.dispatchEvent(new Event("typing"));
  }

  // Grows the field with its text, in browsers without `field-sizing`.
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#textarea.style.blockSize = "auto";
    this.#textarea.style.blockSize = `${this.#textarea.scrollHeight + 2}px`;
  }

  #showError(sentence) {
    this.#error.hidden = !sentence;
    this.#error.textContent = sentence;
    if (sentence) {
      this.#textarea.setAttribute("aria-invalid", "true");
      this.#textarea.setAttribute("aria-describedby", this.#error.id);
      this.#textarea.focus();
    } else {
      this.#textarea.removeAttribute("aria-invalid");
    }
  }

  #submit() {
    const body = this.#textarea.value;
    const files = this.#files.filter((file) => file.id);
    if (this.#files.some((file) => file.uploading)) return this.#showError("A moment: a file is still on its way.");
    if (!body.trim() && files.length === 0) return this.#textarea.focus();
    const limit = Number(this.#form.dataset.maxLength);
    const over = length(body) - limit;
    if (over > 0) {
      return this.#showError(
        `That is ${limit + over} characters, and there is room for ${limit}. Take out ${over}.`,
      );
    }
    const outgoing = {
      key: newIdempotencyKey(),
      body,
      replyTo: this.#replyTo?.dataset.id ?? "",
      quoted: this.#replyTo ? [authorName(this.#replyTo), excerpt(this.#replyTo)] : null,
      files: files.map(({ id, name }) => ({ id, name })),
      at: new Date().toISOString(),
    };
    this.#textarea.value = "";
    this.#textarea.dispatchEvent(new Event("input"));
    this.#files = [];
    this.#renderFiles();
    if (this.#replyTo) this.#endReply();
    this.#showPending(outgoing);
    this.#messages.scrollToEnd();
    this.#enqueue(outgoing);
  }

  // Shows a message that is not sent yet, from the server's own template of a message.
  #showPending(outgoing) {
    const bubble = document.getElementById("own-message").content.firstElementChild.cloneNode(true);
    bubble.removeAttribute("id");
    bubble.classList.add("sending");
    bubble.querySelector("time").dateTime = outgoing.at;
    const body = bubble.querySelector(".body");
    body.textContent = outgoing.body.trim() || outgoing.files.map((file) => file.name).join(", ");
    body.classList.add("verbatim");
    if (outgoing.quoted) {
      const quote = document.createElement("span");
      quote.className = "quote";
      const name = document.createElement("strong");
      name.textContent = outgoing.quoted[0];
      quote.append(name, outgoing.quoted[1]);
      body.before(quote);
    }
    outgoing.bubble = this.#messages.insert(bubble);
  }

  #enqueue(outgoing) {
    outgoing.failed = null;
    this.#queue.push(outgoing);
    this.#saveUnsent();
    this.#sendNext();
  }

  // Sends the queue one by one, so that messages arrive in the order in which they were written.
  async #sendNext() {
    if (this.#sending || this.#queue.length === 0) return;
    const outgoing = (this.#sending = this.#queue[0]);
    try {
      const data = { body: outgoing.body, reply_to: outgoing.replyTo, idempotency_key: outgoing.key };
      data.attachments = outgoing.files.map((file) => file.id).join(" ");
      const response = await submitForm(this.#form, null, data);
      const message = parseFragment(await response.text());
      outgoing.bubble?.remove();
      if (!this.#messages.byId(message.dataset.id)) this.#messages.insert(message);
      this.#chat.dispatchEvent(new CustomEvent("message:sent", { detail: message }));
      this.#markSent(outgoing);
    } catch (error) {
      this.#markFailed(outgoing, error);
    }
    this.#sending = null;
    this.#sendNext();
  }

  #markSent(outgoing) {
    this.#queue = this.#queue.filter((other) => other !== outgoing);
    this.#saveUnsent();
  }

  // Leaves the bubble in place with the error and two buttons: Retry and Delete.
  #markFailed(outgoing, error) {
    this.#queue = this.#queue.filter((other) => other !== outgoing);
    outgoing.failed = error.status ? error.message : "Not sent yet.";
    this.#failed.push(outgoing);
    this.#saveUnsent();
    const bubble = outgoing.bubble;
    if (!bubble) return;
    bubble.classList.remove("sending");
    bubble.classList.add("failed");
    const footer = messageError(outgoing.failed);
    footer.append(
      this.#button("Retry", () => this.#retry(outgoing)),
      this.#button("Delete", () => this.#discard(outgoing)),
    );
    this.#messages.preserveScroll(() => bubble.append(footer));
  }

  #button(label, onClick) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-button";
    button.textContent = label;
    button.addEventListener("click", onClick);
    return button;
  }

  #retry(outgoing) {
    this.#failed = this.#failed.filter((other) => other !== outgoing);
    outgoing.bubble.querySelector(".message-footer")?.remove();
    outgoing.bubble.classList.remove("failed");
    outgoing.bubble.classList.add("sending");
    this.#textarea.focus();
    this.#enqueue(outgoing);
  }

  #retryAll() {
    for (const outgoing of [...this.#failed]) this.#retry(outgoing);
  }

  #discard(outgoing) {
    this.#failed = this.#failed.filter((other) => other !== outgoing);
    this.#messages.remove(outgoing.bubble);
    this.#saveUnsent();
    this.#textarea.focus();
  }

  // The key of the unsent messages in localStorage.
  get #storageKey() {
    return `unsent by ${me} in ${this.#chat.dataset.id}`;
  }

  #saveUnsent() {
    const unsent = [...this.#failed, ...this.#queue].map(({ bubble, ...outgoing }) => outgoing);
    if (unsent.length) localStorage.setItem(this.#storageKey, JSON.stringify(unsent));
    else localStorage.removeItem(this.#storageKey);
  }

  // Sends the messages that a reload interrupted. Each has its idempotency key, so that none is stored twice.
  #restoreUnsent() {
    const unsent = JSON.parse(localStorage.getItem(this.#storageKey) ?? "[]");
    for (const outgoing of unsent) {
      this.#showPending(outgoing);
      this.#enqueue(outgoing);
    }
  }

  // Keeps the draft over a reload, in this tab.
  #keepDraft() {
    const key = `draft by ${me} in ${this.#chat.dataset.id}`;
    if (!this.#textarea.value) this.#textarea.value = sessionStorage.getItem(key) ?? "";
    this.#textarea.addEventListener("input", () => {
      if (this.#textarea.value) sessionStorage.setItem(key, this.#textarea.value);
      else sessionStorage.removeItem(key);
    });
    this.#grow();
  }

  #setUpAttachments() {
    const button = this.#form.querySelector("[data-attach]");
    const input = this.#form.querySelector("[data-files]");
    if (!button.hasAttribute("data-allowed")) return;
    button.hidden = false;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.#attach(input.files);
      input.value = "";
    });
    this.#textarea.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.#attach(event.clipboardData.files);
    });
    const setDragOver = (on) => this.#form.toggleAttribute("data-drag-over", on);
    this.#chat.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      setDragOver(true);
    });
    this.#chat.addEventListener("dragleave", (event) => this.#chat.contains(event.relatedTarget) || setDragOver(false));
    this.#chat.addEventListener("drop", (event) => {
      setDragOver(false);
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#attach(event.dataTransfer.files);
    });
  }

  #attach(files) {
    for (const file of files) {
      if (this.#files.length >= MAX_FILES) {
        return this.#showError("Ten files fit into one message. Send the rest after it.");
      }
      if (file.size > MAX_FILE_BYTES) {
        this.#showError(`“${file.name}” is larger than 20 MB. Send a smaller one.`);
        continue;
      }
      const item = { name: file.name || "picture", uploading: true, progress: 0 };
      this.#files.push(item);
      this.#renderFiles();
      this.#upload(file, item);
    }
    this.#textarea.focus();
  }

  // Uploads by XMLHttpRequest, because fetch does not report progress.
  #upload(file, item) {
    const request = (item.request = new XMLHttpRequest());
    request.open("POST", `/api/v1/conversations/${this.#chat.dataset.id}/attachments`);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      item.progress = loaded / total;
      if (item.bar) item.bar.value = item.progress;
    });
    request.addEventListener("loadend", () => {
      item.uploading = false;
      if (request.status === 201) {
        item.id = request.response.id;
      } else if (this.#files.includes(item)) {
        this.#files = this.#files.filter((other) => other !== item);
        this.#showError(request.response?.detail ?? `“${item.name}” did not arrive. Attach it once more.`);
      }
      this.#renderFiles();
    });
    const form = new FormData();
    form.append("file", file, item.name);
    request.send(form);
  }

  #renderFiles() {
    this.#fileList.hidden = this.#files.length === 0;
    this.#fileList.replaceChildren(
      ...this.#files.map((item) => {
        const row = document.createElement("li");
        const name = document.createElement("bdi");
        name.textContent = item.name;
        row.append(name);
        if (item.uploading) {
          item.bar = document.createElement("progress");
          item.bar.max = 1;
          item.bar.value = item.progress;
          item.bar.ariaLabel = `Sending ${item.name}`;
          row.append(item.bar);
        }
        const remove = this.#button("Remove", () => {
          this.#files = this.#files.filter((other) => other !== item);
          if (item.uploading) item.request.abort();
          this.#renderFiles();
          this.#textarea.focus();
        });
        remove.ariaLabel = `Remove ${item.name}`;
        row.append(remove);
        return row;
      }),
    );
  }
}

// Returns the beginning of a message, at most 90 characters, for quotes and notifications.
export function excerpt(message) {
  const text = message.querySelector(".body")?.innerText.trim().replace(/\s+/g, " ") ?? "a file";
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}

// Returns the line below a message with the error.
export function messageError(sentence) {
  const footer = document.createElement("div");
  footer.className = "message-footer";
  const error = document.createElement("span");
  error.className = "message-error";
  error.setAttribute("role", "status");
  error.textContent = sentence;
  footer.append(error);
  return footer;
}

