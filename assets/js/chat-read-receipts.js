// Read receipts below a thread: the names of those who have read up to its end.
export class ReadReceipts {
  #element; #messages; #readers;

  constructor(chat, messages) {
    this.#element = chat.querySelector("[data-read-receipts]");
    this.#messages = messages;
    this.#readers = new Map(JSON.parse(chat.dataset.readers).map(({ id, name, seq }) => [id, { name, seq }]));
    chat.addEventListener("message:sent", () => this.render());
    this.render();
  }

  onReceipt({ account, read_seq: seq }) {
    const reader = this.#readers.get(account.id);
    if (reader) reader.seq = Math.max(reader.seq, seq);
    this.render();
  }

  render() {
    const last = Number(this.#messages.last()?.dataset.seq ?? 0);
    const all = [...this.#readers.values()];
    const names = all.filter(({ seq }) => seq >= last).map(({ name }) => name);
    this.#element.textContent = last === 0 || names.length === 0 ? "" : `Read by ${listNames(names, all.length)}`;
  }
}

function listNames(names, total) {
  if (names.length === total && total > 2) return "everyone";
  if (names.length > 4) return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
