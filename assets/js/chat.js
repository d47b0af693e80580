// <chat-room>: a room that is alive. What is said arrives by the socket, in order and once; what was
// missed is replayed; older messages come as one scrolls up.
import { older, parse } from "./fragments.js";
import { ReadBy } from "./chat-read-receipts.js";
import { Handles } from "./chat-message-actions.js";
import { Messages } from "./chat-messages.js";
import { Notice } from "./chat-notifications.js";
import { Say, excerpt } from "./chat-composer.js";
import { listen } from "./socket.js";

const TYPING = 2500; // how often we say that one is typing
const TYPED = 5000; // how long we believe that others are
const AWAY = 2500; // a connection that is lost for less is not told

class ChatRoom extends HTMLElement {
  #messages; #say; #handles; #leaving; #readBy; #notice; #socket; #breaking; #seq; #change; #told = 0; #typing = new Map(); #held = new Map();

  connectedCallback() {
    this.#seq = Number(this.dataset.seq);
    this.#change = Number(this.dataset.change);
    this.toggleAttribute("data-locked", this.querySelector("[data-say]").hidden);
    this.#messages = new Messages(this.querySelector("[data-messages]"), this.querySelector("[data-scroll]"));
    this.#say = new Say(this, this.#messages);
    this.#handles = new Handles(this, this.#messages, this.#say);
    this.#notice = new Notice(this, this.#messages);
    if (this.hasAttribute("data-thread")) this.#readBy = new ReadBy(this, this.#messages);
    this.addEventListener("said", ({ detail }) => this.#notice.arrived(detail));
    this.addEventListener("message:edited", ({ detail }) => {
      const held = this.#held.get(detail);
      this.#held.delete(detail);
      if (held) this.#changed(held);
    });
    this.#older();
    if (!this.hasAttribute("data-live")) return; // an earlier stretch: nothing happens there
    this.#socket = listen({
      subscribe: () => this.#wanted(),
      hear: (event) => this.#hear(event),
      state: (connected) => this.#connected(connected),
    });
    this.addEventListener("said", () => (this.#told = 0));
    this.addEventListener("typing", () => {
      if (Date.now() - this.#told < TYPING) return;
      this.#told = Date.now();
      this.#socket({ type: "typing", conversation: this.dataset.id });
    });
  }

  #wanted() {
    const talk = { stream: "conversation", conversation: this.dataset.id, since: this.#seq, change: this.#change };
    return this.hasAttribute("data-match") ? [talk, { stream: "match" }] : talk;
  }

  // A short break is nobody's business; a longer one is told.
  #connected(connected) {
    clearTimeout(this.#breaking);
    const here = this.querySelector("[data-here], [data-company]");
    const words = this.querySelector("[data-here], [data-status]");
    here.toggleAttribute("data-away", !connected);
    if (!connected) this.#breaking = setTimeout(() => (words.textContent = "You are offline, reconnecting…"), 2000);
  }

  #hear(event) {
    if (event.stream === "match") return this.#matched(event);
    if (typeof event.seq === "number") this.#seq = Math.max(this.#seq, event.seq);
    if (typeof event.change === "number") this.#change = Math.max(this.#change, event.change);
    switch (event.event) {
      case "subscribed":
        return event.room && this.#altered(event.room);
      case "message":
        return this.#arrive(parse(event.html));
      case "change":
        return this.#changed(parse(event.html));
      case "room":
        return this.#altered(event.room);
      case "here":
        if (!this.querySelector("[data-here]")) return; // of a match its own stream tells
        this.querySelector("[data-here]").textContent = event.text;
        this.querySelector("[data-flock]").innerHTML = event.html;
        return;
      case "thread":
        return this.#anew(); // other people, or another name
      case "receipt":
        return this.#readBy?.heard(event);
      case "typing":
        return this.#types(event.account);
      case "left":
        if (this.hasAttribute("data-match")) return; // its own stream tells
        return location.assign(this.hasAttribute("data-thread") ? "/threads" : "/rooms?left");
      case "reset":
        return location.reload();
      case "error":
        // The link does not hold any more, or one is out: the page says which.
        if (event.conversation) location.reload();
    }
  }

  #arrive(message) {
    this.#typing.delete(message.dataset.author);
    this.#tellTyping();
    if (this.#messages.byId(message.dataset.id)) return; // its answer was quicker
    if (!this.#say.settle(message)) this.#messages.place(message);
    this.#notice.arrived(message);
    this.#readBy?.show();
  }

  #changed(message) {
    const shown = this.#messages.byId(message.dataset.id);
    if (!shown) return;
    if (shown.querySelector(".edit")) return this.#held.set(message.dataset.id, message); // until that is over
    this.#messages.replace(shown, message);
    for (const quote of this.querySelectorAll(`a.quote[href$="#${message.id}"]`)) {
      quote.querySelector(":scope > bdi").textContent = message.matches(".gone") ? "…" : excerpt(message);
    }
  }

  // Something about the match: who is away, what is offered, and when it is over.
  #matched({ match, html, status }) {
    const talk = match?.talk;
    if (match?.state === "ended" && match.ended_by === "partner") return this.#over(html);
    if (!talk || match.conversation_id !== this.dataset.id) return this.#anew();
    const away = talk.partners.some((partner) => !partner.here);
    const tell = () => {
      this.querySelector("[data-company]").toggleAttribute("data-away", away);
      this.querySelector("[data-status]").textContent = status;
    };
    clearTimeout(this.#leaving);
    if (away) this.#leaving = setTimeout(tell, AWAY); // a page that is loading is no lost connection
    else tell();
    this.querySelector("[data-offers]").innerHTML = html;
    const attach = this.querySelector("[data-attach]");
    const everyone = talk.partners.map((partner) => partner.account.id).join(" ");
    const otherwise =
      everyone !== this.dataset.everyone ||
      talk.revealed !== this.hasAttribute("data-revealed") ||
      (talk.pictures && !attach.hasAttribute("data-may"));
    // Who is in it, or what the page can do: it is drawn anew, with what one was writing.
    if (otherwise) this.#anew();
  }

  // Draws the page anew. What was seen is read, and not new afterwards.
  async #anew() {
    await this.#notice.tellRead();
    location.reload();
  }

  // They have gone. What was said, and what one was about to say, can still be looked at.
  #over(html) {
    if (this.querySelector("[data-over]")) return;
    this.removeAttribute("data-live");
    this.querySelector("[data-company]").toggleAttribute("data-away", true);
    this.querySelector("[data-status]").textContent = "gone";
    for (const part of this.querySelectorAll("[data-offers], .typing, .roomhead form, .roomhead [popovertarget]")) part.remove();
    const form = this.querySelector("[data-say]");
    form.insertAdjacentHTML("beforebegin", html);
    const words = form.querySelector("textarea");
    if (words.value.trim()) {
      const unsent = document.createElement("p");
      unsent.className = "soft";
      unsent.textContent = `This was not sent any more: “${words.value.trim()}”`;
      this.querySelector("[data-over]").append(unsent);
    }
    words.value = "";
    words.dispatchEvent(new Event("input", { bubbles: true })); // the draft is none any more
    form.hidden = true;
    this.querySelector("#over-head").focus();
  }

  // The room has another name, another link, or is locked or no longer.
  #altered(room) {
    if (room.key !== this.dataset.key) {
      const path = (key) => `/rooms/${key}`;
      for (const link of document.querySelectorAll(`a[href^="${path(this.dataset.key)}"], form[action^="${path(this.dataset.key)}"]`)) {
        const name = link.localName === "form" ? "action" : "href";
        link.setAttribute(name, link.getAttribute(name).replace(path(this.dataset.key), path(room.key)));
      }
      this.dataset.key = room.key;
      history.replaceState(null, "", path(room.key) + location.hash);
      document.querySelector("[data-link]").value = room.url;
      // Only the server draws it.
      document.querySelector("[data-qr]").remove();
    }
    if (room.name !== this.dataset.name) {
      this.dataset.name = room.name;
      this.querySelector("[data-room-name]").textContent = room.name;
      this.#notice.look();
    }
    const owner = room.owner_id === document.body.dataset.viewer;
    const locked = room.locked && !owner;
    this.toggleAttribute("data-owner", owner);
    this.toggleAttribute("data-locked", locked);
    this.querySelector("[data-say]").hidden = locked;
    this.querySelector("p[data-locked]").hidden = !locked;
  }

  #types({ id, name }) {
    const before = this.#typing.get(id);
    clearTimeout(before?.timer);
    const timer = setTimeout(() => {
      this.#typing.delete(id);
      this.#tellTyping();
    }, TYPED);
    this.#typing.set(id, { name, timer });
    this.#tellTyping();
  }

  // At most three by name.
  #tellTyping() {
    const line = this.querySelector("[data-typing]");
    const names = [...this.#typing.values()].map(({ name }) => name);
    if (names.length === 0) return line.replaceChildren();
    const list =
      names.length === 1 ? `${names[0]} is`
      : names.length === 2 ? `${names[0]} and ${names[1]} are`
      : names.length === 3 ? `${names[0]}, ${names[1]} and ${names[2]} are`
      : `${names[0]}, ${names[1]}, ${names[2]} and others are`;
    const dots = document.createElement("i");
    dots.ariaHidden = "true";
    dots.append(document.createElement("b"));
    line.replaceChildren(dots, `${list} typing`);
  }

  #older() {
    older(this.querySelector("[data-older]"), {
      root: this.querySelector("[data-scroll]"),
      add: (page) => this.#messages.prepend([...page.querySelectorAll("[data-messages] > .message")]),
      end: (line) => this.#messages.keepPlace(() => line.remove()),
    });
  }
}

customElements.define("chat-room", ChatRoom);
