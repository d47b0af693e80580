// Copying a link, and handing it to the phone's share sheet.

for (const button of document.querySelectorAll("[data-copy]")) {
  const link = button.parentElement.querySelector("[data-link]");
  const words = button.querySelector("[data-label]");
  button.hidden = false;
  link.addEventListener("focus", () => link.select());
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      link.select(); // no clipboard without https: then by hand, or by the old way
      document.execCommand("copy");
    }
    words.textContent = "Copied";
    setTimeout(() => (words.textContent = "Copy"), 2000);
  });
}

for (const button of document.querySelectorAll("[data-share]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const room = document.querySelector("chat-conversation");
    // Whoever changes their mind closes the sheet: that is no failure.
    navigator.share({ title: room.dataset.name, url: document.querySelector("[data-link]").value }).catch(() => {});
  });
}
