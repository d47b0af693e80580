// <peep-feed>: a list of peeps that is alive. New ones arrive by the socket, edits and deletions too;
// older ones come as one scrolls; likes are sent without leaving the page.
import { submitForm } from "./forms.js";
import { loadOlder, parseFragment } from "./fragments.js";
import { connect } from "./socket.js";
import { updateTimes } from "./times.js";

class PeepFeed extends HTMLElement {
  #peeps; #pill; #breaking; #seq; #waiting = [];

  connectedCallback() {
    this.#peeps = this.querySelector("[data-peeps]");
    this.#pill = this.querySelector(".pill");
    this.#pill?.addEventListener("click", () => this.#show({ scroll: true }));
    addEventListener("scroll", () => this.#atTop() && this.#show({}), { passive: true });
    document.addEventListener("peep:posted", ({ detail }) => this.#posted(detail.html));
    this.addEventListener("submit", (event) => this.#like(event));
    this.#dress(this);
    this.#endless();
    this.#seq = Number(this.dataset.seq);
    connect({
      subscriptions: () => ({ stream: "public", since: this.#seq }),
      onEvent: (event) => this.#hear(event),
      onConnection: (connected) => this.#connected(connected),
    });
  }

  // A short break is nobody's business; a longer one is told.
  #connected(connected) {
    const status = document.querySelector("[data-live-status]");
    if (!status) return;
    clearTimeout(this.#breaking);
    if (connected) status.textContent = "";
    else this.#breaking = setTimeout(() => (status.textContent = "Reconnecting…"), 4000);
  }

  #hear(event) {
    if (typeof event.seq === "number") this.#seq = event.seq;
    if (event.event === "update") this.#update(parseFragment(event.html));
    else if (event.event === "delete") this.#delete(event.id);
    else if (event.event === "counts") this.#count(event);
    else if (event.event === "reset") location.reload();
  }

  #update(peep) {
    const shown = document.getElementById(peep.id);
    if (shown) return this.#edit(shown, peep);
    const waiting = this.#waiting.findIndex((other) => other.id === peep.id);
    if (waiting >= 0) this.#waiting[waiting] = peep;
    else if (this.#belongs(peep)) this.#arrive(peep);
  }

  // What changed is swapped; what the reader is doing in it stays.
  #edit(shown, peep) {
    if (shown.classList.contains("deleted")) return;
    const words = peep.querySelector(".body");
    const old = shown.querySelector(".body");
    if (old.innerHTML !== words.innerHTML) old.replaceWith(words);
    const edited = peep.querySelector(".edited");
    if (edited && !shown.querySelector(".edited")) shown.querySelector("[data-like-form]").after(edited);
    shown.dataset.tags = peep.dataset.tags ?? "";
    for (const [at, count] of [...peep.querySelectorAll("[data-count]")].entries()) {
      shown.querySelectorAll("[data-count]")[at].textContent = count.textContent;
    }
    this.#dress(shown);
  }

  #delete(id) {
    this.#waiting = this.#waiting.filter((peep) => peep.id !== `peep-${id}`);
    const shown = document.getElementById(`peep-${id}`);
    this.#offer();
    if (!shown || shown.classList.contains("deleted")) return;
    if (shown.parentElement === this.#peeps && this.#kind !== "below") {
      this.#keepPlace(() => shown.remove());
    } else {
      // In a conversation a gap keeps the place of what is gone.
      shown.classList.add("deleted");
      const gap = document.createElement("p");
      gap.className = "soft";
      gap.textContent = "This peep was deleted.";
      const avatar = document.createElement("span");
      avatar.className = "avatar";
      avatar.ariaHidden = "true";
      shown.replaceChildren(avatar, gap);
    }
  }

  #count({ id, likes, replies }) {
    const shown = document.getElementById(`peep-${id}`);
    if (!shown || shown.classList.contains("deleted")) return;
    shown.querySelector("[data-like] [data-count]").textContent = likes || "";
    shown.querySelector("[data-reply] [data-count]").textContent = replies || "";
  }

  get #kind() {
    return this.dataset.live.split(" ")[0];
  }

  get #which() {
    return this.dataset.live.split(" ")[1];
  }

  // Whether a peep that is new to this page belongs on it.
  #belongs(peep) {
    const [kind, which] = [this.#kind, this.#which];
    if (kind === "below") {
      const parent = peep.dataset.replyTo;
      return parent === which || this.#peeps.querySelector(`#peep-${CSS.escape(parent ?? "0")}`) !== null;
    }
    // One that is older than all that is shown comes with its own page.
    const oldest = this.querySelector("[data-older]") && this.#peeps.querySelector(":scope > article:last-of-type");
    if (oldest && number(peep) < number(oldest)) return false;
    if (kind === "all") return true;
    if (kind === "author") return peep.dataset.author === which;
    if (kind === "tag") return (peep.dataset.tags ?? "").split(" ").includes(which);
    return false;
  }

  #arrive(peep) {
    if (this.#kind === "below") return this.#insert(peep, "append");
    if (this.#atTop() || peep.dataset.author === document.body.dataset.viewer) {
      this.#show({});
      this.#insert(peep, "in order");
    } else {
      this.#waiting.push(peep);
      this.#offer();
    }
  }

  // Mine is shown at once, wherever I am; its echo by the socket finds it there.
  #posted(html) {
    const peep = parseFragment(html);
    const shown = document.getElementById(peep.id);
    if (shown) return shown.replaceWith(this.#dress(peep));
    if (this.#kind === "below") return this.#insert(peep, "append");
    if (this.#kind !== "all") return;
    this.#show({});
    this.#insert(peep, "in order");
  }

  #insert(peep, how) {
    peep.toggleAttribute("data-new", how === "in order" && peep.dataset.author !== document.body.dataset.viewer);
    this.#peeps.setAttribute("role", "feed");
    this.#peeps.setAttribute("aria-label", "Peeps");
    this.querySelector("[data-empty]")?.remove();
    document.querySelector("[data-nobody]")?.remove(); // somebody does by now
    if (this.#kind === "below") this.#answersAbove(peep);
    this.#dress(peep);
    if (how === "append") return this.#peeps.append(peep);
    // Mostly at the top; but what was edited while we were away may come late.
    const older = [...this.#peeps.children].find((other) => number(other) < number(peep));
    if (older) older.before(peep);
    else this.#peeps.append(peep);
  }

  // What it answers is told only where that is not the peep right above.
  #answersAbove(peep) {
    const above = this.#peeps.querySelector(":scope > article:last-of-type")?.id ?? this.#which;
    if (above.replace("peep-", "") === peep.dataset.replyTo) peep.querySelector(".context")?.remove();
  }

  #show({ scroll }) {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const peep of waiting) this.#insert(peep, "in order");
    this.#offer();
    if (scroll) {
      scrollTo({ top: 0 });
      this.#peeps.querySelector("article a.name")?.focus({ preventScroll: true });
    }
  }

  #offer() {
    if (!this.#pill) return;
    const count = this.#waiting.length;
    this.#pill.hidden = count === 0;
    this.#pill.querySelector("[data-label]").textContent = count === 1 ? "1 new peep" : `${count} new peeps`;
  }

  #atTop() {
    return this.#peeps.getBoundingClientRect().top >= 0;
  }

  // Removing something above what one reads must not move what one reads.
  #keepPlace(change) {
    const anchor = [...this.#peeps.children].find((peep) => peep.getBoundingClientRect().bottom > 0);
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (anchor?.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - before);
  }

  async #like(event) {
    const form = event.target.closest("[data-like-form]");
    if (!form || !document.body.dataset.viewer) return; // a stranger is taken to the log-in page
    event.preventDefault();
    const button = form.querySelector("button");
    const likes = button.value === "true";
    const count = button.querySelector("[data-count]");
    const set = (liked, by) => {
      button.ariaPressed = String(liked);
      button.value = String(!liked);
      count.textContent = Math.max(0, Number(count.textContent) + by) || "";
    };
    const sent = submitForm(form, button); // before the button says the opposite
    set(likes, likes ? 1 : -1);
    try {
      await sent;
    } catch {
      set(!likes, likes ? -1 : 1);
    }
  }

  #endless() {
    loadOlder(this.querySelector("[data-older]"), {
      add: (page) => {
        for (const peep of page.querySelectorAll("[data-peeps] > article")) {
          if (!document.getElementById(peep.id)) this.#peeps.append(this.#dress(document.adoptNode(peep)));
        }
      },
      end: (line) => line.remove(),
    });
  }

  // What only this reader sees: their own name in others' words, and their own clock.
  #dress(root) {
    const me = document.body.dataset.username;
    if (me) for (const link of root.querySelectorAll(`a.mention[href="/@${me}"]`)) link.classList.add("mention-self");
    updateTimes(root);
    return root;
  }
}

function number(peep) {
  return BigInt(peep.id.replace("peep-", ""));
}

customElements.define("peep-feed", PeepFeed);
