// A note that stands over the page for a moment.
function toast(words) {
  document.querySelector(".toast")?.remove();
  const note = document.createElement("p");
  note.className = "toast";
  note.role = "status";
  note.innerHTML = '<svg class="bird" aria-hidden="true"><use href="#bird"/></svg>';
  note.append(words);
  document.querySelector("main").prepend(note);
}

// Without a connection nothing is sent, and no page of the browser's takes the place of ours.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || navigator.onLine) return; // others know what to do
  event.preventDefault();
  toast("You are offline. Try again when there is a connection.");
});

// What the server says once is not said again by a reload.
if (document.querySelector(".toast")) history.replaceState(null, "", location.pathname + location.hash);
