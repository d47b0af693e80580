// The list of messages: sorted by number, grouped by author and day, and adapted to the person who reads it.
import { updateTimes } from "./times.js";

const GROUP_INTERVAL = 5 * 60_000; // ms within which messages of one author form a group; the same as on the server

const me = document.querySelector("chat-conversation").dataset.me; // in a match, the id of the viewer's mask
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

export const sentAt = (message) => new Date(message.querySelector("time").dateTime);
export const authorName = (message) => message.querySelector(".author bdi").textContent;
export const isOwn = (message) => message.dataset.author === me;
const isMessage = (element) => element?.classList.contains("message");

function dayOf(message) {
  const day = sentAt(message);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

function formatDay(day) {
  const today = new Date();
  const days = Math.round((new Date(today.getFullYear(), today.getMonth(), today.getDate()) - day) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : dayName.format(day);
}

export class MessageList {
  constructor(list, scroll) {
    this.list = list;
    this.scroll = scroll;
    // The server inserts day dividers by UTC; here they are inserted by the reader's time zone.
    for (const divider of list.querySelectorAll(".day-divider")) divider.remove();
    for (const message of this.all()) this.#updateDividers(this.#personalize(message));
    this.#setTabStop(this.last());
    list.addEventListener("focusin", ({ target }) => isMessage(target) && this.#setTabStop(target));
    scroll.addEventListener("keydown", (event) => this.#navigate(event));
  }

  all() {
    return [...this.list.querySelectorAll(":scope > .message")];
  }

  // Returns the newest message that is not pending.
  last() {
    return this.all().findLast((message) => message.dataset.seq > 0);
  }

  byId(id) {
    return this.list.querySelector(`:scope > .message[data-id="${CSS.escape(id)}"]`);
  }

  // Returns whether the list is scrolled to within 60 px of its end, where new messages are visible. The list is laid
  // out in reverse, so its end is at 0.
  isAtEnd() {
    return this.scroll.scrollTop > -60;
  }

  scrollToEnd() {
    this.scroll.scrollTop = 0;
  }

  // Inserts a message by its number. Pending messages have no number yet and stay behind all others.
  insert(message) {
    const seq = Number(message.dataset.seq) || Infinity;
    this.preserveScroll(() => {
      const next = this.all().find((other) => (Number(other.dataset.seq) || Infinity) > seq);
      if (next) this.#insertBefore(next, message);
      else this.list.append(message);
      this.#updateDividers(this.#personalize(message));
    });
    document.querySelector("[data-empty]")?.remove();
    return message;
  }

  // Replaces a message with its new version, and keeps the focus.
  replace(old, message) {
    this.preserveScroll(() => {
      const focused = old.contains(document.activeElement);
      message.tabIndex = old.tabIndex;
      old.replaceWith(message);
      this.#updateDividers(this.#personalize(message));
      if (focused) message.focus({ preventScroll: true });
    });
    return message;
  }

  remove(message) {
    const next = message.nextElementSibling;
    message.remove();
    if (isMessage(next)) this.#updateDividers(next);
    else if (this.last()) this.#updateGroup(this.last());
  }

  // Inserts the messages of an older page at the top.
  prepend(messages) {
    const first = this.all()[0];
    this.preserveScroll(() => {
      for (const message of messages) {
        if (this.byId(message.dataset.id)) continue;
        this.#insertBefore(first, document.adoptNode(message));
        this.#personalize(message);
      }
      for (const message of [...messages, first]) if (message?.isConnected) this.#updateDividers(message);
    });
  }

  // Shows the unread divider above a message, unless there is one already.
  showUnreadDivider(message) {
    if (this.list.querySelector(".unread-divider")) return;
    const divider = document.createElement("li");
    divider.className = "unread-divider";
    divider.textContent = "New since you left";
    message.before(divider);
    this.#updateGroup(message);
  }

  removeUnreadDivider() {
    const divider = this.list.querySelector(".unread-divider");
    const next = divider?.nextElementSibling;
    divider?.remove();
    if (isMessage(next)) this.#updateGroup(next);
  }

  // Runs a change of the list without moving the messages in view.
  preserveScroll(change) {
    if (this.isAtEnd()) return change();
    const top = this.scroll.getBoundingClientRect().top;
    const anchor = this.all().find((message) => message.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) this.scroll.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  // Inserts above the dividers of the next message, which belong to that one.
  #insertBefore(next, message) {
    let reference = next;
    while (reference.previousElementSibling && !isMessage(reference.previousElementSibling)) {
      reference = reference.previousElementSibling;
    }
    reference.before(message);
  }

  // Adds or removes the day divider above a message, and a day divider below that is not needed any more.
  #updateDividers(message) {
    const previous = this.#previousMessage(message);
    const day = dayOf(message);
    const needed = !previous || dayOf(previous) !== day;
    let divider = message.previousElementSibling;
    if (divider?.classList.contains("unread-divider")) divider = divider.previousElementSibling;
    const exists = divider?.classList.contains("day-divider");
    if (needed && !exists) {
      const added = document.createElement("li");
      added.className = "day-divider";
      added.textContent = formatDay(day);
      const above = message.previousElementSibling;
      (above?.classList.contains("unread-divider") ? above : message).before(added);
    } else if (!needed && exists) {
      divider.remove();
    }
    this.#updateGroup(message);
    const below = message.nextElementSibling;
    if (isMessage(below)) this.#updateGroup(below);
    else if (below?.classList.contains("day-divider")) {
      const next = below.nextElementSibling;
      if (isMessage(next) && dayOf(next) === day) {
        below.remove();
        this.#updateGroup(next);
      }
    }
  }

  #previousMessage(message) {
    let previous = message.previousElementSibling;
    while (previous && !isMessage(previous)) previous = previous.previousElementSibling;
    return previous;
  }

  // Marks where groups start and end around a message. A divider always starts a new group.
  #updateGroup(message) {
    const previous = message.previousElementSibling;
    const continues =
      isMessage(previous) &&
      previous.dataset.author === message.dataset.author &&
      authorName(previous) === authorName(message) &&
      sentAt(message) - sentAt(previous) < GROUP_INTERVAL;
    message.classList.toggle("group-start", !continues);
    if (isMessage(previous)) previous.classList.toggle("group-end", !continues);
    const next = message.nextElementSibling;
    if (!isMessage(next)) message.classList.add("group-end");
  }

  // Adds what depends on the reader: own messages, own reactions, mentions of the reader, the local time. The server
  // sends the same markup to everyone.
  #personalize(message) {
    message.classList.toggle("own", isOwn(message));
    const username = document.body.dataset.username;
    if (username) {
      const mentions = message.querySelectorAll(`a.mention[href="/@${username}"]`);
      for (const mention of mentions) mention.classList.add("mention-self");
    }
    for (const reaction of message.querySelectorAll(".reaction")) {
      const own = reaction.dataset.by.split(" ").includes(me);
      reaction.ariaPressed = String(own);
      reaction.ariaLabel = `${reaction.textContent.trim()}${own ? ", yours too" : ""}`;
    }
    // Links that lead out of the conversation open in a new tab.
    for (const link of message.querySelectorAll("a.picture, .body a:not(.mention)")) link.target = "_blank";
    updateTimes(message);
    return message;
  }

  // Roving tabindex: one message is in the tab order, the arrow keys move from it to the others.
  #setTabStop(message) {
    for (const other of this.list.querySelectorAll('.message[tabindex="0"]')) other.tabIndex = -1;
    if (message) message.tabIndex = 0;
  }

  #navigate(event) {
    const current = event.target.closest?.(".message");
    if (event.target !== this.scroll && event.target !== current) return;
    const all = this.all();
    const from = current ? all.indexOf(current) : all.length;
    const to = { ArrowUp: from - 1, ArrowDown: from + 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || !all[to]) return;
    event.preventDefault();
    all[to].focus();
  }
}
