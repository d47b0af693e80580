// The list of messages: each in its place by its number, in breaths and days, as this reader sees it.
import { tell } from "./times.js";

const BREATH = 5 * 60_000; // what one says within it is one breath; the server says the same

const me = document.querySelector("chat-room").dataset.me; // in a match that is one’s mask
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

export const at = (message) => new Date(message.querySelector("time").dateTime);
export const nameOf = (message) => message.querySelector(".who bdi").textContent;
export const isMine = (message) => message.dataset.author === me;
const isMessage = (element) => element?.classList.contains("message");

function dayOf(message) {
  const day = at(message);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

function sayDay(day) {
  const today = new Date();
  const days = Math.round((new Date(today.getFullYear(), today.getMonth(), today.getDate()) - day) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : dayName.format(day);
}

export class Messages {
  constructor(list, scroll) {
    this.list = list;
    this.scroll = scroll;
    for (const day of list.querySelectorAll(".day")) day.remove(); // they were UTC's
    for (const message of this.all()) this.#settle(this.#dress(message));
    this.#rove(this.last());
    list.addEventListener("focusin", ({ target }) => isMessage(target) && this.#rove(target));
    scroll.addEventListener("keydown", (event) => this.#walk(event));
  }

  all() {
    return [...this.list.querySelectorAll(":scope > .message")];
  }

  last() {
    return this.all().findLast((message) => message.dataset.seq > 0);
  }

  byId(id) {
    return this.list.querySelector(`:scope > .message[data-id="${CSS.escape(id)}"]`);
  }

  // At the end, or nearly: what comes is seen there. The list hangs from its end, so that is at 0.
  atEnd() {
    return this.scroll.scrollTop > -60;
  }

  toEnd() {
    this.scroll.scrollTop = 0;
  }

  // Puts a message into its place. Those that are still being sent stand behind all others.
  place(message) {
    const seq = Number(message.dataset.seq) || Infinity;
    this.keepPlace(() => {
      const after = this.all().find((other) => (Number(other.dataset.seq) || Infinity) > seq);
      if (after) this.#before(after, message);
      else this.list.append(message);
      this.#settle(this.#dress(message));
    });
    document.querySelector("[data-empty]")?.remove();
    return message;
  }

  // Puts a message in place of the same one as it was.
  replace(old, message) {
    this.keepPlace(() => {
      const focused = old.contains(document.activeElement);
      message.tabIndex = old.tabIndex;
      old.replaceWith(message);
      this.#settle(this.#dress(message));
      if (focused) message.focus({ preventScroll: true });
    });
    return message;
  }

  remove(message) {
    const next = message.nextElementSibling;
    message.remove();
    if (isMessage(next)) this.#settle(next);
    else if (this.last()) this.#breathe(this.last());
  }

  // Older ones, from a page of them.
  prepend(messages) {
    const first = this.all()[0];
    this.keepPlace(() => {
      for (const message of messages) {
        if (this.byId(message.dataset.id)) continue;
        this.#before(first, document.adoptNode(message));
        this.#dress(message);
      }
      for (const message of [...messages, first]) if (message?.isConnected) this.#settle(message);
    });
  }

  // What is new from this message on is marked, once.
  markNew(message) {
    if (this.list.querySelector(".since")) return;
    const line = document.createElement("li");
    line.className = "since";
    line.textContent = "New since you left";
    message.before(line);
    this.#breathe(message);
  }

  unmarkNew() {
    const line = this.list.querySelector(".since");
    const next = line?.nextElementSibling;
    line?.remove();
    if (isMessage(next)) this.#breathe(next);
  }

  // Something changes above or below what one reads: what one reads stays where it is.
  keepPlace(change) {
    if (this.atEnd()) return change();
    const top = this.scroll.getBoundingClientRect().top;
    const anchor = this.all().find((message) => message.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) this.scroll.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  // A day's name or the line before new ones belong to the message that they stand before.
  #before(after, message) {
    let place = after;
    while (place.previousElementSibling && !isMessage(place.previousElementSibling)) place = place.previousElementSibling;
    place.before(message);
  }

  #settle(message) {
    const above = this.#above(message);
    const day = dayOf(message);
    const wanted = !above || dayOf(above) !== day;
    let line = message.previousElementSibling;
    if (line?.classList.contains("since")) line = line.previousElementSibling;
    const there = line?.classList.contains("day");
    if (wanted && !there) {
      const name = document.createElement("li");
      name.className = "day";
      name.textContent = sayDay(day);
      (message.previousElementSibling?.classList.contains("since") ? message.previousElementSibling : message).before(name);
    } else if (!wanted && there) {
      line.remove();
    }
    this.#breathe(message);
    const below = message.nextElementSibling;
    if (isMessage(below)) this.#breathe(below);
    else if (below?.classList.contains("day")) {
      const next = below.nextElementSibling;
      if (isMessage(next) && dayOf(next) === day) {
        below.remove();
        this.#breathe(next);
      }
    }
  }

  #above(message) {
    let above = message.previousElementSibling;
    while (above && !isMessage(above)) above = above.previousElementSibling;
    return above;
  }

  // Whether a message goes on where the one right above it ended.
  #breathe(message) {
    const above = message.previousElementSibling;
    const goesOn =
      isMessage(above) &&
      above.dataset.author === message.dataset.author &&
      nameOf(above) === nameOf(message) &&
      at(message) - at(above) < BREATH;
    message.classList.toggle("starts", !goesOn);
    if (isMessage(above)) above.classList.toggle("ends", !goesOn);
    const below = message.nextElementSibling;
    if (!isMessage(below)) message.classList.add("ends");
  }

  // What only this reader sees: which are theirs, their name in others' words, their own clock.
  #dress(message) {
    message.classList.toggle("mine", isMine(message));
    const username = document.body.dataset.username;
    if (username) {
      for (const link of message.querySelectorAll(`a.mention[href="/@${username}"]`)) link.classList.add("you");
    }
    for (const reaction of message.querySelectorAll(".reaction")) {
      const yours = reaction.dataset.by.split(" ").includes(me);
      reaction.ariaPressed = String(yours);
      reaction.ariaLabel = `${reaction.textContent.trim()}${yours ? ", yours too" : ""}`;
    }
    // What leads out of the talk opens beside it.
    for (const link of message.querySelectorAll("a.picture, .words a:not(.mention)")) link.target = "_blank";
    tell(message);
    return message;
  }

  // One message at a time is in the order of the tab key; the arrows walk from there.
  #rove(message) {
    for (const other of this.list.querySelectorAll('.message[tabindex="0"]')) other.tabIndex = -1;
    if (message) message.tabIndex = 0;
  }

  #walk(event) {
    const on = event.target.closest?.(".message");
    if (event.target !== this.scroll && event.target !== on) return;
    const all = this.all();
    const from = on ? all.indexOf(on) : all.length;
    const to = { ArrowUp: from - 1, ArrowDown: from + 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || !all[to]) return;
    event.preventDefault();
    all[to].focus();
  }
}
