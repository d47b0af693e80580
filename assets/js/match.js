// <match-queue>: the page of a viewer who waits for a match. The server sends the rendered queue whenever it changes.
// When there is a match, the page is reloaded and shows the conversation.
import { connect } from "./socket.js";

class MatchQueue extends HTMLElement {
  #queue; #timer;

  connectedCallback() {
    this.#queue = this.querySelector("[data-queue]");
    connect({
      subscriptions: () => ({ stream: "match" }),
      onEvent: (event) => this.#onEvent(event),
      onConnection: (connected) => (this.querySelector("[data-offline]").hidden = connected),
    });
    this.#timer = setInterval(() => this.#updateCountdown(), 500);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #onEvent({ match, html }) {
    if (match?.state !== "waiting") return location.reload();
    this.#queue.innerHTML = html;
    this.#updateCountdown();
  }

  #updateCountdown() {
    for (const step of this.#queue.querySelectorAll("[data-until]")) {
      const seconds = Math.ceil((new Date(step.dataset.until) - Date.now()) / 1000);
      step.textContent = seconds > 1 ? `Looking, ${seconds} seconds more` : "Looking";
    }
  }
}

customElements.define("match-queue", MatchQueue);
