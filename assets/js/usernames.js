// Completes usernames in a field that takes several, separated by commas.
import { callApi } from "./forms.js";

for (const field of document.querySelectorAll("[data-usernames]")) {
  const datalist = document.getElementById(field.getAttribute("list"));
  let query;
  field.addEventListener("input", async () => {
    const [, before, prefix] = field.value.match(/^(.*?[,;\s]\s*)?@?(\w*)$/s) ?? [];
    if (!prefix || query === prefix) return;
    query = prefix;
    const found = await callApi("GET", `/api/v1/accounts/search?q=${encodeURIComponent(prefix)}`).catch(() => null);
    if (!found || query !== prefix) return; // an answer to an earlier query
    datalist.replaceChildren(
      ...found.data.map(({ username, name }) => {
        const option = document.createElement("option");
        option.value = `${before ?? ""}${username}`;
        option.label = name;
        return option;
      }),
    );
  });
}
