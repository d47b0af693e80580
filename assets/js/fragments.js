// What the server renders, taken in: a fragment, or the part of a list before the one that is shown.

// The element that a fragment is.
export function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

// Older ones come by the link that works without scripts, a screen before one gets to it. `add` is
// given the page they are on, and `end` is called when there is nothing before them.
export function older(link, { root = null, add, end }) {
  if (!link) return;
  const coming = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    coming.disconnect();
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      add(page);
      const next = page.querySelector("[data-older]");
      if (!next) return end(link.parentElement);
      link.setAttribute("href", next.getAttribute("href"));
      coming.observe(link);
    } catch {
      // The link is still there, to be tried by hand.
    }
  }, { root, rootMargin: "800px 0px" });
  coming.observe(link);
}
