// <chat-conversation>: a room, a thread or a match, kept up to date by the socket. Messages arrive in order and
// once, missed ones are replayed after a reconnect, and older ones are loaded while the reader scrolls up.
import { ChatComposer, excerpt } from "./chat-composer.js";
import { MessageActions } from "./chat-message-actions.js";
import { MessageList } from "./chat-messages.js";
import { Notifications } from "./chat-notifications.js";
import { ReadReceipts } from "./chat-read-receipts.js";
import { loadOlder, parseFragment } from "./fragments.js";
import { connect } from "./socket.js";

// All in ms.
const TYPING_INTERVAL = 2500; // between two typing signals of the viewer
const TYPING_TIMEOUT = 5000; // for which a typing signal of somebody else is shown
const AWAY_DELAY = 2500; // a partner who only reloads the page is back sooner, and is not shown as away
const OFFLINE_DELAY = 2000; // shorter losses of the viewer's connection are not shown

class ChatConversation extends HTMLElement {
  #messages; #composer; #actions; #readReceipts; #notifications;
  #send; #seq; #change; #offlineTimer; #awayTimer;
  #lastTypingSignal = 0; #typing = new Map(); #deferredChanges = new Map();

  connectedCallback() {
    this.#seq = Number(this.dataset.seq);
    this.#change = Number(this.dataset.change);
    this.toggleAttribute("data-locked", this.querySelector("[data-composer]").hidden);
    this.#messages = new MessageList(this.querySelector("[data-messages]"), this.querySelector("[data-scroll]"));
    this.#composer = new ChatComposer(this, this.#messages);
    this.#actions = new MessageActions(this, this.#messages, this.#composer);
    this.#notifications = new Notifications(this, this.#messages);
    if (this.hasAttribute("data-thread")) this.#readReceipts = new ReadReceipts(this, this.#messages);
    this.addEventListener("message:sent", ({ detail }) => this.#notifications.onMessage(detail));
    this.addEventListener("message:edit-end", ({ detail: id }) => {
      const deferred = this.#deferredChanges.get(id);
      this.#deferredChanges.delete(id);
      if (deferred) this.#updateMessage(deferred);
    });
    this.#loadOlderMessages();
    if (!this.hasAttribute("data-live")) return; // a page of older messages, which does not change
    this.#send = connect({
      subscriptions: () => this.#subscriptions(),
      onEvent: (event) => this.#onEvent(event),
      onConnection: (connected) => this.#onConnection(connected),
    });
    this.addEventListener("message:sent", () => (this.#lastTypingSignal = 0));
    this.addEventListener("typing", () => {
      if (Date.now() - this.#lastTypingSignal < TYPING_INTERVAL) return;
      this.#lastTypingSignal = Date.now();
      this.#send({ type: "typing", conversation: this.dataset.id });
    });
  }

  #subscriptions() {
    const { id } = this.dataset;
    const conversation = { stream: "conversation", conversation: id, since: this.#seq, change: this.#change };
    return this.hasAttribute("data-match") ? [conversation, { stream: "match" }] : conversation;
  }

  #onConnection(connected) {
    clearTimeout(this.#offlineTimer);
    const presence = this.querySelector("[data-presence], [data-match-presence]");
    const label = this.querySelector("[data-presence], [data-match-status]");
    presence.toggleAttribute("data-away", !connected);
    const showOffline = () => (label.textContent = "You are offline, reconnecting…");
    if (!connected) this.#offlineTimer = setTimeout(showOffline, OFFLINE_DELAY);
  }

  #onEvent(event) {
    if (event.stream === "match") return this.#onMatchEvent(event);
    if (typeof event.seq === "number") this.#seq = Math.max(this.#seq, event.seq);
    if (typeof event.change === "number") this.#change = Math.max(this.#change, event.change);
    switch (event.event) {
      case "subscribed":
        return event.room && this.#updateRoom(event.room);
      case "message":
        return this.#addMessage(parseFragment(event.html));
      case "change":
        return this.#updateMessage(parseFragment(event.html));
      case "room":
        return this.#updateRoom(event.room);
      case "here":
        if (!this.querySelector("[data-presence]")) return; // in a match the match stream has the presence
        this.querySelector("[data-presence]").textContent = event.text;
        this.querySelector("[data-avatars]").innerHTML = event.html;
        return;
      case "thread":
        return this.#reload(); // its people or its name have changed
      case "receipt":
        return this.#readReceipts?.onReceipt(event);
      case "typing":
        return this.#onTyping(event.account);
      case "left":
        if (this.hasAttribute("data-match")) return; // in a match the match stream has the end
        return location.assign(this.hasAttribute("data-thread") ? "/threads" : "/rooms?left");
      case "reset":
        return location.reload();
      case "error":
        // The link is no longer valid, or the viewer was removed. The reloaded page shows which.
        if (event.conversation) location.reload();
    }
  }

  #addMessage(message) {
    this.#typing.delete(message.dataset.author);
    this.#renderTyping();
    if (this.#messages.byId(message.dataset.id)) return; // the response to its POST was quicker
    if (!this.#composer.confirm(message)) this.#messages.insert(message);
    this.#notifications.onMessage(message);
    this.#readReceipts?.render();
  }

  // Shows the new version of a message, or defers it while that message is being edited here.
  #updateMessage(message) {
    const shown = this.#messages.byId(message.dataset.id);
    if (!shown) return;
    if (shown.querySelector(".edit-form")) return this.#deferredChanges.set(message.dataset.id, message);
    this.#messages.replace(shown, message);
    for (const quote of this.querySelectorAll(`a.quote[href$="#${message.id}"]`)) {
      quote.querySelector(":scope > bdi").textContent = message.matches(".deleted") ? "…" : excerpt(message);
    }
  }

  // Updates the state of a match: who is away, what is offered, and its end.
  #onMatchEvent({ match, html, status }) {
    const talk = match?.talk;
    if (match?.state === "ended" && match.ended_by === "partner") return this.#showEnd(html);
    if (!talk || match.conversation_id !== this.dataset.id) return this.#reload();
    const away = talk.partners.some((partner) => !partner.here);
    const renderPresence = () => {
      this.querySelector("[data-match-presence]").toggleAttribute("data-away", away);
      this.querySelector("[data-match-status]").textContent = status;
    };
    clearTimeout(this.#awayTimer);
    if (away) this.#awayTimer = setTimeout(renderPresence, AWAY_DELAY);
    else renderPresence();
    this.querySelector("[data-offers]").innerHTML = html;
    const attach = this.querySelector("[data-attach]");
    const partners = talk.partners.map((partner) => partner.account.id).join(" ");
    const outdated =
      partners !== this.dataset.partners ||
      talk.revealed !== this.hasAttribute("data-revealed") ||
      (talk.pictures && !attach.hasAttribute("data-allowed"));
    // The server renders the page differently now. A reload keeps the draft.
    if (outdated) this.#reload();
  }

  // Reloads the page. Messages in view are marked as read first, so that they are not new afterwards.
  async #reload() {
    await this.#notifications.markRead();
    location.reload();
  }

  // Shows that the partner has left. The messages and the unsent draft stay readable.
  #showEnd(html) {
    if (this.querySelector("[data-ended]")) return;
    this.removeAttribute("data-live");
    this.querySelector("[data-match-presence]").toggleAttribute("data-away", true);
    this.querySelector("[data-match-status]").textContent = "gone";
    const obsolete = "[data-offers], .typing, .chat-header form, .chat-header [popovertarget]";
    for (const element of this.querySelectorAll(obsolete)) element.remove();
    const form = this.querySelector("[data-composer]");
    form.insertAdjacentHTML("beforebegin", html);
    const textarea = form.querySelector("textarea");
    const draft = textarea.value.trim();
    if (draft) {
      const unsent = document.createElement("p");
      unsent.className = "soft";
      unsent.textContent = `This was not sent any more: “${draft}”`;
      this.querySelector("[data-ended]").append(unsent);
    }
    textarea.value = "";
    textarea.dispatchEvent(new Event("input", { bubbles: true })); // removes the stored draft
    form.hidden = true;
    this.querySelector("#over-head").focus();
  }

  // Updates the room's link, name, owner and lock.
  #updateRoom(room) {
    if (room.key !== this.dataset.key) {
      const [oldPath, newPath] = [`/rooms/${this.dataset.key}`, `/rooms/${room.key}`];
      for (const attribute of ["href", "action"]) {
        for (const element of document.querySelectorAll(`[${attribute}^="${oldPath}"]`)) {
          element.setAttribute(attribute, element.getAttribute(attribute).replace(oldPath, newPath));
        }
      }
      this.dataset.key = room.key;
      history.replaceState(null, "", newPath + location.hash);
      document.querySelector("[data-link]").value = room.url;
      // Only the server can draw the QR code.
      document.querySelector("[data-qr]").remove();
    }
    if (room.name !== this.dataset.name) {
      this.dataset.name = room.name;
      this.querySelector("[data-title]").textContent = room.name;
      this.#notifications.update();
    }
    const owner = room.owner_id === document.body.dataset.viewer;
    const locked = room.locked && !owner;
    this.toggleAttribute("data-owner", owner);
    this.toggleAttribute("data-locked", locked);
    this.querySelector("[data-composer]").hidden = locked;
    this.querySelector("p[data-locked]").hidden = !locked;
  }

  #onTyping({ id, name }) {
    clearTimeout(this.#typing.get(id)?.timer);
    const timer = setTimeout(() => {
      this.#typing.delete(id);
      this.#renderTyping();
    }, TYPING_TIMEOUT);
    this.#typing.set(id, { name, timer });
    this.#renderTyping();
  }

  // Shows who is typing, with three names at most.
  #renderTyping() {
    const element = this.querySelector("[data-typing]");
    const names = [...this.#typing.values()].map(({ name }) => name);
    if (names.length === 0) return element.replaceChildren();
    const list =
      names.length === 1 ? `${names[0]} is`
      : names.length === 2 ? `${names[0]} and ${names[1]} are`
      : names.length === 3 ? `${names[0]}, ${names[1]} and ${names[2]} are`
      : `${names[0]}, ${names[1]}, ${names[2]} and others are`;
    const dots = document.createElement("i");
    dots.ariaHidden = "true";
    dots.append(document.createElement("b"));
    element.replaceChildren(dots, `${list} typing`);
  }

  #loadOlderMessages() {
    loadOlder(this.querySelector("[data-older]"), {
      root: this.querySelector("[data-scroll]"),
      add: (page) => this.#messages.prepend([...page.querySelectorAll("[data-messages] > .message")]),
      end: (paragraph) => this.#messages.preserveScroll(() => paragraph.remove()),
    });
  }
}

customElements.define("chat-conversation", ChatConversation);
