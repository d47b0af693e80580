// HTML that the server rendered: parses fragments and loads older pages of a list.

// Parses a fragment of one element.
export function parseFragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Loads older pages by the link that also works without scripts, 800 px before the link scrolls into view. Calls `add`
// with each page as a document, and after the last page `end` with the paragraph of the link.
export function loadOlder(link, { root = null, add, end }) {
  if (!link) return;
  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    try {
      const response = await fetch(link.href);
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      add(page);
      const next = page.querySelector("[data-older]");
      if (!next) return end(link.parentElement);
      link.setAttribute("href", next.getAttribute("href"));
      observer.observe(link);
    } catch {
      // The link stays, and the reader can click it.
    }
  }, { root, rootMargin: "800px 0px" });
  observer.observe(link);
}
