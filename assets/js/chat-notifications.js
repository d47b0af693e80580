// Notifications of new messages: the unread count in the title and on the app's icon, a sound, and the
// browser's own notifications. Also marks messages as read once they were in view.
import { excerpt } from "./chat-composer.js";
import { authorName, isOwn } from "./chat-messages.js";
import { callApi } from "./forms.js";

// Keys of the two settings in localStorage.
const SOUND = "sound";
const NOTIFY = "notify";
const READ_DELAY = 400; // ms, so that a burst of messages is marked as read by one request

export class Notifications {
  #chat; #messages; #unread = 0; #seenSeq = 0; #readSeq; #timer; #audio;

  constructor(chat, messages) {
    this.#chat = chat;
    this.#messages = messages;
    this.#readSeq = Number(chat.dataset.read);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#messages.removeUnreadDivider();
      else this.update();
    });
    addEventListener("pagehide", () => this.markRead());
    messages.scroll.addEventListener("scroll", () => this.update(), { passive: true });
    chat.querySelector("[data-newer]").addEventListener("click", () => {
      messages.scrollToEnd();
      messages.last()?.focus({ preventScroll: true });
    });
    this.#setUpSettings();
    this.update();
  }

  // Counts a message that was added to the list, and announces it unless it is the viewer's own or in view.
  onMessage(message) {
    if (isOwn(message) || this.#endIsVisible()) return this.update();
    this.#unread++;
    if (document.hidden) this.#messages.showUnreadDivider(message);
    this.#renderCount();
    if (document.hidden) this.#notify(message);
  }

  // Resets the count while the end of the list is visible.
  update() {
    if (!this.#endIsVisible()) return;
    this.#unread = 0;
    this.#renderCount();
    this.#clearBadges();
    this.#seenSeq = Number(this.#messages.last()?.dataset.seq ?? 0);
    this.#timer ??= setTimeout(() => this.markRead(), READ_DELAY);
  }

  // Marks the messages that were in view as read, also while the page is being left.
  async markRead() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seq = this.#seenSeq;
    if (seq <= this.#readSeq) return;
    try {
      await callApi("PUT", `/api/v1/conversations/${this.#chat.dataset.id}/read`, { seq }, { keepalive: true });
      this.#readSeq = Math.max(this.#readSeq, seq);
    } catch {
      // The next update tries again.
    }
  }

  // Removes the unread counts in the navigation, which the server rendered with the page.
  #clearBadges() {
    const badge = document.querySelector(`.rail-section a[href="/rooms/${this.#chat.dataset.key}"] .badge`);
    const rooms = document.querySelector("[data-rooms-unread]");
    if (!badge) return;
    badge.remove();
    const others = document.querySelectorAll(".rail-section a .badge").length;
    if (others === 0) rooms?.remove();
  }

  #endIsVisible() {
    return !document.hidden && this.#messages.isAtEnd() && this.#chat.hasAttribute("data-live");
  }

  #renderCount() {
    const { name, instanceName } = this.#chat.dataset;
    document.title = `${this.#unread ? `(${this.#unread}) ` : ""}${name} · ${instanceName}`;
    const pill = this.#chat.querySelector("[data-newer]");
    pill.hidden = this.#unread === 0 || document.hidden;
    const label = pill.querySelector("[data-label]");
    label.textContent = this.#unread === 1 ? "1 new message" : `${this.#unread} new messages`;
    // Only installed apps have a badge.
    if (this.#unread) navigator.setAppBadge?.(this.#unread).catch(() => {});
    else navigator.clearAppBadge?.().catch(() => {});
  }

  #notify(message) {
    if (localStorage.getItem(SOUND) !== "off") this.#playSound();
    if (localStorage.getItem(NOTIFY) !== "on" || Notification.permission !== "granted") return;
    const notification = new Notification(this.#chat.dataset.name, {
      body: `${authorName(message)}: ${excerpt(message)}`,
      tag: this.#chat.dataset.id,
    });
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
    });
  }

  // Plays two short notes, like a small bird. Browsers allow it after the first click on the page.
  #playSound() {
    try {
      this.#audio ??= new AudioContext();
      const now = this.#audio.currentTime;
      for (const [start, pitch] of [[0, 2600], [0.09, 3200]]) {
        const note = this.#audio.createOscillator();
        const gain = this.#audio.createGain();
        note.frequency.setValueAtTime(pitch, now + start);
        note.frequency.exponentialRampToValueAtTime(pitch * 1.2, now + start + 0.06);
        gain.gain.setValueAtTime(0.06, now + start);
        gain.gain.exponentialRampToValueAtTime(0.001, now + start + 0.08);
        note.connect(gain).connect(this.#audio.destination);
        note.start(now + start);
        note.stop(now + start + 0.08);
      }
    } catch {
      // The device has no audio.
    }
  }

  #setUpSettings() {
    const sound = document.querySelector("[data-sound]");
    const notify = document.querySelector("[data-notify]");
    const render = () => {
      const soundOn = localStorage.getItem(SOUND) !== "off";
      sound.ariaPressed = String(soundOn);
      sound.querySelector("[data-label]").textContent = soundOn ? "Sound is on" : "Sound is off";
      const notifyOn = localStorage.getItem(NOTIFY) === "on" && globalThis.Notification?.permission === "granted";
      notify.ariaPressed = String(notifyOn);
      notify.querySelector("[data-label]").textContent = notifyOn ? "Notifications are on" : "Notify me";
    };
    sound.hidden = false;
    sound.addEventListener("click", () => {
      localStorage.setItem(SOUND, localStorage.getItem(SOUND) === "off" ? "on" : "off");
      if (localStorage.getItem(SOUND) === "on") this.#playSound();
      render();
    });
    notify.hidden = !("Notification" in globalThis);
    notify.addEventListener("click", async () => {
      const on = notify.ariaPressed === "true";
      if (!on && (await Notification.requestPermission()) !== "granted") {
        notify.querySelector("[data-label]").textContent = "Your browser does not allow it";
        return;
      }
      localStorage.setItem(NOTIFY, on ? "off" : "on");
      render();
    });
    render();
  }
}
