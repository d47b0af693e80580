// Small things around forms.

// A button that shows the password beside it.
for (const button of document.querySelectorAll("[data-show]")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

// The first field that was refused is where one goes on.
document.querySelector('input[aria-invalid="true"]')?.focus();

// Sends a form without leaving the page. Gives the response, or throws an Error that has the
// sentence for the person who sent it, and the status if there was an answer.
export async function send(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body, headers: { "chitter-fragment": "1" } });
  } catch {
    throw new Error("Not sent yet: there is no connection. Try again.");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? "Something broke on our side. Try again.");
  throw Object.assign(error, { status: response.status });
}
