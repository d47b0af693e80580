// Toasts: short notices over the page, rendered by the server or by this script.
function toast(text) {
  document.querySelector(".toast")?.remove();
  const element = document.createElement("p");
  element.className = "toast";
  element.role = "status";
  element.innerHTML = '<svg class="bird" aria-hidden="true"><use href="#bird"/></svg>';
  element.append(text);
  document.querySelector("main").prepend(element);
}

// Without a connection a plain form would lead to the browser's error page, so its submission is stopped. Forms with
// a handler of their own show their own error.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || navigator.onLine) return;
  event.preventDefault();
  toast("You are offline. Try again when there is a connection.");
});

// A toast from the server depends on the query. Without it a reload does not show the toast again.
if (document.querySelector(".toast")) history.replaceState(null, "", location.pathname + location.hash);
