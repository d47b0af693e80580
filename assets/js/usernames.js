// Completes usernames in a field that takes several, separated by commas.
import { callApi } from "./forms.js";

for (const field of document.querySelectorAll("[data-usernames]")) {
  const datalist = document.getElementById(field.getAttribute("list"));
  let query;
  field.addEventListener("input", async () => {
    const [, before, prefix] = field.value.match(/^(.*?[,;\s]\s*)?@?(\w*)$/s) ?? [];
    if (!prefix || query === prefix) return;
    query = prefix;
    const response = await callApi("GET", `/api/v1/accounts/search?q=${encodeURIComponent(prefix)}`).catch(() => null);
    if (!response || query !== prefix) return; // the response to an earlier query is ignored
    datalist.replaceChildren(
      ...response.data.map(({ username, name }) => {
        const option = document.createElement("option");
        option.value = `${before ?? ""}${username}`;
        option.label = name;
        return option;
      }),
    );
  });
}
