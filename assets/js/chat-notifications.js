// What draws one's attention while one is elsewhere: the number in the title and on the app, a sound, a
// notification; and that what was seen counts as read.
import { call } from "./forms.js";
import { isMine, nameOf } from "./chat-messages.js";
import { excerpt } from "./chat-composer.js";

const SOUND = "sound";
const NOTIFY = "notify";

export class Notice {
  #room; #messages; #unread = 0; #seen = 0; #read; #timer; #sound;

  constructor(room, messages) {
    this.#room = room;
    this.#messages = messages;
    this.#read = Number(room.dataset.read);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#messages.unmarkNew();
      else this.look();
    });
    addEventListener("pagehide", () => this.tellRead());
    messages.scroll.addEventListener("scroll", () => this.look(), { passive: true });
    room.querySelector("[data-newer]").addEventListener("click", () => {
      messages.toEnd();
      messages.last()?.focus({ preventScroll: true });
    });
    this.#switches();
    this.look();
  }

  // A message is new in the list.
  arrived(message) {
    if (isMine(message)) return this.look();
    if (this.#sees()) return this.look();
    this.#unread++;
    if (document.hidden) this.#messages.markNew(message);
    this.#tell();
    if (document.hidden) this.#call(message);
  }

  // Whoever sees the end of the list has seen what is new.
  look() {
    if (!this.#sees()) return;
    this.#unread = 0;
    this.#tell();
    this.#clearRail();
    this.#seen = Number(this.#messages.last()?.dataset.seq ?? 0);
    this.#timer ??= setTimeout(() => this.tellRead(), 400);
  }

  // What was seen counts as read, also when one is just leaving the page.
  async tellRead() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seq = this.#seen;
    if (seq <= this.#read) return;
    try {
      await call("PUT", `/api/v1/conversations/${this.#room.dataset.id}/read`, { seq }, { keepalive: true });
      this.#read = Math.max(this.#read, seq);
    } catch {
      // The next look tries again.
    }
  }

  // The numbers that the page came with, beside it.
  #clearRail() {
    const badge = document.querySelector(`.nearby a[href="/rooms/${this.#room.dataset.key}"] .badge`);
    const rooms = document.querySelector("[data-rooms-unread]");
    if (!badge) return;
    badge.remove();
    const others = document.querySelectorAll(".nearby a .badge").length;
    if (others === 0) rooms?.remove();
  }

  #sees() {
    return !document.hidden && this.#messages.atEnd() && this.#room.hasAttribute("data-live");
  }

  #tell() {
    const { name, place } = this.#room.dataset;
    document.title = `${this.#unread ? `(${this.#unread}) ` : ""}${name} · ${place}`;
    const pill = this.#room.querySelector("[data-newer]");
    pill.hidden = this.#unread === 0 || document.hidden;
    pill.querySelector("[data-words]").textContent = this.#unread === 1 ? "1 new message" : `${this.#unread} new messages`;
    // Only installed apps have one.
    if (this.#unread) navigator.setAppBadge?.(this.#unread).catch(() => {});
    else navigator.clearAppBadge?.().catch(() => {});
  }

  #call(message) {
    if (localStorage.getItem(SOUND) !== "off") this.#chirp();
    if (localStorage.getItem(NOTIFY) !== "on" || Notification.permission !== "granted") return;
    const told = new Notification(this.#room.dataset.name, {
      body: `${nameOf(message)}: ${excerpt(message)}`,
      tag: this.#room.dataset.id,
    });
    told.addEventListener("click", () => {
      window.focus();
      told.close();
    });
  }

  // Two short notes, as of a small bird. Browsers allow it once one has clicked somewhere.
  #chirp() {
    try {
      this.#sound ??= new AudioContext();
      const now = this.#sound.currentTime;
      for (const [start, pitch] of [[0, 2600], [0.09, 3200]]) {
        const note = this.#sound.createOscillator();
        const loudness = this.#sound.createGain();
        note.frequency.setValueAtTime(pitch, now + start);
        note.frequency.exponentialRampToValueAtTime(pitch * 1.2, now + start + 0.06);
        loudness.gain.setValueAtTime(0.06, now + start);
        loudness.gain.exponentialRampToValueAtTime(0.001, now + start + 0.08);
        note.connect(loudness).connect(this.#sound.destination);
        note.start(now + start);
        note.stop(now + start + 0.08);
      }
    } catch {
      // No sound here.
    }
  }

  #switches() {
    const sound = document.querySelector("[data-sound]");
    const notify = document.querySelector("[data-notify]");
    const show = () => {
      const on = localStorage.getItem(SOUND) !== "off";
      sound.ariaPressed = String(on);
      sound.querySelector("[data-words]").textContent = on ? "Sound is on" : "Sound is off";
      const told = localStorage.getItem(NOTIFY) === "on" && globalThis.Notification?.permission === "granted";
      notify.ariaPressed = String(told);
      notify.querySelector("[data-words]").textContent = told ? "Notifications are on" : "Notify me";
    };
    sound.hidden = false;
    sound.addEventListener("click", () => {
      localStorage.setItem(SOUND, localStorage.getItem(SOUND) === "off" ? "on" : "off");
      if (localStorage.getItem(SOUND) === "on") this.#chirp();
      show();
    });
    notify.hidden = !("Notification" in globalThis);
    notify.addEventListener("click", async () => {
      const on = notify.ariaPressed === "true";
      if (!on && (await Notification.requestPermission()) !== "granted") {
        notify.querySelector("[data-words]").textContent = "Your browser does not allow it";
        return;
      }
      localStorage.setItem(NOTIFY, on ? "off" : "on");
      show();
    });
    show();
  }
}
