// Completes usernames in a field that takes several, with commas between them.
import { callApi } from "./forms.js";

for (const field of document.querySelectorAll("[data-people]")) {
  const known = document.getElementById(field.getAttribute("list"));
  let asked;
  field.addEventListener("input", async () => {
    const [, before, begun] = field.value.match(/^(.*?[,;\s]\s*)?@?(\w*)$/s) ?? [];
    if (!begun || asked === begun) return;
    asked = begun;
    const found = await callApi("GET", `/api/v1/accounts/search?q=${encodeURIComponent(begun)}`).catch(() => null);
    if (!found || asked !== begun) return;
    known.replaceChildren(
      ...found.data.map(({ username, name }) => {
        const option = document.createElement("option");
        option.value = `${before ?? ""}${username}`;
        option.label = name;
        return option;
      }),
    );
  });
}
