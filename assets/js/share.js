// Buttons that copy a link, and that open the device's share sheet.

for (const button of document.querySelectorAll("[data-copy]")) {
  const link = button.parentElement.querySelector("[data-link]");
  const label = button.querySelector("[data-label]");
  button.hidden = false;
  link.addEventListener("focus", () => link.select());
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      link.select(); // without https there is no clipboard API
      document.execCommand("copy");
    }
    label.textContent = "Copied";
    setTimeout(() => (label.textContent = "Copy"), 2000);
  });
}

for (const button of document.querySelectorAll("[data-share]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const chat = document.querySelector("chat-conversation");
    // The promise is also rejected when the person closes the sheet.
    navigator.share({ title: chat.dataset.name, url: document.querySelector("[data-link]").value }).catch(() => {});
  });
}
