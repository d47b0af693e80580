// <match-line>: waiting for somebody. The line moves by itself, and when somebody is found the talk begins.
import { connect } from "./socket.js";

class MatchLine extends HTMLElement {
  #line; #timer;

  connectedCallback() {
    this.#line = this.querySelector("[data-line]");
    connect({ subscriptions: () => ({ stream: "match" }), onEvent: (event) => this.#hear(event), onConnection: (connected) => this.#connected(connected) });
    this.#timer = setInterval(() => this.#countDown(), 500);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #connected(connected) {
    this.querySelector("[data-offline]").hidden = connected;
  }

  #hear({ match, html }) {
    if (match?.state !== "waiting") return location.reload();
    this.#line.innerHTML = html;
    this.#countDown();
  }

  #countDown() {
    for (const step of this.#line.querySelectorAll("[data-until]")) {
      const seconds = Math.ceil((new Date(step.dataset.until) - Date.now()) / 1000);
      step.textContent = seconds > 1 ? `Looking, ${seconds} seconds more` : "Looking";
    }
  }
}

customElements.define("match-line", MatchLine);
