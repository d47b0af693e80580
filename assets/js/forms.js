// Forms: the button that shows a password, and requests to the server with errors that can be shown to a person.

for (const button of document.querySelectorAll("[data-show-password]")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

// The first refused field gets the focus.
document.querySelector('input[aria-invalid="true"]')?.focus();

// Calls the API with the viewer's session. Returns the response's JSON, or null if it has none. Throws as
// `submitForm` does.
export async function callApi(method, path, json, options) {
  let response;
  try {
    const body = json === undefined ? undefined : JSON.stringify(json);
    const headers = body ? { "content-type": "application/json" } : {};
    response = await fetch(path, { method, body, headers, ...options });
  } catch {
    throw new Error("There is no connection. Try again.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw await errorFrom(response);
}

// Returns a key by which the server recognizes a second try of the same request. Without https there is no randomUUID.
export function newIdempotencyKey() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}

// Returns the error of a refused request: its message is the sentence for the person, `status` the HTTP status, and
// `wait` the seconds of Retry-After.
export async function errorFrom(response) {
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? "Something broke on our side. Try again.");
  const wait = Number(response.headers.get("retry-after"));
  return Object.assign(error, { status: response.status, wait });
}

// Submits a form without leaving the page. Returns the response. Throws an Error with the sentence for the
// person, and with `status` if there was a response. `data` replaces the values of the form's fields.
// Without a session, it redirects to the form's `data-login`, or to /login.
export async function submitForm(form, submitter, data) {
  const body = new URLSearchParams(data ?? new FormData(form, submitter));
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body, headers: { "chitter-fragment": "1" } });
  } catch {
    throw new Error("Not sent yet: there is no connection. Try again.");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    const next = encodeURIComponent(location.pathname + location.search);
    location.assign(`${form.dataset.login ?? "/login"}?next=${next}`);
  }
  throw await errorFrom(response);
}
