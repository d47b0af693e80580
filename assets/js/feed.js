// <peep-feed>: a list of peeps, kept up to date by the socket. New peeps, edits and deletions arrive by themselves,
// older peeps are loaded while the reader scrolls down, and likes are sent without leaving the page.
import { submitForm } from "./forms.js";
import { loadOlder, parseFragment } from "./fragments.js";
import { connect } from "./socket.js";
import { updateTimes } from "./times.js";

const OFFLINE_DELAY = 4000; // ms; shorter losses of the connection are not shown

class PeepFeed extends HTMLElement {
  #peeps; #pill; #offlineTimer; #seq; #waiting = [];

  connectedCallback() {
    this.#peeps = this.querySelector("[data-peeps]");
    this.#pill = this.querySelector(".pill");
    this.#pill?.addEventListener("click", () => this.#showWaiting({ scroll: true }));
    addEventListener("scroll", () => this.#isAtTop() && this.#showWaiting({}), { passive: true });
    document.addEventListener("peep:posted", ({ detail }) => this.#onPosted(detail.html));
    this.addEventListener("submit", (event) => this.#onLike(event));
    this.#personalize(this);
    this.#loadOlderPeeps();
    this.#seq = Number(this.dataset.seq);
    connect({
      subscriptions: () => ({ stream: "public", since: this.#seq }),
      onEvent: (event) => this.#onEvent(event),
      onConnection: (connected) => this.#onConnection(connected),
    });
  }

  #onConnection(connected) {
    const status = document.querySelector("[data-connection-status]");
    if (!status) return;
    clearTimeout(this.#offlineTimer);
    if (connected) status.textContent = "";
    else this.#offlineTimer = setTimeout(() => (status.textContent = "Reconnecting…"), OFFLINE_DELAY);
  }

  #onEvent(event) {
    if (typeof event.seq === "number") this.#seq = event.seq;
    if (event.event === "update") this.#onUpdate(parseFragment(event.html));
    else if (event.event === "delete") this.#onDelete(event.id);
    else if (event.event === "counts") this.#updateCounts(event);
    else if (event.event === "reset") location.reload();
  }

  #onUpdate(peep) {
    const shown = document.getElementById(peep.id);
    if (shown) return this.#applyEdit(shown, peep);
    const waiting = this.#waiting.findIndex((other) => other.id === peep.id);
    if (waiting >= 0) this.#waiting[waiting] = peep;
    else if (this.#accepts(peep)) this.#addNew(peep);
  }

  // Replaces only the changed parts, so that the focus and a selection in the peep stay.
  #applyEdit(shown, peep) {
    if (shown.classList.contains("deleted")) return;
    const body = peep.querySelector(".body");
    const old = shown.querySelector(".body");
    if (old.innerHTML !== body.innerHTML) old.replaceWith(body);
    const edited = peep.querySelector(".edited");
    if (edited && !shown.querySelector(".edited")) shown.querySelector("[data-like-form]").after(edited);
    shown.dataset.tags = peep.dataset.tags ?? "";
    for (const [at, count] of [...peep.querySelectorAll("[data-count]")].entries()) {
      shown.querySelectorAll("[data-count]")[at].textContent = count.textContent;
    }
    this.#personalize(shown);
  }

  #onDelete(id) {
    this.#waiting = this.#waiting.filter((peep) => peep.id !== `peep-${id}`);
    const shown = document.getElementById(`peep-${id}`);
    this.#updatePill();
    if (!shown || shown.classList.contains("deleted")) return;
    if (shown.parentElement === this.#peeps && this.#filter !== "below") {
      this.#preserveScroll(() => shown.remove());
    } else {
      // In a conversation a placeholder stays between the replies.
      shown.classList.add("deleted");
      const placeholder = document.createElement("p");
      placeholder.className = "soft";
      placeholder.textContent = "This peep was deleted.";
      const avatar = document.createElement("span");
      avatar.className = "avatar";
      avatar.ariaHidden = "true";
      shown.replaceChildren(avatar, placeholder);
    }
  }

  #updateCounts({ id, likes, replies }) {
    const shown = document.getElementById(`peep-${id}`);
    if (!shown || shown.classList.contains("deleted")) return;
    shown.querySelector("[data-like] [data-count]").textContent = likes || "";
    shown.querySelector("[data-reply] [data-count]").textContent = replies || "";
  }

  // The new peeps that this page shows: "all", "author", "tag", "below" a peep, or "none".
  get #filter() {
    return this.dataset.filter.split(" ")[0];
  }

  // The author's id, the tag, or the id of the peep that the filter names.
  get #filterValue() {
    return this.dataset.filter.split(" ")[1];
  }

  // Returns whether a peep that is not on this page yet belongs on it.
  #accepts(peep) {
    const [filter, value] = [this.#filter, this.#filterValue];
    if (filter === "below") {
      const parent = peep.dataset.replyTo;
      return parent === value || this.#peeps.querySelector(`#peep-${CSS.escape(parent ?? "0")}`) !== null;
    }
    // A peep older than all that are shown is loaded with its own page.
    const oldest = this.querySelector("[data-older]") && this.#peeps.querySelector(":scope > article:last-of-type");
    if (oldest && idOf(peep) < idOf(oldest)) return false;
    if (filter === "all") return true;
    if (filter === "author") return peep.dataset.author === value;
    if (filter === "tag") return (peep.dataset.tags ?? "").split(" ").includes(value);
    return false;
  }

  // Shows a new peep if the page is scrolled to the top; otherwise the peep waits behind the pill.
  #addNew(peep) {
    if (this.#filter === "below") return this.#insert(peep, "append");
    if (this.#isAtTop() || peep.dataset.author === document.body.dataset.viewer) {
      this.#showWaiting({});
      this.#insert(peep, "sorted");
    } else {
      this.#waiting.push(peep);
      this.#updatePill();
    }
  }

  // Shows the viewer's own peep at once, at any scroll position. The socket's copy then counts as an update.
  #onPosted(html) {
    const peep = parseFragment(html);
    const shown = document.getElementById(peep.id);
    if (shown) return shown.replaceWith(this.#personalize(peep));
    if (this.#filter === "below") return this.#insert(peep, "append");
    if (this.#filter !== "all") return;
    this.#showWaiting({});
    this.#insert(peep, "sorted");
  }

  #insert(peep, position) {
    peep.toggleAttribute("data-new", position === "sorted" && peep.dataset.author !== document.body.dataset.viewer);
    this.#peeps.setAttribute("role", "feed");
    this.#peeps.setAttribute("aria-label", "Peeps");
    this.querySelector("[data-empty]")?.remove();
    document.querySelector("[data-no-members]")?.remove(); // whoever posts is a member
    if (this.#filter === "below") this.#removeRedundantContext(peep);
    this.#personalize(peep);
    if (position === "append") return this.#peeps.append(peep);
    // Mostly at the top; a peep that was edited while the page was offline may come late.
    const next = [...this.#peeps.children].find((other) => idOf(other) < idOf(peep));
    if (next) next.before(peep);
    else this.#peeps.append(peep);
  }

  // Removes the line about the parent of a reply if the parent is right above.
  #removeRedundantContext(peep) {
    const above = this.#peeps.querySelector(":scope > article:last-of-type")?.id ?? this.#filterValue;
    if (above.replace("peep-", "") === peep.dataset.replyTo) peep.querySelector(".context")?.remove();
  }

  #showWaiting({ scroll }) {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const peep of waiting) this.#insert(peep, "sorted");
    this.#updatePill();
    if (scroll) {
      scrollTo({ top: 0 });
      this.#peeps.querySelector("article a.name")?.focus({ preventScroll: true });
    }
  }

  #updatePill() {
    if (!this.#pill) return;
    const count = this.#waiting.length;
    this.#pill.hidden = count === 0;
    this.#pill.querySelector("[data-label]").textContent = count === 1 ? "1 new peep" : `${count} new peeps`;
  }

  #isAtTop() {
    return this.#peeps.getBoundingClientRect().top >= 0;
  }

  // Runs a change of the list without moving the peeps in view.
  #preserveScroll(change) {
    const anchor = [...this.#peeps.children].find((peep) => peep.getBoundingClientRect().bottom > 0);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - before);
  }

  // Sends a like, and shows it before the server has confirmed it. Visitors are led to the log-in page.
  async #onLike(event) {
    const form = event.target.closest("[data-like-form]");
    if (!form || !document.body.dataset.viewer) return;
    event.preventDefault();
    const button = form.querySelector("button");
    const likes = button.value === "true";
    const count = button.querySelector("[data-count]");
    const set = (liked, by) => {
      button.ariaPressed = String(liked);
      button.value = String(!liked);
      count.textContent = Math.max(0, Number(count.textContent) + by) || "";
    };
    const request = submitForm(form, button); // before the button's value changes
    set(likes, likes ? 1 : -1);
    try {
      await request;
    } catch {
      set(!likes, likes ? -1 : 1);
    }
  }

  #loadOlderPeeps() {
    loadOlder(this.querySelector("[data-older]"), {
      add: (page) => {
        for (const peep of page.querySelectorAll("[data-peeps] > article")) {
          if (!document.getElementById(peep.id)) this.#peeps.append(this.#personalize(document.adoptNode(peep)));
        }
      },
      end: (paragraph) => paragraph.remove(),
    });
  }

  // Adds what depends on the reader: mentions of the reader and the local time.
  #personalize(root) {
    const username = document.body.dataset.username;
    if (username) {
      for (const link of root.querySelectorAll(`a.mention[href="/@${username}"]`)) link.classList.add("mention-self");
    }
    updateTimes(root);
    return root;
  }
}

// Returns a peep's id. Ids have 64 bits, more than a Number holds.
function idOf(peep) {
  return BigInt(peep.id.replace("peep-", ""));
}

customElements.define("peep-feed", PeepFeed);
