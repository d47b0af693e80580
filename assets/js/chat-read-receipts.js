// Under a thread: who has read up to its end.
export class ReadBy {
  #line; #messages; #people;

  constructor(room, messages) {
    this.#line = room.querySelector("[data-read-by]");
    this.#messages = messages;
    this.#people = new Map(JSON.parse(room.dataset.people).map(({ id, name, seq }) => [id, { name, seq }]));
    room.addEventListener("said", () => this.show());
    this.show();
  }

  heard({ account, read_seq: seq }) {
    const one = this.#people.get(account.id);
    if (one) one.seq = Math.max(one.seq, seq);
    this.show();
  }

  show() {
    const last = Number(this.#messages.last()?.dataset.seq ?? 0);
    const all = [...this.#people.values()];
    const readers = all.filter(({ seq }) => seq >= last).map(({ name }) => name);
    this.#line.textContent = last === 0 || readers.length === 0 ? "" : `Read by ${listed(readers, all.length)}`;
  }
}

function listed(names, of) {
  if (names.length === of && of > 2) return "everyone";
  if (names.length > 4) return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
